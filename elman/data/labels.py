"""The labels of a training file. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from elman.data.source import DataError, UnseenError, counted, did_you_mean, quote

_LISTED = 10  # labels in a message


@dataclass(frozen=True)
class Labels:
    """Labels in the order of their numbers.

    >>> Labels(("no", "yes")).numbers(["yes"])
    [1]
    """

    names: tuple[str, ...]

    @classmethod
    def fit(cls, labels: Iterable[str], file: str) -> tuple["Labels", tuple[str, ...]]:
        """Return the distinct labels in alphabetical order, and warnings about rare ones.

        Raises:
            DataError: where there is only one label.
        """
        counts = Counter(labels)
        names = sorted(counts)
        if len(names) < 2:
            raise DataError(
                file,
                f"one label only: {quote(names[0])}",
                "at least two, or there is nothing to tell apart",
                "add examples that have another label",
            )
        once = [name for name in names if counts[name] == 1]
        notes = (f"warning: {counted(len(once), 'label')} seen only once: {_listed(once)}",) if once else ()
        return cls(tuple(names)), notes

    def __len__(self) -> int:
        """Return how many labels there are."""
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the labels, in the order of their numbers."""
        return iter(self.names)

    @cached_property
    def _number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def numbers(self, labels: Iterable[str]) -> list[int]:
        """Return the number of each label. Raises KeyError for one that training never showed."""
        return [self._number[label] for label in labels]

    def check(self, label: str, place: str) -> None:
        """Raise UnseenError for a label that training never showed."""
        if label not in self._number:
            raise UnseenError(
                place,
                f"the label {quote(label)}, never seen in training",
                f"one of {_listed(self.names)}",
                did_you_mean(label, list(self.names)) or "train on a file that has it",
            )


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(map(quote, labels[:_LISTED])) + (", ..." if len(labels) > _LISTED else "")
