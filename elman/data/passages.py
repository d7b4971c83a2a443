"""Plain text as passages: each line by itself, or all lines as one text that goes on."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.answers import Answer
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted, read_lines


@dataclass(frozen=True)
class Passage:
    """Lines that follow each other, as they are written, and where the first of them stands."""

    lines: tuple[str, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where it begins, as "file:line"."""
        return f"{self.file}:{self.line}"

    @property
    def asked(self) -> dict[str, Any]:
        """Its text."""
        return {"text": "\n".join(self.lines)}

    @property
    def words(self) -> int:
        """The number of words, parted by white space; the end of a line counts as one."""
        return sum(len(line.split()) + 1 for line in self.lines)

    @property
    def characters(self) -> int:
        """The number of characters; the end of a line counts as one."""
        return sum(len(line) + 1 for line in self.lines)

    def cut(self) -> "tuple[Passage, Passage] | None":
        """Part it a tenth of its lines before the end; None where it has but one line."""
        at = len(self.lines) - max(1, len(self.lines) // 10)
        if at == 0:
            return None
        return Passage(self.lines[:at], self.file, self.line), Passage(
            self.lines[at:], self.file, self.line + at
        )


@dataclass(frozen=True)
class Passages:
    """What a file holds; `blank` lines were passed over."""

    path: str
    passages: tuple[Passage, ...]
    blank: int

    def describe(self) -> str:
        """One line for the user: what was read."""
        lines = counted(sum(len(passage.lines) for passage in self.passages), "line")
        characters = counted(sum(passage.characters for passage in self.passages), "character")
        passed = f", {counted(self.blank, 'blank line')} passed over" if self.blank else ""
        return f"{self.path}: {lines}, {characters}{passed}"


def read_passages(path: str | Path, *, lines: bool) -> Passages:
    r"""Read a text file as one passage, or, with `lines`, each line that is not blank as one.

    Raises DataError for a file without text, and for all that `read_lines` refuses.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write("Ada\n\nAlan\n")
    ...     file.flush()
    ...     whole, each = read_passages(file.name, lines=False), read_passages(file.name, lines=True)
    >>> [p.lines for p in whole.passages], [p.lines for p in each.passages]
    ([('Ada', '', 'Alan')], [('Ada',), ('Alan',)])
    """
    path = str(path)
    numbered = list(read_lines(path))
    full = [(number, line) for number, line in numbered if line.strip()]
    if not full:
        raise DataError(path, "no text", "lines of text", "check that this is the file you meant")
    if lines:
        passages = (Passage((line,), path, number) for number, line in full)
        return Passages(path, tuple(passages), len(numbered) - len(full))
    return Passages(path, (Passage(tuple(line for _, line in numbered), path, 1),), 0)


class TextReader(Reader[Passage]):
    """Reads plain text: all of a file as one passage, or with `lines` each line as one."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Passage]:
        """Read a text."""
        passages = read_passages(path, lines=self.settings.lines)
        return Examples(path, passages.passages, passages.describe())

    def is_dataset(self, path: str) -> bool:
        """Return False: each line of a file is answered."""
        return False

    def read_unlabelled(self, path: str) -> list[Passage]:
        """Read a text."""
        return list(self.read(path).examples)

    def parse(self, item: Any, place: str) -> Passage:
        """Return a text as a passage."""
        if not str(item).strip():
            raise DataError(place, "an empty text", "a text", "type one in quotes")
        return Passage(tuple(str(item).split("\n")), place, 1)

    def write(self, example: Passage, answer: Answer) -> str:
        """Return the text."""
        return answer.to_dict()["text"]

    def cut(self, examples: Sequence[Passage]) -> tuple[list[Passage], list[Passage]] | None:
        """Cut one long passage a tenth before its end."""
        parts = examples[0].cut() if len(examples) == 1 else None
        return ([parts[0]], [parts[1]]) if parts else None

    def key(self, example: Passage) -> Hashable:
        """Return its lines."""
        return example.lines
