"""The shapes: how many elements go in and how many come out.

Letters: N real steps of a batch, I input, K outputs a step.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence


class OneToOne(nn.Module):
    """The standard network: one input of fixed size, no recurrence.

    To sequences it can only be applied through a window: the words at `window` fixed places around each
    step, one-hot, side by side. Each place has weights of its own, so nothing learned at one serves another.
    The product of the weights with one-hot vectors is a sum of look-ups.

    Args:
        symbols: size of the dictionary.
        window: places that are seen, an odd number.
        hidden: units of the hidden layer.
        outputs: K.
    """

    def __init__(self, symbols: int, window: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.symbols, self.window = symbols, window
        self.input = nn.EmbeddingBag(symbols * window, hidden, mode="sum")
        nn.init.normal_(self.input.weight, std=0.1)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.output = nn.Linear(hidden, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """Return scores [N, K] of windows of numbers, [N, window]."""
        places = torch.arange(self.window, device=windows.device) * self.symbols
        return self.output(torch.tanh(self.input(windows + places) + self.bias))


class ManyToMany(nn.Module):
    """As many outputs as inputs (T_x = T_y): recurrent layers, then one linear layer at every step.

    Args:
        layers: recurrent layers, such as `elman.nn.LSTM`.
        outputs: K.
        dropout: probability with which inputs and outputs of the layers are zeroed in training.
    """

    def __init__(self, layers: Any, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers, self.dropout = layers, dropout
        self.output = nn.Linear(layers.output_size * layers.num_directions, outputs)

    def forward(self, x: PackedSequence) -> Tensor:
        """Return scores [N, K] of packed steps [N, I]."""
        dropped = F.dropout(x.data, self.dropout, self.training)
        outputs, _ = self.layers(PackedSequence(dropped, *x[1:]))
        return self.output(F.dropout(outputs.data, self.dropout, self.training))
