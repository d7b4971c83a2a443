"""What is a number is the same in every format."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.numbers import read_number, read_numbers
from elman.data.series import Wanted, values_of
from elman.data.series_formats import read_series
from elman.data.source import DataError
from elman.data.vectors import read_vectors

NUMBERS = ["0", "-1", "+2.5", ".5", "5.", "1e3", "-1.5E-7", "0001"]
NONE = [
    "1_000",
    "1,5",
    "0x10",
    "\u0661\u0662",
    "\uff11",
    "1e",
    "e5",
    "--1",
    "1\u00a02",
    "1\x1c2",
    "\xbd",
    "1 2",
    "'1'",
    "1d3",
]


def in_csv(text: str, folder: Path) -> float:
    path = folder / "a.csv"
    path.write_text(f"series,x,label\na,{text},up\n", encoding="utf-8")
    return read_series(path, Wanted()).series[0].values[0, 0]


def in_ts(text: str, folder: Path) -> float:
    path = folder / "a.ts"
    path.write_text(f"@classLabel true up\n@data\n{text}:up\n", encoding="utf-8")
    return read_series(path, Wanted()).series[0].values[0, 0]


def in_target(text: str, folder: Path) -> float:
    path = folder / "a.ts"
    path.write_text(f"@targetLabel true\n@data\n1:{text}\n", encoding="utf-8")
    return read_series(path, Wanted("target", numeric=True)).series[0].number


def typed(text: str, folder: Path) -> float:
    return values_of(text, "input")[0, 0]


def in_vector(text: str, folder: Path) -> float:
    path = folder / "a.txt"
    path.write_text(f"x 7 8\na {text} 2\n", encoding="utf-8")
    return read_vectors(path, lambda word: True, 9).rows[1, 0]


READERS = [in_csv, in_ts, in_target, typed, in_vector]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", NUMBERS)
def test_numbers(reader: Callable[[str, Path], float], text: str, tmp_path: Path) -> None:
    assert reader(text, tmp_path) == np.float32(text)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", NONE)
def test_what_is_no_number(reader: Callable[[str, Path], float], text: str, tmp_path: Path) -> None:
    if text == "1,5" and reader in (in_ts, typed):
        pytest.skip("two steps")
    with pytest.raises(DataError) as caught:
        reader(text, tmp_path)
    assert caught.value.found.startswith(("'", '"', "3 numbers", "2 numbers", "1 number", "4 columns"))


@given(st.floats(allow_nan=False), st.sampled_from(["", " ", "\t"]))
def test_what_is_written_is_read(number: float, space: str) -> None:
    assert read_number(f"{space}{number}{space}") == number
    assert read_numbers([f"{number}", space + str(number)]).tolist() == [number, number]


@given(st.text())
def test_one_by_one_and_many_at_once(text: str) -> None:
    try:
        number = read_number(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"number|convert"):
            read_numbers(["1", text])
    else:
        assert text.isascii()
        assert re.fullmatch(r"[0-9.eE+-]+|[+-]?(inf|infinity|nan)", text.strip(" \t"), re.IGNORECASE)
        np.testing.assert_equal(read_numbers(["1", text]), [1, number])
