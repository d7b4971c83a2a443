r"""Tables: CSV, TSV and JSON lines, whose columns have names.

- CSV as RFC 4180 has it: fields are parted by commas; one in quotes may hold these, line ends and doubled
  quotes.
- TSV: fields parted by tabs, and no quoting: a quote is a character like others.
- JSON lines: an object a line; a number, `true` and `false` stand for what is written there.

The first row of CSV and TSV names the columns. Where columns are asked for by their numbers, counted from 1,
there is no such row. White space around a field is no part of it.
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.data.compression import plain_path
from elman.data.rows import SEPARATORS, WAY_OUT, BadRowError, Head, Row, records
from elman.data.source import LONGEST_LINE, DataError, counted, did_you_mean, quote, read_lines

_SUFFIXES = {".csv": "CSV", ".tsv": "TSV", ".tab": "TSV", ".jsonl": "JSON lines", ".ndjson": "JSON lines"}
_NAMES = {"CSV": "commas", "TSV": "tabs"}


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


def read_table(
    path: str | Path, columns: Mapping[str, str], *, skip_bad: bool = False, longest: int = LONGEST_LINE
) -> Table:
    r"""Read some columns of a table.

    Args:
        path: its suffix tells the format: .csv, .tsv or .tab, .jsonl or .ndjson; else its first line does.
        columns: the columns' names in the file, by the settings that choose them. Where all of CSV or TSV are
            numbers, and no names in the first row, they count columns from 1; that row is one like others.
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
        if isinstance(found, BadRowError):
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
    if is_number(column) and kind == "TSV":
        return int(column) <= 1 + first.count("\t")
    return kind == "JSON lines" or column in (name.strip() for name in first.split(SEPARATORS[kind]))


def is_number(column: str) -> bool:
    """Tell the number of a column from a name."""
    return re.fullmatch("[1-9][0-9]{0,5}", column) is not None


def _first_line(path: str | Path) -> str:
    return next((line for _, line in read_lines(path) if line.strip()), "")


_Found = Iterator[tuple[Row, Sequence[str]] | BadRowError]  # a row, with the names of its other columns


def _plain_rows(path: str, kind: str, columns: Mapping[str, str], longest: int) -> _Found:
    rows = records(read_lines(path, longest), kind, path, longest)
    number, top, first = next(rows, (0, "", []))
    if isinstance(first, BadRowError):
        raise first
    if not number:
        return
    names = [name.strip() for name in first]
    if all(map(is_number, columns.values())) and set(columns.values()).isdisjoint(names):
        head = Head(kind, tuple(str(i + 1) for i in range(len(names))))
        rows = itertools.chain([(number, top, first)], rows)
    else:
        head = Head(kind, tuple(names), top)
    at = {setting: _find(name, head.names, f"{path}:{number}", setting) for setting, name in columns.items()}
    others = [name for i, name in enumerate(head.names) if i not in at.values()]
    for line, text, fields in rows:
        place = f"{path}:{line}"
        if isinstance(fields, BadRowError):
            yield fields
        elif len(fields) != len(names):
            yield BadRowError(
                place,
                f"{counted(len(fields), 'field')} in {quote(SEPARATORS[kind].join(fields))}",
                f"{counted(len(names), 'field')} parted by {_NAMES[kind]}, as in line {number}",
                "put a field that has a comma in quotes, or leave the row out with --skip-bad"
                if kind == "CSV" and len(fields) > len(names)
                else WAY_OUT,
            )
        else:
            yield _filled({s: fields[i] for s, i in at.items()}, columns, place) or (
                Row({s: fields[i].strip() for s, i in at.items()}, place, text, head),
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
        remedy += "; where no line names the columns, give all by number"
    return DataError(place, f"no column {quote(name)}", f"it among {', '.join(map(quote, head))}", remedy)


def _filled(fields: Mapping[str, str], columns: Mapping[str, str], place: str) -> BadRowError | None:
    """Return the error of a row with an empty field."""
    empty = next((columns[setting] for setting, field in fields.items() if not field.strip()), None)
    if empty is None:
        return None
    return BadRowError(place, f"an empty field in column {quote(empty)}", "something in it", WAY_OUT)


def _json_rows(path: str, kind: str, columns: Mapping[str, str], longest: int) -> _Found:
    head = Head(kind)
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
                Row({s: field.strip() for s, field in fields.items()}, place, line, head),
                others,
            )
        except DataError as error:
            yield error if isinstance(error, BadRowError) else BadRowError(*error.args)


def _pairs(line: str, place: str) -> list[tuple[str, Any]]:
    """Return the names and values of a JSON object; a name may come twice. Numbers stay as written."""
    try:
        value = json.loads(line, object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise BadRowError(
            f"{place}:{error.colno}",
            f"no JSON: {error.msg}",
            'a JSON object in each line, such as {"text": "..."}',
            WAY_OUT,
        ) from None
    except RecursionError:
        raise BadRowError(place, "JSON nested too deeply", "a flat JSON object", WAY_OUT) from None
    if not isinstance(value, tuple):
        raise BadRowError(
            place,
            f"{quote(line)}, which is no JSON object",
            'a JSON object in each line, such as {"text": "..."}',
            WAY_OUT,
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
        raise BadRowError(place, f"a {kind} in {quote(name)}", "a text or a number", WAY_OUT)
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise BadRowError(place, f"half a surrogate pair in {quote(name)}", "whole characters", WAY_OUT)
    return value
