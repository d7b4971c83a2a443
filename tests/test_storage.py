"""Law 4: files are written whole, and read only when every byte is as it was written."""

import errno
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data.source import DataError
from elman.storage import (
    DamagedError,
    DiskFullError,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
    write_whole,
)

ZEROS = "0" * 64
FACTS = {"task": "ner", "size": 3, "ö": [1.5, None, True]}
TENSORS = {"w": torch.tensor([[1.0, -2.0]]), "n": torch.tensor([7])}

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.text(st.characters(codec="utf-8"), max_size=8).filter(lambda key: key != "sha256")


def small(folder: Path, name: str) -> tuple[Path, Any]:
    """A small file of either kind, and what reads it."""
    path = folder / name
    if name.endswith("json"):
        write_json(path, FACTS)
        return path, read_json
    write_tensors(path, TENSORS, FACTS)
    return path, read_tensors


@settings(max_examples=50, deadline=None)
@given(facts=st.dictionaries(keys, plain, max_size=4))
def test_json_comes_back(facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "facts.json"
    write_json(path, facts)
    assert read_json(path) == facts


@settings(max_examples=30, deadline=None)
@given(facts=st.dictionaries(keys, plain, max_size=3))
def test_facts_of_a_tensor_file_come_back(
    facts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "facts.safetensors"
    write_tensors(path, TENSORS, facts)
    tensors, found = read_tensors(path)
    assert found == facts
    assert all(torch.equal(tensors[name], t) for name, t in TENSORS.items())


def test_tensors_come_back(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    tensors = {
        "whole": whole,
        "transposed": whole.t(),
        "part": whole[:, 1],
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "empty": torch.zeros(0, 4),
        "half": whole.bfloat16(),
        "learned": torch.nn.Parameter(whole),
        "truth": torch.tensor([True, False]),
        ZEROS: torch.tensor([1]),
    }
    write_tensors(tmp_path / "t.safetensors", tensors)
    found, facts = read_tensors(tmp_path / "t.safetensors")
    assert facts == {}
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("name", ["run.json", "model.safetensors"])
def test_damage_of_any_byte_is_found(name: str, tmp_path: Path) -> None:
    path, read = small(tmp_path, name)
    content = path.read_bytes()
    read(path)
    for position in range(len(content)):
        for flipped in (1 << position % 8, 0xFF):
            damaged = bytearray(content)
            damaged[position] ^= flipped
            path.write_bytes(damaged)
            with pytest.raises(DamagedError) as raised:
                read(path)
            assert str(raised.value).startswith(f"{path}: damaged: ")
    path.write_bytes(content)
    read(path)


@pytest.mark.parametrize("name", ["run.json", "model.safetensors"])
def test_a_file_cut_short_or_grown_is_found(name: str, tmp_path: Path) -> None:
    path, read = small(tmp_path, name)
    content = path.read_bytes()
    others = [content[:length] for length in range(len(content))] + [
        content + b"\n",
        content * 2,
        b"\n" + content,
    ]
    for damaged in others:
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"run\.json|model\.safetensors"):
            read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"1",
        b"null",
        b'"sha256"',
        b"{}",
        b'{"sha256": 1}',
        b'{"sha256": ""}',
        b'{"sha256": "\\ud800"}',
        b"\xff",
        b"[" * 100_000,
        b'{"sha256": "' + b"0" * 64 + b'"}',
        b'{"sha256": "' + b"\\ud800" * 64 + b'"}',
    ],
)
@pytest.mark.parametrize("read", [read_json, read_tensors])
def test_what_elman_never_wrote_is_a_damaged_file(content: bytes, read: Any, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(DamagedError):
        read(path)


def test_a_foreign_safetensors_file_is_a_damaged_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    for metadata in (
        None,
        {"a": "b"},
        {"elman": "[]"},
        {"elman": "{"},
        {"elman": f'{{"sha256": "{ZEROS}"}}'},
    ):
        save_file(TENSORS, tmp_path / "foreign.safetensors", metadata)
        with pytest.raises(DamagedError):
            read_tensors(tmp_path / "foreign.safetensors")


def test_an_absent_file_is_not_a_damaged_one(tmp_path: Path) -> None:
    for read in (read_json, read_tensors):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "absent")


def test_wording_of_damage(tmp_path: Path) -> None:
    path, read = small(tmp_path, "run.json")
    path.write_bytes(path.read_bytes().replace(b"ner", b"net"))
    with pytest.raises(DamagedError) as raised:
        read(path)
    assert str(raised.value) == (
        f"{path}: damaged: its checksum does not match its bytes\n"
        "  expected the file as elman wrote it\n  restore it from a copy, or train again"
    )


@pytest.mark.parametrize("name", ["run.json", "model.safetensors"])
def test_equal_content_gives_equal_bytes(name: str, tmp_path: Path) -> None:
    path, _ = small(tmp_path, name)
    first = path.read_bytes()
    path, _ = small(tmp_path, name)
    assert path.read_bytes() == first


def test_the_order_of_tensors_does_not_matter(tmp_path: Path) -> None:
    write_tensors(tmp_path / "a", TENSORS)
    write_tensors(tmp_path / "b", dict(reversed(TENSORS.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_sixty_four_zeros_among_the_facts_survive(tmp_path: Path) -> None:
    facts = {ZEROS: ZEROS, "again": [ZEROS, ZEROS]}
    write_json(tmp_path / "f.json", facts)
    assert read_json(tmp_path / "f.json") == facts
    write_tensors(tmp_path / "f.safetensors", {ZEROS: torch.zeros(64)}, facts)
    assert read_tensors(tmp_path / "f.safetensors")[1] == facts


def test_a_fact_named_as_the_checksum_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^facts must have no 'sha256' of their own: the checksum stands there$"
    ):
        write_json(tmp_path / "f.json", {"sha256": "mine"})
    assert list(tmp_path.iterdir()) == []
    write_tensors(tmp_path / "f.safetensors", TENSORS, {"sha256": "mine"})
    assert read_tensors(tmp_path / "f.safetensors")[1] == {"sha256": "mine"}


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})

    def full(_: int) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            write_json(path, {"new": 2})
    assert read_json(path) == {"old": 1}
    write_json(path, {"new": 2})  # what the failed write left behind is in nobody's way
    assert read_json(path) == {"new": 2}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_with_what_is_needed_and_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"old": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError) as raised:
            write_whole(path, bytes(12_345))
    told = re.fullmatch(
        r"(.*): no space left on the disk: 12,345 bytes are needed, ([\d,]+) are free\n  free some space, .*",
        str(raised.value),
    )
    assert told
    assert told[1] == str(path)
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]  # the half of a file would need the space that is missing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_device_that_is_full_is_named() -> None:
    with pytest.raises(DiskFullError, match=r"^/dev/full: no space left on the disk: 3 bytes are needed, "):
        write_whole(Path("/dev/full"), b"new")


def test_more_facts_than_are_read_are_not_written(tmp_path: Path) -> None:
    for facts in ({"text": "x" * (17 << 20)}, {"numbers": [0] * 600_000}):
        with pytest.raises(
            DataError, match=r"run\.json: found too much to write: more than [\d,]+ (bytes|values)\n"
        ):
            write_json(tmp_path / "run.json", facts)
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_the_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    happened: list[
        tuple[str, bool]
    ] = []  # what was forced to the disk, and whether the file had its name then
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        kind = "folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file"
        happened.append((kind, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, b"content")
    assert happened == [("file", False), ("folder", True)]
    assert path.read_bytes() == b"content"


def test_a_link_goes_on_pointing_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_a_folder_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    assert pipe.is_fifo()
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
