"""Reads sentences of tagged words: CoNLL columns and CoNLL-U. Imports no torch."""

from abc import abstractmethod
from collections.abc import Collection, Hashable
from itertools import islice
from typing import Any

from elman.answers import Answer
from elman.data.columns import Sentence, read_columns, read_labels, read_unlabelled
from elman.data.conllu import COLUMNS, LABELS, is_conllu, read_conllu, read_unlabelled_conllu
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, read_lines
from elman.data.tags import is_tag, spans
from elman.data.text import split_words

HEAD_ROWS = 5  # by which columns separated by spaces are told from plain text


class SentenceReader(Reader[Sentence]):
    """What the readers of tagged words share."""

    def parse(self, item: Any, place: str) -> Sentence:
        """Split a text into words, as the training data splits them."""
        text = str(item)
        words = tuple(word.word for word in split_words(text, self.encoder.knows))
        if not words:
            raise DataError(place, "a text without a word", "a sentence", "type one in quotes")
        file, _, line = place.rpartition(":")
        where = (file, int(line)) if file and line.isdecimal() else (place, 1)
        return Sentence(words, None, where[0], [where[1]] * len(words), typed=text)

    def is_dataset(self, path: str) -> bool:
        """Return whether it has columns: told by a tab, by tags, or by one token a row (not in a .txt)."""
        if is_conllu(path):
            return True
        rows = self._head(path)
        if not rows or "\t" in rows[0]:
            return bool(rows)
        if len(rows[0].split()) == 1:
            return not path.endswith(".txt")
        return self._has_tags([row.split() for row in rows])

    @abstractmethod
    def _has_tags(self, rows: list[list[str]]) -> bool:
        """Return whether rows of fields that spaces separate end in tags."""

    @staticmethod
    def _head(path: str) -> list[str]:
        """Return the first rows: no comment, no mark of a document."""
        lines = (line.strip() for _, line in read_lines(path))
        rows = (line for line in lines if line and not line.startswith(("#", "-DOCSTART-")))
        return [*islice(rows, HEAD_ROWS)]

    def key(self, example: Sentence) -> Hashable:
        """Return its words."""
        return example.words


class EntityReader(SentenceReader):
    """Reads CoNLL columns of entities: token first, tag last; IOB1, IOB2 or IOBES."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Sentence]:
        """Read a CoNLL file."""
        columns = read_columns(path, skip_bad=skip_bad)
        return Examples(path, columns.sentences, columns.describe())

    def read_unlabelled(self, path: str) -> list[Sentence]:
        """Read a CoNLL file, of which only the first column counts, or the words of a CoNLL-U file."""
        if is_conllu(path):
            return list(read_unlabelled_conllu(path))
        return list(read_columns(path, tagged=False).sentences)

    def _has_tags(self, rows: list[list[str]]) -> bool:
        last = [row[-1] for row in rows]
        if last == ["O"]:
            return len(rows[0]) == 2  # "My blood type is O" is prose
        return 2 * sum(map(is_tag, last)) > len(rows)

    def write(self, example: Sentence, answer: Answer) -> str:
        """Return a row a word, token and tag, and the blank line after a sentence."""
        tags = answer.to_dict()["tags"]
        return "".join(f"{word}\t{tag}\n" for word, tag in zip(example.words, tags, strict=True))

    def labels(self, example: Sentence) -> Collection[str]:
        """Return the types of its entities."""
        return {entity.type for entity in spans(example.tags or ())}


class LabelReader(SentenceReader):
    """Reads any column of CoNLL or CoNLL-U; the setting `column` says which."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Sentence]:
        """Read a CoNLL or CoNLL-U file."""
        column = self.settings.column
        if is_conllu(path):
            read = read_conllu(path, _name(column, path), skip_bad=skip_bad)
        elif column in LABELS:
            raise DataError(
                path,
                f"no CoNLL-U, but --column {column}",
                f"rows of the {len(COLUMNS)} columns of CoNLL-U",
                "give the number of the column that has the labels, counted from 1",
            )
        else:
            read = read_labels(path, _index(column), skip_bad=skip_bad)
        return Examples(path, read.sentences, read.describe())

    def read_unlabelled(self, path: str) -> list[Sentence]:
        """Read a CoNLL or CoNLL-U file, whose labels are ignored."""
        if is_conllu(path):
            return list(read_unlabelled_conllu(path, _name(self.settings.column, path)))
        return list(read_unlabelled(path, _index(self.settings.column)))

    def _has_tags(self, rows: list[list[str]]) -> bool:
        column, labels = _index(self.settings.column), set(self.encoder.labels)
        return all(len(row) == len(rows[0]) > column and row[column] in labels for row in rows)

    def write(self, example: Sentence, answer: Answer) -> str:
        """Return the sentence as its file has it, the labels in their column, and the blank line after."""
        assert example.written, "a sentence that was read from a file"
        labels = (word["tag"] for word in answer.to_dict()["words"])
        return "".join(f"{row}\n" for row in example.written.answered(labels))

    def labels(self, example: Sentence) -> Collection[str]:
        """Return its labels."""
        return example.tags or ()


def _name(column: str | None, path: str) -> str:
    """Return the column of a CoNLL-U file that a setting names, or counts."""
    if column is None or column in LABELS:
        return column or "upos"
    name = COLUMNS[int(column) - 1 if column != "-1" else -1] if int(column) <= len(COLUMNS) else None
    if name in LABELS:
        return name
    raise DataError(
        path, f"CoNLL-U, and --column {column}", f"one of its columns {', '.join(LABELS)}", "give its name"
    )


def _index(column: str | None) -> int:
    """Return which column of a CoNLL file a setting counts, from 0; without a number, -1 for the last."""
    return -1 if column in (None, "-1", *LABELS) else int(column) - 1
