"""What a task is: from a file of examples to a model, its loss, its answers and its score."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from elman.data.batch import fill
from elman.data.fingerprint import Fingerprint
from elman.data.rows import Row
from elman.data.source import DataError, did_you_mean, quote
from elman.data.written import Answers
from elman.tasks.sampling import Sampling
from elman.tasks.settings import Settings

__all__ = ["CannotError", "Heatmap", "Reading", "Sampling", "Settings", "Stream", "Task"]

BATCH_STEPS = 2000  # real steps in a batch when nothing is trained


@dataclass(frozen=True)
class Reading:
    """What a task's reader returns.

    Args:
        path: that was given.
        examples: those of the file.
        description: a line that says what was read.
        files: the fingerprints of all files that were read, where somebody asked for them.
    """

    path: str
    examples: Sequence[Any]
    description: str
    files: tuple[Fingerprint, ...] = ()


@dataclass(frozen=True)
class Heatmap:
    """A picture of numbers: what the model looked at, as a rule.

    Args:
        values: [R, C].
        rows: R labels.
        columns: C labels.
        title: says what the numbers are.
    """

    values: np.ndarray
    rows: Sequence[str]
    columns: Sequence[str]
    title: str


class Stream(Protocol):
    """A model that is fed step by step."""

    def step(self, x: Any) -> dict[str, Any]:
        """Take one more element, and say what the model now answers, as JSON holds it."""
        ...


class CannotError(ValueError):
    """The task cannot do what it was asked for."""


class Task(ABC):
    """A task that has seen its training data: what it learned there outside the model's weights.

    An instance belongs to one run. It turns examples into batches and the model's output into answers.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    shape: ClassVar[str]
    files: ClassVar[str]
    metric_name: str  # a setting may choose another
    better: Literal["higher", "lower"] = "higher"  # value of the metric
    unit: ClassVar[str]  # of a sequence's length
    rare_labels: ClassVar[bool] = False  # whether a label may be so rare that training does not have it
    fewest: ClassVar[int] = 0  # examples in a batch, on average, below which training is too noisy to learn
    settings_type: ClassVar[type[Settings]]
    settings: Any  # an instance of settings_type
    remarks: tuple[str, ...] = ()  # what the user should know of what was learned

    @classmethod
    @abstractmethod
    def read(cls, path: str, settings: Any, *, skip_bad: bool = False) -> Reading:
        """Read a file of examples with their answers. Raises DataError."""

    @classmethod
    def read_files(cls, paths: Sequence[str], settings: Any, *, skip_bad: bool = False) -> Reading:
        """Read several files as one. Raises CannotError where the task has no such files, DataError."""
        if len(paths) > 1:
            raise CannotError(
                f"{cls.name} trains on one file, got {len(paths)}: {', '.join(paths)}; name those to decide "
                "when to stop and to be judged on with --dev and --test, or join them into one"
            )
        return cls.read(paths[0], settings, skip_bad=skip_bad)

    @classmethod
    def paths(cls, path: str, settings: Any) -> list[Path]:
        """Return all files that `read` opens for a path, with those that a folder or a manifest names."""
        return [Path(path)]

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
        """Raise UnseenError for an answer that training never showed, DataError for what cannot be asked."""

    @classmethod
    def shown(cls, example: Any, settings: Any) -> Collection[str]:
        """Return the labels in an example's answer, of those that a model knows from training alone."""
        return ()

    @classmethod
    def hold_out(cls, examples: Sequence[Any], settings: Any) -> tuple[list[Any], list[Any]]:
        """Part training examples into those to train on and a tenth, but at least one, that serves as dev.

        Every label of one that is held out is left to be trained on, if any can be held out so. No larger
        share of a small file is held out: examples are worth more in training than in the choice of an epoch.
        """
        having = Counter(label for example in examples for label in set(cls.shown(example, settings)))
        order = list(range(len(examples)))
        Random(0).shuffle(order)
        dev: set[int] = set()
        for i in order:
            labels = set(cls.shown(examples[i], settings))
            if len(dev) < max(1, len(order) // 10) and all(having[label] > 1 for label in labels):
                dev.add(i)
                having.subtract(labels)
        dev = dev or {order[0]}
        return [e for i, e in enumerate(examples) if i not in dev], [examples[i] for i in sorted(dev)]

    @classmethod
    def row(cls, example: Any, settings: Any) -> Row | None:
        """Return the row of a table that an example is, in its file or when it is written; None for none."""
        return example.row

    @classmethod
    def group(cls, example: Any, column: str, settings: Any) -> str:
        """Return the value of a column of the file for an example. Raises CannotError, DataError."""
        row = cls.row(example, settings)
        if row is None:
            raise CannotError(f"{example.place} is no row of a table, whose columns could make groups")
        columns = row.columns()
        if column not in columns:
            raise DataError(
                row.place,
                f"no column {quote(column)}",
                f"one of {', '.join(map(quote, columns))}",
                did_you_mean(column, list(columns)) or "name one of these with --group-folds",
            )
        return str(columns[column])

    @classmethod
    def divide(cls, examples: Sequence[Any], count: int, settings: Any) -> Sequence[Any]:
        """Return what folds are made of: the examples, or at least so many parts of one that can be cut."""
        return examples

    def key(self, example: Any) -> Hashable:
        """Return what an example asks, so that one that stands in two files is found; None never is."""
        return None

    @abstractmethod
    def question(self, text: str) -> Any:
        """Turn what a user typed into an example without its answer. Raises DataError for an empty one."""

    @abstractmethod
    def has_records(self, path: str) -> bool:
        """Tell a file in the task's own format from lines of plain text."""

    @abstractmethod
    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a file of examples for which `has_records` holds, without their answers. Raises DataError."""

    @abstractmethod
    def tell(self, example: Any, answer: Any, text: str | None = None) -> dict[str, Any]:
        """Say an answer as JSON holds it; `text` is what the user typed, where that was so."""

    @abstractmethod
    def show(self, told: Mapping[str, Any]) -> str:
        """Say for people what `tell` says for programs."""

    @abstractmethod
    def added(self, example: Any, answer: Any) -> Answers:
        """Return the columns that an answer adds to what a file holds of an example."""

    def header(self, example: Any, answer: Any) -> str | None:
        """Return the line that stands above written answers such as this one, if one does."""
        row = self.row(example, self.settings)
        return row and row.header(self.added(example, answer))

    def write_answer(self, example: Any, answer: Any) -> str:
        """Return what a file holds of an example, in its own format, with the answer added."""
        row = self.row(example, self.settings)
        assert row, "a task whose examples are no rows writes them itself"
        return row.answered(self.added(example, answer), self.label_column)

    @property
    def label_column(self) -> str | None:
        """The column of the labels in a table, if there is one."""
        return None

    @abstractmethod
    def model(self) -> nn.Module:
        """Return a new model with random weights."""

    @abstractmethod
    def length(self, example: Any) -> int:
        """Return the number of steps of an example."""

    @abstractmethod
    def batch(self, examples: Sequence[Any], *, answers: bool = False) -> Any:
        """Pack examples into a batch for `answer`, or, with their answers, for `loss`."""

    def batches(self, examples: Sequence[Any], steps: int, epoch: int) -> list[Any]:
        """Return the batches of an epoch, counted from 1: of `steps` real steps at most, shuffled."""
        order = fill([self.length(example) for example in examples], steps, self.seed(epoch))
        return [self.batch([examples[i] for i in chosen], answers=True) for chosen in order]

    def seed(self, epoch: int) -> int:
        """Return the seed of an epoch's batches."""
        return self.settings.seed * 1_000_003 + epoch

    @abstractmethod
    def loss(self, model: Any, batch: Any) -> Tensor:
        """Return the mean loss of the batch's examples, a scalar."""

    @abstractmethod
    def answer(self, model: Any, batch: Any) -> list[Any]:
        """Return the model's answer to each example of the batch, in the batch's order."""

    def answers(self, model: Any, examples: Sequence[Any]) -> list[Any]:
        """Return the model's answer to each example, in their order; the model is in `eval` mode."""
        answers: list[Any] = [None] * len(examples)
        with torch.no_grad():
            for chosen in fill([self.length(example) for example in examples], BATCH_STEPS):
                batch = self.batch([examples[i] for i in chosen])
                for i, answer in zip(chosen, self.answer(model, batch), strict=True):
                    answers[i] = answer
        return answers

    def score(self, model: Any, examples: Sequence[Any]) -> float:
        """Return the metric's value as training asks for it each epoch; cheaper where that takes long."""
        return self.metric(examples, self.answers(model, examples))["value"]

    def grain(self, examples: Sequence[Any]) -> float:
        """Return a difference between two scores of dev that is none: 0, or less than two answers' worth."""
        return 0.0

    def depths(self, model: Any) -> dict[str, int]:
        """Return how deep below the top pretrained parameters lie, by name; those not named lie at 0.

        Those at depth d rest for d epochs, and learn more slowly the deeper they lie.
        """
        return {}

    def calibrate(self, model: Any, examples: Sequence[Any]) -> str | None:
        """Set in the model what is chosen after training, on dev; say what the user should know."""
        return None

    @abstractmethod
    def metric(self, examples: Sequence[Any], answers: Sequence[Any]) -> dict[str, Any]:
        """Score answers: {"metric": ..., "value": ..., and the rest of its figures}."""

    def pooled(
        self, examples: Sequence[Any], answers: Sequence[Any], figures: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Score the answers of several runs to examples of their own, of which each has its `figures`."""
        return self.metric(examples, answers)

    def confusion(
        self, examples: Sequence[Any], answers: Sequence[Any]
    ) -> tuple[list[str], np.ndarray] | None:
        """Return K labels, and [K, K] how often that of a row was taken for that of a column, if any."""
        return None

    @abstractmethod
    def baselines(self, train: Sequence[Any]) -> dict[str, Callable[[Sequence[Any]], list[Any]]]:
        """Train the plain methods that the model must beat; each answers examples, in their order."""

    def generate(self, model: Any, count: int, sampling: Sampling, prime: str | None) -> list[dict[str, Any]]:
        """Return what the model speaks, behind `prime` if there is one. Raises CannotError, DataError."""
        raise CannotError(f"the task {self.name} has nothing to generate; language and music do")

    def media(self, told: Mapping[str, Any], path: Path) -> bytes | None:
        """Return what a file of this name holds that plays what was told; None where text says it."""
        return None

    def picture(self, model: Any, example: Any) -> Heatmap:
        """Return what the model looks at in an example. Raises CannotError."""
        raise CannotError(f"the task {self.name} has no picture of an input")

    def stream(self, model: Any) -> AbstractContextManager[Stream]:
        """Open a stream, in which the model is fed step by step. Raises CannotError."""
        raise CannotError(f"the task {self.name} answers whole sequences only: its network reads both ways")
