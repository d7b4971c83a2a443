"""One number for a whole sequence.

Letters: B sequences of a batch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.answers import Regression
from elman.data.scale import StandardScaler
from elman.heads.head import Head
from elman.learning.metrics import regression_scores


class RegressionHead(Head):
    """Squared error of a number that is standardised as the training file has it.

    An example has a `number`. The network returns [B, 1].

    Args:
        scaler: mean and standard deviation of the training file's numbers.
    """

    metric = "rmse"
    better = "lower"
    outputs = 1

    def __init__(self, scaler: StandardScaler) -> None:
        super().__init__()
        self.scaler = scaler

    def targets(self, examples: Sequence[Any]) -> Tensor:
        """Return the standardised numbers, [B]."""
        return torch.from_numpy(self.scaler(np.array([[example.number] for example in examples]))[:, 0])

    def loss(self, network: Any, inputs: Any, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean squared error of the standardised numbers."""
        return self.loss_of(network(inputs)[0], targets), None

    @staticmethod
    def loss_of(scores: Tensor, targets: Tensor) -> Tensor:
        """Return the mean squared error of scores [B, 1]."""
        return F.mse_loss(scores[:, 0], targets)

    def answer(self, network: Any, inputs: Any, examples: Sequence[Any]) -> list[Regression]:
        """Return the number of each sequence."""
        return self.decode(network(inputs)[0], examples)

    def decode(self, scores: Tensor, examples: Sequence[Any]) -> list[Regression]:
        """Return the answers that scores [B, 1] give."""
        numbers = (scores[:, 0].double() * self.scaler.deviation[0] + self.scaler.mean[0]).tolist()
        return [Regression(n, example.asked) for n, example in zip(numbers, examples, strict=True)]

    def metrics(self, examples: Sequence[Any], answers: Sequence[Regression]) -> dict[str, Any]:
        """Score numbers by the root of their mean squared error."""
        return regression_scores([e.number for e in examples], [answer.value for answer in answers])
