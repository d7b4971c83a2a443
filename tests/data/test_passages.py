"""Plain text: as lines and as one passage, and what it says of a file that is none."""

from pathlib import Path

import pytest

from elman.data.passages import Passage, read_passages
from elman.data.source import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("Ada wrote\n\n  \nAlan\u2028read \n", encoding="utf-8")
    return path


def test_lines_are_passages_and_blank_ones_are_counted(path: Path) -> None:
    read = read_passages(path, lines=True)
    assert [(p.lines, p.place) for p in read.passages] == [
        (("Ada wrote",), f"{path}:1"),
        (("Alan\u2028read ",), f"{path}:4"),
    ]
    assert read.describe() == f"{path}: 2 lines, 21 characters, 2 blank lines passed over"


def test_a_text_is_one_passage_in_which_nothing_is_lost(path: Path) -> None:
    read = read_passages(path, lines=False)
    (passage,) = read.passages
    assert "\n".join(passage.lines) + "\n" == path.read_text(encoding="utf-8")
    assert passage.characters == len(path.read_text(encoding="utf-8"))
    assert passage.words == 4 + 4  # and the ends of lines
    assert read.describe() == f"{path}: 4 lines, 25 characters"


def test_it_is_cut_a_tenth_before_its_end() -> None:
    passage = Passage(tuple(map(str, range(25))), "f", 3)
    parts = passage.cut()
    assert parts is not None
    assert parts[0].lines + parts[1].lines == passage.lines
    assert [part.place for part in parts] == ["f:3", "f:26"]
    assert len(parts[1].lines) == 2
    assert Passage(("one",), "f", 1).cut() is None


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize(
    ("content", "wording"),
    [
        (b"", r"text.txt: found no text\n  expected lines of text\n  check that"),
        (b" \n\n\t\n", r"text.txt: found no text"),
        (b"Ada\nA\xe9", r"text.txt:2:2: found the byte 0xe9, which is not UTF-8"),
        (b"Ada\nA\0da", r"text.txt:2:2: found a NUL byte"),
        (b"a" * 1_000_001, r"text.txt:1: found a line of more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, wording: str, lines: bool) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=wording):
        read_passages(path, lines=lines)
