"""The shapes: how many elements go in and how many come out.

Letters: N real steps of a batch, I input, K outputs a step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.nn.attention import Attention, Memory, places, spread
from elman.nn.search import speak
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

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] of one more step [B, I] of each sequence, and the state."""
        outputs, state = self.layers.step(x, state)
        return self.output(outputs), state


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
        """Return scores [B, K] of packed sequences [N, I], in the order in which they were packed."""
        outputs, _ = self.layers(x)
        sequence = _sequence_of_step(x)
        index = sequence[:, None].expand_as(outputs.data)
        start = outputs.data.new_zeros(int(x.batch_sizes[0]), outputs.data.shape[1])
        largest = start.scatter_reduce(0, index, outputs.data, "amax", include_self=False)
        mean = start.scatter_reduce(0, index, outputs.data, "mean", include_self=False)
        return self.output(F.dropout(torch.cat((largest, mean), 1), self.dropout, self.training))

    def step(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] behind one more step [B, I] of each sequence, and the state."""
        inner, largest, total, steps = state or (None, None, 0.0, 0)
        outputs, inner = self.layers.step(x, inner)
        largest = outputs if largest is None else torch.maximum(largest, outputs)
        total, steps = total + outputs, steps + 1
        return self.output(torch.cat((largest, total / steps), 1)), (inner, largest, total, steps)


def _sequence_of_step(x: PackedSequence) -> Tensor:
    """Return the number of the sequence to which each packed step belongs, [N]."""
    sizes = x.batch_sizes
    row = torch.arange(len(x.data)) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)
    row = row.to(x.data.device)
    return row if x.sorted_indices is None else x.sorted_indices[row]


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
        return self._back(outputs.data), state

    def nll(self, symbols: PackedSequence, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the negative log-likelihood of targets [N], in nats, and the state behind."""
        outputs, state = self(symbols, state)
        return self.softmax.nll(outputs, self.embedding.weight, targets), state

    def step(self, symbol: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the log-probabilities [B, K] of what comes behind one more symbol [B], and the state."""
        outputs, state = self.layers.step(self.embedding(symbol), state)
        return self.softmax.log_probabilities(self._back(outputs), self.embedding.weight), state

    def generate(
        self, begun: Tensor, longest: int, choose: Callable[[Tensor], Tensor], end: int | None = None
    ) -> list[list[int]]:
        """Speak: choose a symbol, let it go in, and so on.

        Args:
            begun: [T, B] what goes in first, at least one symbol of each of B sequences.
            longest: symbols after which to stop.
            choose: takes log-probabilities [B, K] and returns symbols [B].
            end: the symbol behind which a sequence has no more, if any; it is not returned.
        """
        state = None
        for symbol in begun[:-1]:
            _, state = self.step(symbol, state)
        return speak(
            self.step, begun[-1], state, -1 if end is None else end, [longest] * begun.shape[1], choose
        )

    def _back(self, outputs: Tensor) -> Tensor:
        """Return outputs [N, H] in the embedding's space, [N, I].

        When answering, sums from here on are in float64: they do not depend on what stands beside them.
        """
        outputs = F.dropout(outputs, self.dropout) if self.training else outputs.double()
        back = F.linear(outputs, self.back.weight.to(outputs.dtype), self.back.bias.to(outputs.dtype))
        return F.dropout(back, self.dropout, self.training)


@dataclass(frozen=True)
class Speaking:
    """Where a decoder stands that speaks about B sources."""

    below: Any  # state of its layers
    above: Any  # of the last one
    memory: Memory

    def __getitem__(self, rows: Tensor) -> "Speaking":
        """Return the state of the sequences `rows`, [B']."""
        return Speaking(_rows(self.below, rows), _rows(self.above, rows), self.memory.rows(rows))


def _rows(state: Any, rows: Tensor) -> Any:
    if state is None or isinstance(state, Tensor):
        return state if state is None else state[:, rows]
    return tuple(part[:, rows] for part in state)


class EncoderDecoder(nn.Module):
    """As many outputs as it takes (T_x ≠ T_y): one network reads the whole source, then another one speaks.

    The encoder reads in both directions. The decoder begins where the encoder ended and reads what was said
    so far; attention finds what in the source matters to that; a last layer reads both, and scores what comes
    next. What a step looks for does not depend on what the step before it found, so that in training each
    layer runs over all steps at once (Wu et al. 2016, "Google's neural machine translation system"). One
    embedding serves the source, the target, and to score (Press and Wolf 2017, "Using the output embedding to
    improve language models").

    Args:
        symbols: K, the size of the dictionary of both languages.
        encoder: recurrent layers in both directions, I wide at the bottom.
        decoder: recurrent layers from left to right, as many and as wide at the bottom.
        writer: one layer from left to right, that reads what the decoder gives beside what attention does.
        dropout: probability with which inputs and outputs of the layers are zeroed in training, at all steps
            of a sequence alike (Gal and Ghahramani 2016, "A theoretically grounded application of dropout in
            recurrent neural networks"); a quarter of it is that with which a step's whole input is.
    """

    def __init__(self, symbols: int, encoder: Any, decoder: Any, writer: Any, dropout: float) -> None:
        super().__init__()
        size, read = encoder.input_size, 2 * encoder.output_size
        self.encoder, self.decoder, self.writer, self.dropout = encoder, decoder, writer, dropout
        self.embedding = nn.Embedding(symbols, size)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)  # as weights that score
        self.scale = 0.3 * size**0.5  # as inputs, so that these have a deviation of 0.3 at first
        self.bridges = nn.ModuleList(nn.Linear(read, decoder.hidden_size) for _ in decoder.cell.states)
        self.attention = Attention(decoder.output_size, read)
        self.combine = nn.Linear(writer.output_size + read, size)
        self.bias = nn.Parameter(torch.zeros(symbols))

    def encode(self, source: PackedSequence) -> Speaking:
        """Return the state of a decoder that has said nothing yet about packed sources, [N] symbols."""
        outputs, final = self.encoder(self._embed(source))
        memory = self.attention.remember(self._dropped(outputs))
        below = []
        for bridge, state in zip(self.bridges, (final,) if isinstance(final, Tensor) else final, strict=True):
            both = state.view(-1, 2, *state.shape[1:])  # [layers, 2, B, ...]
            below.append(torch.tanh(bridge(torch.cat((both[:, 0], both[:, 1]), 2))))
        return Speaking(below[0] if len(below) == 1 else tuple(below), None, memory)

    def forward(self, source: PackedSequence, target: PackedSequence) -> tuple[Tensor, Tensor]:
        """Return what scores the symbol behind each step of the target, [N, I], and its looks, [B, T, S].

        Args:
            source: packed symbols.
            target: packed symbols, each sequence behind the mark of the beginning.
        """
        state = self.encode(source)
        said, _ = self.decoder(self._embed(target), state.below)
        said = self._dropped(said)
        place, shape = places(said)
        found, weights = self.attention(spread(said.data, place, shape), state.memory)
        found = found.flatten(0, 1)[place]
        written, _ = self.writer(PackedSequence(torch.cat((said.data, found), 1), *said[1:]))
        combined = torch.tanh(self.combine(torch.cat((self._dropped(written).data, found), 1)))
        return self._dropped(PackedSequence(combined, *said[1:])).data, weights

    def loss(
        self, source: PackedSequence, target: PackedSequence, targets: Tensor, smoothing: float
    ) -> Tensor:
        """Return the mean cross-entropy of targets [N], in nats; a share of each goes to all symbols."""
        outputs, _ = self(source, target)
        weight = self.embedding.weight
        nll = F.cross_entropy(F.linear(outputs, weight, self.bias), targets)
        # The mean score of all symbols is the score of their mean; nothing is summed over [N, K].
        score = (outputs * weight[targets]).sum(1) + self.bias[targets]
        return nll + smoothing * (score - outputs @ weight.mean(0) - self.bias.mean()).mean()

    def step(self, symbols: Tensor, state: Speaking) -> tuple[Tensor, Speaking]:
        """Return the log-probabilities of what comes next, [B, K], behind more symbols [B], and the state."""
        said, below = self.decoder.step(self.embedding(symbols) * self.scale, state.below)
        found = self.attention(said[:, None], state.memory)[0][:, 0]
        written, above = self.writer.step(torch.cat((said, found), 1), state.above)
        combined = torch.tanh(self.combine(torch.cat((written, found), 1)))
        scores = F.linear(combined, self.embedding.weight, self.bias)
        return scores.log_softmax(1), Speaking(below, above, state.memory)

    def _embed(self, symbols: PackedSequence) -> PackedSequence:
        embedded = self.embedding(symbols.data) * self.scale
        if self.training:
            kept = torch.rand(len(embedded), 1, device=embedded.device) >= self.dropout / 4
            embedded = embedded * kept
        return self._dropped(PackedSequence(embedded, *symbols[1:]))

    def _dropped(self, x: PackedSequence) -> PackedSequence:
        """Zero the same units at all steps of a sequence."""
        if not self.training:
            return x
        kept = F.dropout(x.data.new_ones(int(x.batch_sizes[0]), x.data.shape[1]), self.dropout)
        return PackedSequence(x.data * kept[_sequence_of_step(x)], *x[1:])
