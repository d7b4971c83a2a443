"""Speech with --label: which word of some a recording is.

Many-to-one: what recurrent layers say is pooled over the steps, and one linear layer scores the labels.

Letters: F features of a frame, B recordings, K labels.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.frames import LEAST_DEVIATION, spread
from elman.data.recordings import Recording
from elman.data.written import Answers
from elman.learning.baselines import train_classifier, train_linear
from elman.learning.metrics import confusion
from elman.nn.shapes import ManyToOne
from elman.samples import speech as samples
from elman.tasks import labels
from elman.tasks.hearing import Batch, Hearing, Listener
from elman.tasks.labels import Verdict

FIXED_STEPS, FIXED_HIDDEN, FIXED_EPOCHS = 10, 100, 30  # of the standard network


class WordListener(nn.Module):
    """The network; its scores are divided by the temperature to make them probabilities."""

    temperature: Tensor

    def __init__(self, listener: Listener) -> None:
        super().__init__()
        self.listener = listener
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, steps: PackedSequence) -> Tensor:
        """Return scores [B, K] of packed steps [N, I]."""
        return self.listener(steps)


class SpokenWords(Hearing):
    """Speech with --label: each recording is one word of some."""

    metric_name = "accuracy"
    better = "higher"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels."""
        return self.symbols

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write what the task writes."""
        return samples.write(folder)

    @staticmethod
    def symbols_of(answers: Sequence[str]) -> list[str]:
        """Return the labels."""
        return sorted(set(answers))

    @staticmethod
    def least_steps(answer: str) -> int:
        """Return 1: a word is heard as a whole."""
        return 1

    def numbers(self, answer: str) -> list[int]:
        """Return the number of a label."""
        return [self._number[answer]]

    def check(self, examples: Sequence[Recording]) -> None:
        """Raise DataError, besides, at a label that training never showed."""
        super().check(examples)
        for one in examples:
            if one.answer is not None:
                labels.check(one.answer, one.place, self.symbols)

    def said(self, answer: Verdict) -> dict[str, Any]:
        """Say the label and how sure it is."""
        return labels.told(self.symbols, answer)

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the label and how sure it is."""
        return labels.show(told)

    def added(self, example: Recording, answer: Verdict) -> Answers:
        """Return the label and how sure it is."""
        return labels.added(answer)

    def model(self) -> WordListener:
        """Return a new network."""
        return WordListener(self.listener())

    def loss(self, model: WordListener, batch: Batch) -> Tensor:
        """Return the mean cross-entropy."""
        return F.cross_entropy(model(batch.steps), torch.tensor(batch.answers)[:, 0])

    def answer(self, model: WordListener, batch: Batch) -> list[Verdict]:
        """Return the label of each recording, with all probabilities."""
        return self._words(model(batch.steps).double() / model.temperature)

    def _words(self, scores: Tensor) -> list[Verdict]:
        return labels.verdicts(self.symbols, scores.softmax(1))

    def calibrate(self, model: WordListener, examples: Sequence[Recording]) -> str:
        """Choose the temperature under which dev is most likely; say what it did."""
        return labels.calibrate(self, model, examples, self._targets(examples))

    def _targets(self, examples: Sequence[Recording]) -> Tensor:
        return torch.tensor([self._number[one.answer or ""] for one in examples])

    def metric(self, examples: Sequence[Recording], answers: Sequence[Verdict]) -> dict[str, Any]:
        """Score labels: accuracy, macro F1."""
        return labels.scores([one.answer or "" for one in examples], answers, self.symbols)

    def grain(self, examples: Sequence[Recording]) -> float:
        """Return the worth of an answer."""
        return labels.grain(examples)

    def confusion(
        self, examples: Sequence[Recording], answers: Sequence[Verdict]
    ) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold, given = [one.answer or "" for one in examples], [answer.label for answer in answers]
        return confusion(gold, given, self.symbols)

    def baselines(
        self, train: Sequence[Recording]
    ) -> dict[str, Callable[[Sequence[Recording]], list[Verdict]]]:
        """Train three that know no order: no sound at all, averages over time, a fixed number of steps."""
        targets = self._targets(train)
        counts = torch.bincount(targets, minlength=len(self.symbols))

        def averages(examples: Sequence[Recording]) -> np.ndarray:  # [B, F]
            rows = np.stack([self.heard(one.frames).mean(0, dtype=np.float64) for one in examples])
            deviation = np.sqrt(np.array(self.normal.square) - np.square(self.normal.mean))
            return (rows - self.normal.mean) / np.maximum(deviation, LEAST_DEVIATION)

        def fixed_steps(examples: Sequence[Recording]) -> Tensor:  # [B, FIXED_STEPS * F]
            return torch.from_numpy(
                np.stack([spread(self.normalised(one.frames), FIXED_STEPS).ravel() for one in examples])
            )

        linear = train_linear(averages(train), targets)
        standard = nn.Sequential(
            nn.Linear(FIXED_STEPS * len(self.normal.mean), FIXED_HIDDEN),
            nn.Tanh(),
            nn.Linear(FIXED_HIDDEN, len(self.symbols)),
        )
        train_classifier(standard, fixed_steps(train), targets, epochs=FIXED_EPOCHS, batch=50)

        def standard_network(examples: Sequence[Recording]) -> list[Verdict]:
            with torch.no_grad():
                return self._words(standard(fixed_steps(examples)))

        return {
            "majority": lambda examples: self._words(counts.double().log().expand(len(examples), -1)),
            "logistic_on_averages": lambda examples: self._words(linear(averages(examples))),
            "standard_network": standard_network,
        }

    @contextmanager
    def stream(self, model: WordListener) -> Iterator["_Stream"]:
        """Open a stream of samples or frames. Raises CannotError where the layers read both ways."""
        yield _Stream(self, model)


class _Stream:
    """A recording that comes in pieces; what is said is said of it so far."""

    def __init__(self, task: SpokenWords, model: WordListener) -> None:
        self._task, self._feed, self._state = task, task.feed(), None
        self._bands = model.listener.bands
        self._layers, self._temperature = cast(ManyToOne, model.listener.whole), model.temperature
        self._said: dict[str, Any] = {"label": None}

    def step(self, x: Any) -> dict[str, Any]:
        """Hear the next samples [S], from -1 to 1 at 16 kHz, or frames [T, F].

        Returns:
            {"label" so far, None before the first step, "confidence", "probabilities", "seconds" heard}.
            Raises ValueError for another shape.
        """
        with torch.no_grad():
            for step in self._bands(self._feed(x)):
                scores, self._state = self._layers.step(step[None], self._state)
                (word,) = self._task._words(scores.double() / self._temperature)
                self._said = self._task.said(word)
        return {**self._said, "seconds": self._feed.seconds}
