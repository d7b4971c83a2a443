"""The network that reads a text for its label.

Many-to-one. Each unit of the text (a word, a character or a subword) is its embedding, beside the evidence
that the n-grams ending there, and those of the characters that spell it, gave for each label in the training
file; recurrent layers read the text in both directions, what they say is pooled, and one linear
layer answers.

Letters: N real steps (units) of a batch, B texts of it, M words of it, K labels, E numbers of evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.vocabulary import UNKNOWN
from elman.nn.evidence import Evidence, mean
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToOne
from elman.tasks.pretrained import Reader
from elman.tasks.task import Settings


@dataclass(frozen=True)
class Batch:
    """Texts, packed."""

    units: PackedSequence  # [N] numbers
    spelt: PackedSequence | None  # the characters of M words, text after text, where units are words
    place: Tensor  # [N] which of these words stands here
    text: Tensor  # [M] in which of the B texts each of these words stands
    targets: Tensor | None  # [B] numbers of labels
    places: list[str]  # file:line of each text

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.units.data)


class Classifier(nn.Module):
    """The network: scores of the labels of each text.

    Args:
        unit_counts: [dictionary] how often each unit was seen in training: a rare one is more often read as
            the unknown in training, so that the unknown is learned too.
        evidence: of n-grams of units and, where these are words, of n-grams of characters.
        labels: K.
        sizes: of what reads the units; see `Reader`.
        settings: the user's.
    """

    unit_counts: Tensor
    temperature: Tensor

    def __init__(
        self,
        unit_counts: Tensor,
        evidence: Sequence[Evidence],
        labels: int,
        sizes: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        super().__init__()
        self.register_buffer("unit_counts", unit_counts)
        self.register_buffer("temperature", torch.ones(()))
        self.unit = Reader(len(unit_counts), sizes)
        self.evidence = nn.ModuleList(evidence)
        layers = LAYERS[settings.cell](
            self.unit.output_size + sum(one.output_size for one in evidence),
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.reader = ManyToOne(layers, labels, settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Return the scores, [B, K]."""
        numbers, own = batch.units.data, batch.targets if self.training else None
        read = [self.evidence[0](batch.units, own)]
        if batch.spelt is not None:
            spelt = self.evidence[1](batch.spelt, None if own is None else own[batch.text])
            read.append(mean(spelt, batch.spelt)[batch.place])
        if self.training:
            count = self.unit_counts[numbers]
            numbers = numbers.masked_fill(torch.rand_like(count) < 0.5 / (0.5 + count), UNKNOWN)
        read.append(self.unit(numbers, batch.units))
        return self.reader(PackedSequence(torch.cat(read, 1), *batch.units[1:]))  # of [N, E + I]
