"""One training at a time in a folder.

The lock is the system's own, on an open file: a process that dies, however it dies, holds none.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from elman.storage import raise_where_full

NAME = ".lock"
TRIES = 100
_FAR = 1 << 30  # where Windows locks a byte, so that the rest of the file can be read


class LockedError(Exception):
    """Another process holds the lock of a folder."""


class FolderLock:
    """Holds a folder for this process, between `take` and `release`.

    `warning` says, once it is taken, where the file system has no locks.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warning: str | None = None
        self._made = [path for path in (folder, *folder.parents) if not path.exists()]
        self._file = -1

    def take(self) -> None:
        """Take the lock; the folder is made where it is absent.

        Raises:
            LockedError: where another process holds it; it names the process.
            OSError: where the folder cannot be made.
        """
        try:
            for _ in range(TRIES):
                try:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    self._file = os.open(self.folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
                except FileNotFoundError:  # who held the folder before has just taken it away
                    continue
                self._lock()
                # So it may be with the file, between its opening and its locking.
                if self._holds_what_is_there():
                    self._sign()
                    return
                self._close()
            raise LockedError(f"{self.folder} comes and goes: another process makes and removes it")
        except BaseException:
            self._close()
            self._remove_empty()
            raise

    def release(self) -> None:
        """Let go of the lock, and remove folders that were made for it and stayed empty."""
        with suppress(PermissionError):  # Windows removes no open file: there it stays
            (self.folder / NAME).unlink(missing_ok=True)
        self._close()
        self._remove_empty()

    def _lock(self) -> None:
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError):
            raise LockedError(
                f"{self.folder} is in use: process {self._holder()} is training there; "
                "wait until it ends, or name another folder with --out"
            ) from None
        except OSError as error:
            self.warning = (
                f"warning: the file system of {self.folder} has no locks ({error.strerror}); "
                "see to it yourself that only one training writes there"
            )

    def _sign(self) -> None:
        sign = f"{os.getpid()}\n".encode()
        try:
            os.ftruncate(self._file, 0)
            os.write(self._file, sign)
        except OSError as error:
            raise_where_full(error, self.folder / NAME, len(sign))

    def _holder(self) -> str:
        """Return the number of the process that holds the lock; it is written right after that is taken."""
        for _ in range(TRIES):
            os.lseek(self._file, 0, os.SEEK_SET)
            if holder := os.read(self._file, 20).strip():
                return holder.decode("ascii", "replace")
            time.sleep(0.01)
        return "of an unknown number"

    def _holds_what_is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), (self.folder / NAME).stat())
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _remove_empty(self) -> None:
        with suppress(OSError):  # one holds something, or another process has taken it away
            for path in self._made:
                path.rmdir()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, _FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
