"""Sequences that a model predicts step by step, whole or in pieces for truncated backpropagation through time.

Source: Mikolov et al. 2010, "Recurrent neural network based language model". Imports no torch.

Letters: N real steps, B sequences.
"""

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from elman.data.ragged import Ragged

P = TypeVar("P")

Pair = tuple[np.ndarray, np.ndarray]  # inputs and targets of a sequence, as long as each other


class NextStep(NamedTuple, Generic[P]):
    """Inputs, and the targets one step later."""

    inputs: P  # [N, ...]
    targets: P  # [N, ...]


def whole(sequences: Sequence[Pair]) -> NextStep[Ragged]:
    """Return sequences as they are."""
    return NextStep(*(Ragged.of(side) for side in zip(*sequences, strict=True)))


def pieces(sequences: Sequence[Pair], span: int) -> Iterator[NextStep[Ragged]]:
    """Cut sequences, longest first, into pieces of `span` steps; each goes on where the one before ended."""
    sequences = sorted(sequences, key=lambda sequence: -len(sequence[1]))
    for start in range(0, len(sequences[0][1]), span):
        stop = start + span
        yield whole([(i[start:stop], t[start:stop]) for i, t in sequences if len(t) > start])


def count_pieces(sequences: Sequence[Pair], span: int) -> int:
    """Return how many pieces `pieces` yields."""
    return -(-max(len(targets) for _, targets in sequences) // span)
