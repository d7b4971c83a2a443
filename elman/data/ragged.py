"""Ragged batches as plain arrays: no padding and no mask, only the real steps. Imports no torch.

Letters: N real steps of a batch, B sequences.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Sequences of different lengths, one after another.

    >>> Ragged.of([[7], [1, 2, 3]])
    Ragged(values=array([7, 1, 2, 3]), lengths=array([1, 3]))
    """

    values: np.ndarray  # [N, ...]
    lengths: np.ndarray  # [B], each at least 1

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int] | np.ndarray]) -> "Ragged":
        """Join sequences of integers, or of rows of numbers [T, ...]; floats become float32."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        values = np.concatenate([np.asarray(sequence) for sequence in sequences])
        dtype = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float32
        return cls(values.astype(dtype, copy=False), lengths)


def length_batches(lengths: Sequence[int], steps: int, seed: int | None = None) -> list[list[int]]:
    """Group examples of similar length into batches of about `steps` real steps.

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
    left = 0
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i] * noise[i]):
        if not batches or lengths[i] > left:
            batches.append([])
            left = steps
        batches[-1].append(i)
        left -= lengths[i]
    if seed is not None:
        shuffle.shuffle(batches)
    return batches
