"""Answers in the format that was read: what a file holds of an example, and an answer added to it.

The answer stands in a column of its own, PREDICTED, so that nothing that was read is lost. Columns without
names (CoNLL) get one more at the end; one that is blank in every row is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PREDICTED, CONFIDENCE = "predicted", "confidence"
BLANK = ("", "_", "?")  # fields that say nothing

Answers = Mapping[str, str | float]  # by the name of their column; a float is a probability


@dataclass(frozen=True)
class Form:
    """How the rows of a CoNLL file are written, and where an answer goes.

    Args:
        separator: of the fields.
        columns: number of fields.
        column: of the answer, counted from 0; `columns` adds one.
        other: what a row that is no word has in an added column.
        header: line that stands above the answered file, if one does.
    """

    separator: str
    columns: int
    column: int
    other: str
    header: str | None = None

    def is_row(self, line: str) -> bool:
        """Tell a row from a comment, a blank line, or a mark of a document that has no fields."""
        return not line.startswith("#") and len(fields_of(line, self.separator)) == self.columns

    def answered(self, row: str, answer: str) -> str:
        """Return a row with an answer in it."""
        if self.column >= self.columns:
            return self.separator.join([row if self.separator == "\t" else row.rstrip(), answer])
        fields = fields_of(row, self.separator)
        fields[self.column] = answer
        return self.separator.join(fields)


@dataclass(frozen=True)
class Written:
    """The lines of a file that belong to a sentence: those of its words, and what stands above them.

    Below the words of the last sentence of a file are the lines up to its end.

    Args:
        text: the lines.
        rows: which of the lines are words.
        form: of the file.
    """

    text: str
    rows: Sequence[int]
    form: Form

    def answered(self, answers: Iterable[str]) -> list[str]:
        """Return the lines, with an answer in each word's row."""
        form, lines = self.form, self.text.split("\n")
        of_row = dict(zip(self.rows, answers, strict=True))
        for row, line in enumerate(lines):
            if row in of_row:
                lines[row] = form.answered(line, of_row[row])
            elif form.column >= form.columns and form.is_row(line):
                lines[row] = form.answered(line, form.other)
        return lines


def fields_of(row: str, separator: str) -> list[str]:
    """Return the fields of a row, which tabs or runs of spaces separate."""
    if separator == "\t":
        return [field.strip(" ") for field in row.split("\t")]
    return [field for field in row.split(" ") if field]


def as_text(answer: str | float) -> str:
    """Return an answer as a field of a row of tab-separated values."""
    return " ".join(answer.split()) if isinstance(answer, str) else f"{answer:.4f}"


def named_apart(names: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return names for new columns: one that a file has already gets a number.

    >>> named_apart(["predicted", "confidence"], ["text", "predicted"])
    ['predicted_2', 'confidence']
    """
    used = {*taken}
    return [next(n for n in _numbered(name) if n not in used) for name in names]


def _numbered(name: str) -> Iterable[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def answered_header(header: str, answers: Answers) -> str:
    """Return a header of FASTA with answers behind its words.

    >>> answered_header("a label=on some gene", {"predicted": "off", "confidence": 0.75})
    'a label=on some gene predicted=off confidence=0.7500'
    """
    names = named_apart(answers, re.findall(r"(?:^|\s)(\w+)=", header))
    said = (as_text(answer).replace(" ", "_") for answer in answers.values())
    return " ".join([header.rstrip(), *map("{}={}".format, names, said)])
