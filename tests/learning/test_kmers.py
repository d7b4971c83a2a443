"""Counts of k-mers and places, against scikit-learn and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from elman.learning.kmers import REGULARISATION, kmer_counts, logistic_regression, symbols_in_place

numbers = st.lists(st.integers(-1, 2), max_size=12)


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=4), st.integers(1, 3))
def test_counts_are_those_of_scikit_learn(rows: list[list[int]], longest: int) -> None:
    """Its features are strings: ours come in their order, shortest first. An x parts its neighbours."""
    words = [""]
    for _ in range(longest):
        words += [w + c for w in words if len(w) == len(words[-1]) for c in "abc"]
    theirs = CountVectorizer(analyzer="char", ngram_range=(1, longest), vocabulary=words[1:])
    texts = ["".join("abcx"[n] for n in row) for row in rows]
    ours = kmer_counts([np.array(row, dtype=int) for row in rows], symbols=3, longest=longest)
    np.testing.assert_allclose(np.expm1(ours.toarray()), theirs.transform(texts).toarray(), atol=1e-12)


def test_places_from_both_ends() -> None:
    rows = symbols_in_place([np.array([1, -1, 0]), np.array([2])], symbols=3, reach=2).toarray()
    assert rows.reshape(2, 2, 2, 3).tolist() == [
        [[[0, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]]],
        [[[0, 0, 1], [0, 0, 0]], [[0, 0, 1], [0, 0, 0]]],
    ]


def test_the_regression_is_that_of_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    rows = [chance.integers(3, size=20) for _ in range(60)]
    labels = [int((row == 2).sum() > 6) for row in rows]
    features = kmer_counts(rows, symbols=3, longest=2)
    ours = logistic_regression(features, labels)(features)
    theirs = LogisticRegression(C=REGULARISATION, tol=1e-8, max_iter=5000).fit(features.toarray(), labels)
    assert ours == pytest.approx(theirs.predict_proba(features.toarray()), abs=2e-3)
