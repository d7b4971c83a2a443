"""CTC against the sums over all paths that define it."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.data.batch import pack
from elman.nn import ctc


def collapsed(path: Sequence[int]) -> tuple[int, ...]:
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol != ctc.BLANK)


def texts_of(scores: Tensor) -> dict[tuple[int, ...], float]:
    """The probability of every text, by the sum over all its paths."""
    probabilities = scores.double().softmax(1).tolist()
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        p = math.prod(row[symbol] for row, symbol in zip(probabilities, path, strict=True))
        found[collapsed(path)] = found.get(collapsed(path), 0.0) + p
    return found


def scores_of(steps: int, symbols: int, seed: int) -> Tensor:
    return torch.randn(steps, symbols, generator=torch.Generator().manual_seed(seed)) * 2


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_is_the_sum_over_all_paths(seed: int) -> None:
    sizes = (5, 3, 4)
    all_scores = [scores_of(steps, 3, seed * 10 + steps) for steps in sizes]
    texts = [[1, 2, 2], [1], [2, 1]]
    packed = pack([scores.numpy() for scores in all_scores])
    nll = ctc.nll(packed.data, packed, texts)
    for one, scores, text in zip(nll, all_scores, texts, strict=True):
        assert math.exp(-one.item()) == pytest.approx(texts_of(scores)[tuple(text)], rel=1e-4)


def test_a_text_that_is_too_long_is_impossible() -> None:
    packed = pack([scores_of(3, 3, 0).numpy()])
    assert ctc.steps_needed([1, 1, 2]) == ctc.steps_needed("aab") == 4
    assert ctc.steps_needed([]) == 0
    assert ctc.nll(packed.data, packed, [[1, 1, 2]]).item() == math.inf
    assert ctc.nll(packed.data, packed, [[1, 2, 1]]).item() < math.inf


@given(st.lists(st.integers(0, 2), max_size=8))
def test_greedy_makes_repeats_one_and_takes_out_blanks(path: list[int]) -> None:
    scores = torch.nn.functional.one_hot(torch.tensor(path, dtype=torch.long), 3).float()
    said, last = ctc.greedy(scores)
    assert tuple(said) == collapsed(path)
    assert last == (path[-1] if path else ctc.BLANK)


@given(st.lists(st.integers(0, 2), max_size=8), st.integers(0, 8))
def test_greedy_goes_on_where_it_was(path: list[int], cut: int) -> None:
    scores = torch.nn.functional.one_hot(torch.tensor(path, dtype=torch.long), 3).float()
    first, last = ctc.greedy(scores[:cut])
    second, _ = ctc.greedy(scores[cut:], last)
    assert first + second == ctc.greedy(scores)[0]


@pytest.mark.parametrize("seed", range(10))
def test_a_wide_search_finds_the_most_probable_text(seed: int) -> None:
    scores = scores_of(5, 3, seed)
    texts = texts_of(scores)
    found, last = ctc.Search(1000, ctc.silent(3))(scores)
    assert tuple(found) == max(texts, key=lambda text: texts[text])
    assert last == ctc.greedy(scores)[1]


def bigram(log_probabilities: Tensor) -> ctc.Speller:
    """A speller that knows one symbol back; the blank's row stands for the beginning."""
    rows = log_probabilities.tolist()

    def speller(symbol: int | None, state: Any) -> tuple[Sequence[float], Any]:
        assert state in (None, "told")
        assert (symbol is None) == (state is None)  # asked once for each text, with the state before it
        return rows[symbol or 0], "told"

    return speller


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_a_speller_has_its_say(seed: int, weight: float) -> None:
    scores, spelling = scores_of(5, 3, seed), scores_of(3, 3, seed + 100).log_softmax(1)
    rows, bonus = spelling.tolist(), 0.4

    def rank(text: tuple[int, ...], p: float) -> float:
        nats = sum(rows[a][b] for a, b in itertools.pairwise((0, *text, 0)))
        return math.log(p) + weight * nats + bonus * len(text)

    texts = texts_of(scores)
    found, _ = ctc.Search(1000, bigram(spelling), weight, bonus)(scores)
    assert tuple(found) == max(texts, key=lambda text: rank(text, texts[text]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 2))
def test_a_search_that_goes_on_knows_what_came_before(seed: int, before: int) -> None:
    """It is the search behind steps that said `before` for certain, and no blank."""
    scores = scores_of(4, 3, seed)
    sure = torch.full((1, 3), -1e9)
    sure[0, before] = 0
    whole, _ = ctc.Search(1000, ctc.silent(3))(torch.cat((sure, scores)))
    assert ctc.Search(1000, ctc.silent(3))(scores, before)[0] == whole[1:]


def test_a_narrow_search_of_sure_steps_is_greedy() -> None:
    path = [0, 1, 1, 0, 1, 2, 2, 0]
    scores = torch.nn.functional.one_hot(torch.tensor(path), 3) * 20.0
    for width in (1, 3):
        assert ctc.Search(width, ctc.silent(3))(scores)[0] == [1, 1, 2]
