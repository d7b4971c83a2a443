"""Files that are written whole and read only when undamaged.

A file is either the old one or the new one, never half of each: it is written beside its place, forced to
the disk and renamed. Tensors go into safetensors, facts into JSON; both carry the SHA-256 of all their bytes,
because neither format would notice a flipped bit. Nothing here can run code on loading.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, Literal

CHECKSUM = "sha256"
_BLANK = "0" * 64


class DamagedError(Exception):
    """A file of a run does not hold what was written into it."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path}: damaged: {why}\n  expected the file as elman wrote it\n"
            "  restore it from a copy, or train again"
        )


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a crash at any moment leaves the old file or the new one.

    A link goes on pointing to its file; a device or a pipe is written to, not replaced.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    # One fixed name: what a killed process leaves behind, the next write replaces.
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_json(path: Path, facts: dict[str, Any]) -> None:
    """Write `facts` as JSON for people and programs, with their checksum.

    Raises ValueError for a fact that is named as the checksum is.
    """
    if CHECKSUM in facts:
        raise ValueError(f"facts must have no {CHECKSUM!r} of their own: the checksum stands there")
    facts = {CHECKSUM: _BLANK, **facts}
    write_whole(path, _sealed(json.dumps(facts, indent=1, ensure_ascii=False).encode() + b"\n"))


def read_json(path: Path) -> dict[str, Any]:
    """Read what `write_json` wrote. Raises DamagedError."""
    content = path.read_bytes()
    try:
        facts = json.loads(content)
        seal = facts.pop(CHECKSUM)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise DamagedError(path, f"no JSON object with a checksum ({error})") from None
    _check(path, content, seal)
    return facts


def write_tensors(path: Path, tensors: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
    """Write named tensors, and `facts` in the header, as safetensors. Equal content gives equal bytes.

    One metadata entry holds everything: safetensors writes several in no fixed order.
    """
    from safetensors.torch import save

    header = json.dumps({CHECKSUM: _BLANK, "facts": facts or {}})
    tensors = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    write_whole(path, _sealed(save(tensors, {"elman": header})))


def read_tensors(path: Path, framework: Literal["pt", "np"] = "pt") -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `write_tensors` wrote: (tensors of torch or of numpy by name, facts). Raises DamagedError."""
    from safetensors import SafetensorError, safe_open

    content = path.read_bytes()
    try:
        with safe_open(path, framework) as file:
            header = json.loads(file.metadata()["elman"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            seal, facts = header[CHECKSUM], header["facts"]
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedError(path, f"no safetensors file of elman ({error})") from None
    _check(path, content, seal)
    return tensors, facts


def _sealed(content: bytes) -> bytes:
    """Put the SHA-256 of `content`, its checksum read as zeros, in the place of those zeros."""
    blank = _BLANK.encode()
    return content.replace(blank, hashlib.sha256(content).hexdigest().encode(), 1)


def _check(path: Path, content: bytes, seal: Any) -> None:
    if not isinstance(seal, str) or not re.fullmatch("[0-9a-f]{64}", seal):
        raise DamagedError(path, "its checksum is no SHA-256")
    opened = content.replace(seal.encode(), _BLANK.encode(), 1)
    if hashlib.sha256(opened).hexdigest() != seal:
        raise DamagedError(path, "its checksum does not match its bytes")
