"""Decoded frames kept on disk, so that a clip is decoded once.

A file of the cache holds the frames of one clip and, behind them, a checksum: what was cut, or has a flipped
bit, is found, and the clip is decoded again. Files are written whole: under another name, forced to the disk,
renamed. What a killed process leaves behind is swept by the next one that writes. The files together stay
below a limit; those that were not used for longest make room for new ones.
"""

import fcntl
import hashlib
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.source import counted

LIMIT = 20_000_000_000  # bytes: 60 hours of film
_CHECKSUM = hashlib.sha256().digest_size  # bytes
_UNFINISHED = ".part"
_SPARE_FILES = 64  # that a process may need besides the clips


class FrameCache:
    """The frames of clips in a folder.

    Args:
        folder: made where absent.
        shape: of a frame, whose elements are bytes.
        limit: bytes that the files may take together.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], limit: int = LIMIT) -> None:
        self._folder, self._shape, self._limit = folder, shape, limit
        self._opened = time.time()
        self._swept = False
        self._room = 0  # bytes that may be written before the folder is looked through again

    def frames(self, key: str, decode: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
        """Return the frames of a clip [T, *shape], mapped into memory.

        Args:
            key: a name that changes whenever the frames may.
            decode: yields the frames, where the cache does not have them.
        """
        path = self._folder / f"{key}.frames"
        kept = self._read(path)
        if kept is not None:
            return kept
        try:
            with self._writing():
                return self._write(path, decode())
        except OSError as error:  # a full disk, a folder that may not be written to
            self._warn(f"frames cannot be kept in {self._folder}: {error.strerror}")
        return in_temporary_file(decode(), self._shape)

    def _read(self, path: Path) -> np.ndarray | None:
        """Map the frames of a file; None where it is not there, or not as it was written."""
        try:
            with path.open("rb") as file:
                mapped = _mapped(file, self._shape, _CHECKSUM)
                file.seek(-_CHECKSUM, os.SEEK_END)
                if file.read() != _checksum(path, [mapped]).digest():
                    return None
        except (OSError, ValueError):
            return None
        with suppress(OSError):
            os.utime(path)  # the last one used
        return mapped

    def _write(self, path: Path, frames: Iterable[np.ndarray]) -> np.ndarray:
        """Write the frames of a clip whole, and map them; where there is no room, they are not kept."""
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=_UNFINISHED, delete=False) as file:
            try:
                checksum = _checksum(path, _written(frames, file))
                file.write(checksum.digest())
                file.flush()
                os.fsync(file.fileno())
                mapped = _mapped(file, self._shape, _CHECKSUM)
                if self._make_room(mapped.nbytes):
                    os.replace(file.name, path)
            finally:
                Path(file.name).unlink(missing_ok=True)
        return mapped

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Sweep what killed processes left, unless others write; keep them from it while this one writes."""
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            if not self._swept and _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                for path in self._folder.glob(f"*{_UNFINISHED}"):
                    path.unlink(missing_ok=True)
                self._swept = True
            _lock(folder, fcntl.LOCK_SH)  # instead of the other
            yield
        finally:
            os.close(folder)

    def _make_room(self, needed: int) -> bool:
        """Remove what was not used for longest, so that `needed` bytes find room; return whether they do.

        Files that this process has used stay: in a loop over more clips than there is room for, each would
        otherwise be removed before its next turn.
        """
        self._room -= needed
        if self._room >= 0:
            return True
        files = []
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another process removes some too
                if path.suffix != _UNFINISHED:
                    files.append((path.stat().st_mtime, path.stat().st_size, path))
        total, removed = sum(size for _, size, _ in files) + needed, 0
        if total > self._limit:
            for used, size, path in sorted(files):
                if used >= self._opened or total <= self._limit * 0.9:
                    break
                path.unlink(missing_ok=True)
                total, removed = total - size, removed + 1
        full = f"the cache of frames in {self._folder} is full, at {self._limit / 1e9:,.1f} GB"
        if removed:
            self._warn(f"{full}: those of {counted(removed, 'clip')}, not used for longest, were removed")
        if total > self._limit:
            self._warn(f"{full}: the frames of further clips are not kept, and decoded again each time")
        self._room = min(self._limit - total, self._limit // 100)
        return total <= self._limit

    def _warn(self, text: str) -> None:
        warnings.warn(text, stacklevel=2)


def in_temporary_file(frames: Iterable[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Return frames as [T, *shape] bytes in a file without a name, which is gone with them."""
    with tempfile.TemporaryFile() as file:
        for _ in _written(frames, file):
            pass
        file.flush()
        return _mapped(file, shape)


def _written(frames: Iterable[np.ndarray], file: Any) -> Iterator[np.ndarray]:
    """Yield each frame when it is written."""
    for frame in frames:
        file.write(frame.tobytes())
        yield frame


def _checksum(path: Path, frames: Iterable[np.ndarray]) -> Any:
    """Return the checksum of frames in a file of this name: one that has the name of another is found too."""
    checksum = hashlib.sha256(path.name.encode())
    for frame in frames:
        checksum.update(np.ascontiguousarray(frame).data)
    return checksum


def _mapped(file: Any, shape: tuple[int, ...], besides: int = 0) -> np.ndarray:
    """Map the frames in an open file, behind which some other bytes stand.

    Raises ValueError where it holds no whole frame, or parts of one.
    """
    size, frame = os.fstat(file.fileno()).st_size - besides, int(np.prod(shape))
    if size < frame or size % frame:
        raise ValueError(f"frames must be of {frame:,} bytes, got {size:,} bytes")
    _allow_more_files(file.fileno())
    return np.memmap(file, np.uint8, "r", shape=(size // frame, *shape))


def _allow_more_files(opened: int) -> None:
    """Ask for as many open files as the system grants before they run out: each clip in use is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (hard, resource.RLIM_INFINITY):
        return
    os.close(free := os.dup(opened))  # the lowest number that is free
    if free > soft - _SPARE_FILES:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _lock(folder: int, how: int) -> bool:
    """Lock a folder until it is closed, also by a crash; return whether that could be."""
    try:
        fcntl.flock(folder, how)
    except OSError:  # another process has it, or the file system knows no locks
        return False
    return True
