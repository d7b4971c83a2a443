"""The shapes: how many elements go in and how many come out.

Letters: N real steps of a batch, I input, K outputs a step.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.nn.softmax import ClusteredSoftmax


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


class ManyToOne(nn.Module):
    """One output for a whole sequence: recurrent layers, then a linear layer on what they say at its steps.

    What they say is pooled over the steps: the largest value of each unit, beside the mean (Howard and Ruder
    2018, "Universal language model fine-tuning for text classification").

    Args:
        layers: recurrent layers, such as `elman.nn.LSTM`.
        outputs: K.
        dropout: probability with which what is pooled is zeroed in training.
    """

    def __init__(self, layers: Any, outputs: int, dropout: float) -> None:
        super().__init__()
        self.layers, self.dropout = layers, dropout
        self.output = nn.Linear(2 * layers.output_size * layers.num_directions, outputs)

    def forward(self, x: PackedSequence) -> Tensor:
        """Return scores [B, K] of packed sequences [N, I], in the order in which they were given to `pack`."""
        outputs, _ = self.layers(x)
        sequence = _sequence_of_step(x)
        index = sequence[:, None].expand_as(outputs.data)
        start = outputs.data.new_zeros(int(x.batch_sizes[0]), outputs.data.shape[1])
        largest = start.scatter_reduce(0, index, outputs.data, "amax", include_self=False)
        mean = start.scatter_reduce(0, index, outputs.data, "mean", include_self=False)
        return self.output(F.dropout(torch.cat((largest, mean), 1), self.dropout, self.training))

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] of the sequences so far, behind one more step [B, I] of each, and the state."""
        inner, largest, total, steps = state or (None, None, 0.0, 0)
        outputs, inner = self.layers.step(x, inner)
        largest = outputs if largest is None else torch.maximum(largest, outputs)
        total, steps = total + outputs, steps + 1
        return self.output(torch.cat((largest, total / steps), 1)), (inner, largest, total, steps)


def _sequence_of_step(x: PackedSequence) -> Tensor:
    """Return the number of the sequence to which each packed step belongs, [N]."""
    sizes = x.batch_sizes
    row = torch.arange(len(x.data)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    return row if x.sorted_indices is None else x.sorted_indices[row.to(x.sorted_indices.device)]


class OneToMany(nn.Module):
    """Speaks: what comes out at one step goes in at the next. At first the mark of the beginning goes in.

    One embedding serves twice, to read a symbol and to score it as the next one (Press and Wolf 2017, "Using
    the output embedding to improve language models").

    Args:
        symbols: K, the size of the dictionary, the most frequent first.
        layers: recurrent layers that go left to right, such as `elman.nn.LSTM`.
        dropout: probability with which inputs and outputs of the layers are zeroed in training; a tenth of it
            is that with which all of a symbol's embedding is.
    """

    def __init__(self, symbols: int, layers: Any, dropout: float) -> None:
        super().__init__()
        self.layers, self.dropout = layers, dropout
        self.embedding = nn.Embedding(symbols, layers.input_size)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.back = nn.Linear(layers.output_size, layers.input_size)
        self.softmax = ClusteredSoftmax(symbols, layers.input_size)

    def forward(self, symbols: PackedSequence, state: Any = None) -> tuple[Tensor, Any]:
        """Return what scores the next symbol at each step, [N, I], and the state behind."""
        embedded = self.embedding(symbols.data)
        if self.training:
            kept = F.dropout(embedded.new_ones(self.embedding.num_embeddings, 1), self.dropout / 10)
            embedded = F.dropout(embedded * kept[symbols.data], self.dropout)
        outputs, state = self.layers(PackedSequence(embedded, *symbols[1:]), state)
        return F.dropout(self.back(F.dropout(outputs.data, self.dropout, self.training)), self.dropout, self.training), state

    def nll(self, symbols: PackedSequence, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the negative log-likelihood of what comes next at each step, [N], and the state behind.

        Outside training in float64, so that no sum depends on how many are summed beside it.
        """
        outputs, state = self(symbols, state)
        outputs = outputs if self.training else outputs.double()
        return self.softmax.nll(outputs, self.embedding.weight, targets), state

    def step(self, symbol: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the log-probabilities of what comes next, [B, K], behind one more symbol [B], and the state."""
        outputs, state = self.layers.step(self.embedding(symbol), state)
        return self.softmax.log_probabilities(self.back(outputs).double(), self.embedding.weight), state
