"""Text classification: recurrent layers over units and the log-count ratios of their n-grams.

Each unit of the text (a word, a character or a subword) is its embedding beside the log-count ratios of the n-grams
that end there, and of those of the characters that spell it; recurrent layers read the text in both directions,
their outputs are pooled, and one linear layer answers.

Letters: N real steps (units) of a batch, B texts, K labels, I size of a step's input, E number of ratios.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.vocabulary import UNKNOWN
from elman.encoders.ngrams import Pattern
from elman.encoders.text import TextInputs
from elman.networks.layers import recurrent_layers
from elman.networks.log_count_ratios import LogCountRatios, mean
from elman.networks.pretrained import TokenEmbedder
from elman.nn.shapes import ManyToOne


class TextClassifier(nn.Module):
    """Scores of the labels of texts.

    Args:
        symbols: size of the vocabulary of units.
        patterns: of n-grams of units and, where these are words, of characters: the size of the vocabulary, and
            the patterns.
        ngrams: how many there are of each.
        labels: K.
        sizes: of what reads the units; see `TokenEmbedder`.
        settings: of the task.
    """

    unit_counts: Tensor  # in training: a rare unit is more often read as the unknown, so that this is learned

    def __init__(
        self,
        symbols: int,
        patterns: Sequence[tuple[int, Sequence[Pattern]]],
        ngrams: Sequence[Sequence[int]],
        labels: int,
        sizes: Any,
        settings: Any,
    ) -> None:
        super().__init__()
        self.register_buffer("unit_counts", torch.zeros(symbols))
        self.unit = TokenEmbedder(symbols, sizes)
        self.ratios = nn.ModuleList(
            LogCountRatios(size, labels, kinds, counts)
            for (size, kinds), counts in zip(patterns, ngrams, strict=True)
        )
        width = self.unit.output_size + sum(len(kinds) * labels for _, kinds in patterns)
        layers = recurrent_layers(settings, width, bidirectional=True)
        self.reader = ManyToOne(layers, labels, settings.dropout)

    def forward(
        self, inputs: TextInputs[PackedSequence, Tensor], state: Any = None
    ) -> tuple[Tensor, Any]:
        """Return the scores of the labels, [B, K]; no state."""
        numbers, own = inputs.units.data, inputs.own_labels
        read = [self.ratios[0](inputs.units, own)]
        if inputs.spelling is not None and inputs.word_of_unit is not None:
            spelling = self.ratios[1](inputs.spelling, None if own is None else own[inputs.text_of_word])
            read.append(mean(spelling, inputs.spelling)[inputs.word_of_unit.data])
        if self.training:
            count = self.unit_counts[numbers]
            numbers = numbers.masked_fill(torch.rand_like(count) < 0.5 / (0.5 + count), UNKNOWN)
        read.append(self.unit(numbers, inputs.units))
        return self.reader(PackedSequence(torch.cat(read, 1), *inputs.units[1:])), None  # of [N, E + I]
