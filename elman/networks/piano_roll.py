"""A language model of piano rolls: several keys may sound at once.

Letters: N real steps of a batch, B sequences, I inputs, K keys.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

INPUT_DROPOUT = 0.1  # of the keys that are read


class PianoRollLM(nn.Module):
    """One-to-many, where any of K keys may come next, each by itself (Boulanger-Lewandowski et al. 2012).

    Args:
        keys: K, which stand first in an input.
        others: what stands behind them.
        size: of the embedding of an input.
        layers: recurrent layers that go left to right, such as `elman.nn.LSTM`.
        dropout: probability with which inputs and outputs of the layers are zeroed in training.
    """

    def __init__(self, keys: int, others: int, size: int, layers: Any, dropout: float) -> None:
        super().__init__()
        self.keys, self.layers, self.dropout = keys, layers, dropout
        self.embedding = nn.Linear(keys + others, size)
        self.output = nn.Linear(layers.output_size, keys)

    def forward(self, x: PackedSequence, state: Any = None) -> tuple[Tensor, Any]:
        """Return what scores the keys of the next step, [N, H], given packed inputs [N, I], and the state."""
        keys = F.dropout(x.data[:, : self.keys], INPUT_DROPOUT, self.training)
        embedded = self.embedding(torch.cat((keys, x.data[:, self.keys :]), 1))
        embedded = F.dropout(embedded, self.dropout, self.training)
        outputs, state = self.layers(PackedSequence(embedded, *x[1:]), state)
        return F.dropout(outputs.data, self.dropout, self.training), state

    def nll(self, x: PackedSequence, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the negative log-likelihood of the keys of each next step, summed over them, and the state.

        Outside training in float64, so that no sum depends on how many are summed beside it.

        Args:
            x: packed inputs, [N, I].
            targets: [N, K], 1 where a key sounds.
            state: of the layers, from before.
        """
        outputs, state = self(x, state)
        dtype = outputs.dtype if self.training else torch.float64
        scores = self._scores(outputs.to(dtype))
        loss = F.binary_cross_entropy_with_logits(scores, targets.to(dtype), reduction="none")
        return loss.sum(1), state

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores (logits) of the keys to come, [B, K], behind one more input [B, I], and the state."""
        outputs, state = self.layers.step(self.embedding(x), state)
        return self._scores(outputs.double()), state

    def _scores(self, outputs: Tensor) -> Tensor:
        return F.linear(outputs, self.output.weight.to(outputs.dtype), self.output.bias.to(outputs.dtype))
