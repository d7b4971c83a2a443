"""The n-gram model: what comes next is looked up by the few units before it.

It is interpolated and has the modified discounts of Kneser and Ney (Chen and Goodman 1999, "An empirical
study of smoothing techniques for language modeling"): an n-gram lends some of its count to those that were
never seen, and shorter n-grams say how that is shared out. These count behind how many units they were seen,
not how often.

Letters: N steps, G distinct n-grams, F distinct (n-1)-grams.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ORDERS = (3, 4, 5)  # that are tried


class _Level(NamedTuple):
    """The n-grams of one length; an n-gram's number is its place in `keys`."""

    keys: np.ndarray  # [G] ascending; see `NGrams._keys`
    kept: np.ndarray  # [G] its share of its (n-1)-gram's counts, less what it lends
    lent: np.ndarray  # [F] the share that is lent


class NGrams:
    """An n-gram model of sequences of numbers.

    Args:
        sequences: integers from 0 to `symbols` - 1.
        symbols: size of the dictionary.
        order: the largest n, at least 1.

    >>> model = NGrams([np.array([0, 1] * 20)], symbols=2, order=2)
    >>> np.exp(-model.nll([np.array([0, 1, 1])])[0]).round(2)
    array([0.79, 0.96, 0.03])
    """

    def __init__(self, sequences: Sequence[np.ndarray], symbols: int, order: int) -> None:
        self.symbols, self.order = symbols, order
        steps = self._steps(sequences)
        numbers = [np.zeros_like(steps)]  # [N] of the n-gram that ends at each step, for n = 0, 1, ...
        found = []
        for _ in range(order):
            keys, first, number = np.unique(
                self._keys(numbers[-1], steps), return_index=True, return_inverse=True
            )
            found.append((keys, first))
            numbers.append(number)
        self._levels: list[_Level] = []
        for n, (keys, _) in enumerate(found, 1):
            places = np.arange(len(steps)) if n == order else found[n][1]  # of what counts for an n-gram
            places = places[steps[places] != symbols]
            counts = np.bincount(numbers[n][places], minlength=len(keys))
            self._levels.append(_level(keys, counts, keys // (symbols + 1), numbers[n - 1].max() + 1))

    def nll(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the negative log-likelihood of each step of each sequence, in nats."""
        steps = self._steps(sequences)
        number = np.zeros_like(steps)
        likely = np.full(len(steps), 1 / self.symbols)
        for level in self._levels:
            keys = self._keys(number, steps)
            before = keys // (self.symbols + 1)  # the number of the (n-1)-gram, -1 for one never seen
            place = np.searchsorted(level.keys, keys).clip(max=len(level.keys) - 1)
            seen = level.keys[place] == keys
            likely = np.where(before < 0, likely, level.lent[before] * likely + seen * level.kept[place])
            number = np.where(seen, place, -1)
        real = -np.log(likely[steps != self.symbols])
        return np.split(real, np.cumsum([len(sequence) for sequence in sequences])[:-1])

    def _steps(self, sequences: Sequence[np.ndarray]) -> np.ndarray:
        """Return all steps in a row, with marks before each sequence: to the first step, a context too."""
        marks = np.full(self.order - 1, self.symbols)
        return np.concatenate([part for sequence in sequences for part in (marks, sequence)])

    def _keys(self, number: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Return what tells the n-grams that end at each step from each other.

        It is the number of the (n-1)-gram before the step, times the size of the dictionary, plus the step.
        """
        return np.concatenate(([0], number[:-1])) * (self.symbols + 1) + steps


def _level(keys: np.ndarray, counts: np.ndarray, before: np.ndarray, contexts: int) -> _Level:
    """Lend some of each count [G]; `before` [G] is the (n-1)-gram, of `contexts`, with which each begins."""
    discount = _discounts(counts)[counts.clip(max=3)]
    totals = np.bincount(before, counts, contexts)
    lent = np.bincount(before, discount, contexts)
    unseen = totals == 0
    share = 1 / np.where(unseen, 1, totals)
    return _Level(keys, (counts - discount) * share[before], np.where(unseen, 1.0, lent * share))


def _discounts(counts: np.ndarray) -> np.ndarray:
    """Return what a count of 0, 1, 2 and 3 or more lends."""
    one, two, three, four = (np.count_nonzero(counts == n) for n in range(1, 5))
    if not (one and two and three):
        return np.array([0, 0.5, 1.0, 1.5])
    share = one / (one + 2 * two)
    estimates = [1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three]
    return np.array([0, *np.clip(estimates, 0.1, [0.9, 1.9, 2.9])])  # nothing is certain, nothing impossible


def best_order(train: Sequence[np.ndarray], dev: Sequence[np.ndarray], symbols: int) -> int:
    """Return the order of an n-gram model of `train` that finds `dev` most likely, of those worth trying.

    Where there is nothing to train on it is the lowest.
    """
    if not train:
        return ORDERS[0]
    return min(ORDERS, key=lambda n: np.concatenate(NGrams(train, symbols, n).nll(dev)).mean())
