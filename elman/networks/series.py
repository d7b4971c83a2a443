"""Series of numbers: recurrent layers, pooled over time. Noise in training makes up for few examples.

Letters: N real steps of a batch, B series, I inputs, K outputs.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.nn.shapes import ManyToOne


class SeriesNetwork(nn.Module):
    """Scores of series: of each label, or the one number.

    Args:
        layers: recurrent layers, I wide at the bottom.
        outputs: K.
        dropout: probability with which what is pooled is zeroed in training.
        noise: standard deviation of the noise that is added to the inputs in training.
    """

    def __init__(self, layers: Any, outputs: int, dropout: float, noise: float) -> None:
        super().__init__()
        self.whole = ManyToOne(layers, outputs, dropout)
        self.noise = noise

    def forward(self, steps: PackedSequence, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] of packed steps [N, I]; no state."""
        values = steps.data
        if self.training:
            values = values + self.noise * torch.randn_like(values)
        return self.whole(PackedSequence(values, *steps[1:])), None

    def step(self, step: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] after one more step [B, I] of each series, and the state."""
        return self.whole.step(step, state)
