"""Rows of a table: parted into fields, and written again with answers behind them.

See `elman.data.tables` for the formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from elman.data.source import DataError, quote
from elman.data.written import Answers, as_text, named_apart

SEPARATORS = {"CSV": ",", "TSV": "\t"}
WAY_OUT = "correct the row, or leave it out with --skip-bad"
_PLAIN = re.compile(r'[^,"]*')
_INSIDE = re.compile(r'[^"]*(?:""[^"]*)*')  # quotes
_Line = tuple[int, str]


class BadRowError(DataError):
    """One that concerns its row alone, which can be left out."""


@dataclass(frozen=True)
class Head:
    """How the rows of a table are written: the format, the names of the columns and the row that has them.

    JSON lines have neither, for each row names its own; other tables have numbers where they have no names.
    """

    format: str
    names: tuple[str, ...] = ()
    text: str | None = None


@dataclass(frozen=True)
class Row:
    """The fields that were asked for, by the names under which they were, and where the row begins.

    `text` is the row as the file has it, and `head` says how to read it.
    """

    fields: Mapping[str, str]
    place: str  # file:line
    text: str = ""
    head: Head = Head("TSV")

    @classmethod
    def of(cls, columns: Mapping[str, str], place: str, kind: str = "TSV") -> Row:
        """Make a row of TSV or CSV."""
        field, separator = as_text if kind == "TSV" else _csv_field, SEPARATORS[kind]
        text, names = (separator.join(map(field, some)) for some in (columns.values(), columns))
        return cls(columns, place, text, Head(kind, tuple(columns), names))

    def __getitem__(self, name: str) -> str:
        """Return a field."""
        return self.fields[name]

    def columns(self) -> dict[str, Any]:
        """Return all fields by the names of their columns; of JSON its values, with numbers as written."""
        if self.head.format == "JSON lines":
            return json.loads(self.text, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
        lines = enumerate(self.text.split("\n"), 1)
        _, _, fields = next(records(lines, self.head.format, self.place, len(self.text)))
        assert not isinstance(fields, DataError), "a row that was read once"
        return dict(zip(self.head.names, map(str.strip, fields), strict=True))

    def header(self, answers: Answers) -> str | None:
        """Return the first row of a table of answered rows; None where it has no such row."""
        if self.head.text is None:
            return None
        names = named_apart(answers, self.head.names)
        return SEPARATORS[self.head.format].join([self.head.text, *names])

    def answered(self, answers: Answers, like: str | None = None) -> str:
        """Return the row with answers behind its fields.

        Args:
            answers: to add.
            like: column of the right answers, if any. Where JSON has no string there, as in "label": 1, it
                gets none as an answer either.
        """
        if self.head.format != "JSON lines":
            field = _csv_field if self.head.format == "CSV" else as_text
            return SEPARATORS[self.head.format].join([self.text, *map(field, answers.values())])
        columns = self.columns()
        bare = isinstance(columns.get(like or ""), _Number | bool)
        added = {}
        for name, answer in zip(named_apart(answers, columns), answers.values(), strict=True):
            added[name] = _bare(answer) if bare and isinstance(answer, str) else answer
        more = json.dumps(added, ensure_ascii=False)[1:]
        return f"{self.text.rstrip()[:-1].rstrip()}, {more}"


class _Number(str):
    """A number of JSON as it is written."""


def _csv_field(answer: str | float) -> str:
    text = answer if isinstance(answer, str) else as_text(answer)
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",\n') else text


def _bare(text: str) -> Any:
    """Return what stands in JSON without quotes: a number, or true and false; a text where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) else text


def records(
    lines: Iterator[_Line], kind: str, path: str, longest: int
) -> Iterator[tuple[int, str, list[str] | BadRowError]]:
    """Yield each row's first line, its text, and its fields or what is wrong with it. No row is blank."""
    for number, line in lines:
        if not line.strip(" "):
            continue
        if kind == "TSV" or '"' not in line:
            yield number, line, line.split(SEPARATORS[kind])
            continue
        taken = [line]
        try:
            fields = _quoted(line, number, _kept(lines, taken), path, longest)
        except BadRowError as error:
            fields = error
        yield number, "\n".join(taken), fields


def _kept(lines: Iterator[_Line], taken: list[str]) -> Iterator[_Line]:
    """Yield lines, and put those that were taken into a list."""
    for number, line in lines:
        taken.append(line)
        yield number, line


def _quoted(line: str, number: int, lines: Iterator[_Line], path: str, longest: int) -> list[str]:
    """Part a row of CSV that has quotes; more lines are taken where one ends within a field."""
    fields: list[str] = []
    at = 0  # where in the line the next field begins
    while True:
        place = f"{path}:{number}:{at + 1}"
        if line.startswith('"', at):
            field, at, number, line = _quoted_field(at, number, line, lines, place, longest)
            if at < len(line) and line[at] != ",":
                behind = quote(line[at : at + 20])
                raise _open_quote(place, f"that closes before {behind}, not before a comma")
        else:
            field = _PLAIN.findall(line, at)[0]
            at += len(field)
            if line.startswith('"', at):
                raise BadRowError(
                    f"{path}:{number}:{at + 1}",
                    f"a quote within the field that begins with {quote(field)}",
                    'quotes around the whole field, and each one in it doubled: "a ""quote"" here"',
                    WAY_OUT,
                )
        fields.append(field)
        if at == len(line):
            return fields
        at += 1


def _quoted_field(
    at: int, number: int, line: str, lines: Iterator[_Line], place: str, longest: int
) -> tuple[str, int, int, str]:
    """Return the field whose quote opens at a place of a line, and the place and the line behind it."""
    parts: list[str] = []
    begin, size = at + 1, 0
    while True:
        part = _INSIDE.findall(line, begin)[0]
        parts.append(part)
        begin += len(part)
        if begin < len(line):
            return "\n".join(parts).replace('""', '"'), begin + 1, number, line
        size += len(part)
        number, more = next(lines, (number, None))
        if more is None or size > longest:
            raise _open_quote(place, "that is never closed")
        line, begin = more, 0


def _open_quote(place: str, how: str) -> DataError:
    return DataError(
        place,
        f"a quote {how}",
        'a closing quote at the end of the field, and each quote in it doubled: "a ""quote"" here"',
        "correct this row: where it ends cannot be told",
    )
