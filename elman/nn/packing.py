"""Ragged arrays as torch's `PackedSequence`: longest sequence first, then all first steps, all second steps, and so on.

What works on single steps (embeddings, output layers, losses) works on its `data`, [N, ...], as it stands.

Letters: N real steps of a batch, B sequences.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.data.ragged import Ragged


def pack(sequences: Ragged | Sequence[Sequence[int] | np.ndarray]) -> PackedSequence:
    """Pack sequences, each at least one step long, into [N, ...].

    >>> pack([[7], [1, 2, 3]]).data
    tensor([1, 7, 2, 3])
    """
    values, lengths = sequences if isinstance(sequences, Ragged) else Ragged.of(sequences)
    if not lengths.all():
        raise ValueError("sequences must be at least one step long, got an empty one")
    first = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    alive = np.arange(lengths.max())[:, None] < lengths[order]  # [T, B]
    step, row = alive.nonzero()
    return PackedSequence(
        torch.from_numpy(values[first[order][row] + step]),
        torch.from_numpy(alive.sum(1)),
        torch.from_numpy(order),
        torch.from_numpy(np.argsort(order)),
    )


def unpack(values: Tensor, like: PackedSequence) -> list[Tensor]:
    """Split packed values [N, ...] into one tensor a sequence of `like`, in the order given to `pack`."""
    batch_sizes = like.batch_sizes
    step = torch.arange(len(batch_sizes)).repeat_interleave(batch_sizes)
    row = torch.arange(len(step)) - (batch_sizes.cumsum(0) - batch_sizes)[step]
    sequence = row if like.sorted_indices is None else like.sorted_indices.cpu()[row]
    order = torch.argsort(sequence, stable=True)
    lengths = torch.bincount(sequence, minlength=int(batch_sizes[0]))
    return list(values[order.to(values.device)].split(lengths.tolist()))


def to_tensors(inputs: Any, device: torch.device | str = "cpu") -> Any:
    """Return an encoder's inputs as a network takes them.

    A `Ragged` becomes a `PackedSequence`, an array a tensor; named tuples are converted field by field, and all
    else stays as it is.
    """
    if isinstance(inputs, Ragged):
        return pack(inputs).to(device)
    if isinstance(inputs, np.ndarray):
        return torch.from_numpy(inputs).to(device)
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):
        return type(inputs)(*(to_tensors(field, device) for field in inputs))
    return inputs
