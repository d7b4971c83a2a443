"""What every encoder does: it is fitted on the training examples and turns examples into arrays."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

from elman.data.ragged import length_batches
from elman.data.reader import Example

E = TypeVar("E", bound=Example)


class Encoded(NamedTuple):
    """A batch of training examples as arrays."""

    examples: Sequence[Any]
    inputs: Any  # as `Encoder.inputs` returns them
    steps: int  # real steps of all sequences together
    continues: bool = False  # whether its sequences go on where those of the batch before ended


class Epoch:
    """The batches of an epoch: their number is known before the first is made."""

    def __init__(self, count: int, batches: Iterator[Encoded]) -> None:
        self._count, self._batches = count, batches

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._count

    def __iter__(self) -> Iterator[Encoded]:
        """Make the batches, once."""
        return self._batches


class Encoder(ABC, Generic[E]):
    """What is learned from the training examples outside the weights: vocabularies, labels, scales.

    Attributes:
        settings: of the task; `fit` may change them, where a pretrained model decides.
        notes: lines that the user should read after `fit`.
    """

    settings: Any
    notes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def fit(cls, examples: Sequence[E], settings: Any) -> Self:
        """Learn from the training examples. Raises DataError."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what was learned, as JSON holds it."""

    @classmethod
    @abstractmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Undo `state`."""

    @abstractmethod
    def length(self, example: E) -> int:
        """Return the number of real steps of an example."""

    @abstractmethod
    def inputs(self, examples: Sequence[E]) -> Any:
        """Return the network's inputs: a `Ragged`, an array, or a named tuple of these."""

    def check(self, examples: Sequence[E]) -> None:
        """Raise UnseenError for an answer that training never showed, DataError for an unusable example."""

    def epoch(self, examples: Sequence[E], steps: int, number: int) -> "Epoch":
        """Return the batches of a training epoch, made one by one; their inputs may be augmented.

        Args:
            examples: to train on.
            steps: real steps in a batch, at most.
            number: of the epoch, counted from 1.
        """
        lengths = [self.length(example) for example in examples]
        groups = length_batches(lengths, steps, self.seed(number))

        def batches() -> Iterator[Encoded]:
            for chosen in groups:
                batch = [examples[i] for i in chosen]
                yield Encoded(batch, self.inputs(batch), sum(lengths[i] for i in chosen))

        return Epoch(len(groups), batches())

    def seed(self, epoch: int) -> int:
        """Return the seed of an epoch's batches."""
        return self.settings.seed * 1_000_003 + epoch
