"""What a task is: from a file of examples to a model, its loss, its answers and its score."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from elman.data.source import did_you_mean
from elman.nn.layers import LAYERS


def option(default: Any, meaning: str) -> Any:
    """Declare a setting: its default, and the line that `--help` shows."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Settings:
    """What a user may set for every task; each field is an option of the command line.

    Raises ValueError for a value out of its range.
    """

    cell: str = option("lstm", f"recurrent cell: {', '.join(LAYERS)}")
    hidden: int = option(200, "size of the hidden state, in each direction")
    layers: int = option(1, "recurrent layers")
    dropout: float = option(0.5, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(16, "passes over the training data, at most")
    patience: int = option(8, "epochs without a better dev score before training stops")
    batch_steps: int = option(800, "real steps in a batch, at most; fewer where the training file is small")
    learning_rate: float = option(0.003, "largest learning rate of AdamW")
    seed: int = option(0, "seed of all that is random")

    def __post_init__(self) -> None:
        if self.cell not in LAYERS:
            hint = did_you_mean(self.cell, list(LAYERS)) or ""
            raise ValueError(
                f"cell must be one of {', '.join(LAYERS)}, got {self.cell!r}; {hint}".rstrip("; ")
            )
        for name in ("hidden", "layers", "epochs", "patience", "batch_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to less than 1, got {self.dropout}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, got {self.seed}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be greater than 0, got {self.learning_rate}")

    def files(self) -> dict[str, Path]:
        """Return the files, other than the data, that a run with these settings depends on."""
        return {}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Settings":
        """Build settings from names and values. Raises ValueError for a name that there is not."""
        known = [f.name for f in fields(cls)]
        for name in given:
            if name not in known:
                hint = did_you_mean(name, known) or f"there are: {', '.join(known)}"
                raise ValueError(f"there is no setting {name!r}; {hint}")
        return cls(**given)


@dataclass(frozen=True)
class Reading:
    """What a task's reader returns: the examples of a file, and a line that says what was read."""

    path: str
    examples: Sequence[Any]
    description: str


class Task(ABC):
    """A task that has seen its training data: what it learned there outside the model's weights.

    An instance belongs to one run. It turns examples into batches and the model's output into answers.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    shape: ClassVar[str]
    files: ClassVar[str]
    metric_name: ClassVar[str]
    unit: ClassVar[str]  # of a sequence's length
    settings_type: ClassVar[type[Settings]]
    settings: Settings
    remarks: tuple[str, ...] = ()  # what the user should know of what was learned

    @classmethod
    @abstractmethod
    def read(cls, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a file of examples with their answers. Raises DataError."""

    @classmethod
    @abstractmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write small sample data: a training, a dev and a test file."""

    @classmethod
    @abstractmethod
    def learn(cls, train: Sequence[Any], settings: Any) -> "Task":
        """Learn from the training examples what stands outside the weights, such as vocabularies."""

    @classmethod
    @abstractmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: Any) -> "Task":
        """Restore what `facts` gave."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return what was learned, as JSON holds it."""

    @abstractmethod
    def check(self, examples: Sequence[Any]) -> None:
        """Raise DataError for an answer that training never showed, which no model could give."""

    @abstractmethod
    def question(self, text: str) -> Any:
        """Turn what a user typed into an example without its answer. Raises DataError for an empty one."""

    @abstractmethod
    def has_records(self, path: str) -> bool:
        """Tell a file in the task's own format from lines of plain text."""

    @abstractmethod
    def questions(self, path: str) -> list[Any]:
        """Read a file of examples for which `has_records` holds, without their answers. Raises DataError."""

    @abstractmethod
    def tell(self, example: Any, answer: Any, text: str | None = None) -> dict[str, Any]:
        """Say an answer as JSON holds it; `text` is what the user typed, where that was so."""

    @abstractmethod
    def show(self, told: Mapping[str, Any]) -> str:
        """Say for people what `tell` says for programs."""

    @abstractmethod
    def record(self, told: Mapping[str, Any]) -> str:
        """Say it in the format of the task's files."""

    @abstractmethod
    def model(self) -> nn.Module:
        """Return a new model with random weights."""

    @abstractmethod
    def length(self, example: Any) -> int:
        """Return the number of steps of an example."""

    @abstractmethod
    def batch(self, examples: Sequence[Any], *, answers: bool = False) -> Any:
        """Pack examples into a batch for `answer`, or, with their answers, for `loss`."""

    @abstractmethod
    def loss(self, model: Any, batch: Any) -> Tensor:
        """Return the mean loss of the batch's examples, a scalar."""

    @abstractmethod
    def answer(self, model: Any, batch: Any) -> list[Any]:
        """Return the model's answer to each example of the batch, in the batch's order."""

    @abstractmethod
    def calibrate(self, model: Any, judge: Callable[[], float]) -> None:
        """Set what is chosen after training, by what `judge` says of the model on dev."""

    @abstractmethod
    def metric(self, examples: Sequence[Any], answers: Sequence[Any]) -> dict[str, Any]:
        """Score answers: {"metric": ..., "value": ..., and the rest of its figures}."""

    @abstractmethod
    def confusion(self, examples: Sequence[Any], answers: Sequence[Any]) -> tuple[list[str], np.ndarray]:
        """Return K labels, and [K, K] how often the label of a row was taken for that of a column."""

    @abstractmethod
    def baselines(self, train: Sequence[Any]) -> dict[str, Callable[[Sequence[Any]], list[Any]]]:
        """Train the plain methods that the model must beat; each answers examples, in their order."""
