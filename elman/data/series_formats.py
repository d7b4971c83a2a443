"""Reads series of numbers in four formats.

- `.ts` of the UEA and UCR archives: see `elman.data.series_ts`.
- CSV (or TSV): a row a time step, with a column `series` that says which series it belongs to, a column for
  each channel, and a column for the answer, the same in all rows of a series, which follow each other.
- `.npy`: an array [series, steps, channels], and beside NAME.npy the answers in NAME.labels.csv, a row a
  series. Where series are shorter than the array, their last steps are NaN in every channel.
- A manifest: a table with a column `path`, a row a series, whose file is either a CSV (or TSV), a row a time
  step and a column a channel, or a `.npy` array [steps, channels].
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from elman.data.arrays import narrowed, open_array
from elman.data.compression import plain_path
from elman.data.manifest import PATH, is_manifest, read_manifest, reading
from elman.data.series import SKIP, Series, SeriesFile, Wanted, answer_of, numbered, numbers_of
from elman.data.series_ts import LONGEST_SERIES, read_ts
from elman.data.source import DataError, counted, did_you_mean, quote, read_lines

_Row = tuple[int, list[str]]


def read_series(path: str | Path, wanted: Wanted, *, skip_bad: bool = False) -> SeriesFile:
    r"""Read a file in one of the four formats.

    Raises DataError with the place of what cannot be read: a value that is no number, channels of one series
    that differ in length, an undeclared label, a missing answer, rows of a series that are parted, an array
    of another kind than numbers, a row of a manifest that `read_manifest` refuses, files of a manifest with
    other channels than the first, and a file without a series. With `skip_bad`, series with such a fault are
    left out and counted; faults of the whole file stand.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".ts") as file:
    ...     _ = file.write("@classLabel true walk run\n@data\n1,2,3:0.5,?,0.5:run\n")
    ...     file.flush()
    ...     (one,) = read_series(file.name, Wanted()).series
    >>> one.answer, one.values.tolist()
    ('run', [[1.0, 0.5], [2.0, nan], [3.0, 0.5]])
    """
    kind = format_of(path)
    if kind == "npy":
        found = _read_array(Path(path), wanted)
    elif kind == "ts":
        found = read_ts(str(path), wanted, skip_bad)
    elif kind == "manifest":
        found = _read_manifest(str(path), wanted, skip_bad)
    else:
        found = _read_table(str(path), wanted, skip_bad)
    if not found.series:
        nothing = f"{found.skipped:,} bad series and no good one" if found.skipped else "no series"
        raise DataError(str(path), nothing, "at least one series", "check that this is the file you meant")
    return found


def format_of(path: str | Path) -> Literal["npy", "ts", "manifest", "table"]:
    """Tell the format of a file by its name, and by how it begins."""
    if str(path).endswith(".npy"):
        return "npy"
    if plain_path(path).suffix == ".ts":
        return "ts"
    lines = (text.strip() for _, text in read_lines(path, LONGEST_SERIES))
    first = next((text for text in lines if text and not text.startswith("#")), "")
    if first.startswith("@"):
        return "ts"
    return "manifest" if is_manifest(path) else "table"


def answers_beside(path: str | Path) -> Path:
    """Return the file that has the answers to an array's series."""
    return Path(path).with_suffix(".labels.csv")


# tables


def _rows(path: str | Path) -> Iterator[_Row]:
    """The rows of a table with their line numbers, without blank ones; the first names the columns."""
    separator = None
    for number, text in read_lines(path):
        if text.strip():
            separator = separator or ("\t" if "\t" in text else ",")
            try:
                row = next(csv.reader([text], delimiter=separator, strict=True))
            except csv.Error as error:
                raise _bad_row(f"{path}:{number}", text, str(error)) from None
            yield number, [field.strip() for field in row]


def _bad_row(place: str, text: str, why: str) -> DataError:
    if "limit" in why:
        found = f"a field of more than {csv.field_size_limit():,} characters"
        return DataError(place, found, "a name or a number", "correct it, or leave the line out")
    how = "never closed" if "end of data" in why else "closed within a field"
    return DataError(
        place,
        f"a quote that is {how}: {quote(text)}",
        'quotes around whole fields, and each quote in one doubled: "a ""quote"" here"',
        "correct the row",
    )


def columns_of(path: str | Path) -> list[str]:
    """Return the names of a table's columns."""
    return next(_rows(path), (1, []))[1]


def _column(path: str, number: int, names: list[str], name: str, option: str) -> int:
    if name not in names:
        raise DataError(
            f"{path}:{number}",
            f"the columns {', '.join(map(quote, names))}",
            f"a column {quote(name)}",
            did_you_mean(name, names) or f"name the column with --{option}",
        )
    if names.count(name) > 1:
        raise DataError(
            f"{path}:{number}", f"the column {quote(name)} more than once", "each column once", "rename one"
        )
    return names.index(name)


def _read_table(path: str, wanted: Wanted, skip_bad: bool) -> SeriesFile:
    rows = _rows(path)
    number, names = next(rows, (1, []))
    which = _column(path, number, names, wanted.series, "series")
    answer = None
    if wanted.answer is not None:
        answer = _column(path, number, names, wanted.answer, "target" if wanted.numeric else "label")
    channels = wanted.channels or tuple(n for i, n in enumerate(names) if i != which and n != wanted.answer)
    places = [_column(path, number, names, name, "channels") for name in channels]
    if not places:
        raise DataError(f"{path}:{number}", "no channel", "a column of numbers", "add one")
    read = _Table(path, wanted, names, channels, places, answer)
    series: list[Series] = []
    ended: dict[str, int] = {}
    skipped = 0
    for name, group in itertools.groupby(rows, lambda row: row[1][which] if which < len(row[1]) else ""):
        block = list(group)
        try:
            if name in ended:
                raise DataError(
                    f"{path}:{block[0][0]}",
                    f"the series {quote(name)} once more, which ended at line {ended[name]}",
                    "the rows of a series one behind the other",
                    "sort the file by series and time",
                )
            series.append(read.series(name, block))
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
        ended[name] = block[-1][0]
    return SeriesFile(path, tuple(series), skipped)


@dataclass(frozen=True)
class _Table:
    path: str
    wanted: Wanted
    names: list[str]
    channels: tuple[str, ...]
    places: list[int]
    answer: int | None

    def series(self, name: str, rows: list[_Row]) -> Series:
        values = self.values(name, rows)
        return Series(values, self.channels, self._answer(name, rows), name, f"{self.path}:{rows[0][0]}")

    def values(self, name: str, rows: list[_Row]) -> np.ndarray:
        for number, row in rows:
            if len(row) != len(self.names):
                raise DataError(
                    f"{self.path}:{number}",
                    counted(len(row), "column"),
                    f"{len(self.names):,}, as the first row has names",
                    SKIP,
                )
        what = f"a channel of {quote(name)}"
        return np.stack(
            [numbers_of([row[i] for i in self.places], f"{self.path}:{n}", SKIP, what) for n, row in rows]
        )

    def _answer(self, name: str, rows: list[_Row]) -> str | float | None:
        if self.answer is None:
            return None
        told = rows[0][1][self.answer]
        for number, row in rows:
            if row[self.answer] != told:
                raise DataError(
                    f"{self.path}:{number}",
                    f"the answer {quote(row[self.answer])} in the series {quote(name)}",
                    f"{quote(told)}, as in its first row",
                    SKIP,
                )
        return answer_of(told, self.wanted, f"{self.path}:{rows[0][0]}")


# arrays


def _read_array(path: Path, wanted: Wanted) -> SeriesFile:
    array = open_array(path, ("series", "steps", "channels"))
    answers: list[str | float | None] = [None] * len(array)
    if wanted.answer is not None:
        answers = [*_answers_beside(path, wanted, len(array))]
    series, cut = [], 0
    for i, (values, answer) in enumerate(zip(array, answers, strict=True)):
        numbers = narrowed(values)
        there = np.flatnonzero(~np.isnan(numbers).all(1))
        steps = there[-1] + 1 if len(there) else 0
        if not steps:
            raise DataError(
                f"{path}:{i + 1}", "a series without a value", "at least one step", "leave it out"
            )
        cut += steps < len(numbers)
        series.append(
            Series(numbers[:steps], numbered(array.shape[2]), answer, str(i + 1), f"{path}:{i + 1}")
        )
    remarks = (f"{cut:,} shorter than the array, their last steps NaN in every channel",) if cut else ()
    return SeriesFile(str(path), tuple(series), 0, remarks)


def _answers_beside(path: Path, wanted: Wanted, count: int) -> Iterator[str | float]:
    assert wanted.answer is not None
    beside = str(answers_beside(path))
    rows = _rows(beside)
    number, names = next(rows, (1, []))
    column = _column(beside, number, names, wanted.answer, "target" if wanted.numeric else "label")
    body = list(rows)
    if len(body) != count:
        raise DataError(
            beside,
            f"{len(body):,} answers",
            f"{count:,}, one for each series of {path}",
            "add or remove rows",
        )
    for number, row in body:
        yield answer_of(row[column] if column < len(row) else "", wanted, f"{beside}:{number}")


# manifests


def _read_manifest(path: str, wanted: Wanted, skip_bad: bool) -> SeriesFile:
    manifest = read_manifest(path, [wanted.answer] if wanted.answer else [], skip_bad=skip_bad)
    series: list[Series] = []
    skipped = manifest.skipped
    for clip in manifest.clips:
        try:
            with reading(clip):
                one = read_one(clip.path, wanted)
            answer = answer_of(clip.columns[wanted.answer], wanted, clip.place) if wanted.answer else None
            one = replace(one, answer=answer, name=clip.columns[PATH], place=clip.place, columns=clip.columns)
            if series and one.channels != series[0].channels:
                raise DataError(
                    one.place,
                    f"{counted(len(one.channels), 'channel')}: {', '.join(one.channels)}",
                    f"{len(series[0].channels):,}, as in {series[0].place}: {', '.join(series[0].channels)}",
                    SKIP,
                )
            series.append(one)
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
    return SeriesFile(path, tuple(series), skipped)


def read_one(path: Path, wanted: Wanted) -> Series:
    """Read a file that holds one series, a table or an array; it has no answer. Raises DataError."""
    if path.suffix == ".npy":
        array = open_array(path, ("steps", "channels"))
        values, channels = narrowed(array), numbered(array.shape[1])
    else:
        rows = _rows(path)
        number, names = next(rows, (1, []))
        channels = wanted.channels or tuple(names)
        places = [_column(str(path), number, names, name, "channels") for name in channels]
        body = list(rows)
        if not body:
            raise DataError(str(path), "no step", "names of channels, and a row a step under them", SKIP)
        values = _Table(str(path), wanted, names, channels, places, None).values(path.name, body)
    return Series(values, channels, None, path.name, str(path))
