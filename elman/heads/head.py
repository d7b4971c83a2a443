"""What every head does: targets, loss, answers and metrics.

Letters: B examples of a batch.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from elman.answers import Answer
from elman.data.ragged import length_batches
from elman.nn.packing import to_tensors

BATCH_STEPS = 2000  # real steps in a batch when nothing is trained


@dataclass(frozen=True)
class Heatmap:
    """A picture of numbers, such as attention weights.

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


class Head(nn.Module, ABC):
    """From a network's outputs to a loss, answers and scores. It may have weights of its own."""

    metric: str
    better: Literal["higher", "lower"] = "higher"

    @abstractmethod
    def targets(self, examples: Sequence[Any]) -> Tensor | None:
        """Return the right answers as the loss takes them; None where the inputs have them already."""

    @abstractmethod
    def loss(self, network: Any, inputs: Any, targets: Any, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean loss of a batch, a scalar, and the state that the batch after it goes on from.

        Args:
            network: of the task.
            inputs: of the encoder, as tensors.
            targets: of `targets`.
            state: of the batch before, where this one continues it.
        """

    @abstractmethod
    def answer(self, network: Any, inputs: Any, examples: Sequence[Any]) -> list[Answer]:
        """Return the answer to each example of a batch. The network is in `eval` mode, without gradients."""

    @abstractmethod
    def metrics(self, examples: Sequence[Any], answers: Sequence[Any]) -> dict[str, Any]:
        """Score answers: {"metric": ..., "value": ..., "signature": ..., and the other figures}."""

    def answers(
        self,
        network: Any,
        encoder: Any,
        examples: Sequence[Any],
        answer: Callable[[Any, Any, Sequence[Any]], list[Any]] | None = None,
    ) -> list[Any]:
        """Return the answer to each example, in their order. The network is in `eval` mode.

        Args:
            network: of the task.
            encoder: of the task.
            examples: to answer.
            answer: takes the place of `answer`.
        """
        answer = answer or self.answer
        answers: list[Any] = [None] * len(examples)
        device = next(network.parameters()).device
        with torch.no_grad():
            for chosen in length_batches([encoder.length(example) for example in examples], BATCH_STEPS):
                batch = [examples[i] for i in chosen]
                inputs = to_tensors(encoder.inputs(batch), device)
                for i, one in zip(chosen, answer(network, inputs, batch), strict=True):
                    answers[i] = one
        return answers

    def score(self, network: Any, encoder: Any, examples: Sequence[Any]) -> float:
        """Return the metric's value for early stopping; cheaper where the full metric takes long."""
        return self.metrics(examples, self.answers(network, encoder, examples))["value"]

    def min_delta(self, examples: Sequence[Any]) -> float:
        """Return the smallest change of the dev score that counts as an improvement."""
        return 0.0

    def layer_depths(self, network: Any) -> dict[str, int]:
        """Return how deep below the top pretrained parameters lie, by their names in the network.

        Those at depth d are frozen for d epochs, and learn with a smaller rate the deeper they lie.
        """
        return {}

    def calibrate(self, network: Any, encoder: Any, examples: Sequence[Any]) -> str | None:
        """Choose on dev what is chosen after training; return a line about it, if there is one to say."""
        return None

    def confusion(
        self, examples: Sequence[Any], answers: Sequence[Any]
    ) -> tuple[list[str], np.ndarray] | None:
        """Return K labels and the counts [K, K], true label in rows, predicted in columns, if any."""
        return None

    def restarts(self, inputs: Any) -> bool:
        """Return whether the network begins anew with these inputs of a stream."""
        return False

    def advance(self, outputs: Tensor, inputs: Any, state: Any) -> Any:
        """Return the state of a stream's answer after one more step of the network; at first it is None."""
        return outputs

    def so_far(self, state: Any, asked: dict[str, Any]) -> Answer | None:
        """Return the answer so far, None before the first step; `asked` says what of the stream was read."""
        raise NotImplementedError(f"{type(self).__name__} does not stream")
