"""Searching and drawing, against counting and against trying everything."""

import itertools
import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from elman.nn.search import beam, draw, speak

END = 3


def test_at_temperature_zero_the_most_probable_is_taken() -> None:
    scores = torch.tensor([[0.0, 2.0, 1.0], [5.0, -1.0, 4.9]])
    assert draw(scores, 0.0).tolist() == [1, 0]
    assert draw(scores, 1e-320).tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_what_is_drawn_is_as_frequent_as_the_softmax_says(temperature: float) -> None:
    scores = torch.tensor([0.3, -1.0, 1.2, 0.0])
    generator = torch.Generator().manual_seed(1)
    drawn = draw(scores.expand(20_000, -1), temperature, generator=generator)
    shares = drawn.bincount(minlength=4) / 20_000
    assert torch.allclose(shares, (scores / temperature).softmax(0), atol=0.015)


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (None, None, {0, 1, 2, 3}),
        (1, None, {2}),
        (3, None, {1, 2, 3}),
        (9, None, {0, 1, 2, 3}),
        (None, 0.01, {2}),
        (None, 0.49, {2}),
        (None, 0.79, {2, 1}),
        (None, 0.81, {2, 1, 3}),
        (None, 1.0, {0, 1, 2, 3}),
        (2, 0.6, {2}),  # of the two that are left, 0.5 of 0.8 is more than 0.6
        (2, 0.7, {2, 1}),
    ],
)
def test_only_the_most_probable_are_drawn(top_k: int | None, top_p: float | None, kept: set[int]) -> None:
    scores = torch.tensor([0.05, 0.3, 0.5, 0.15]).log() + 7.0
    generator = torch.Generator().manual_seed(0)
    drawn = draw(scores.expand(500, -1), 1.0, top_k, top_p, generator)
    assert set(drawn.tolist()) == kept


def test_equal_seeds_draw_the_same() -> None:
    scores = torch.randn(50, 9)
    first, second = (draw(scores, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, second)


@dataclass(frozen=True)
class History:
    """A state that remembers all that was said: a number in base 4, of each sequence."""

    said: Tensor

    def __getitem__(self, rows: Tensor) -> "History":
        return History(self.said[rows])


class Model:
    """Random log-probabilities for whatever was said before, other ones for each sequence."""

    def __init__(self, seed: int, histories: int = 4**7) -> None:
        self.table = torch.randn(histories, 4, generator=torch.Generator().manual_seed(seed)).log_softmax(1)

    def step(self, symbols: Tensor, state: History) -> tuple[Tensor, History]:
        said = state.said * 4 + symbols
        return self.table[said % len(self.table)], History(said)

    def score(self, first: int, sequence: tuple[int, ...], exponent: float) -> float:
        """Return what a finished sequence is worth, found step by step."""
        state, total, before = History(torch.tensor([first])), 0.0, 0
        for symbol in (*sequence, END):
            scores, state = self.step(torch.tensor([before]), state)
            total, before = total + scores[0, symbol].item(), symbol
        return total / (len(sequence) + 1) ** exponent


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_best_of_all(seed: int, exponent: float) -> None:
    model, longest, first = Model(seed), 4, torch.tensor([1, 2, 5])
    found = beam(model.step, torch.zeros(3).long(), History(first), END, [longest] * 3, 100, exponent)
    for start, sequence in zip(first.tolist(), found, strict=True):
        every = [s for n in range(longest) for s in itertools.product(range(3), repeat=n)]
        best = max(every, key=lambda s: model.score(start, s, exponent))
        assert tuple(sequence) == best


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_says_what_is_most_probable(seed: int) -> None:
    model, first = Model(seed), History(torch.arange(6))
    said = speak(model.step, torch.zeros(6).long(), first, END, [7] * 6)
    assert beam(model.step, torch.zeros(6).long(), first, END, [7] * 6, 1) == said
    assert any(0 < len(sequence) < 7 for sequence in said)
    for start, sequence in enumerate(said):
        state, before = History(torch.tensor([start])), 0
        for symbol in (*sequence, END)[:7]:
            scores, state = model.step(torch.tensor([before]), state)
            assert symbol == scores.argmax()
            before = symbol


@pytest.mark.parametrize("width", [1, 2, 3, 5])
def test_a_sequence_is_found_alone_as_in_company(width: int) -> None:
    model, longest = Model(0), [3, 7, 1, 5, 6, 2]
    together = beam(model.step, torch.zeros(6).long(), History(torch.arange(6)), END, longest, width)
    alone = [
        beam(model.step, torch.zeros(1).long(), History(torch.tensor([i])), END, [longest[i]], width)[0]
        for i in range(6)
    ]
    assert together == alone
    assert len({len(sequence) for sequence in together}) > 1


@pytest.mark.parametrize("width", [1, 4])
def test_a_sequence_without_an_end_is_cut(width: int) -> None:
    def step(symbols: Tensor, state: History) -> tuple[Tensor, History]:
        return torch.tensor([-1.0, -0.5, -2.0, -math.inf]).expand(len(symbols), -1), state

    state = History(torch.zeros(2))
    assert beam(step, torch.zeros(2).long(), state, END, [3, 5], width) == [[1] * 3, [1] * 5]
    assert speak(step, torch.zeros(2).long(), state, END, [3, 5]) == [[1] * 3, [1] * 5]


def test_what_is_said_may_be_drawn() -> None:
    model, generator = Model(1), torch.Generator().manual_seed(0)
    first = History(torch.zeros(40).long())
    said = speak(
        model.step, torch.zeros(40).long(), first, END, [7] * 40, lambda s: draw(s, generator=generator)
    )
    assert len({tuple(sequence) for sequence in said}) > 10
    assert END not in {symbol for sequence in said for symbol in sequence}
