"""Numbered lines, and the errors of files that are not UTF-8 text."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.source import LONGEST_LINE, DataError, quote, read_lines


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.conll"


def error_of(path: Path) -> DataError:
    with pytest.raises(DataError) as caught:
        list(read_lines(path))
    return caught.value


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", [(1, "a")]),
        (b"a\n", [(1, "a")]),
        (b"a\n\nb\n\n", [(1, "a"), (2, ""), (3, "b"), (4, "")]),
        (b"a\r\n\r\nb\r\n", [(1, "a"), (2, ""), (3, "b")]),
        (b"\xef\xbb\xbfa\nb", [(1, "a"), (2, "b")]),
        (b"a\n\xef\xbb\xbfb", [(1, "a"), (2, "\ufeffb")]),
        ("a\u2028b\x85c\x0bd\x0ce\x1cf\n".encode(), [(1, "a\u2028b\x85c\x0bd\x0ce\x1cf")]),
    ],
    ids=["empty", "no end", "end", "blank lines", "CRLF", "BOM", "BOM within", "other line ends are data"],
)
def test_lines(file: Path, content: bytes, lines: list[tuple[int, str]]):
    file.write_bytes(content)
    assert list(read_lines(file)) == lines


@pytest.mark.parametrize(
    ("content", "place", "found", "remedy"),
    [
        (b"a\nb\xe9\n", ":2:2", "the byte 0xe9, which is not UTF-8", "iconv -f latin1 -t utf-8"),
        ("é\n".encode() * 3 + "éé".encode() + b"\xff", ":4:3", "the byte 0xff", "iconv -f latin1 -t utf-8"),
        (b"\xed\xa0\x80\n", ":1:1", "the byte 0xed", "iconv"),
        ("a\n".encode("utf-16"), ":1", "the byte order mark of UTF-16", "iconv -f utf-16 -t utf-8"),
        ("\ufeffa\n".encode("utf-16-be"), ":1", "the byte order mark of UTF-16", "iconv -f utf-16 -t utf-8"),
        ("a\n".encode("utf-32"), ":1", "the byte order mark of UTF-32", "iconv -f utf-32 -t utf-8"),
        ("a\n".encode("utf-16-le"), ":1:2", "a NUL byte: UTF-16 without", "iconv -f utf-16le -t utf-8"),
        (b"ab\nc\0d\n", ":2:2", "a NUL byte", "iconv"),
        (b"a O\rb O\r", ":1:4", "a carriage return within a line", "tr '\\r' '\\n' <"),
        (b"a\r\r\n", ":1:2", "a carriage return within a line", "tr"),
        (
            b"x" * (LONGEST_LINE + 1),
            ":1",
            "a line of more than 1,000,000 bytes, which begins with 'xxx",
            "check",
        ),
    ],
)
def test_not_utf8_text(file: Path, content: bytes, place: str, found: str, remedy: str):
    file.write_bytes(content)
    error = error_of(file)
    assert error.place == f"{file}{place}"
    assert error.found.startswith(found)
    assert remedy in error.remedy
    assert len(str(error).split("\n")) == 3


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_longest_line(file: Path, mark: bytes, end: bytes):
    file.write_bytes(mark + b"x" * LONGEST_LINE + end + (b"b" if end else b""))
    assert [len(text) for _, text in read_lines(file)] == ([LONGEST_LINE, 1] if end else [LONGEST_LINE])
    file.write_bytes(mark + b"x" * (LONGEST_LINE + 1) + end)
    assert "more than 1,000,000 bytes" in error_of(file).found


def test_100_megabytes_in_one_line(file: Path):
    with file.open("wb") as stream:
        for _ in range(100):
            stream.write(b"x" * 1_000_000)
    program = (
        "import resource, sys\n"
        "from elman.data.columns import read_columns\n"
        "from elman.data.source import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_columns(sys.argv[1])\n"
        "except DataError as error:\n    print(error.found)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, file], cwd=root, check=True, capture_output=True, text=True
    )
    found, grown = done.stdout.splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    assert found.startswith("a line of more than 1,000,000 bytes")
    assert int(grown) * unit < 20 * LONGEST_LINE


def test_absent_file(file: Path):
    (file.parent / "train.conll").write_text("")
    folder = file.parent
    for name, said in {
        "trian.conll": f"Did you mean {folder}/train.conll?",
        "train.conl": f"Did you mean {folder}/train.conll?",
        "zzz": "Check the spelling.",
        "no/zzz": f"There is no folder {folder}/no.",
        "train.conll/zzz": f"There is no folder {folder}/train.conll.",
    }.items():
        assert str(error_of(folder / name)) == f"No such file: {folder}/{name}. {said}"


def test_absent_folder(file: Path):
    inner = file.parent / "data" / "ner"
    inner.mkdir(parents=True)
    (inner / "train.conll").write_text("")
    near = f"Did you mean {inner}/train.conll?"
    for name in ("dta/ner/train.conll", "data/nre/train.conll", "data/ner/trian.conll"):
        assert error_of(file.parent / name).remedy == near
    assert error_of(file.parent / "dta/nre/train.conll").remedy == (
        f"There is no folder {file.parent}/dta/nre."
    )


def test_folder(file: Path):
    assert error_of(file.parent).remedy == "name a file in it: it shows none"
    file.write_text("")
    error = error_of(file.parent)
    assert (error.place, error.found, error.expected) == (str(file.parent), "a folder", "a file")
    assert error.remedy == "name a file in it: 'train.conll'"


def test_folder_of_a_run(file: Path):
    (file.parent / "run.json").touch()
    assert str(error_of(file.parent)) == (
        f"{file.parent}: found the folder of a run\n  expected a file of data\n"
        "  give a run before the file: elman evaluate RUN FILE"
    )


def test_file_that_does_not_open(file: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert error_of(file).found == "a file that does not open: Permission denied"


def test_file_is_read_as_asked_for(file: Path):
    file.write_bytes(b"a\nb\xff\n")
    lines = read_lines(file)
    assert next(lines) == (1, "a")
    with pytest.raises(DataError):
        next(lines)


@given(st.text(), st.text(), st.text(), st.text())
def test_message_is_three_printable_lines(place: str, found: str, expected: str, remedy: str):
    message = str(DataError(place, found, expected, remedy))
    lines = message.split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_message_is_short_whatever_it_is_given():
    assert len(str(DataError(*["x" * 10**6] * 4))) < 2_000
    assert quote("x" * 10**6) == "'" + "x" * 40 + "'..."
    assert quote("\x1b[31m\n") == r"'\x1b[31m\n'"


def test_error_passes_between_processes():
    error = DataError("a:1", "b", "c", "d")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))), st.booleans()
)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, lines: list[str], windows: bool):
    file = tmp_path_factory.getbasetemp() / "lines"
    end = "\r\n" if windows else "\n"
    # A mark of our own, for else a first line that begins with U+FEFF is one.
    file.write_bytes("".join(["\ufeff", *(line + end for line in lines)]).encode())
    assert list(read_lines(file)) == list(enumerate(lines, 1))


def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(DataError) as caught:
        next(read_lines(pipe))
    assert str(caught.value) == (
        f"{pipe}: found a pipe, which can be read only once\n  expected a file\n  save it as a file first"
    )
