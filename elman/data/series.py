"""Series of numbers, several channels over time, each with a label or with a number that it measures.

A value that is missing is NaN; `handle_missing` says what becomes of it.

Letters: T steps, C channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from elman.data.arrays import narrowed
from elman.data.source import DataError, counted, quote

MISSING = ("", "?", "na", "nan", "null", "none")  # in whatever case
LARGEST = float(np.finfo(np.float32).max)
POLICIES = ("stop", "mark", "drop")

SKIP = "correct it, or leave its series out with --skip-bad"


@dataclass(frozen=True, eq=False)
class Series:
    """One series: its values, what they are an example of, and where it stands.

    Args:
        values: [T, C], float32; NaN where one is missing.
        channels: C names; "1", "2" and so on where the file has none.
        answer: its label, its number, or None where none was read.
        name: in the file.
        place: "file:line" of its first row, "file:number" in an array.
    """

    values: np.ndarray
    channels: tuple[str, ...]
    answer: str | float | None
    name: str
    place: str

    @property
    def asked(self) -> dict[str, Any]:
        """Its name."""
        return {"series": self.name}

    @property
    def label(self) -> str:
        """The answer, where answers are labels."""
        return str(self.answer)

    title = ""

    @property
    def number(self) -> float:
        """The answer, where answers are numbers."""
        assert isinstance(self.answer, float), "a label where numbers are to be predicted"
        return self.answer


@dataclass(frozen=True)
class SeriesFile:
    """The series of a file, how many bad ones were left out, and what else was not taken as it stands."""

    path: str
    series: tuple[Series, ...]
    skipped: int = 0
    remarks: tuple[str, ...] = ()

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not taken as it stands."""
        facts = [
            f"{len(self.series):,} series",
            counted(sum(len(one.values) for one in self.series), "step"),
            counted(len(self.series[0].channels), "channel"),
        ]
        labels = {one.answer for one in self.series if isinstance(one.answer, str)}
        if labels:
            facts.append(counted(len(labels), "label"))
        remarks = [f"{self.skipped:,} bad series skipped"] if self.skipped else []
        return f"{self.path}: {'; '.join([', '.join(facts), *remarks, *self.remarks])}"


@dataclass(frozen=True)
class Wanted:
    """What to read.

    Args:
        answer: the column of the answers, by name in a table; None where none are wanted.
        numeric: whether answers are numbers.
        series: the column that says to which series a row belongs.
        channels: the columns that are channels; without it, all others.
    """

    answer: str | None = "label"
    numeric: bool = False
    series: str = "series"
    channels: tuple[str, ...] | None = None


def numbered(count: int) -> tuple[str, ...]:
    """Return names for channels that have none."""
    return tuple(str(i + 1) for i in range(count))


def check_channels(series: Series, channels: tuple[str, ...]) -> None:
    """Raise DataError for other channels than these.

    Where either have the numbers of files without names, their order tells which is which, unless both have
    names in common: then it is another order.
    """
    ours = series.channels
    by_order = len(ours) == len(channels) and numbered(len(ours)) in (ours, channels)
    if ours != channels and not (by_order and set(ours).isdisjoint(channels)):
        raise DataError(
            series.place,
            f"{counted(len(ours), 'channel')}: {', '.join(ours)}",
            f"{len(channels):,}, as in training: {', '.join(channels)}",
            "give the same channels in the same order (--channels names columns of a CSV)",
        )


def handle_missing(file: SeriesFile, policy: str) -> SeriesFile:
    """Do what the policy says where values are missing or infinite.

    Args:
        file: as it was read.
        policy: "stop" raises DataError with the numbers in each channel; "drop" leaves the series out; "mark"
            makes an infinite value a missing one.
    """
    bad = [one for one in file.series if not np.isfinite(one.values).all()]
    if not bad:
        return file
    said, total = _gaps(bad)
    if policy == "stop":
        raise DataError(
            bad[0].place,
            f"{total} in {len(bad):,} of {len(file.series):,} series, this the first: {said}",
            "finite numbers",
            "choose --missing mark, which shows the network where they are, or drop, which leaves these out",
        )
    if policy == "drop":
        left = tuple(one for one in file.series if np.isfinite(one.values).all())
        if not left:
            raise DataError(file.path, f"{total} in every series", "a series without", "try --missing mark")
        return replace(
            file, series=left, remarks=(*file.remarks, f"{len(bad):,} series dropped for {total}: {said}")
        )
    marked = tuple(
        replace(one, values=np.where(np.isinf(one.values), np.float32(np.nan), one.values))
        for one in file.series
    )
    return replace(file, series=marked, remarks=(*file.remarks, f"{total} marked: {said}"))


def _gaps(series: Sequence[Series]) -> tuple[str, str]:
    """Say how many values are missing and infinite, in each channel and in all of them."""
    channels = series[0].channels
    missing, infinite = np.zeros(len(channels), int), np.zeros(len(channels), int)
    for one in series:
        missing += np.isnan(one.values).sum(0)
        infinite += np.isinf(one.values).sum(0)
    said = [
        f"{_bad_values(m, i)} in {name}"
        for name, m, i in zip(channels, missing, infinite, strict=True)
        if m or i
    ]
    return ", ".join(said), _bad_values(missing.sum(), infinite.sum())


def _bad_values(missing: int, infinite: int) -> str:
    kinds = [
        f"{number:,} {kind}" for number, kind in ((missing, "missing"), (infinite, "infinite")) if number
    ]
    return " and ".join(kinds) + (" value" if missing + infinite == 1 else " values")


def values_of(text: str, place: str) -> np.ndarray:
    """Read values [T, C] as a line of `.ts` has them: "1,2,3:4,5,6". Raises DataError."""
    return steps_of(text.strip().split(":"), place, "correct it")


def steps_of(channels: Sequence[str], place: str, remedy: str) -> np.ndarray:
    """The values [T, C] of channels whose steps are parted by commas."""
    columns = [
        numbers_of(text.split(","), place, remedy, f"channel {i + 1}") for i, text in enumerate(channels)
    ]
    for number, column in enumerate(columns):
        if len(column) != len(columns[0]):
            raise DataError(
                place,
                f"{counted(len(column), 'step')} in channel {number + 1}",
                f"{len(columns[0]):,}, as in channel 1: all channels of a series are equally long",
                remedy,
            )
    return np.stack(columns, 1)


def numbers_of(texts: Sequence[str], place: str, remedy: str, what: str) -> np.ndarray:
    """Numbers that are written down, as float32."""
    try:
        values = np.array(texts, dtype=np.float64)
    except ValueError:
        values = np.array([_number(text, place, remedy, what) for text in texts])
    return narrowed(values)


def _number(text: str, place: str, remedy: str, what: str) -> float:
    if text.strip().lower() in MISSING:
        return np.nan
    try:
        return float(text)
    except ValueError:
        raise DataError(
            place, f"{quote(text)} in {what}", "a number, or ? where it is missing", remedy
        ) from None


def answer_of(text: str, wanted: Wanted, place: str) -> str | float:
    """A label as it is written, or a number."""
    text = text.strip()
    if text.lower() in MISSING:
        raise DataError(
            place, "a series without its answer", "a number" if wanted.numeric else "a label", SKIP
        )
    if not wanted.numeric:
        return text
    number = _number(text, place, SKIP, "the target")
    if not abs(number) <= LARGEST:
        raise DataError(
            place, f"the target {quote(text)}", f"a finite number, of at most {LARGEST:.1e}", SKIP
        )
    return number


def forward_fill(rows: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Put in the place of each NaN in rows [T, C] the last value of its channel, at first that `before`, [C].

    >>> forward_fill(np.array([[np.nan], [2.0], [np.nan]]), np.array([0.0])).tolist()
    [[0.0], [2.0], [2.0]]
    """
    rows = np.concatenate((before[None], rows))
    place = np.where(np.isnan(rows), 0, np.arange(len(rows))[:, None])
    return np.take_along_axis(rows, np.maximum.accumulate(place), 0)[1:]
