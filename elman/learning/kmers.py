"""Plain methods for sequences over a small alphabet: which k-mers occur, or what stands at each place.

Letters: T symbols of a sequence, S symbols of the alphabet, B sequences, K labels.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from scipy import sparse

REGULARISATION = 0.1  # C of scikit-learn


def kmer_counts(sequences: Sequence[np.ndarray], symbols: int, longest: int) -> "sparse.csr_matrix":
    """Count the k-mers of 1 to `longest` symbols in each sequence.

    Args:
        sequences: numbers from 0 to S - 1, [T]; a k-mer with another number in it is not counted.
        symbols: S.
        longest: the largest k.

    Returns:
        log(1 + count), [B, S + S^2 + ... + S^longest].

    >>> np.expm1(kmer_counts([np.array([0, 1, 1, -1, 1])], symbols=2, longest=2).toarray()).round().tolist()
    [[1.0, 3.0, 0.0, 1.0, 0.0, 1.0]]
    """
    rows, width = [], sum(symbols**k for k in range(1, longest + 1))
    for sequence in sequences:
        known = (sequence >= 0) & (sequence < symbols)
        found, first = [np.zeros(0, dtype=np.int64)], 0
        for k in range(1, min(longest, len(sequence)) + 1):
            whole = sliding_window_view(sequence, k)[sliding_window_view(known, k).all(1)]
            found.append(first + whole @ symbols ** np.arange(k)[::-1])
            first += symbols**k
        columns, counts = np.unique(np.concatenate(found), return_counts=True)
        rows.append((columns, np.log1p(counts)))
    return _stack(rows, width)


def symbols_in_place(sequences: Sequence[np.ndarray], symbols: int, reach: int) -> "sparse.csr_matrix":
    """Say which symbol stands in each of the first and of the last places of each sequence.

    Args:
        sequences: numbers from 0 to S - 1, [T]; another number is no symbol.
        symbols: S.
        reach: places from either end.

    Returns:
        1 or 0, [B, 2 * reach * S].

    >>> symbols_in_place([np.array([0, 1])], symbols=2, reach=1).toarray().tolist()
    [[1.0, 0.0, 0.0, 1.0]]
    """
    rows = []
    for sequence in sequences:
        ends = np.stack((sequence[:reach], sequence[::-1][:reach]))  # [2, places]
        places = np.arange(ends.shape[1]) + np.array([[0], [reach]])
        known = (ends >= 0) & (ends < symbols)
        columns = (places * symbols + ends)[known]
        rows.append((columns, np.ones(len(columns))))
    return _stack(rows, 2 * reach * symbols)


def logistic_regression(
    features: "sparse.csr_matrix", labels: Sequence[int]
) -> "Callable[[sparse.csr_matrix], np.ndarray]":
    """Train a regularised logistic regression on labels 0 to K - 1; it answers features with [B, K]."""
    from sklearn.linear_model import LogisticRegression  # takes a second, and training alone needs it

    return LogisticRegression(C=REGULARISATION, max_iter=500).fit(features, labels).predict_proba


def _stack(rows: Sequence[tuple[np.ndarray, np.ndarray]], width: int) -> "sparse.csr_matrix":
    """Stack sparse rows, each given by its columns and their values."""
    from scipy import sparse

    ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns, values = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    return sparse.csr_matrix((values, columns, ends), (len(rows), width))
