"""The batches and the network of the dna task, and how it starts from a language model of bases.

Letters: N frames of a batch, B sequences, V ways to read each, K labels, H hidden size of the language model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.fasta import BASES
from elman.data.strands import INPUTS, WINDOW
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany, ManyToOne
from elman.tasks import pretrained
from elman.tasks.task import Settings

FRAME_SIZE = 128  # numbers that the layers read of a frame


class View(NamedTuple):
    """One way to read a sequence."""

    frames: np.ndarray  # [F, inputs]
    numbers: Sequence[int]  # of the label of each frame, or of the one label; none without answers


@dataclass(frozen=True)
class Batch:
    """Views of sequences, packed; those of a sequence follow each other."""

    frames: PackedSequence  # [N, inputs]
    views: list[int]  # V of each sequence
    targets: Tensor | None  # one a view, or [N] where each base has a label
    places: list[str]  # file:line of each sequence

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.frames.data)


class Reader(nn.Module):
    """The network: scores of the labels of each reading, [B * V, K], or of each frame of it, [N, K].

    Args:
        labels: K.
        per_base: whether each base has a label.
        apart: bases from a frame to the next.
        sizes: of the language model that reads the bases too, if any; see `pretrained.Reader`.
        settings: the user's.
    """

    temperature: Tensor

    def __init__(
        self, labels: int, per_base: bool, apart: int, sizes: Mapping[str, Any], settings: Settings
    ) -> None:
        super().__init__()
        self.register_buffer("temperature", torch.ones(()))
        self.frame = nn.Linear(INPUTS, FRAME_SIZE)
        self.apart = apart
        self.language = pretrained.Reader(len(BASES), sizes) if sizes else None
        layers = LAYERS[settings.cell](
            FRAME_SIZE + (sizes["hidden"] if sizes else 0),
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=True,
        )
        shape = ManyToMany if per_base else ManyToOne
        self.reader = shape(layers, labels, settings.dropout)

    def forward(self, frames: PackedSequence) -> Tensor:
        """Return the scores."""
        read = F.gelu(self.frame(frames.data))
        if self.language:
            read = torch.cat((read, self._understood(self.language, frames)), 1)
        return self.reader(PackedSequence(read, *frames[1:]))

    def _understood(self, language: pretrained.Reader, frames: PackedSequence) -> Tensor:
        """Return the language model's state behind the middle of each frame, and a base more, [N, H].

        In the middle of its window stand as many bases as it is apart from the next: so all of them are read.
        """
        apart, sizes = self.apart, frames.batch_sizes
        first = (WINDOW - apart) // 2
        windows = frames.data[:, : WINDOW * len(BASES)].reshape(-1, WINDOW, len(BASES))
        bases = windows[:, first : first + apart]  # [N, apart, 4]
        # Packed, a step of the frames becomes as many steps of the same width.
        start, width = ((sizes.cumsum(0) - sizes).repeat_interleave(sizes), sizes.repeat_interleave(sizes))
        place = start * (apart - 1) + torch.arange(len(width))  # [N] of a frame's first base
        places = place[:, None] + torch.arange(apart) * width[:, None]  # [N, apart]
        steps = bases.new_empty(len(width) * apart, len(BASES))
        steps[places.flatten()] = bases.flatten(0, 1)
        like = PackedSequence(steps, sizes.repeat_interleave(apart), *frames[2:])
        states = language.read(steps @ language.embedding.weight, like)[:, language.embedding.embedding_dim :]
        return states[places[:, -1]]
