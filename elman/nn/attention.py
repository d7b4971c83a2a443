"""Attention: which steps of the source matter to a step of the target.

Source: Luong, Pham and Manning 2015, "Effective approaches to attention-based neural machine translation".

Letters: B sequences, N real steps of a batch, S steps of the longest source, T of the longest target, Q size
of a query, M of what is remembered of a step of the source.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence


class Memory(NamedTuple):
    """What is remembered of the sources: a row a step, in the order in which they were given to `pack`."""

    keys: Tensor  # [B, S, Q]
    values: Tensor  # [B, S, M]
    absent: Tensor  # [B, S], what is no step of the source

    def rows(self, chosen: Tensor) -> "Memory":
        """Return the memory of the sequences `chosen`, [B']."""
        return Memory(*(part[chosen] for part in self))


class Attention(nn.Module):
    """Scores each step of the source by the product of its key with the query, and returns a mean of values.

    Args:
        query_size: Q.
        memory_size: M.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def remember(self, source: PackedSequence) -> Memory:
        """Return the memory of packed sources, [N, M]."""
        place, shape = places(source)
        absent = torch.ones(shape.numel(), dtype=torch.bool, device=place.device).index_fill(0, place, False)
        keys = spread(self.key(source.data), place, shape)
        return Memory(keys, spread(source.data, place, shape), absent.view(shape))

    def forward(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return what is found, [B, T, M], and how much each step of the source has of it, [B, T, S].

        Args:
            queries: [B, T, Q].
            memory: of the B sources.
        """
        scores = queries @ memory.keys.mT  # [B, T, S]
        weights = scores.masked_fill(memory.absent[:, None], -torch.inf).softmax(2)
        return weights @ memory.values, weights


def places(packed: PackedSequence) -> tuple[Tensor, torch.Size]:
    """Return where among B*T each packed step stands, [N], and (B, T); sequences as given to `pack`."""
    sizes = packed.batch_sizes
    step = torch.arange(len(sizes)).repeat_interleave(sizes)
    row = torch.arange(len(step)) - (sizes.cumsum(0) - sizes)[step]
    step, row = step.to(packed.data.device), row.to(packed.data.device)
    sequence = row if packed.sorted_indices is None else packed.sorted_indices[row]
    return sequence * len(sizes) + step, torch.Size((int(sizes[0]), len(sizes)))


def spread(values: Tensor, place: Tensor, shape: torch.Size) -> Tensor:
    """Put values [N, M] at their places among zeros, [B, T, M]."""
    spreaded = values.new_zeros(shape.numel(), values.shape[1]).index_copy(0, place, values)
    return spreaded.view(*shape, values.shape[1])
