"""The CoNLL-U format of Universal Dependencies: ten columns parted by tabs, a word a row.

https://universaldependencies.org/format.html:

- A row begins with the number of its word, from 1 in each sentence.
- 3-4 is a token that is written as one and read as the words 3 and 4, such as "aux" for "à les"; the words
  are what is tagged.
- 3.1 is an empty node, a word that is not there behind word 3.
- A line that begins with # is a comment, and a blank line ends a sentence.
- A column with nothing in it has a _.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from elman.data.columns import Labelled, Sentence
from elman.data.compression import plain_path
from elman.data.source import DataError, counted, quote, read_lines
from elman.data.written import BLANK, Form, Written, fields_of

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
LABELS = (
    "lemma",
    "upos",
    "xpos",
    "feats",
    "deprel",
    "misc",
)  # those whose values a word can be labelled with
_MAY_BE_NOTHING = ("feats", "misc")  # lists, of which _ is the empty one

_FEWEST = 8  # columns of a damaged first row that is still told from one of plain CoNLL
_WAY_OUT = "correct the row, or leave its sentence out with --skip-bad"
_NUMBER = "[1-9][0-9]{0,8}"
_ID = re.compile(
    rf"(?P<first>{_NUMBER})(?:-(?P<last>{_NUMBER}))?|(?P<behind>0|{_NUMBER})\.(?P<node>{_NUMBER})"
)
_FIRST = re.compile(rf"1|1-{_NUMBER}|0\.1")  # number of a first row
_FORM = COLUMNS.index("form")
_Row = tuple[int, str]


def is_conllu(path: str | Path) -> bool:
    """Tell CoNLL-U by the name of the file, or by its first row, even a damaged one. Raises DataError."""
    if plain_path(path).suffix == ".conllu":
        return True
    row = next((text for _, text in read_lines(path) if text.strip() and not text.startswith("#")), "")
    fields = row.split("\t") if "\t" in row else row.split()
    if not _FIRST.fullmatch(fields[0] if fields else ""):
        return False
    if "\t" in row:
        return len(fields) >= _FEWEST
    # Spaces where tabs should be; a text that begins with a number has no other in the place of the head.
    return len(fields) == len(COLUMNS) and fields[COLUMNS.index("head")].strip("_0123456789") == ""


def read_conllu(path: str | Path, column: str, *, skip_bad: bool = False) -> Labelled:
    r"""Read a CoNLL-U file and the labels in one of its columns, one of `LABELS`.

    Raises DataError with file and line for a row that has not ten columns or an empty one, for a number that
    is not the next, for a label that is _ in a column in which that means that it is missing, for a file
    without a sentence or one whose words are withheld, and for all that `read_lines` refuses. With
    `skip_bad`, sentences with such a row are left out and counted; the other errors stand.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write("1\tAda\t_\tPROPN\t_\t_\t2\tnsubj\t_\t_\n2\tsang\t_\tVERB\t_\t_\t0\troot\t_\t_\n")
    ...     file.flush()
    ...     read_conllu(file.name, "upos").sentences[0].tags
    ('PROPN', 'VERB')
    """
    return _read(path, column, tagged=True, skip_bad=skip_bad)


def read_unlabelled_conllu(path: str | Path, column: str, *, skip_bad: bool = False) -> Labelled:
    """Read the words of a CoNLL-U file, to be answered.

    Args:
        path: of the file.
        column: what the answers are. Where it names a column that is blank in every row, they go there; else
            into one more, as CoNLL-U Plus has it (https://universaldependencies.org/ext-format.html).
        skip_bad: leave out bad sentences, and count them.

    Raises DataError.
    """
    return _read(path, column, tagged=False, skip_bad=skip_bad)


def _read(path: str | Path, column: str, *, tagged: bool, skip_bad: bool) -> Labelled:
    sentences: list[Sentence] = []
    texts: list[tuple[str, Sequence[int]]] = []  # the lines up to each sentence's last, and its words
    above: list[str] = []
    passed: Counter[str] = Counter()
    at = COLUMNS.index(column) if column in COLUMNS else len(COLUMNS)
    blank = not tagged and column in COLUMNS
    for blanks, rows in _blocks(path):
        above += blanks
        try:
            sentence, kinds = _sentence(rows, str(path), column, tagged)
        except DataError:
            if not skip_bad:
                raise
            passed["bad sentence"] += 1
            continue
        passed += kinds
        begin, first = len(above), rows[0][0] if rows else 0
        above += [text for _, text in rows]
        if sentence.words:
            sentences.append(sentence)
            words = [begin + number - first for number in sentence.lines]
            texts.append(("\n".join(above), _narrow(words)))
            blank = blank and all(fields_of(above[word], "\t")[at] in BLANK for word in words)
            above = []
    if not sentences:
        bad = passed["bad sentence"]
        found = f"{counted(bad, 'bad sentence')} and no good one" if bad else "no sentence"
        raise DataError(str(path), found, "a row for each word", "check that this is the file you meant")
    if all(word == "_" for sentence in sentences for word in sentence.words):
        raise DataError(
            sentences[0].place,
            "no word but _ in the whole file: the words are withheld",
            "words in the column form",
            "fetch the text from those who own it, and put its words in, as the treebank's README says",
        )
    texts[-1] = "\n".join([texts[-1][0], *above]), texts[-1][1]
    plus = None if blank else f"# global.columns = {' '.join([*COLUMNS, f'elman:{column}']).upper()}"
    form = Form("\t", len(COLUMNS), at if blank else len(COLUMNS), "_", plus)
    answerable = [
        replace(sentence, written=Written(text, words, form))
        for sentence, (text, words) in zip(sentences, texts, strict=True)
    ]
    remarks = [
        f"{counted(passed[kind], kind)} {'skipped' if kind == 'bad sentence' else 'passed over'}"
        for kind in ("multiword token", "empty node", "comment", "bad sentence")
        if passed[kind]
    ]
    return Labelled(str(path), tuple(answerable), tuple(remarks))


def _blocks(path: str | Path) -> Iterator[tuple[list[str], list[_Row]]]:
    """The blank lines above each sentence, and its lines, comments among them; last, perhaps none."""
    blanks: list[str] = []
    rows: list[_Row] = []
    for number, text in read_lines(path):
        if not text.strip():
            if rows:
                yield blanks, rows
                blanks, rows = [], []
            blanks.append(text)
        else:
            rows.append((number, text))
    yield blanks, rows


def _sentence(rows: list[_Row], path: str, column: str, tagged: bool) -> tuple[Sentence, Counter[str]]:
    """The sentence, and how many of its lines are no words, by their kind."""
    words: list[str] = []
    labels: list[str] = []
    where: list[int] = []
    passed: Counter[str] = Counter()
    numbering = _Numbering()
    for index, (number, text) in enumerate(rows):
        if text.startswith("#"):
            passed["comment"] += 1
            continue
        place = f"{path}:{number}"
        fields = _row(place, text)
        kind = numbering.kind(place, fields[0])
        if kind != "word":
            passed[kind] += 1
            continue
        if tagged:
            labels.append(sys.intern(_label(place, fields, column)))
        words.append(sys.intern(fields[_FORM]))
        where.append(index)
    numbering.end()
    lines = _narrow([rows[index][0] for index in where])
    return Sentence(tuple(words), tuple(labels) if tagged else None, path, lines), passed


def _narrow(lines: list[int]) -> Sequence[int]:
    """The same numbers, in less memory where there is no gap between them."""
    return range(lines[0], lines[-1] + 1) if lines and lines[-1] - lines[0] == len(lines) - 1 else lines


def _row(place: str, text: str) -> list[str]:
    fields = [field.strip(" ") for field in text.split("\t")]
    if len(fields) != len(COLUMNS):
        raise DataError(
            place,
            f"{counted(len(fields), 'column')} in {quote(text)}",
            f"the {len(COLUMNS)} columns of CoNLL-U, parted by tabs: {', '.join(COLUMNS)}",
            _WAY_OUT,
        )
    for name, field in zip(COLUMNS, fields, strict=True):
        if not field:
            raise DataError(place, f"an empty column {name}", "a value, or _ for none", _WAY_OUT)
    return fields


def _label(place: str, fields: list[str], column: str) -> str:
    label = fields[COLUMNS.index(column)]
    # The lemma of a word may be _ when the word is.
    if label != "_" or column in _MAY_BE_NOTHING or (column == "lemma" and fields[_FORM] == "_"):
        return label
    filled = ", ".join(name for name in LABELS if fields[COLUMNS.index(name)] != "_")
    raise DataError(
        place,
        f"no {column} for {quote(fields[_FORM])}, but _",
        f"a label in the column {column}",
        (f"choose a column that is filled ({filled}), or " if filled else "")
        + "leave such sentences out with --skip-bad",
    )


class _Numbering:
    """Follows the numbers of a sentence's rows, and tells by them what each row is."""

    def __init__(self) -> None:
        self.words = self.empty = 0  # words so far, empty nodes behind the last of them
        self.last = 0  # word of the latest multiword token
        self.place = ""  # of that token

    def kind(self, place: str, text: str) -> str:
        """Return word, multiword token or empty node. Raises DataError for a number out of its turn."""
        found = _ID.fullmatch(text)
        if not found:
            raise DataError(
                place,
                f"the number {quote(text)}",
                "a number such as 3, 3-4 or 3.1 in the first column",
                _WAY_OUT,
            )
        if found["node"]:
            if (int(found["behind"]), int(found["node"])) != (self.words, self.empty + 1):
                raise self._out_of_turn(place, text, f"{self.words}.{self.empty + 1}")
            self.empty += 1
            return "empty node"
        first = int(found["first"])
        if first != self.words + 1:
            raise self._out_of_turn(place, text, str(self.words + 1))
        if found["last"]:
            last = int(found["last"])
            if last < first or first <= self.last:
                raise self._out_of_turn(place, text, f"{first}-{first + 1}, and none within another")
            self.last, self.place = last, place
            return "multiword token"
        self.words, self.empty = first, 0
        return "word"

    def end(self) -> None:
        """Raise DataError where the latest multiword token has words that do not come."""
        if self.last > self.words:
            raise DataError(
                self.place,
                f"a token up to word {self.last} in a sentence of {counted(self.words, 'word')}",
                "its words in the rows below it",
                _WAY_OUT,
            )

    def _out_of_turn(self, place: str, found: str, expected: str) -> DataError:
        counting = "for the words of a sentence are counted from 1"
        return DataError(place, f"the number {found}", f"{expected}, {counting}", _WAY_OUT)
