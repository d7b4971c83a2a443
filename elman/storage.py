"""Files that are written whole and read only when undamaged.

A file is either the old one or the new one, never half of each: it is written beside its place, forced to
the disk and renamed. Tensors go into safetensors, facts into JSON; both carry the SHA-256 of all their bytes,
because neither format would notice a flipped bit. Nothing here can run code on loading.

A file may come from anybody, so its size is checked before it is read, and its header before its tensors.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from elman.data import kinds
from elman.data.source import DataError, missing_path, nearest

if TYPE_CHECKING:
    from torch import Tensor

CHECKSUM = "sha256"
LARGEST_JSON = 16 << 20  # bytes
MOST_VALUES = 500_000  # of a JSON file
LARGEST_HEADER = 4 << 20  # bytes of a safetensors header
MOST_TENSORS = 10_000
_BLANK = b"0" * 64
_SEALED = re.compile(rb'\s*\{\s*"sha256": "([0-9a-f]{64})"')  # how a JSON file of ours begins
_LONGEST = 240  # characters of a reason
_TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64",
}  # fmt: skip
_LISTED = 8  # runs in a message
_PART = ".elman-*.part"  # what write_whole writes before it renames


class DamagedError(Exception):
    """A file of a run does not hold what was written into it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}: damaged: {_short(why)}\n  expected the file as elman wrote it\n"
            "  restore it from a copy, or train again"
        )


class ForeignError(DamagedError):
    """A file in the place of one of ours is of another kind."""

    def __init__(self, path: Path, kind: str, expected: str) -> None:
        Exception.__init__(
            self,
            f"{path}: found {_short(kind)}\n  expected {expected}\n  restore it from a copy, or train again",
        )


class DiskFullError(OSError):
    """There is no space left for a file."""

    def __init__(self, path: Path, needed: int, free: int) -> None:
        super().__init__(
            f"{path}: no space left on the disk: {needed:,} bytes are needed, {free:,} are free\n"
            "  free some space, and try again"
        )


def missing_run(
    folder: Path,
    expected: str = "the folder of a run",
    remedy: str = "give the folder that `elman train --out` named",
) -> DataError:
    """Return the error for a folder that is no run, which names the run that may be meant.

    Args:
        folder: as the user named it.
        expected: what it should be.
        remedy: a way out where no run is like it.
    """
    if not folder.exists():
        beside = _runs_in(folder.parent)
        if not nearest(folder.name, [run.name for run in beside]) and beside:
            remedy = f"{folder.parent} holds these runs: {_listed(beside)}"
            return DataError(str(folder), "no such folder", expected, remedy)
        return missing_path(folder, "folder")
    if (folder.parent / "run.json").is_file():
        remedy = f"give its folder: {folder.parent}"
    elif inside := _runs_in(folder):
        remedy = f"it holds these runs: {_listed(inside)}"
    found = "no run.json" if folder.is_dir() else kind_of(folder) or "a file"
    return DataError(str(folder), found, expected, remedy)


def _runs_in(folder: Path) -> list[Path]:
    """Return the runs in a folder; none where it cannot be listed, which is not the error to report."""
    try:
        return sorted(path for path in folder.iterdir() if (path / "run.json").is_file())
    except OSError:
        return []


def _listed(runs: list[Path]) -> str:
    return ", ".join(run.name for run in runs[:_LISTED]) + (", ..." if len(runs) > _LISTED else "")


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a crash at any moment leaves the old file or the new one.

    A link goes on pointing to its file; a device or a pipe is written to, not replaced.

    Raises:
        DiskFullError: where there is no space for it.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        try:
            path.write_bytes(content)
        except OSError as error:
            raise_where_full(error, path, len(content))
        return
    # A name of its own, so that two processes that write the same file never write into each other's.
    temporary = path.with_name(_PART.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}"))
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise_where_full(error, path, len(content))
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def raise_where_full(error: OSError, path: Path, needed: int) -> NoReturn:
    """Raise DiskFullError where there is no space for a file that needs so many bytes, else the error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise DiskFullError(path, needed, shutil.disk_usage(path.parent).free) from None
    raise error


def is_part(name: str) -> bool:
    """Return whether a file of this name is one that `write_whole` had not finished."""
    return Path(name).match(_PART)


def sweep(folder: Path) -> None:
    """Remove from a folder, and those in it, what killed processes had not finished writing.

    Nobody else may be writing there.
    """
    for path in folder.rglob(_PART):
        path.unlink(missing_ok=True)


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    """Write `facts` as JSON for people and programs, with their checksum.

    Raises:
        ValueError: for a fact that is named as the checksum is.
        DataError: for more than `read_json` would read.
    """
    if CHECKSUM in facts:
        raise ValueError(f"facts must have no {CHECKSUM!r} of their own: the checksum stands there")
    facts = {CHECKSUM: _BLANK.decode(), **facts}
    content = _sealed(json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n")
    if too_large := _too_large(content):
        raise DataError(
            str(path), f"too much to write: {too_large}", "smaller dictionaries", "choose a smaller --largest"
        )
    write_whole(path, content)


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote. Raises DamagedError."""
    with path.open("rb") as file:
        content = file.read(LARGEST_JSON + 1)
    if too_large := _too_large(content):
        raise DamagedError(path, too_large)
    if not (seal := _SEALED.match(content)):
        if kind := _kind(content):
            raise ForeignError(path, kind, "a JSON file that elman wrote")
        raise DamagedError(path, "no JSON object with a checksum")
    _check(path, content, seal.start(1))
    try:
        facts = json.loads(content)
        del facts[CHECKSUM]
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"no JSON object with a checksum ({error})") from None
    return facts


def _too_large(content: bytes) -> str | None:
    """Return what is too large in a JSON file, if anything: more bytes, or more values, than may be."""
    if len(content) > LARGEST_JSON:
        return f"more than {LARGEST_JSON:,} bytes"
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    return f"more than {MOST_VALUES:,} values" if values > MOST_VALUES else None


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], facts: dict[str, Any] | None = None) -> None:
    """Write named tensors, and `facts` in the header, as safetensors. Equal content gives equal bytes.

    One metadata entry holds everything: safetensors writes several in no fixed order.
    """
    from safetensors.torch import save

    header = json.dumps({CHECKSUM: _BLANK.decode(), "facts": facts or {}})
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(path, _sealed(save(tensors, {"elman": header})))


def read_tensors(
    path: Path, like: Mapping[str, "Tensor"] | None = None
) -> tuple[dict[str, "Tensor"], dict[str, Any]]:
    """Read what `write_tensors` wrote: (tensors by name, facts).

    Args:
        path: of the file.
        like: what must be in it, if that is known: tensors of these names, shapes and types, which may be
            on the device "meta". Then nothing else is read into memory.

    Raises:
        DamagedError: for a file that does not hold it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    with path.open("rb") as file:
        header = _read_header(path, file.read(8 + LARGEST_HEADER), os.fstat(file.fileno()).st_size)
        if like is not None and (other := _difference(header.tensors, like)):
            raise DamagedError(path, other)
        file.seek(0)
        content = file.read()
    _check(path, content, header.seal)
    try:
        return load(content), header.facts
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedError(path, f"no safetensors file of elman ({error})") from None


class _Entry(NamedTuple):
    """What a header says of a tensor."""

    type: str
    shape: tuple[int, ...]


class _Header(NamedTuple):
    """The header of a safetensors file of ours."""

    tensors: dict[str, _Entry]
    facts: dict[str, Any]
    seal: int  # where in the file the checksum stands


def _read_header(path: Path, begin: bytes, size: int) -> _Header:
    """Read the header of a file of `size` bytes that begins so. Raises DamagedError."""
    stop = 8 + int.from_bytes(begin[:8], "little")
    if size < 8 or begin[8:9] != b"{":
        if kind := _kind(begin):
            raise ForeignError(path, kind, "a safetensors file that elman wrote")
        raise DamagedError(path, "no safetensors file")
    if not 8 < stop <= min(size, 8 + LARGEST_HEADER):
        raise DamagedError(
            path, f"a header of {stop - 8:,} bytes in a file of {size:,}; it has {LARGEST_HEADER:,} at most"
        )
    if begin.count(b'"data_offsets"', 8, stop) > MOST_TENSORS:
        raise DamagedError(path, f"more than {MOST_TENSORS:,} tensors")
    try:
        header = json.loads(begin[8:stop])
        metadata = header.pop("__metadata__", None)
        # One that was damaged here still says somewhere what it is.
        if (not isinstance(metadata, dict) or "elman" not in metadata) and b"sha256" not in begin[8:stop]:
            raise ForeignError(
                path, "a safetensors file of another program", "one that elman wrote: its header says so"
            )
        inner = json.loads(metadata["elman"])
        seal, facts = inner[CHECKSUM], inner["facts"]
        if not isinstance(seal, str) or not re.fullmatch("[0-9a-f]{64}", seal):
            raise ValueError("its checksum is no SHA-256")
        if not isinstance(facts, dict):
            raise ValueError("its facts are no object")
        tensors = {name: _entry(name, said) for name, said in header.items()}
        end = max((said["data_offsets"][1] for said in header.values()), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedError(path, f"no header of elman ({error})") from None
    if stop + end != size:
        raise DamagedError(path, f"{size:,} bytes, where its header promises {stop + end:,}")
    return _Header(tensors, facts, begin.find(seal.encode(), 8, stop))


def _entry(name: str, said: Any) -> _Entry:
    """Check what a header says of a tensor; where the tensors lie is checked as they are read."""
    if not isinstance(said, dict) or said.get("dtype") not in _TYPES:
        raise ValueError(f"the tensor {name[:40]!r} has no type that is known")
    shape, offsets = said["shape"], said["data_offsets"]
    for numbers in (shape, offsets):
        if not isinstance(numbers, list) or not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
            raise ValueError(f"the tensor {name[:40]!r} has a shape or a place that is none")
    if len(offsets) != 2:
        raise ValueError(f"the tensor {name[:40]!r} has no place")
    return _Entry(_TYPES[said["dtype"]], tuple(shape))


def _difference(found: Mapping[str, _Entry], like: Mapping[str, "Tensor"]) -> str | None:
    """Return in what the tensors of a header are not as expected, if in anything: the first such tensor."""
    expected = {
        name: _Entry(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
        for name, tensor in like.items()
    }
    for name in (*expected, *found):
        if found.get(name) != expected.get(name):
            there, wanted = (_shown(entries.get(name)) for entries in (found, expected))
            return f"not the weights that run.json speaks of: {name[:80]} is {there}, and should be {wanted}"
    return None


def _shown(entry: _Entry | None) -> str:
    return f"{entry.type} {list(entry.shape)}" if entry else "absent"


def _sealed(content: bytes) -> bytes:
    """Put the SHA-256 of `content`, its checksum read as zeros, in the place of those zeros."""
    return content.replace(_BLANK, hashlib.sha256(content).hexdigest().encode(), 1)


def _check(path: Path, content: bytes, start: int) -> None:
    """Compare the checksum that stands at `start` with the content. Raises DamagedError."""
    stop = start + len(_BLANK)
    digest = hashlib.sha256(memoryview(content)[:start])
    digest.update(_BLANK)
    digest.update(memoryview(content)[stop:])
    if start < 0 or digest.hexdigest().encode() != content[start:stop]:
        raise DamagedError(path, "its checksum does not match its bytes")


def kind_of(path: Path) -> str | None:
    """Return what a file is that is none of ours; None where that is not known."""
    with path.open("rb") as file:
        return _kind(file.read(kinds.HEAD))


def _kind(begin: bytes) -> str | None:
    """Return what a file is that begins so and is none of ours; None where that is not known."""
    if begin.startswith(b"version https://git-lfs"):
        return "a pointer of Git LFS, whose file was not fetched (git lfs pull)"
    kind = kinds.kind_of(begin[: kinds.HEAD])
    return kind.name if kind else None


def _short(why: str) -> str:
    """Return a reason on one line of printable characters, cut where it is long."""
    shown = "".join(c if c.isprintable() else " " for c in why[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
