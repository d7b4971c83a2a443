"""Counts of n-grams and labels, of which naive Bayes is made. Imports no torch.

Letters: N steps of all sequences, S sequences, B examples to which these belong, K labels, G distinct n-grams of a
pattern.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from elman.data.ragged import Ragged

MAX_COUNTS = 10_000_000  # of each pattern; where there are more, the rarest n-grams are left out


class Pattern(NamedTuple):
    """A kind of n-gram: one of an earlier pattern some steps back, and the step itself."""

    before: int  # which pattern; -1 for none
    back: int = 1


SINGLE = Pattern(-1)
WORDS = (SINGLE, Pattern(0), Pattern(0, back=2))  # a word, two words, two words with any between them
CHARACTERS = (SINGLE, Pattern(0), Pattern(1), Pattern(2), Pattern(3))  # one to five characters


class NgramCounts(NamedTuple):
    """In how many training examples of each label an n-gram of a pattern occurs."""

    ngrams: np.ndarray  # [G] keys, ascending
    counts: np.ndarray  # [G, K]


def count_ngrams(
    numbers: Ragged,
    example: np.ndarray,
    targets: np.ndarray,
    symbols: int,
    labels: int,
    patterns: Sequence[Pattern],
) -> list[NgramCounts]:
    """Count the n-grams of each pattern.

    Args:
        numbers: of the sequences, [N], from 0 to `symbols` - 1.
        example: [S], to which of B examples a sequence belongs.
        targets: [B], numbers of their labels.
        symbols: size of the vocabulary.
        labels: K.
        patterns: of the n-grams.
    """
    mine = np.repeat(example, numbers.lengths)  # [N]
    first = np.cumsum(numbers.lengths) - numbers.lengths
    found: list[np.ndarray] = []
    tables: list[NgramCounts] = []
    for pattern in patterns:
        keys = numbers.values
        if pattern.before >= 0:
            before = found[pattern.before]
            for _ in range(pattern.back):
                before = np.concatenate((before[:1], before[:-1]))
                before[first] = len(tables[pattern.before].ngrams)  # the beginning is a symbol too
            keys = np.where(before >= 0, before * symbols + keys, -1)
        # An n-gram counts once in an example, however often it occurs there.
        pairs = np.unique((keys * len(targets) + mine)[keys >= 0])
        ngrams, number = np.unique(pairs // len(targets), return_inverse=True)
        counts = np.zeros((len(ngrams), labels), np.float32)
        np.add.at(counts, (number, targets[pairs % len(targets)]), 1)
        frequent = np.argsort(-counts.sum(1), kind="stable")[: MAX_COUNTS // labels]
        kept = np.sort(frequent)
        tables.append(NgramCounts(ngrams[kept], counts[kept]))
        place = np.searchsorted(tables[-1].ngrams, keys)
        there = np.append(tables[-1].ngrams, -2)[place] == keys
        found.append(np.where(there, place, -1))
    return tables
