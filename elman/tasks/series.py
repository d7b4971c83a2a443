"""Series of numbers: what a ragged series of several channels is, or how much of something it says.

Many-to-one. Each channel is brought to mean 0 and standard deviation 1, as the training file has them;
recurrent layers read the steps; what they say is pooled over time and one linear layer answers.

A missing value is shown as such: the last one of its channel is held, and a channel beside it is 1 where that
was so (Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values").

Letters: T steps of a series, N real steps of a batch, B series of it, C channels, I inputs, K outputs.
"""

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data import series as data
from elman.data.arrays import numbers_of
from elman.data.batch import pack
from elman.data.facts import flag, items, texts
from elman.data.rows import Row
from elman.data.series import Scale, Series, SeriesFile, hold, numbered
from elman.data.series_formats import answers_beside, columns_of, format_of, read_one, read_series
from elman.data.source import DataError
from elman.data.written import PREDICTED, Answers
from elman.learning.baselines import first_steps, train_classifier, train_linear
from elman.learning.metrics import confusion, regression_scores
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToOne
from elman.samples import series as samples
from elman.tasks import labels
from elman.tasks.declarations.series import DECLARATION, SeriesSettings
from elman.tasks.labels import Verdict
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import CannotError, Reading, Stream, Task

WINDOW_HIDDEN = 100  # of the standard network
WINDOW_EPOCHS = 60


@dataclass(frozen=True)
class Batch:
    """Series, packed."""

    steps: PackedSequence  # [N, I]
    targets: Tensor | None  # [B], numbers of labels, or numbers brought to mean 0 and deviation 1
    places: list[str]  # file:line of each series

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.steps.data)


class Reader(nn.Module):
    """Scores of series: of each label, or the one number. Noise in training makes up for few examples."""

    temperature: Tensor

    def __init__(self, inputs: int, outputs: int, settings: SeriesSettings) -> None:
        super().__init__()
        layers = LAYERS[settings.cell](
            inputs,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=not settings.one_way,
        )
        self.whole = ManyToOne(layers, outputs, settings.dropout)
        self.noise = settings.noise
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        """Return scores [B, K]."""
        steps = batch.steps.data
        if self.training:
            steps = steps + self.noise * torch.randn_like(steps)
        return self.whole(PackedSequence(steps, *batch.steps[1:]))


class SeriesTask(Task):
    """The channels of one training file, and its labels or the scale of its numbers."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "steps"
    settings: SeriesSettings

    def __init__(
        self,
        settings: SeriesSettings,
        channels: Sequence[str],
        scale: Scale,
        names: Sequence[str],
        target: Scale | None,
        *,
        marked: bool,
    ) -> None:
        self.settings, self.channels, self.scale = settings, tuple(channels), scale
        self.labels, self.target, self.marked = tuple(names), target, marked
        if target:
            self.metric_name, self.better = "rmse", "lower"

    @classmethod
    def read(cls, path: str, settings: SeriesSettings, *, skip_bad: bool = False) -> Reading:
        """Read a file, and settle what is missing in it."""
        file = data.settle(read_series(path, settings.wanted, skip_bad=skip_bad), settings.missing)
        return Reading(path, file.series, file.describe())

    @classmethod
    def paths(cls, path: str, settings: SeriesSettings) -> list[Path]:
        """Return the file, and what stands beside an array."""
        return [Path(path), answers_beside(path)] if path.endswith(".npy") else [Path(path)]

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write curves of three sensors, whose label is the one that had its pulse first."""
        return samples.write(folder)

    @classmethod
    def shown(cls, example: Series, settings: Any) -> Collection[str]:
        """Return its label; a number is none."""
        return [example.answer] if isinstance(example.answer, str) else ()

    @classmethod
    def learn(cls, train: Sequence[Series], settings: SeriesSettings) -> "SeriesTask":
        """Measure the channels, and see whether any value is missing."""
        rows = np.concatenate([series.values for series in train])
        names: list[str] = []
        remarks: tuple[str, ...] = ()
        target = None
        if settings.target is None:
            names, remarks = labels.learn((str(series.answer) for series in train), train[0].place)
        else:
            target = Scale.of(np.array([[series.number] for series in train]))
        marked = bool(np.isnan(rows).any())
        task = cls(settings, train[0].channels, Scale.of(rows), names, target, marked=marked)
        task.remarks = remarks
        if settings.missing == "mark" and not marked:
            task.remarks += ("no value is missing in the training file: where one is, the last one is held",)
        return task

    def facts(self) -> dict[str, Any]:
        """Return the channels, their scale, and the labels or the scale of the target."""
        target = self.target and [self.target.mean, self.target.deviation]
        scale = [self.scale.mean, self.scale.deviation]
        facts = {"channels": self.channels, "scale": scale, "labels": self.labels, "target": target}
        return {**facts, "marked": self.marked}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: SeriesSettings) -> "SeriesTask":
        """Restore them."""
        channels, names = texts(facts, "channels"), texts(facts, "labels", MOST_LABELS)
        scale = Scale.from_facts(items(facts, "scale"), len(channels))
        target = None if facts["target"] is None else Scale.from_facts(items(facts, "target"), 1)
        return cls(settings, channels, scale, names, target, marked=flag(facts, "marked"))

    def check(self, examples: Sequence[Series]) -> None:
        """Raise DataError at other channels than those of the training file, or an unknown label."""
        for series in examples:
            data.check_channels(series, self.channels)
            if self.labels:
                labels.check(str(series.answer), series.place, self.labels)

    def key(self, example: Series) -> Hashable:
        """Return what tells its values from others."""
        return hashlib.sha256(example.values.tobytes()).digest()

    def question(self, text: str) -> Series:
        """Read values as a line of .ts has them: "1,2,3:4,5,6" is two channels at three steps."""
        if not text.strip():
            raise DataError("input", "a text without a value", "a series such as 1,2,3:4,5,6", "type one")
        return self.typed(data.values_of(text, "input"))

    def typed(self, values: np.ndarray) -> Series:
        """Make a series of values [T, C] that came without a file. Raises DataError."""
        count = values.shape[1]
        channels = self.channels if count == len(self.channels) else numbered(count)
        series = Series(values, channels, None, "input", "input")
        return data.answerable(SeriesFile("input", (series,)), self.settings.missing, self.channels).series[0]

    @property
    def _named(self) -> bool:
        """Whether the channels have names in the files."""
        return self.channels != numbered(len(self.channels))

    def has_records(self, path: str) -> bool:
        """Tell a file of series from typed lines: by its name, an @, or its columns."""
        if format_of(path) != "table":
            return True
        names = columns_of(path)
        return self.settings.series in names or (self._named and not set(names).isdisjoint(self.channels))

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a file of series, or a table of one; a column of answers is passed over."""
        names = columns_of(path) if format_of(path) == "table" else []
        wanted = replace(self.settings.wanted, answer=None, channels=self._channels_among(names))
        if names and self.settings.series not in names:
            file = SeriesFile(path, (read_one(Path(path), wanted),))
        else:
            file = read_series(path, wanted, skip_bad=skip_bad)
        kept = data.answerable(file, self.settings.missing, self.channels)
        return Reading(path, kept.series, kept.describe())

    def _channels_among(self, columns: Sequence[str]) -> tuple[str, ...] | None:
        """The columns to read: the channels, by their names; where they have none, all but the answer."""
        if self._named or set(self.channels) <= set(columns):
            return self.channels
        others = (self.settings.series, self.settings.wanted.answer)
        return tuple(name for name in columns if name not in others) or self.settings.wanted.channels

    def tell(self, example: Series, answer: Verdict | float, text: str | None = None) -> dict[str, Any]:
        """Say the series, and its label with the probabilities of all, or its number."""
        told: dict[str, Any] = {"series": example.name if text is None else text}
        if not isinstance(answer, Verdict):
            return {**told, "value": answer}
        return {**told, **labels.told(self.labels, answer)}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the label and its probability, or the number."""
        return f"{told['value']:.6g}" if "value" in told else labels.show(told)

    @classmethod
    def row(cls, example: Series, settings: SeriesSettings) -> Row:
        """Return the row of a manifest, or one with the name of the series and its right answer, if known."""
        right = {} if example.answer is None else {str(settings.wanted.answer): str(example.answer)}
        one = {settings.series: example.name, **right}
        return Row.of(example.columns or one, example.place, "TSV" if example.columns else "CSV")

    def added(self, example: Series, answer: Verdict | float) -> Answers:
        """Return the label and its probability, or the number."""
        return labels.added(answer) if isinstance(answer, Verdict) else {PREDICTED: repr(answer)}

    def model(self) -> Reader:
        """Return a new network."""
        return Reader(self.width, self.outputs, self.settings)

    @property
    def width(self) -> int:
        """I: each channel, and whether it is missing, where any was in training."""
        return len(self.channels) * (2 if self.marked else 1)

    @property
    def outputs(self) -> int:
        """K: the labels, or one number."""
        return len(self.labels) or 1

    def length(self, example: Series) -> int:
        """Return the number of steps."""
        return len(example.values)

    def inputs(self, values: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Return what the network reads of values [T, C]: [T, I].

        Args:
            values: as the file has them.
            before: [C], what the channels are held at until they have a value; by default 0, their mean.
        """
        scaled = self.scale(values)
        held = hold(scaled, np.zeros(len(self.channels), np.float32) if before is None else before)
        return np.concatenate((held, np.isnan(scaled)), 1, dtype=np.float32) if self.marked else held

    def batch(self, examples: Sequence[Series], *, answers: bool = False) -> Batch:
        """Pack series; with their answers as numbers of labels, or on the scale of the target."""
        targets = None
        if answers and self.target:
            rows = np.array([[example.number] for example in examples])
            targets = torch.from_numpy(self.target(rows)[:, 0])
        elif answers:
            targets = torch.tensor([self.labels.index(str(example.answer)) for example in examples])
        steps = pack([self.inputs(example.values) for example in examples])
        return Batch(steps, targets, [example.place for example in examples])

    def loss(self, model: Reader, batch: Batch) -> Tensor:
        """Return the mean cross-entropy, or the mean squared error on the scale of the target."""
        assert batch.targets is not None, "a batch without answers has no loss"
        return self._loss(model(batch), batch.targets)

    def _loss(self, scores: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(scores[:, 0], targets) if self.target else F.cross_entropy(scores, targets)

    def answer(self, model: Reader, batch: Batch) -> list[Verdict] | list[float]:
        """Return the label of each series with all probabilities, or its number."""
        return self._answers(model(batch), model.temperature.item())

    def _answers(self, scores: Tensor, temperature: float = 1.0) -> list[Verdict] | list[float]:
        """Turn scores [B, K] into labels with probabilities, or into numbers."""
        if self.target:
            return (scores[:, 0].double() * self.target.deviation[0] + self.target.mean[0]).tolist()
        return labels.verdicts(self.labels, (scores.double() / temperature).softmax(1))

    def calibrate(self, model: Reader, examples: Sequence[Series]) -> str | None:
        """Choose the temperature under which the labels of dev are most likely."""
        targets = self.batch(examples, answers=True).targets
        if self.target or targets is None:
            return None
        return labels.calibrate(self, model, examples, targets)

    def grain(self, examples: Sequence[Series]) -> float:
        """Return the worth of an answer."""
        return 0.0 if self.target else labels.grain(examples)

    def metric(self, examples: Sequence[Series], answers: Sequence[Any]) -> dict[str, Any]:
        """Score labels by accuracy, numbers by the root of their mean squared error."""
        if self.target:
            return regression_scores([example.number for example in examples], answers)
        return labels.scores([str(example.answer) for example in examples], answers, self.labels)

    def confusion(
        self, examples: Sequence[Series], answers: Sequence[Any]
    ) -> tuple[list[str], np.ndarray] | None:
        """Count which label was taken for which."""
        if self.target:
            return None
        return confusion([str(e.answer) for e in examples], [a.label for a in answers], self.labels)

    def baselines(self, train: Sequence[Series]) -> dict[str, Callable[[Sequence[Series]], list[Any]]]:
        """Train three that know no order: no input at all, averages over time, a fixed number of steps."""
        targets = self.batch(train, answers=True).targets
        assert targets is not None
        steps = int(np.median([len(series.values) for series in train]))
        network = nn.Sequential(
            nn.Linear(steps * self.width, WINDOW_HIDDEN), nn.Tanh(), nn.Linear(WINDOW_HIDDEN, self.outputs)
        )

        def averages(examples: Sequence[Series]) -> np.ndarray:  # [B, I]
            return np.stack([self.inputs(example.values).mean(0) for example in examples])

        def fixed(examples: Sequence[Series]) -> Tensor:  # [B, steps * I]
            return first_steps([self.inputs(example.values) for example in examples], steps)

        if self.target:
            names, blind = ("mean", "linear_on_averages"), torch.zeros(1, 1)  # on the target's scale
        else:
            names, blind = ("majority", "logistic_on_averages"), torch.bincount(targets).float().log()[None]
        linear = train_linear(averages(train), targets)
        train_classifier(network, fixed(train), targets, epochs=WINDOW_EPOCHS, batch=50, loss=self._loss)
        return {
            names[0]: lambda examples: self._answers(blind.expand(len(examples), -1)),
            names[1]: lambda examples: self._answers(linear(averages(examples))),
            "standard_network": lambda examples: self._answers(network(fixed(examples)).detach()),
        }

    @contextmanager
    def stream(self, model: Reader) -> Iterator[Stream]:
        """Open a stream of steps of C numbers. Raises CannotError for a network that reads both ways."""
        if not self.settings.one_way:
            raise CannotError("this run reads both ways, and cannot stream; train one with --one-way")
        yield _Stream(self, model)


class _Stream:
    """A series that comes step by step; what is said is said of the series so far."""

    def __init__(self, task: SeriesTask, model: Reader) -> None:
        self._task, self._model = task, model
        self._held: np.ndarray | None = None
        self._state: Any = None

    def step(self, x: Sequence[float]) -> dict[str, Any]:
        """Take the values of the C channels, and answer as `tell` does. Raises DataError or TypeError."""
        values = numbers_of(x, f"a step must be {len(self._task.channels)} numbers", axes=1)
        series = self._task.typed(values[None])
        inputs = self._task.inputs(series.values, self._held)
        self._held = inputs[-1, : len(self._task.channels)]
        with torch.no_grad():
            scores, self._state = self._model.whole.step(torch.from_numpy(inputs), self._state)
        (answer,) = self._task._answers(scores, self._model.temperature.item())
        return self._task.tell(series, answer)


TASK = SeriesTask
