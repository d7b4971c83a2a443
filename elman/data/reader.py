"""What every reader of a task's files does. Imports no torch."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from elman.answers import Answer


class Example(Protocol):
    """What an example of any task has."""

    @property
    def place(self) -> str:
        """Where it stands, as file:line."""
        ...

    @property
    def asked(self) -> dict[str, Any]:
        """What it is, as an answer names it in JSON: {"text": ...}, {"path": ...}."""
        ...


E = TypeVar("E", bound=Example)


@dataclass(frozen=True)
class Examples(Generic[E]):
    """The examples of a file, and a line that says what was read."""

    path: str
    examples: Sequence[E]
    description: str


class Reader(ABC, Generic[E]):
    """Reads examples from files, and writes answers in the format of the file.

    Args:
        settings: of the task.
        encoder: what training learned, once it has: some formats are told by it.
    """

    media = False  # whether an example is a file of its own, so that what a user types is its path

    def __init__(self, settings: Any, encoder: Any = None) -> None:
        self.settings, self.encoder = settings, encoder

    @abstractmethod
    def read(self, path: str, *, skip_bad: bool = False) -> Examples[E]:
        """Read a file of examples with their answers. Raises DataError."""

    @abstractmethod
    def is_dataset(self, path: str) -> bool:
        """Return whether a file is in the task's own format; if not, each line of it is parsed."""

    @abstractmethod
    def read_unlabelled(self, path: str) -> list[E]:
        """Read a file for which `is_dataset` holds; answers in it are ignored. Raises DataError."""

    @abstractmethod
    def parse(self, item: Any, place: str) -> E:
        """Return the example that was typed or posted. It opens no path.

        Args:
            item: a text, or another value of the task's own kind.
            place: where the item stands, for errors.

        Raises:
            DataError: for an item that is no example.
        """

    @abstractmethod
    def write(self, example: E, answer: Answer) -> str:
        """Return an answer in the format of the file."""

    def header(self, example: E) -> str | None:
        """Return the line above the first record that `write` returns, if the format has one."""
        return None

    def files(self, path: str) -> list[Path]:
        """Return the files that `read` opens: more than one where a path names a pair or a folder."""
        return [Path(path)]

    def labels(self, example: E) -> Collection[str]:
        """Return the labels of an example that must also occur in the training part of a split."""
        return ()

    def cut(self, examples: Sequence[E]) -> tuple[list[E], list[E]] | None:
        """Cut examples that cannot be held out whole into a training and a dev part; None where they can."""
        return None

    def key(self, example: E) -> Hashable:
        """Return a key equal for examples that ask the same, to find leakage between files; None never is."""
        return None
