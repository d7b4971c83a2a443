"""Text files of word vectors: their dialects, what is kept, and their errors."""

from pathlib import Path

import numpy as np
import pytest

from elman.data.source import DataError
from elman.data.vectors import Vectors, read_vectors

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "vectors" / "glove_subset.txt"


def read(file: Path, text: str, wanted: str = "", largest: int = 100) -> Vectors:
    file.write_bytes(text.encode())
    return read_vectors(file, set(wanted.split()).__contains__, largest)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "vectors.txt"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a 0.5 -1\nb 1e-3 2\n", ["a", "b"]),
        ("2 2\na 0.5 -1 \nb 1e-3 2 \n", ["a", "b"]),
        ("5 0.5 -1\n6 1e-3 2\n", ["5", "6"]),
        (". . . 0.5 -1\nat me@home 1e-3 2\n", [". . .", "at me@home"]),
        ("a\u00a0 0.5 -1\r\n\x85 1e-3 2\r\n", ["a\u00a0", "\x85"]),
    ],
    ids=["GloVe", "word2vec and fastText", "numbers as words", "words with spaces", "odd white space"],
)
def test_dialects(file: Path, text: str, words: list[str]):
    vectors = read(file, text)
    assert list(vectors.words) == words
    assert vectors.rows.dtype == np.float32
    assert np.array_equal(vectors.rows, np.array([[0.5, -1], [1e-3, 2]], dtype=np.float32))


@pytest.mark.parametrize(
    ("wanted", "largest", "words"),
    [
        ("", 2, "a b"),
        ("d", 2, "a d"),
        ("c d", 2, "c d"),
        ("b c d", 2, "b c d"),
        ("c", 0, "c"),
        ("", 9, "a b c d"),
        ("", 0, ""),
    ],
)
def test_wanted_words_are_kept_and_others_fill_up(file: Path, wanted: str, largest: int, words: str):
    vectors = read(file, "a 1 1\nb 2 2\nc 3 3\nd 4 4\n", wanted, largest)
    assert list(vectors.words) == words.split()
    assert vectors.rows.tolist() == [["_abcd".index(word)] * 2 for word in vectors.words]
    assert vectors.rows.shape == (len(vectors.words), 2)
    assert vectors.in_file == 4


def test_repeated_words(file: Path):
    vectors = read(file, "a 1 1\nb 2 2\na 3 3\n")
    assert vectors.rows.tolist() == [[1, 1], [2, 2]]
    assert vectors.describe() == f"{file}: 3 vectors of 2 numbers, 2 kept; 1 repeated word passed over"


@pytest.mark.parametrize(
    ("text", "line", "found", "expected"),
    [
        ("", None, "an empty file", "a word and its vector in each line"),
        ("\n", 1, "no numbers in ''", "a word and its vector"),
        ("only words here\n", 1, "no numbers in 'only words here'", "a word and its vector"),
        ("a\t1 2 3\n", 1, r"a tab in the word 'a\t1'", "spaces"),
        ("a 1 2 3\nb 1 2\n", 2, "2 numbers in 'b 1 2'", "3 numbers, as line 1 says"),
        ("a 1 2 3\nb 1 2 3 4\n", 2, "4 numbers in 'b 1 2 3 4'", "3 numbers, as line 1 says"),
        ("2 3\na 1 2 3\nb 1 2 3 4\n", 3, "4 numbers in 'b 1 2 3 4'", "3 numbers, as line 1 says"),
        ("a 1 2\n\nb 1 2\n", 2, "0 numbers in ''", "2 numbers, as line 1 says"),
        ("a 1 2\nb 1 x\n", 2, "'x' in a vector", "a finite number"),
        ("a 1 2\nb nan 2\n", 2, "'nan' in a vector", "a finite number"),
        ("a 1 2\nb 1 -inf\n", 2, "'-inf' in a vector", "a finite number"),
        ("a 1 2\nb 1 1e39\n", 2, "'1e39' in a vector", "a finite number"),
        ("a 1 2\n 1 2\n", 2, "an empty word in ' 1 2'", "a word before the numbers"),
        ("3 2\na 1 2\nb 1 2\n", None, "2 vectors", "3 vectors, as line 1 says"),
        ("1 2\na 1 2\nb 1 2\n", None, "2 vectors", "1 vector, as line 1 says"),
        ("a 1 2\nb\0 1 2\n", "2:2", "a NUL byte", "UTF-8 text"),
    ],
)
def test_bad_files(file: Path, text: str, line: int | str | None, found: str, expected: str):
    with pytest.raises(DataError) as caught:
        read(file, text)
    assert caught.value.place == (f"{file}:{line}" if line else str(file))
    assert caught.value.found.startswith(found)
    assert caught.value.expected.startswith(expected)
    assert len(str(caught.value).splitlines()) == 3


def test_width_is_checked_in_lines_that_are_not_kept(file: Path):
    with pytest.raises(DataError, match="found 1 number in"):
        read(file, "a 1 2\nb 1 2\nc 1\n", largest=1)


@pytest.mark.skipif(not REAL.is_file(), reason="the real data is not here")
def test_real_file():
    vectors = read_vectors(REAL, {"actor", "actress"}.__contains__, 0)
    assert vectors.words == ("actor", "actress")
    assert vectors.rows.shape == (2, 100)
    assert vectors.in_file == 171
    assert vectors.rows[0, 0] == np.float32(0.46063)
