"""The CoNLL format: a token a row, its token first, and a blank line behind each sentence.

The format is that of the shared task of Tjong Kim Sang and De Meulder, "Introduction to the CoNLL-2003 shared
task" (2003), and its many dialects:

- Fields are parted by tabs when the first row has one, otherwise by runs of spaces.
- All rows have as many columns as the first that does not begin with #.
- A blank line is one that holds nothing but white space.
- A line that begins with # before a sentence, and has another number of columns, is a comment.
- A row -DOCSTART- parts documents.
- Entities are tagged in the last column, in IOB1, IOB2 or IOBES: the scheme is found out, and all tags are
  turned into IOB2. Labels of any other kind may stand in any column behind the first.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from elman.data import tags as tagging
from elman.data.source import DataError, UnseenError, counted, did_you_mean, quote, read_lines

_DOCUMENT = "-DOCSTART-"
_WAY_OUT = "correct the row, or leave its sentence out with --skip-bad"
_Line = tuple[int, str]


@dataclass(frozen=True)
class Written:
    """A sentence as its file has it, so that its words can be answered in their rows.

    Args:
        lines: of the file.
        rows: which of the lines are words.
        separator: of the fields of a row.
        column: to be answered, counted from 0; a row may end before it.
    """

    lines: tuple[str, ...]
    rows: Sequence[int]
    separator: str
    column: int

    def answered(self, labels: Iterable[str]) -> list[str]:
        """Return the lines, with a label in each word's row."""
        lines = list(self.lines)
        for row, label in zip(self.rows, labels, strict=True):
            fields = _fields(lines[row], self.separator)
            fields[self.column : self.column + 1] = [label]
            lines[row] = self.separator.join(fields)
        return lines


@dataclass(frozen=True)
class Sentence:
    """The words of a sentence, their tags (None where none were read), and the line of each word.

    `written` is what the file holds of it, where it was read to be answered; `typed` is the text that it was
    split from, where it was typed.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    file: str
    lines: Sequence[int]
    written: Written | None = None
    typed: str | None = None

    @property
    def text(self) -> str:
        """What was typed, or the words with a space between them."""
        return " ".join(self.words) if self.typed is None else self.typed

    @property
    def asked(self) -> dict[str, Any]:
        """Its text."""
        return {"text": self.text}

    @property
    def place(self) -> str:
        """Where the sentence begins, as "file:line"."""
        return self.place_of(0)

    def place_of(self, index: int) -> str:
        """Where word `index` stands, as "file:line"."""
        return f"{self.file}:{self.lines[index]}"


@dataclass(frozen=True)
class Columns:
    """What a file holds.

    The sentences' tags are in IOB2, and `scheme` is the one in which the file has them (None without tags);
    `types` are its entities' types in alphabetical order. Then come the numbers of -DOCSTART- rows, of
    comments, of I- tags that begin an entity though the file is IOB2, and of bad sentences left out.
    """

    path: str
    sentences: tuple[Sentence, ...]
    scheme: tagging.Scheme | None
    types: tuple[str, ...]
    documents: int
    comments: int
    repaired: int
    skipped: int

    @property
    def tokens(self) -> int:
        """The number of words in all sentences."""
        return sum(len(sentence.words) for sentence in self.sentences)

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not taken as it stands."""
        facts = [counted(len(self.sentences), "sentence"), counted(self.tokens, "token")]
        if self.documents:
            facts.append(counted(self.documents, "document"))
        if self.scheme:
            facts += [self.scheme, counted(len(self.types), "type")]
        remarks = []
        if self.repaired:
            remarks.append(f"{counted(self.repaired, 'I- tag')} after O or another type read as B-")
        if self.comments:
            remarks.append(f"{counted(self.comments, 'comment')} passed over")
        if self.skipped:
            remarks.append(f"{counted(self.skipped, 'bad sentence')} skipped")
        return f"{self.path}: {'; '.join([', '.join(facts), *remarks])}"


@dataclass(frozen=True)
class Labelled:
    """The sentences of a file, tagged with labels of any kind; `remarks` say what was passed over."""

    path: str
    sentences: tuple[Sentence, ...]
    remarks: tuple[str, ...]

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not taken as it stands."""
        tokens = sum(len(sentence.words) for sentence in self.sentences)
        labels = len({tag for sentence in self.sentences for tag in set(sentence.tags or ())})
        facts = [counted(len(self.sentences), "sentence"), counted(tokens, "token"), counted(labels, "label")]
        return f"{self.path}: {'; '.join([', '.join(facts), *self.remarks])}"


@dataclass(frozen=True)
class _Layout:
    """How the rows of one file are written, as its first one says, which stands in line `line`.

    `column`, counted from 0, is where the labels stand if they are read (`tagged`), and where they go if the
    rows are `kept` to be answered. The labels may have to be tags of `entities`.
    """

    path: str
    separator: str
    columns: int
    line: int
    column: int
    tagged: bool
    entities: bool
    kept: bool

    def fields(self, text: str) -> list[str]:
        return _fields(text, self.separator)

    def place(self, number: int) -> str:
        return f"{self.path}:{number}"

    def is_comment(self, text: str) -> bool:
        return text.startswith("#") and len(self.fields(text)) != self.columns


class _Found(NamedTuple):
    sentences: tuple[Sentence, ...]
    documents: int
    comments: int
    skipped: int


def read_columns(path: str | Path, *, tagged: bool = True, skip_bad: bool = False) -> Columns:
    r"""Read a CoNLL file of entities; with `tagged=False` only its first column, which may be its only one.

    Raises DataError with file and line for a row with another number of columns, an empty token or tag, an
    unknown tag, tags of two schemes in one file, a file without a sentence, and for all that `read_lines`
    refuses. With `skip_bad`, sentences with such a row or tag are left out and counted; the other errors
    stand.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write("Ada I-person\nLovelace I-person\nwrote O\n")
    ...     file.flush()
    ...     ada = read_columns(file.name)
    >>> ada.scheme, ada.sentences[0].tags
    ('IOB1', ('B-person', 'I-person', 'O'))
    """
    sentences, documents, comments, skipped = _read(path, tagged=tagged, entities=True, skip_bad=skip_bad)
    if not tagged:
        return Columns(str(path), sentences, None, (), documents, comments, 0, skipped)
    scheme = _scheme(sentences)
    normal = tuple(map(_in_iob2, sentences))
    repaired = sum(map(_changes, sentences, normal)) if scheme == "IOB2" else 0
    types = sorted({tagging.parse(tag)[1] for sentence in normal for tag in set(sentence.tags or ())} - {""})
    return Columns(str(path), normal, scheme, tuple(types), documents, comments, repaired, skipped)


def read_labels(path: str | Path, column: int = -1, *, skip_bad: bool = False) -> Labelled:
    r"""Read a CoNLL file and the labels in one of its columns, counted from 0; -1 is the last.

    Raises DataError as `read_columns` does, but any label will do, and for a column that is not there.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write("Ada NNP I-person\nwrote VBD O\n")
    ...     file.flush()
    ...     read_labels(file.name, 1).sentences[0].tags
    ('NNP', 'VBD')
    """
    sentences, documents, comments, skipped = _read(path, column, skip_bad=skip_bad)
    remarks = []
    if documents:
        remarks.append(counted(documents, "document"))
    if comments:
        remarks.append(f"{counted(comments, 'comment')} passed over")
    if skipped:
        remarks.append(f"{counted(skipped, 'bad sentence')} skipped")
    return Labelled(str(path), sentences, tuple(remarks))


def read_unlabelled(path: str | Path, column: int = -1) -> tuple[Sentence, ...]:
    """Read the words of a CoNLL file, to be answered in a column, which may be missing. Raises DataError."""
    return _read(path, column, tagged=False, kept=True).sentences


def _read(
    path: str | Path,
    column: int = -1,
    *,
    tagged: bool = True,
    entities: bool = False,
    kept: bool = False,
    skip_bad: bool = False,
) -> _Found:
    lines = read_lines(path)
    head = list(_until_first_row(lines))
    layout = _layout(_Layout(str(path), " ", 0, 0, column, tagged, entities, kept), head)
    sentences: list[Sentence] = []
    documents = comments = skipped = 0
    for rows, is_document, passed in _blocks(itertools.chain(head, lines), layout):
        documents += is_document
        comments += passed
        if not rows:
            continue
        try:
            sentences.append(_sentence(rows, layout))
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
    if not sentences:
        found = f"{counted(skipped, 'bad sentence')} and no good one" if skipped else "no sentence"
        raise DataError(str(path), found, "a row for each token", "check that this is the file you meant")
    return _Found(tuple(sentences), documents, comments, skipped)


def check_types(sentences: Iterable[Sentence], known: Collection[str]) -> None:
    """Raise UnseenError at the first entity whose type is not among the `known`, of the training file."""
    for sentence in sentences:
        for entity in tagging.spans(sentence.tags or ()):
            if entity.type not in known:
                raise UnseenError(
                    sentence.place_of(entity.start),
                    f"an entity of type {quote(entity.type)}, never seen in training",
                    f"one of {', '.join(map(quote, sorted(known))) or 'no types at all'}",
                    did_you_mean(entity.type, sorted(known))
                    or "train on a file that has entities of this type",
                )


def _is_document(text: str) -> bool:
    return text.startswith(_DOCUMENT)


def _until_first_row(lines: Iterator[_Line]) -> Iterator[_Line]:
    """The lines up to and with the first that can be nothing but a row."""
    for number, text in lines:
        yield number, text
        if text.strip() and not text.startswith("#") and not _is_document(text):
            return


def _layout(asked: _Layout, head: list[_Line]) -> _Layout:
    """Find out how the rows are written; `asked` holds what the caller wants of them."""
    rows = [line for line in head if line[1].strip() and not _is_document(line[1])]
    if not rows:
        raise DataError(
            asked.path, "no sentence", "a row for each token", "check that this is the file you meant"
        )
    # The last line of the head is a row for certain, unless all lines of the file begin with #.
    number, text = rows[0] if rows[-1][1].startswith("#") else rows[-1]
    layout = replace(asked, separator="\t" if "\t" in text else " ", line=number)
    layout = replace(layout, columns=len(layout.fields(text)))
    if layout.tagged and layout.columns < 2:
        raise DataError(
            layout.place(number),
            f"a missing tag: 1 column in {quote(text)}",
            "at least 2 columns, token first and tag last, parted by tabs or spaces",
            f"add a column of {'tags, O where there is no entity' if layout.entities else 'labels'}",
        )
    if layout.column == -1:
        return replace(layout, column=max(1, layout.columns - 1))
    if layout.column > layout.columns - layout.tagged:  # what is not there can still be written
        raise DataError(
            layout.place(number),
            f"{counted(layout.columns, 'column')} in {quote(text)}",
            f"at least {layout.column + layout.tagged}, for --column {layout.column + 1}",
            "give the number of the column that has the labels, counted from 1",
        )
    return layout


def _blocks(lines: Iterator[_Line], layout: _Layout) -> Iterator[tuple[list[_Line], bool, int]]:
    """The rows of a sentence, whether -DOCSTART- ended them, and the number of comments before them."""
    rows: list[_Line] = []
    comments = 0
    for number, text in lines:
        is_document = _is_document(text)
        if is_document or not text.strip():
            yield rows, is_document, comments
            rows, comments = [], 0
        elif not rows and layout.is_comment(text):
            comments += 1
        else:
            rows.append((number, text))
    yield rows, False, comments


def _sentence(rows: list[_Line], layout: _Layout) -> Sentence:
    """The sentence with its tags as they are written."""
    fields = [_row(number, text, layout) for number, text in rows]
    words = tuple(sys.intern(row[0]) for row in fields)  # words come back often: one string each
    tags = tuple(sys.intern(row[layout.column]) for row in fields) if layout.tagged else None
    first = rows[0][0]
    written = None
    if layout.kept:
        lines = tuple(text for _, text in rows)
        written = Written(lines, range(len(rows)), layout.separator, layout.column)
    return Sentence(words, tags, layout.path, range(first, first + len(rows)), written)


def _row(number: int, text: str, layout: _Layout) -> list[str]:
    place = layout.place(number)
    fields = layout.fields(text)
    if len(fields) != layout.columns:
        missing = "a missing tag: " if layout.tagged and len(fields) == 1 else ""
        separator = "tabs" if layout.separator == "\t" else "spaces"
        raise DataError(
            place,
            f"{missing}{counted(len(fields), 'column')} in {quote(text)}",
            f"{counted(layout.columns, 'column')} parted by {separator}, as in line {layout.line}",
            _WAY_OUT,
        )
    if not fields[0]:
        raise DataError(place, f"an empty token in {quote(text)}", "a token in the first column", _WAY_OUT)
    if layout.tagged and not fields[layout.column]:
        which = "the last column" if layout.column == layout.columns - 1 else f"column {layout.column + 1}"
        raise DataError(place, f"a missing tag in {quote(text)}", f"a tag in {which}", _WAY_OUT)
    if layout.entities and layout.tagged:
        tag = fields[layout.column]
        try:
            tagging.parse(tag)
        except ValueError:
            raise DataError(
                place, f"the unknown tag {quote(tag)}", tagging.EXPECTED, tagging.suggestion(tag)
            ) from None
    return fields


def _fields(text: str, separator: str) -> list[str]:
    if separator == "\t":
        return [field.strip(" ") for field in text.split("\t")]
    return [field for field in text.split(" ") if field]


def _scheme(sentences: Sequence[Sentence]) -> tagging.Scheme:
    try:
        return tagging.scheme_of(sentence.tags or () for sentence in sentences)
    except tagging.MixedSchemesError as error:
        earlier, later = error.earlier, error.later
        first, second = sentences[earlier.sentence], sentences[later.sentence]
        raise DataError(
            second.place_of(later.position),
            f"mixed schemes: {_clue(later, second)}, as in {later.family}",
            f"{earlier.family}, for in line {first.lines[earlier.position]} {_clue(earlier, first)}",
            "write the whole file in one scheme: IOB1, IOB2 or IOBES",
        ) from None


def _clue(clue: tagging.Clue, sentence: Sentence) -> str:
    return f"{quote((sentence.tags or ())[clue.position])} {clue.reason}"


def _in_iob2(sentence: Sentence) -> Sentence:
    tags = sentence.tags or ()
    return replace(sentence, tags=tuple(tagging.encode(tagging.spans(tags), len(tags), "IOB2")))


def _changes(written: Sentence, read: Sentence) -> int:
    return sum(before != after for before, after in zip(written.tags or (), read.tags or (), strict=True))
