"""JSON lines of sentences: an object a line, with a list of tokens and a list of their tags.

So libraries of datasets write them, Hugging Face's among others: {"tokens": ["Ada", "wrote"], "ner_tags":
["B-PER", "O"]}. A tag is a string; the numbers that some files have instead need their names, which stand
elsewhere.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from elman.data import tags as tagging
from elman.data.columns import Columns, Labelled, Sentence, in_iob2
from elman.data.compression import plain_path
from elman.data.source import DataError, counted, did_you_mean, quote, read_lines
from elman.data.written import PREDICTED, Form, Written, named_apart

TOKENS, NER_TAGS = "tokens", "ner_tags"
_FORM = Form("", 0, 0, "")  # of a line that is an object
_WAY_OUT = "correct the line, or leave it out with --skip-bad"
_EXAMPLE = '{"tokens": ["Ada", "wrote"], "%s": ["...", "..."]}'


class WrittenTokens(Written):
    """A sentence as its line has it, which is answered with one list more."""

    def answered(self, answers: Iterable[str]) -> list[str]:
        """Return the line, with the answers in its object."""
        line = json.loads(self.text)
        (name,) = named_apart([PREDICTED], line)
        return [json.dumps({**line, name: [*answers]}, ensure_ascii=False)]


def is_token_lists(path: str | Path) -> bool:
    """Tell JSON lines by the name of the file, or by its first line. Raises DataError."""
    if plain_path(path).suffix in (".jsonl", ".ndjson"):
        return True
    first = next((text for _, text in read_lines(path) if text.strip()), "")
    return re.match(r'\s*\{\s*"', first) is not None


def read_entity_lists(path: str | Path, *, skip_bad: bool = False) -> Columns:
    r"""Read the entities of JSON lines with `tokens` and `ner_tags`.

    Raises DataError with file and line for a line that is no such object, lists that differ in length, an
    empty token, an unknown tag or a number in place of one, and for all that `read_lines` refuses. With
    `skip_bad`, such lines are left out and counted.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write('{"tokens": ["Ada", "wrote"], "ner_tags": ["I-person", "O"]}\n')
    ...     file.flush()
    ...     read_entity_lists(file.name).sentences[0].tags
    ('B-person', 'O')
    """
    sentences, skipped = _read(path, NER_TAGS, skip_bad)
    return in_iob2(str(path), sentences, skipped=skipped)


def read_label_lists(path: str | Path, column: str | None = None, *, skip_bad: bool = False) -> Labelled:
    """Read JSON lines with `tokens` and labels of any kind in a column; without its name, in the only one.

    Raises DataError as `read_entity_lists` does.
    """
    return _labelled(path, column or _only_column(path), skip_bad)


def _labelled(path: str | Path, column: str | None, skip_bad: bool) -> Labelled:
    sentences, skipped = _read(path, column, skip_bad)
    remarks = (f"{counted(skipped, 'bad sentence')} skipped",) if skipped else ()
    return Labelled(str(path), sentences, remarks)


def read_unlabelled_lists(path: str | Path, *, skip_bad: bool = False) -> Labelled:
    """Read the tokens of JSON lines, which are to be answered. Raises DataError."""
    return _labelled(path, None, skip_bad)


def _read(path: str | Path, column: str | None, skip_bad: bool) -> tuple[tuple[Sentence, ...], int]:
    sentences: list[Sentence] = []
    skipped = 0
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            sentences.append(_sentence(str(path), number, line, column))
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
    if not sentences:
        found = f"{counted(skipped, 'bad sentence')} and no good one" if skipped else "no sentence"
        raise DataError(str(path), found, "a sentence a line", "check that this is the file you meant")
    return tuple(sentences), skipped


def _only_column(path: str | Path) -> str:
    """Find out which column has the labels, by the first line."""
    number, line = next((line for line in read_lines(path) if line[1].strip()), (1, ""))
    place = f"{path}:{number}"
    fields = _object(line, place, "pos_tags")
    lists = [name for name, value in fields.items() if name != TOKENS and isinstance(value, list)]
    if len(lists) == 1:
        return lists[0]
    found = f"the lists {', '.join(map(quote, lists))}" if lists else f"no list but {quote(TOKENS)}"
    remedy = f"name the column of the labels: --column {lists[0]}" if lists else "add a list of labels"
    raise DataError(place, found, "one list of labels beside the tokens", remedy)


def _sentence(path: str, number: int, line: str, column: str | None) -> Sentence:
    place = f"{path}:{number}"
    fields = _object(line, place, column or "tags")
    tokens = _texts(fields, TOKENS, place)
    if not tokens:
        raise DataError(place, "a sentence without a token", "at least one", _WAY_OUT)
    tags = None if column is None else _texts(fields, column, place)
    if tags is not None and len(tags) != len(tokens):
        raise DataError(
            place,
            f"{counted(len(tags), 'tag')} in {quote(column or '')} of {counted(len(tokens), 'token')}",
            "a tag for each token",
            _WAY_OUT,
        )
    for tag in tags or () if column == NER_TAGS else ():
        if not tagging.is_tag(tag):
            raise DataError(place, f"the unknown tag {quote(tag)}", tagging.EXPECTED, tagging.suggestion(tag))
    written = WrittenTokens(line, (), _FORM)
    return Sentence(tokens, tags, path, (number,) * len(tokens), written)


def _object(line: str, place: str, column: str) -> dict[str, Any]:
    example = _EXAMPLE % column
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{place}:{error.colno}", f"no JSON: {error.msg}", example, _WAY_OUT) from None
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        raise DataError(place, "JSON that is too deep or too long", example, _WAY_OUT) from None
    if not isinstance(value, dict):
        raise DataError(place, f"{quote(line)}, which is no JSON object", example, _WAY_OUT)
    return value


def _texts(fields: dict[str, Any], name: str, place: str) -> tuple[str, ...]:
    """A list of texts, none of which is empty."""
    if name not in fields:
        there = ", ".join(map(quote, fields)) or "nothing"
        remedy = did_you_mean(name, list(fields)) or f"give the list the name {quote(name)}"
        raise DataError(place, f"no {quote(name)} among {there}", f"a list {quote(name)}", remedy)
    values = fields[name]
    if not isinstance(values, list):
        raise DataError(place, f"{quote(json.dumps(values))} in {quote(name)}", "a list", _WAY_OUT)
    for value in values:
        if isinstance(value, int) and name != TOKENS:
            raise DataError(
                place,
                f"the number {value} in {quote(name)}",
                'the tag itself, such as "B-PER"',
                f"write names[i] for each number i; of a dataset of Hugging Face these are names ="
                f" dataset.features[{name!r}].feature.names",
            )
        if not isinstance(value, str) or not value.strip():
            what = "an empty text" if isinstance(value, str) else quote(json.dumps(value))
            raise DataError(place, f"{what} in {quote(name)}", "texts", _WAY_OUT)
        if re.search("[\t\r\n\ud800-\udfff]", value):
            expected = "texts without tabs, line ends and halves of characters"
            raise DataError(place, f"{value!a} in {quote(name)}", expected, _WAY_OUT)
    return tuple(map(sys.intern, values))  # words come back often: one string each
