"""The n-gram model is what a plain count of its definition says."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.learning.ngrams import NGrams, _discounts, best_order

SYMBOLS = 4
texts = st.lists(st.lists(st.integers(0, SYMBOLS - 1), min_size=1, max_size=12), min_size=1, max_size=5)


def counted(train: list[list[int]], order: int) -> list[Counter[tuple[int, ...]]]:
    """Return the counts of the n-grams, n = 1 to `order`; the shorter ones count distinct units before."""
    longest: Counter[tuple[int, ...]] = Counter()
    for text in train:
        padded = [SYMBOLS] * (order - 1) + text
        longest.update(tuple(padded[i : i + order]) for i in range(len(text)))
    levels = [longest]
    for _ in range(order - 1):
        levels.append(Counter(gram[1:] for gram in levels[-1]))
    return levels[::-1]


def probability(levels: list[Counter[tuple[int, ...]]], context: tuple[int, ...], symbol: int) -> float:
    """Return the probability of a symbol behind a context, by the recursive definition."""
    shorter = probability(levels[:-1], context[1:], symbol) if context else 1 / SYMBOLS
    counts = levels[len(context)]
    discounts = _discounts(np.array(list(counts.values())))
    behind = {gram: n for gram, n in counts.items() if gram[:-1] == context}
    if not behind:
        return shorter
    total = sum(behind.values())
    lent = sum(discounts[min(n, 3)] for n in behind.values())
    n = behind.get((*context, symbol), 0)
    return (n - discounts[min(n, 3)]) / total + lent / total * shorter


@settings(max_examples=40, deadline=None)
@given(texts, texts, st.integers(1, 4))
def test_it_is_the_recursive_definition(train: list[list[int]], test: list[list[int]], order: int) -> None:
    model = NGrams([np.array(text) for text in train], SYMBOLS, order)
    levels = counted(train, order)
    for text, nll in zip(test, model.nll([np.array(text) for text in test]), strict=True):
        padded = [SYMBOLS] * (order - 1) + text
        expected = [
            -np.log(probability(levels, tuple(padded[i : i + order - 1]), symbol))
            for i, symbol in enumerate(text)
        ]
        np.testing.assert_allclose(nll, expected, rtol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_add_up_to_one(order: int) -> None:
    rng = np.random.default_rng(0)
    model = NGrams([rng.integers(0, SYMBOLS, 50) for _ in range(4)], SYMBOLS, order)
    for context in ([], [2], [3, 1], [0, 0, 1]):
        nll = model.nll([np.array([*context, symbol]) for symbol in range(SYMBOLS)])
        assert sum(np.exp(-row[-1]) for row in nll) == pytest.approx(1)


def test_a_symbol_seen_behind_many_others_is_likelier_than_one_seen_often_behind_one() -> None:
    """The law that names it: "Francisco" is frequent, but only behind "San"."""
    san, francisco, day = 0, 1, 2
    text = [san, francisco] * 20 + [san, day, day, francisco, day, san, day]
    seen = Counter(text)
    assert seen[francisco] > seen[day]
    model = NGrams([np.array(text)], 5, 2)
    new = 4
    _, after_francisco = model.nll([np.array([new, francisco])])[0]
    _, after_day = model.nll([np.array([new, day])])[0]
    assert after_day < after_francisco


def test_the_order_is_that_which_serves_other_text_best() -> None:
    rng = np.random.default_rng(0)

    def sums() -> np.ndarray:
        """Each symbol is the sum of the two before it, as a rule."""
        text = [0, 1]
        while len(text) < 50:
            text.append((text[-1] + text[-2] + int(rng.random() < 0.2)) % SYMBOLS)
        return np.array(text)

    assert best_order([sums() for _ in range(20)], [sums() for _ in range(20)], SYMBOLS) == 3
    far = [np.array([a, 3, 3, 3, a]) for a in rng.integers(0, 3, 200)]  # the first of five says the last
    assert best_order(far, far, SYMBOLS) == 5
