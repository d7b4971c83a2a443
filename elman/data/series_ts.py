"""Reads `.ts` files of the UEA and UCR archives (Bagnall et al. 2018, "The UEA multivariate time series
classification archive"): a head of @ lines, then a line a series.

A channel's steps are parted by commas, channels by colons, and the answer comes last. Series may differ in
length unless the head says that they do not; the channels of one series may not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from elman.data.series import SKIP, Series, SeriesFile, Wanted, answer_of, numbered, steps_of
from elman.data.source import DataError, counted, did_you_mean, quote, read_lines

LONGEST_SERIES = 100_000_000  # bytes of a line: a whole series stands in it
MOST_DIGITS = 9  # of the numbers in a head


def read_ts(path: str, wanted: Wanted, skip_bad: bool) -> SeriesFile:
    """Read a `.ts` file, or raise DataError; with `skip_bad` bad series are counted instead."""
    lines = ((number, text.strip()) for number, text in read_lines(path, LONGEST_SERIES))
    lines = ((number, text) for number, text in lines if text and not text.startswith("#"))
    head = _Head.of(path, lines, wanted)
    series: list[Series] = []
    skipped = 0
    for number, text in lines:
        try:
            series.append(head.case(f"{path}:{number}", text, str(len(series) + skipped + 1)))
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
        else:
            head = head.after(series[0])
    return SeriesFile(path, tuple(series), skipped)


@dataclass(frozen=True)
class _Head:
    """What the @ lines say: the number of channels and of steps (0: not said), and what comes last.

    `equal` says why all series have one length, and is empty where they need not; the first series sets the
    number of steps where the head does not.
    """

    wanted: Wanted
    channels: int
    equal: str
    steps: int
    last: Literal["label", "target", "nothing"]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, path: str, lines: Iterator[tuple[int, str]], wanted: Wanted) -> _Head:
        said: dict[str, tuple[int, list[str]]] = {}
        for number, text in lines:
            key, *values = text.split()
            if key.lower() == "@data":
                break
            if not key.startswith("@"):
                raise DataError(
                    f"{path}:{number}", quote(text), "@data before the first series", "add the line @data"
                )
            said[key.lower()] = (number, values)
        else:
            raise DataError(path, "no @data", "@data, and series behind it", "add them")

        def word(key: str) -> str:
            return next(iter(said.get(key, (0, []))[1]), "").lower()

        if word("@timestamps") == "true":
            raise DataError(
                f"{path}:{said['@timestamps'][0]}",
                "@timeStamps true",
                "series without time stamps, their steps at equal distances",
                "convert the file to CSV, the time as a channel of its own",
            )
        last = "label" if word("@classlabel") == "true" else "nothing"
        last = "target" if word("@targetlabel") == "true" else last
        if wanted.answer is not None and (last == "nothing" or (last == "target" and not wanted.numeric)):
            key = "@targetLabel true" if last == "target" else "no @classLabel true"
            remedy = (
                "give --target target" if last == "target" else "declare the labels: @classLabel true A B"
            )
            raise DataError(path, key, "a label behind each series", remedy)
        steps = _count(path, said, "@serieslength") if word("@equallength") == "true" else 0
        equal = "as @seriesLength says" if steps else "as in the first series, for @equalLength is true"
        return cls(
            wanted,
            1 if word("@univariate") == "true" else _count(path, said, "@dimensions", "@dimension"),
            equal if word("@equallength") == "true" else "",
            steps,
            last,
            tuple(said["@classlabel"][1][1:]) if last == "label" else (),
        )

    def after(self, first: Series) -> _Head:
        """Take from the first series what is not said."""
        steps = self.steps or (len(first.values) if self.equal else 0)
        return replace(self, channels=self.channels or len(first.channels), steps=steps)

    def case(self, place: str, text: str, name: str) -> Series:
        *channels, last = text.split(":") if self.last != "nothing" else [*text.split(":"), ""]
        answer = None
        if self.wanted.answer is not None:
            answer = answer_of(last, self.wanted, place)
            if self.labels and last.strip() not in self.labels:
                raise DataError(
                    place,
                    f"the undeclared label {quote(last.strip())}",
                    f"one that @classLabel declares: {', '.join(self.labels)}",
                    did_you_mean(last.strip(), list(self.labels)) or SKIP,
                )
        if self.channels and len(channels) != self.channels:
            raise DataError(
                place,
                counted(len(channels), "channel"),
                f"{self.channels:,}, as in the rest of the file",
                SKIP,
            )
        values = steps_of(channels, place, SKIP)
        if self.steps and len(values) != self.steps:
            raise DataError(place, counted(len(values), "step"), f"{self.steps:,}, {self.equal}", SKIP)
        return Series(values, numbered(len(channels)), answer, name, place)


def _count(path: str, said: dict[str, tuple[int, list[str]]], *keys: str) -> int:
    """The whole number behind one of the keys; 0 where there is none of them."""
    for key in keys:
        if key in said:
            number, values = said[key]
            if len(values) != 1 or not re.fullmatch("[0-9]+", values[0]) or len(values[0]) > MOST_DIGITS:
                expected = f"a whole number of at most {MOST_DIGITS} digits"
                raise DataError(f"{path}:{number}", f"{key} {' '.join(values)}", expected, "correct it")
            return int(values[0])
    return 0
