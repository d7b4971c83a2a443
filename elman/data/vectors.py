"""Word vectors from the text files of GloVe, word2vec and fastText.

Each line has a word and its numbers, parted by spaces. word2vec and fastText begin with a line "COUNT WIDTH",
GloVe does not. Some words of GloVe hold spaces, so a line's numbers are its last WIDTH fields.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from elman.data.numbers import read_number
from elman.data.source import DataError, counted, quote, read_lines

_LARGEST = float(np.finfo(np.float32).max)
_WAY_OUT = "correct the line, or fetch the file again; a binary file must be saved as text first"


@dataclass(frozen=True)
class Vectors:
    """Words and their vectors, [len(words), width] float32, in the order of the file.

    `in_file` is the number of vectors that the file holds, and `repeated` how many of them were for a word
    that was kept before, and so were passed over.
    """

    path: str
    words: tuple[str, ...]
    rows: np.ndarray
    in_file: int
    repeated: int

    def describe(self) -> str:
        """One line for the user: what was read and what was kept."""
        text = (
            f"{self.path}: {counted(self.in_file, 'vector')} of {counted(self.rows.shape[1], 'number')},"
            f" {len(self.words):,} kept"
        )
        return f"{text}; {counted(self.repeated, 'repeated word')} passed over" if self.repeated else text


def read_vectors(path: str | Path, wanted: Callable[[str], bool], largest: int) -> Vectors:
    """Read the vectors of all `wanted` words, and of the first others until there are `largest` in all.

    The file is read line by line, and of the lines that are not kept only the width is checked, so that a
    file of millions of words is soon read.

    Raises DataError with file and line for an empty file, a line with another number of numbers, one that is
    no number or not finite, a header that tells another count, and for all that `read_lines` refuses.
    """
    path = str(path)
    lines = read_lines(path)
    start = next(lines, None)
    if start is None:
        raise DataError(
            path, "an empty file", "a word and its vector in each line", "check that it was copied whole"
        )
    count, width = _header(path, start[1])
    if count is None:
        lines = itertools.chain([start], lines)
    kept: dict[str, np.ndarray] = {}
    fillers: list[str] = []  # those kept though nobody wants them
    in_file = repeated = 0
    for number, text in lines:
        in_file += 1
        word, numbers = _split(f"{path}:{number}", text, width)
        if word in kept:
            repeated += 1
            continue
        if wanted(word):
            if fillers and len(kept) >= largest:
                del kept[fillers.pop()]
        elif len(kept) < largest:
            fillers.append(word)
        else:
            continue
        kept[word] = _vector(f"{path}:{number}", numbers)
    if count not in (None, in_file):
        expected = f"{counted(count, 'vector')}, as line 1 says"
        raise DataError(
            path, counted(in_file, "vector"), expected, "fetch the file again: it may be cut short"
        )
    rows = np.array(list(kept.values()), dtype=np.float32).reshape(len(kept), width)
    return Vectors(path, tuple(kept), rows, in_file, repeated)


def _header(path: str, text: str) -> tuple[int | None, int]:
    """The count and the width that the first line tells; of one that is a vector, None and its width."""
    if header := re.fullmatch("([0-9]{1,18}) ([1-9][0-9]{0,8}) *", text):
        return int(header[1]), int(header[2])
    if width := _numbers_at_end(text):
        return None, width
    raise DataError(
        f"{path}:1", f"no numbers in {quote(text)}", "a word and its vector, parted by spaces", _WAY_OUT
    )


def _split(place: str, text: str, width: int) -> tuple[str, list[str]]:
    """The word of a line and its numbers, yet unread.

    A word may hold spaces, but a line is too wide when a number stands before the last `width` fields.
    """
    word, *numbers = text.rstrip(" ").rsplit(" ", width)
    if len(numbers) < width or _numbers_at_end(word):
        found = f"{counted(_numbers_at_end(text), 'number')} in {quote(text)}"
        raise DataError(place, found, f"{counted(width, 'number')}, as line 1 says", _WAY_OUT)
    if "\t" in word:
        raise DataError(place, f"a tab in the word {quote(word)}", "spaces", "put spaces for tabs")
    if not word:
        raise DataError(place, f"an empty word in {quote(text)}", "a word before the numbers", _WAY_OUT)
    return word, numbers


def _vector(place: str, numbers: list[str]) -> np.ndarray:
    values = [_number(number) for number in numbers]
    for value, number in zip(values, numbers, strict=True):
        if value is None or not abs(value) <= _LARGEST:
            raise DataError(place, f"{quote(number)} in a vector", "a finite number of 32 bits", _WAY_OUT)
    return np.array(values, dtype=np.float32)


def _numbers_at_end(text: str) -> int:
    """How many fields at the end of a line are numbers; its first field is a word, whatever it looks like."""
    fields = text.rstrip(" ").split(" ")[1:]
    return sum(1 for _ in itertools.takewhile(lambda field: _number(field) is not None, reversed(fields)))


def _number(text: str) -> float | None:
    try:
        return read_number(text)
    except ValueError:
        return None
