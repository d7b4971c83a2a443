"""Plain text as passages: each line by itself, or all lines as one text that goes on."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from elman.data.rows import Row
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
    def row(self) -> Row:
        """The text in one line, as a row."""
        return Row.of({"text": "\n".join(self.lines)}, self.place)

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

    def pieces(self, count: int) -> "list[Passage]":
        """Part it into so many pieces of about as many lines each; into its lines where these are fewer."""
        count = min(count, len(self.lines))
        ends = [len(self.lines) * i // count for i in range(count + 1)]
        return [Passage(self.lines[a:b], self.file, self.line + a) for a, b in pairwise(ends)]


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
