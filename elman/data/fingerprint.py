"""Fingerprints of files: the SHA-256 of what was read, so that a run goes on with the same data or not.

To hash large media takes minutes, so their hashes are kept for as long as size and times stay. Among these
is the time of a file's last change of any kind, which no program can set. A file that changed just now may
change again within the same tick of the clock: its hash is not kept.
"""

import functools
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from elman.data.cache import cache_folder
from elman.data.source import DataError

T = TypeVar("T")

LARGE = 1 << 20  # bytes; the hash of a smaller file is not worth keeping
_SETTLED_NS = 2_000_000_000  # since the last change; no file system has a coarser clock
_PIECE = 1 << 20  # bytes that are hashed at a time
_MOST_KEPT = 100_000  # hashes


@dataclass(frozen=True)
class Fingerprint:
    """What a file held when it was read.

    Args:
        path: of the file.
        sha256: of all its bytes.
        state: its number, size and times, one of which changes when the file does.
    """

    path: Path
    sha256: str
    state: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.state[1]

    def check(self) -> None:
        """Raise DataError where the file has changed since, and not only its times or its rights."""
        try:
            same = _state(self.path) == self.state or _hash(self.path) == self.sha256
        except OSError:  # it is gone
            same = False
        if not same:
            raise _changed(self.path)


def fingerprint(path: Path) -> Fingerprint:
    """Return the fingerprint of a file. Raises DataError where it changes meanwhile, OSError."""
    state = _state(path)
    _, size, *times = state
    keep = size >= LARGE and time.time_ns() - max(times) > _SETTLED_NS
    key = hashlib.sha256(repr((os.path.realpath(path), state)).encode()).hexdigest()[:32] if keep else ""
    kept = _kept(_file_of_hashes()) if keep else {}
    found = Fingerprint(path, kept.get(key) or _hash(path), state)
    found.check()
    if keep and key not in kept:
        kept[key] = found.sha256
        with suppress(OSError), _file_of_hashes().open("a") as file:
            file.write(_line(key, found.sha256))  # in one piece: other processes may write too
    return found


def read_with_fingerprints(
    files: Callable[[], Sequence[Path]], read: Callable[[], T]
) -> tuple[T, tuple[Fingerprint, ...]]:
    """Read some files, and return what was read and the fingerprint of each.

    Args:
        files: lists the files that `read` opens; it is asked before and after.
        read: reads them, and says what is wrong with those that it cannot read.

    Raises DataError where one of them changed meanwhile, and whatever `read` raises.
    """
    before = {path: _fingerprint_if_readable(path) for path in _existing(files())}
    result = read()
    for path in before.keys() ^ set(_existing(files())):
        raise _changed(path)
    fingerprints = tuple(one for one in before.values() if one)
    for one in fingerprints:
        one.check()
    return result, fingerprints


def summary(files: Sequence[Fingerprint]) -> dict[str, Any]:
    """Return what tells some files from others: paths, number, size and one SHA-256.

    That of several is of the lines that `sha256sum` prints in the folder in which they all lie.
    """
    digest = files[0].sha256 if len(files) == 1 else _hash_of_lines(files)
    named = [os.fsencode(one.path).decode(errors="replace") for one in files[:3]]
    return {
        "path": ", ".join(named + ["..."] * (len(files) > 3)),
        "files": len(files),
        "bytes": sum(one.size for one in files),
        "sha256": digest,
    }


def _existing(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if os.path.isfile(path)]  # unlike `path.is_file`, False for any fault


def _fingerprint_if_readable(path: Path) -> Fingerprint | None:
    """Leave a file that cannot be opened to its reader, which says why."""
    try:
        return fingerprint(path)
    except OSError:
        return None


def _hash_of_lines(files: Sequence[Fingerprint]) -> str:
    folder = os.path.commonpath([one.path.absolute().parent for one in files]) if files else ""
    lines = [f"{one.sha256}  {Path(os.path.relpath(one.path, folder)).as_posix()}\n" for one in files]
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    there = path.stat()
    return there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _changed(path: Path) -> DataError:
    return DataError(
        str(path), "a file that changed while it was read", "one that stays as it is", "run the command again"
    )


# The file of hashes


def _file_of_hashes() -> Path:
    return cache_folder() / "sha256.txt"


@functools.cache
def _kept(path: Path) -> dict[str, str]:
    """Return the hashes in a file by their keys; lines that are damaged, or were cut, are passed over."""
    try:
        lines = path.read_text("ascii", errors="replace").splitlines(keepends=True)
    except OSError:
        return {}
    if len(lines) > 2 * _MOST_KEPT:
        lines = lines[-_MOST_KEPT:]
        with suppress(OSError):
            shorter = path.with_suffix(".part")
            shorter.write_text("".join(lines), "ascii", errors="replace")
            shorter.replace(path)
    parts = [(line, *line.split(" ")) for line in lines if line.count(" ") == 2]
    return {key: digest for line, key, digest, _ in parts if line == _line(key, digest)}


def _line(key: str, digest: str) -> str:
    """Return the line that keeps a hash, with a checksum of its own."""
    return f"{key} {digest} {hashlib.sha256(f'{key} {digest}'.encode()).hexdigest()[:16]}\n"
