"""Ragged batches: no padding and no mask, only the real steps.

A batch of sequences of different lengths is torch's `PackedSequence`: longest sequence first, then all
first steps, all second steps, and so on. What works on single steps (embeddings, heads, losses) works on its
`data`, [N, ...], as it stands.

Letters: N real steps of the batch, B sequences.
"""

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence


def pack(sequences: Sequence[Sequence[int] | np.ndarray]) -> PackedSequence:
    """Pack sequences of integers, or of rows of numbers [T, ...], each at least one long, into [N, ...].

    >>> pack([[7], [1, 2, 3]]).data
    tensor([1, 7, 2, 3])
    """
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    if not lengths.all():
        raise ValueError("sequences must be at least one step long, got an empty one")
    flat = np.concatenate([np.asarray(sequence) for sequence in sequences])  # [N, ...]
    flat = flat.astype(np.int64 if np.issubdtype(flat.dtype, np.integer) else np.float32, copy=False)
    first = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    alive = np.arange(lengths.max())[:, None] < lengths[order]  # [T, B]
    step, row = alive.nonzero()
    return PackedSequence(
        torch.from_numpy(flat[first[order][row] + step]),
        torch.from_numpy(alive.sum(1)),
        torch.from_numpy(order),
        torch.from_numpy(np.argsort(order)),
    )


def unpack(values: Tensor, like: PackedSequence) -> list[Tensor]:
    """Part packed values [N, ...] into one tensor a sequence of `like`, in the order given to `pack`."""
    batch_sizes = like.batch_sizes
    step = torch.arange(len(batch_sizes)).repeat_interleave(batch_sizes)
    row = torch.arange(len(step)) - (batch_sizes.cumsum(0) - batch_sizes)[step]
    sequence = row if like.sorted_indices is None else like.sorted_indices.cpu()[row]
    order = torch.argsort(sequence, stable=True)
    lengths = torch.bincount(sequence, minlength=int(batch_sizes[0]))
    return list(values[order.to(values.device)].split(lengths.tolist()))


def fill(lengths: Sequence[int], steps: int, seed: int | None = None) -> list[list[int]]:
    """Group examples into batches of about `steps` real steps, similar lengths together.

    Args:
        lengths: of each example.
        steps: a batch is closed before it would hold more; a longer example is a batch by itself.
        seed: shuffles which examples of similar length meet, and the order of the batches; without it the
            batches come from short to long.

    Returns:
        Lists of indices into `lengths`; each index stands in exactly one.
    """
    shuffle = random.Random(seed)
    # A little noise on the lengths lets other neighbours meet each time, while the lengths stay similar.
    noise = [shuffle.uniform(0.9, 1.1) if seed is not None else 1 for _ in lengths]
    batches: list[list[int]] = []
    room = 0
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i] * noise[i]):
        if not batches or lengths[i] > room:
            batches.append([])
            room = steps
        batches[-1].append(i)
        room -= lengths[i]
    if seed is not None:
        shuffle.shuffle(batches)
    return batches
