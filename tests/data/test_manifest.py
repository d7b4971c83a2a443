"""Manifests: what is read, and every way in which one can be wrong."""

from pathlib import Path

import pytest

from elman.data.manifest import is_manifest, read_manifest
from elman.data.source import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wav").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "wav" / f"{name}.wav").touch()
    return tmp_path


def write(folder: Path, *rows: str) -> Path:
    path = folder / "train.tsv"
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def test_rows_are_read_with_all_their_columns(folder: Path) -> None:
    path = write(folder, "speaker\tpath\ttext", "mary\twav/a.wav\tgood day", "", "\twav/../wav/b.wav\tyes")
    manifest = read_manifest(path, ["text"])
    first, second = manifest.clips
    assert (first.path, first.place) == (folder / "wav/a.wav", f"{path}:2")
    assert first.columns == {"speaker": "mary", "path": "wav/a.wav", "text": "good day"}
    assert (second.path, second.place) == (folder / "wav/b.wav", f"{path}:4")
    assert manifest.skipped == 0


@pytest.mark.parametrize(
    ("rows", "place", "found"),
    [
        ((), ":1", "a first row without a column 'path': nothing"),
        (("file\ttext", "wav/a.wav\tx"), ":1", "a first row without a column 'path': 'file', 'text'"),
        (("path\ttexts", "wav/a.wav\tx"), ":1", "a first row without a column 'text': 'path', 'texts'"),
        (("path\ttext\tpath", "a\tb\tc"), ":1", "the column 'path' more than once"),
        (("path\ttext", "wav/a.wav"), ":2", "1 column in 'wav/a.wav'"),
        (("path\ttext", "wav/a.wav\tx\ty"), ":2", "3 columns in 'wav/a.wav\\tx\\ty'"),
        (("path\ttext", "wav/a.wav\t "), ":2", "nothing in the column 'text'"),
        (("path\ttext", "\tx"), ":2", "nothing in the column 'path'"),
        (("path\ttext", "../a.wav\tx"), ":2", "the path '../a.wav', which leads out of the manifest's"),
        (("path\ttext", "wav/../../a.wav\tx"), ":2", "the path 'wav/../../a.wav', which leads out"),
        (("path\ttext", "/etc/passwd\tx"), ":2", "the path '/etc/passwd', which leads out"),
        (
            ("path\ttext", "wav/a.wav\tx", "wav/b.wav\tx", "./wav/a.wav\ty"),
            ":4",
            "the clip './wav/a.wav' a second time, first in line 2",
        ),
        (
            ("path\ttext", "wav/a.wav\tx", "wav/d.wav\tx", "wav\ty", "e.wav\tz"),
            ":3",
            "3 of 4 files missing: 'wav/d.wav' (line 3), 'wav' (line 4), 'e.wav' (line 5)",
        ),
        (("path\ttext",), "", "no row under the first"),
        (
            ("path\ttext", "wav/a.wav\tx", "x" * 300 + "\ty"),
            ":3",
            f"the path {'x' * 40!r}..., which does not open: File name too long",
        ),
    ],
)
def test_a_bad_manifest(folder: Path, rows: tuple[str, ...], place: str, found: str) -> None:
    path = write(folder, *rows)
    with pytest.raises(DataError) as caught:
        read_manifest(path, ["text"])
    assert str(caught.value).startswith(f"{path}{place}: found {found}")


def test_a_misspelt_column_is_guessed(folder: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'texts'"):
        read_manifest(write(folder, "path\ttexts", "wav/a.wav\tx"), ["text"])


def test_a_misspelt_clip_is_guessed(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"missing: 'wav/z.wav' \(line 2\)(.|\n)*\(did you mean 'wav/.*wav'\?\)"
    ):
        read_manifest(write(folder, "path\ttext", "wav/z.wav\tx"), ["text"])
    with pytest.raises(DataError) as caught:
        read_manifest(write(folder, "path\ttext", "wav\tx"), ["text"])
    assert "did you mean" not in str(caught.value)


def test_bad_rows_are_left_out_and_counted(folder: Path) -> None:
    path = write(
        folder,
        "path\ttext",
        "wav/a.wav\tx",
        "wav/a.wav\ty",
        "../b\tx",
        "wav/c.wav",
        "d.wav\tx",
        "wav/c.wav\tx",
    )
    manifest = read_manifest(path, ["text"], skip_bad=True)
    assert [clip.path.name for clip in manifest.clips] == ["a.wav", "c.wav"]
    assert manifest.skipped == 4
    with pytest.raises(DataError, match="2 bad rows and no good one"):
        read_manifest(write(folder, "path\ttext", "x\ty", "../b\tx"), ["text"], skip_bad=True)


def test_a_manifest_is_told_from_other_text(folder: Path) -> None:
    assert is_manifest(write(folder, "", "text\tpath"))
    assert not is_manifest(write(folder, "the path is long"))
    assert not is_manifest(write(folder))


@pytest.mark.parametrize("name", ["wav/d.wav", "elsewhere/a.wav"], ids=["file", "folder"])
def test_a_link_out_of_the_folder_is_refused_with_its_line(name: str, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.with_name(f"{tmp_path.name}-outside")
    outside.mkdir()
    (outside / "a.wav").touch()
    (folder / "wav" / "d.wav").symlink_to(outside / "a.wav")
    (folder / "elsewhere").symlink_to(outside)
    path = write(folder, "path\ttext", "wav/a.wav\tx", f"{name}\ty")
    with pytest.raises(DataError) as caught:
        read_manifest(path)
    assert str(caught.value).startswith(
        f"{path}:3: found the path '{name}', a link that leads out of the manifest's folder\n"
    )
    assert read_manifest(path, skip_bad=True).skipped == 1


def test_links_that_stay_in_the_folder_are_followed(folder: Path, tmp_path: Path) -> None:
    """Its own path may hold links: what counts is where the files lie beside it."""
    (folder / "wav" / "d.wav").symlink_to("a.wav")
    linked = tmp_path.with_name(f"{tmp_path.name}-linked")
    linked.symlink_to(folder)
    write(folder, "path\ttext", "wav/d.wav\tx")
    (clip,) = read_manifest(linked / "train.tsv").clips
    assert clip.path == linked / "wav" / "d.wav"
