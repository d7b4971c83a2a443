"""Connectionist temporal classification: a text from a longer sequence of steps, without an alignment.

At each step the network scores every symbol and the blank, which says nothing. A path of them stands for the
text that is left when repeated symbols are made one and blanks are taken out; a text is as probable as all its
paths together (Graves et al. 2006, "Connectionist temporal classification").

Letters: N real steps of a batch, T steps of one sequence, B sequences, K symbols, the blank included.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

BLANK = 0


def steps_needed(numbers: Sequence[int]) -> int:
    """Return how many steps a text takes at least: one a symbol, and a blank between two that are the same."""
    return len(numbers) + sum(a == b for a, b in zip(numbers, numbers[1:]))


def nll(scores: Tensor, like: PackedSequence, texts: Sequence[Sequence[int]]) -> Tensor:
    """Return the negative log-likelihood of each text, [B].

    Args:
        scores: [N, K], packed as `like`.
        like: the steps that were scored.
        texts: B of them, in the order given to `pack`.
    """
    padded, lengths = pad_packed_sequence(PackedSequence(scores.log_softmax(1), *like[1:]))  # [T, B, K]
    targets = torch.tensor([number for text in texts for number in text])
    sizes = torch.tensor([len(text) for text in texts])
    return F.ctc_loss(padded, targets, lengths, sizes, blank=BLANK, reduction="none")


def greedy(scores: Tensor, before: int = BLANK) -> tuple[list[int], int]:
    """Return the text of the best path of steps [T, K], and the last symbol of the path.

    Args:
        scores: of the steps.
        before: the last symbol of the path that went before.
    """
    path = scores.argmax(1).tolist()
    said = [b for a, b in zip([before, *path], path) if b not in (a, BLANK)]
    return said, path[-1] if path else before
