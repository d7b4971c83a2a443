r"""Tables: CSV, TSV and JSON lines, whose columns have names.

- CSV as RFC 4180 has it: fields are parted by commas; one in quotes may hold these, line ends and doubled
  quotes.
- TSV: fields parted by tabs, and no quoting: a quote is a character like others.
- JSON lines: an object a line; a number, `true` and `false` stand for what is written there.

The first row of CSV and TSV names the columns. White space around a field is no part of it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.data.compression import plain_path
from elman.data.source import LONGEST_LINE, DataError, counted, did_you_mean, quote, read_lines

SEPARATORS = {"CSV": ",", "TSV": "\t"}
_SUFFIXES = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}
_NAMES = {"CSV": "commas", "TSV": "tabs"}
_WAY_OUT = "correct the row, or leave it out with --skip-bad"
_PLAIN = re.compile(r'[^,"]*')
_INSIDE = re.compile(r'[^"]*(?:""[^"]*)*')  # quotes
_Line = tuple[int, str]


@dataclass(frozen=True)
class Row:
    """The fields that were asked for, by the names under which they were, and where the row begins."""

    fields: Mapping[str, str]
    place: str  # file:line

    def __getitem__(self, name: str) -> str:
        """Return a field."""
        return self.fields[name]


@dataclass(frozen=True)
class Table:
    """What a file holds, the columns that were passed over, and the number of bad rows left out."""

    path: str
    format: str
    rows: tuple[Row, ...]
    others: tuple[str, ...]
    skipped: int

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not."""
        parts = [f"{self.path}: {counted(len(self.rows), 'row')}, {self.format}"]
        if self.others:
            parts.append(f"{counted(len(self.others), 'other column')} passed over")
        if self.skipped:
            parts.append(f"{counted(self.skipped, 'bad row')} skipped")
        return "; ".join(parts)


class _BadRowError(DataError):
    """One that concerns its row alone, which can be left out."""


def read_table(
    path: str | Path, columns: Mapping[str, str], *, skip_bad: bool = False, longest: int = LONGEST_LINE
) -> Table:
    r"""Read some columns of a table.

    Args:
        path: its suffix tells the format: .csv, .tsv or .tab, .jsonl or .ndjson; else its first line does.
        columns: the columns' names in the file, by the settings that choose them.
        skip_bad: leave out bad rows and count them.
        longest: bytes of a line, and characters of a row, at most.

    Raises DataError with file and line for a column that is absent or there twice, a row with another number
    of fields, an empty field, a quote at the wrong place, a line that is no JSON object, a file without a
    row, and for all that `read_lines` refuses. With `skip_bad` bad rows are left out and counted; but where a
    row ends is unknown when a quote is left open: this error stands, as do those of the whole file.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write('id,text,label\n7,"Good, in a way",pos\n')
    ...     file.flush()
    ...     table = read_table(file.name, {"text": "text", "label": "label"})
    >>> table.rows[0]["text"], table.others
    ('Good, in a way', ('id',))
    """
    kind = format_of(path)
    read = _json_rows if kind == "JSON lines" else _plain_rows
    rows: list[Row] = []
    others: dict[str, None] = {}
    skipped = 0
    for found in read(str(path), kind, columns, longest):
        if isinstance(found, _BadRowError):
            if not skip_bad:
                raise found
            skipped += 1
        else:
            row, passed = found
            rows.append(row)
            others.update(dict.fromkeys(passed))
    if not rows:
        bad = f"{counted(skipped, 'bad row')} and no good one" if skipped else "no row"
        raise DataError(str(path), bad, "a row for each example", "check that this is the file you meant")
    return Table(str(path), kind, tuple(rows), tuple(others), skipped)


def format_of(path: str | Path) -> str:
    """Return CSV, TSV or JSON lines, by the suffix of a file or else by its first line. Raises DataError."""
    if known := _SUFFIXES.get(plain_path(path).suffix.lower()):
        return known
    first = _first_line(path)
    if first.lstrip().startswith("{"):
        return "JSON lines"
    return "TSV" if "\t" in first else "CSV"


def is_table(path: str | Path, column: str) -> bool:
    """Tell a table with this column from lines of plain text, by suffix or first line. Raises DataError."""
    if plain_path(path).suffix.lower() in _SUFFIXES:
        return True
    kind, first = format_of(path), _first_line(path)
    return kind == "JSON lines" or column in (name.strip() for name in first.split(SEPARATORS[kind]))


def _first_line(path: str | Path) -> str:
    return next((line for _, line in read_lines(path) if line.strip()), "")


_Found = Iterator[tuple[Row, Sequence[str]] | _BadRowError]  # a row, with the names of its other columns


def _plain_rows(path: str, kind: str, columns: Mapping[str, str], longest: int) -> _Found:
    records = _records(path, kind, longest)
    number, head = next(records, (0, []))
    if isinstance(head, _BadRowError):
        raise head
    if not number:
        return
    head = [name.strip() for name in head]
    at = {setting: _find(name, head, f"{path}:{number}", setting) for setting, name in columns.items()}
    others = [name for i, name in enumerate(head) if i not in at.values()]
    for line, fields in records:
        place = f"{path}:{line}"
        if isinstance(fields, _BadRowError):
            yield fields
        elif len(fields) != len(head):
            yield _BadRowError(
                place,
                f"{counted(len(fields), 'field')} in {quote(SEPARATORS[kind].join(fields))}",
                f"{counted(len(head), 'field')} parted by {_NAMES[kind]}, as in line {number}",
                "put a field that has a comma in quotes, or leave the row out with --skip-bad"
                if kind == "CSV" and len(fields) > len(head)
                else _WAY_OUT,
            )
        else:
            yield _filled({s: fields[i] for s, i in at.items()}, columns, place) or (
                Row({s: fields[i].strip() for s, i in at.items()}, place),
                others,
            )


def _find(name: str, head: Sequence[str], place: str, setting: str) -> int:
    """Return the place of a column among those of the file."""
    there = ", ".join(map(quote, head))
    if head.count(name) > 1:
        raise DataError(
            place, f"the column {quote(name)} twice", "each name once", f"name it otherwise: it has {there}"
        )
    if name not in head:
        raise _absent(place, name, head, setting)
    return head.index(name)


def _absent(place: str, name: str, head: Sequence[str], setting: str) -> DataError:
    folded = {other.casefold(): other for other in head}
    near = did_you_mean(name.casefold(), list(folded))
    same = folded.get(name.casefold())
    if same or near:
        meant = same or next(other for fold, other in folded.items() if quote(fold) in str(near))
        option = f"--{setting} {shlex.quote(meant)}"
        remedy = f"did you mean {quote(meant)}? name it so in the first line, or train with {option}"
    else:
        remedy = f"name it so in the first line, or train with --{setting} COLUMN"
    return DataError(place, f"no column {quote(name)}", f"it among {', '.join(map(quote, head))}", remedy)


def _filled(fields: Mapping[str, str], columns: Mapping[str, str], place: str) -> _BadRowError | None:
    """Return the error of a row with an empty field."""
    empty = next((columns[setting] for setting, field in fields.items() if not field.strip()), None)
    if empty is None:
        return None
    return _BadRowError(place, f"an empty field in column {quote(empty)}", "something in it", _WAY_OUT)


def _records(path: str, kind: str, longest: int) -> Iterator[tuple[int, list[str] | _BadRowError]]:
    """Yield each row's first line and its fields, or what is wrong with it. A blank line is no row."""
    lines = read_lines(path, longest)
    for number, line in lines:
        if not line.strip(" "):
            continue
        if kind == "TSV" or '"' not in line:
            yield number, line.split(SEPARATORS[kind])
            continue
        try:
            yield number, _quoted(line, number, lines, path, longest)
        except _BadRowError as error:
            yield number, error


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
                raise _BadRowError(
                    f"{path}:{number}:{at + 1}",
                    f"a quote within the field that begins with {quote(field)}",
                    'quotes around the whole field, and each one in it doubled: "a ""quote"" here"',
                    _WAY_OUT,
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


def _json_rows(path: str, kind: str, columns: Mapping[str, str], longest: int) -> _Found:
    del kind  # there is one
    for number, line in read_lines(path, longest):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            pairs = _pairs(line, place)
            names = [name for name, _ in pairs]
            fields = {
                setting: _text(pairs[_find(name, names, place, setting)][1], name, place)
                for setting, name in columns.items()
            }
            others = [name for name in names if name not in columns.values()]
            yield _filled(fields, columns, place) or (
                Row({setting: field.strip() for setting, field in fields.items()}, place),
                others,
            )
        except DataError as error:
            yield error if isinstance(error, _BadRowError) else _BadRowError(*error.args)


def _pairs(line: str, place: str) -> list[tuple[str, Any]]:
    """Return the names and values of a JSON object; a name may come twice. Numbers stay as written."""
    try:
        value = json.loads(line, object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise _BadRowError(
            f"{place}:{error.colno}",
            f"no JSON: {error.msg}",
            'a JSON object in each line, such as {"text": "..."}',
            _WAY_OUT,
        ) from None
    except RecursionError:
        raise _BadRowError(place, "JSON nested too deeply", "a flat JSON object", _WAY_OUT) from None
    if not isinstance(value, tuple):
        raise _BadRowError(
            place,
            f"{quote(line)}, which is no JSON object",
            'a JSON object in each line, such as {"text": "..."}',
            _WAY_OUT,
        )
    return list(value)


def _text(value: Any, name: str, place: str) -> str:
    """Return a JSON value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        kind = "list" if isinstance(value, list) else "JSON object"
        raise _BadRowError(place, f"a {kind} in {quote(name)}", "a text or a number", _WAY_OUT)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise _BadRowError(place, f"half a surrogate pair in {quote(name)}", "whole characters", _WAY_OUT)
    return value
