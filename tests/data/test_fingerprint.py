"""Fingerprints: of what was read and nothing else, and without hashing large files again."""

import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from elman.data.fingerprint import LARGE, fingerprint, read_with_fingerprints, summary
from elman.data.source import DataError

LATER_NS = 10_000_000_000


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A large file that has not changed for long, and a cache of its own."""
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(LARGE))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + LATER_NS)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the media that are opened."""
    names, really = [], Path.open

    def opened(path: Path, *args: Any, **more: Any) -> Any:
        names.extend([path.name] * (path.suffix == ".mp4"))
        return really(path, *args, **more)

    monkeypatch.setattr(Path, "open", opened)
    return names


def of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def as_a_new_process(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go on with what is on disk alone; return the file of hashes."""
    new = folder.with_name(f"{folder.name}-later")
    shutil.copytree(folder, new)
    monkeypatch.setenv("XDG_CACHE_HOME", str(new))
    (file,) = (new / "elman").iterdir()
    return file


def test_a_large_file_is_hashed_once(
    large: Path, hashed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert fingerprint(large).sha256 == of(large)
    as_a_new_process(tmp_path / "cache", monkeypatch)
    assert fingerprint(large).sha256 == of(large)
    assert hashed.count(large.name) == 1 + 4  # four times by `of`


@pytest.mark.parametrize("damage", [b"", b"\n", b"\xff\xfe\0", b"0 0 0\n"])
def test_a_damaged_file_of_hashes_is_passed_over(
    damage: bytes, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint(large)
    file = as_a_new_process(tmp_path / "cache", monkeypatch)
    line = file.read_bytes()
    wrong = line.translate(bytes.maketrans(b"0123456789abcdef", b"123456789abcdef0"))
    flipped = line[:40] + (b"0" if line[40:41] != b"0" else b"1") + line[41:]
    file.write_bytes(damage + line[:-20] + damage + wrong + damage + flipped + damage)
    assert fingerprint(large).sha256 == of(large)


@pytest.mark.parametrize("settled", [True, False])
def test_other_bytes_have_another_fingerprint_though_size_and_time_stay(
    settled: bool, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changed just now is hashed each time, for it may change again at once."""
    if not settled:
        monkeypatch.undo()
    times = large.stat().st_atime_ns, large.stat().st_mtime_ns
    for content in (bytes(LARGE), b"\1" * LARGE, bytes(LARGE), b"\2" * LARGE):
        large.write_bytes(content)
        os.utime(large, ns=times)
        assert fingerprint(large).sha256 == hashlib.sha256(content).hexdigest()
        if settled:
            time.sleep(0.02)  # so that the clock of the file system has moved on


def test_what_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    with pytest.raises(DataError) as caught:
        read_with_fingerprints(lambda: [path], lambda: path.write_text("another"))
    assert str(caught.value) == (
        f"{path}: found a file that changed while it was read\n  expected one that stays as it is\n"
        "  run the command again"
    )


def test_a_file_that_may_be_touched_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    _, (found,) = read_with_fingerprints(lambda: [path], lambda: (path.touch(), path.chmod(0o600)))
    assert found.sha256 == of(path)


@pytest.mark.parametrize("change", ["more", "fewer"])
def test_a_folder_that_changes_while_it_is_read_is_an_error(change: str, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()

    def read() -> None:
        (tmp_path / "c").touch() if change == "more" else (tmp_path / "b").unlink()

    with pytest.raises(DataError, match="found a file that changed while it was read"):
        read_with_fingerprints(lambda: sorted(tmp_path.iterdir()), read)


def test_what_cannot_be_read_is_left_to_the_reader(tmp_path: Path) -> None:
    def read() -> None:
        raise DataError("a", "no such file", "b", "c")

    names = [tmp_path / "absent", tmp_path / ("x" * 300), tmp_path]
    with pytest.raises(DataError, match="found no such file"):
        read_with_fingerprints(lambda: names, read)
    assert read_with_fingerprints(lambda: names, lambda: 7) == (7, ())


def files(folder: Path, **contents: str) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content)
    return summary([fingerprint(folder / name) for name in contents])


def test_one_number_for_some_files(tmp_path: Path) -> None:
    told = files(tmp_path, a="1\n", b="2\n3\n", c="", d="4")
    said = subprocess.run(["sha256sum", *"abcd"], cwd=tmp_path, capture_output=True, check=True).stdout
    assert told == {
        "path": f"{tmp_path}/a, {tmp_path}/b, {tmp_path}/c, ...",
        "files": 4,
        "bytes": 7,
        "sha256": hashlib.sha256(said).hexdigest(),
    }
    assert files(tmp_path, a="1\n")["sha256"] == of(tmp_path / "a")
    same = [files(tmp_path / place, a="1\n", b="2\n") for place in ("here", "there/deep")]
    assert same[0]["sha256"] == same[1]["sha256"]
    others = [{"a": "1\n2\n", "b": ""}, {"a": "1\n", "c": "2\n"}, {"b": "1\n", "a": "2\n"}]
    numbers = {files(tmp_path / "here", **other)["sha256"] for other in others}
    assert len(numbers | {same[0]["sha256"]}) == 4
