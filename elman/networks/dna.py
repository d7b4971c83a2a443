"""DNA: recurrent layers over frames of bases, which may start from a language model of bases.

Letters: N frames of a batch, B sequences, V views of each, T frames of a view, K labels, H hidden size of the
language model.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.fasta import BASES
from elman.data.strands import INPUTS, WINDOW
from elman.encoders.dna import Views
from elman.networks.layers import recurrent_layers
from elman.networks.pretrained import TokenEmbedder
from elman.nn.packing import unpack
from elman.nn.shapes import ManyToMany, ManyToOne

FRAME_SIZE = 128  # numbers that the layers read of a frame


class DNAClassifier(nn.Module):
    """Scores of the labels of sequences, or of each of their bases.

    Args:
        labels: K.
        per_base: whether each base has a label.
        stride: bases from a frame to the next.
        strands: how many of them are read.
        sizes: of the language model that reads the bases too, if any; see `TokenEmbedder`.
        settings: of the task.
    """

    def __init__(
        self,
        labels: int,
        per_base: bool,
        stride: int,
        strands: int,
        sizes: Mapping[str, Any],
        settings: Any,
    ) -> None:
        super().__init__()
        self.frame = nn.Linear(INPUTS, FRAME_SIZE)
        self.stride, self.strands, self.per_base = stride, strands, per_base
        self.language = TokenEmbedder(len(BASES), sizes) if sizes else None
        width = FRAME_SIZE + (sizes["hidden"] if sizes else 0)
        layers = recurrent_layers(settings, width, bidirectional=True)
        shape = ManyToMany if per_base else ManyToOne
        self.reader = shape(layers, labels, settings.dropout)

    def forward(self, inputs: Views[PackedSequence], state: Any = None) -> tuple[Tensor, Any]:
        """Return the scores of the labels; no state.

        In training a sequence has one view: [B, K], or [N, K] of its packed frames. Otherwise they are the
        logarithm of the mean probability of all views: [B, K], or of all bases, sequence after sequence.
        """
        frames = inputs.frames
        read = F.gelu(self.frame(frames.data))
        if self.language:
            read = torch.cat((read, self._language_states(self.language, frames)), 1)
        scores = self.reader(PackedSequence(read, *frames[1:]))
        if self.training:
            return scores, None
        scores = scores.double().log_softmax(1)
        views = unpack(scores, frames) if self.per_base else list(scores.split(1))
        return torch.cat([self._mean(views[last - n : last], n) for last, n in _ends(inputs.counts)]), None

    def _mean(self, views: list[Tensor], count: int) -> Tensor:
        """Return the logarithm of the views' mean probability, [T or 1, K]."""
        # Each second view is of the other strand, where there are two.
        turned = [view.flip(0) if i % self.strands else view for i, view in enumerate(views)]
        return torch.stack(turned).logsumexp(0) - math.log(count)

    def _language_states(self, language: TokenEmbedder, frames: PackedSequence) -> Tensor:
        """Return the language model's state behind the middle of each frame, and a base more, [N, H].

        In the middle of its window stand as many bases as there are to the next frame: so all of them are read.
        """
        stride, sizes = self.stride, frames.batch_sizes
        first = (WINDOW - stride) // 2
        windows = frames.data[:, : WINDOW * len(BASES)].reshape(-1, WINDOW, len(BASES))
        bases = windows[:, first : first + stride]  # [N, stride, 4]
        # Packed, a step of the frames becomes as many steps of the same width.
        start, width = ((sizes.cumsum(0) - sizes).repeat_interleave(sizes), sizes.repeat_interleave(sizes))
        place = start * (stride - 1) + torch.arange(len(width))  # [N] of a frame's first base
        places = place[:, None] + torch.arange(stride) * width[:, None]  # [N, stride]
        steps = bases.new_empty(len(width) * stride, len(BASES))
        steps[places.flatten()] = bases.flatten(0, 1)
        like = PackedSequence(steps, sizes.repeat_interleave(stride), *frames[2:])
        states = language.read(steps @ language.embedding.weight, like)[:, language.embedding.embedding_dim :]
        return states[places[:, -1]]


def _ends(counts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield where the views of each sequence end, and how many they are."""
    return zip(accumulate(counts), counts, strict=True)
