"""One label for a whole sequence.

Letters: B sequences of a batch, K labels.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.answers import Classification
from elman.data.labels import Labels
from elman.heads.head import Head
from elman.learning.calibration import best_temperature
from elman.learning.metrics import classification_scores, confusion


class ClassificationHead(Head):
    """Softmax over K labels, with a temperature that is chosen on dev.

    An example has a `label`, None where it is not known. The network returns scores [B, K].

    Args:
        labels: in the order of their numbers.
        class_weights: [K], how much each label counts in the loss; by default all examples count alike.
        layer_depths: of the network's pretrained parameters; see `Head.layer_depths`.
    """

    metric = "accuracy"
    temperature: Tensor

    def __init__(
        self,
        labels: Labels,
        class_weights: Tensor | None = None,
        layer_depths: Callable[[Any], dict[str, int]] = lambda network: {},
    ) -> None:
        super().__init__()
        self.labels, self._layer_depths = labels, layer_depths
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("class_weights", class_weights, persistent=False)

    @property
    def outputs(self) -> int:
        """K."""
        return len(self.labels)

    def rows(self, examples: Sequence[Any]) -> int:
        """Return how many labels the examples have together."""
        return len(examples)

    def targets(self, examples: Sequence[Any]) -> Tensor:
        """Return the numbers of the labels, [B]."""
        return torch.tensor(self.labels.numbers(example.label for example in examples))

    def loss(self, network: Any, inputs: Any, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean cross-entropy."""
        return F.cross_entropy(network(inputs)[0], targets, self.class_weights), None

    @staticmethod
    def loss_of(scores: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy of scores [B, K], every label weighted alike."""
        return F.cross_entropy(scores, targets)

    def answer(self, network: Any, inputs: Any, examples: Sequence[Any]) -> list[Classification]:
        """Return the most probable label of each sequence, with the probabilities of all."""
        return self.decode(network(inputs)[0], examples)

    def decode(self, scores: Tensor, examples: Sequence[Any]) -> list[Classification]:
        """Return the answers that scores [B, K] give."""
        return self.decode_probabilities((scores.double() / self.temperature).softmax(1), examples)

    def decode_probabilities(
        self, probabilities: Tensor | np.ndarray, examples: Sequence[Any]
    ) -> list[Classification]:
        """Return the answers that probabilities [B, K] give."""
        rows: list[list[float]] = probabilities.tolist()
        best: list[int] = probabilities.argmax(1).tolist()
        return [
            Classification(
                self.labels.names[number],
                dict(zip(self.labels, row, strict=True)),
                example.asked,
                example.title,
            )
            for number, row, example in zip(best, rows, examples, strict=True)
        ]

    def layer_depths(self, network: Any) -> dict[str, int]:
        """Return those that the task declares."""
        return self._layer_depths(network)

    def pairs(
        self, examples: Sequence[Any], answers: Sequence[Any]
    ) -> tuple[list[str], list[str], list[Sequence[float]]]:
        """Return the right labels, the answered labels, and the probabilities of all labels."""
        gold = [str(example.label) for example in examples]
        return gold, [a.label for a in answers], [list(a.probabilities.values()) for a in answers]

    def metrics(self, examples: Sequence[Any], answers: Sequence[Any]) -> dict[str, Any]:
        """Score labels and their probabilities: accuracy, macro F1, log loss, calibration error."""
        gold, given, rows = self.pairs(examples, answers)
        return classification_scores(gold, given, self.labels.names, rows)

    def min_delta(self, examples: Sequence[Any]) -> float:
        """Return one answer and a half, as a share: one answer more or less is luck on a small dev set."""
        return 1.5 / len(examples)

    def calibrate(self, network: Any, encoder: Any, examples: Sequence[Any]) -> str:
        """Choose the temperature under which the labels of dev are most likely."""
        self.temperature.fill_(1)  # in a finished run that is resumed it is what was chosen before
        before = self.answers(network, encoder, examples)
        # A probability may have been too small for a float; its logarithm must not be infinite.
        gold, _, rows = self.pairs(examples, before)
        scores = torch.tensor(rows, dtype=torch.float64).clamp(min=1e-300).log()
        self.temperature.fill_(best_temperature(scores, torch.tensor(self.labels.numbers(gold))))
        errors = (
            self.metrics(examples, answers)["calibration_error"]
            for answers in (before, self.answers(network, encoder, examples))
        )
        return "calibration error on dev {:.4f}, {:.4f} at temperature {:.2f}".format(
            *errors, self.temperature.item()
        )

    def confusion(self, examples: Sequence[Any], answers: Sequence[Any]) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold, given, _ = self.pairs(examples, answers)
        return confusion(gold, given, self.labels.names)
