"""The conditional random field against brute force: every path of tags is written down and counted."""

import math
from collections.abc import Iterator
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.nn.crf import CRF

Path = tuple[int, ...]


class Case:
    """A CRF with random transitions, random emissions of ragged sequences, and every path of each."""

    def __init__(self, legal: Tensor, lengths: list[int], seed: int, scale: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.lengths, self.tags = lengths, len(legal) - 1
        self.batch_sizes = [sum(n > t for n in lengths) for t in range(max(lengths))]
        self.crf = CRF(legal).double()
        with torch.no_grad():
            self.crf.transitions.copy_(torch.randn(legal.shape, generator=draw, dtype=torch.float64) * scale)
        shape = (sum(lengths), self.tags)
        self.emissions = torch.randn(shape, generator=draw, dtype=torch.float64) * scale
        self.gold = torch.empty(sum(lengths), dtype=torch.long)
        for b in range(len(lengths)):
            paths = [path for path, score in self.paths(b) if score > -math.inf]
            chosen = paths[int(torch.randint(len(paths), (), generator=draw))]
            self.gold[self.rows(b)] = torch.tensor(chosen)

    def rows(self, b: int) -> list[int]:
        """Where the steps of sequence b stand, packed."""
        return [sum(self.batch_sizes[:t]) + b for t in range(self.lengths[b])]

    def score(self, b: int, path: Path) -> float:
        moves = [(self.tags, path[0]), *pairwise(path), (path[-1], self.tags)]
        if not all(self.crf.legal[i, j] for i, j in moves):
            return -math.inf
        return sum(self.crf.transitions[i, j].item() for i, j in moves) + sum(
            self.emissions[row, tag].item() for row, tag in zip(self.rows(b), path, strict=True)
        )

    def paths(self, b: int) -> Iterator[tuple[Path, float]]:
        for path in product(range(self.tags), repeat=self.lengths[b]):
            yield path, self.score(b, path)

    def log_z(self, b: int) -> float:
        return float(np.logaddexp.reduce([score for _, score in self.paths(b)]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to three tags and four steps; what is legal is random, but one tag is always a way through."""
    k = draw(st.integers(1, 3))
    rows = st.lists(st.booleans(), min_size=k + 1, max_size=k + 1)
    legal = torch.tensor(draw(st.lists(rows, min_size=k + 1, max_size=k + 1)))
    through = draw(st.integers(0, k - 1))
    legal[k, through] = legal[through, through] = legal[through, k] = True
    lengths = sorted(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)), reverse=True)
    scale = draw(st.sampled_from([0.1, 1.0, 30.0]))  # at 30 a plain exp would overflow
    return Case(legal, lengths, draw(st.integers(0, 10_000)), scale)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_nll_equals_the_sum_over_all_paths(case: Case) -> None:
    found = case.crf.nll(case.emissions, case.batch_sizes, case.gold)
    expected = [
        case.log_z(b) - case.score(b, tuple(case.gold[case.rows(b)].tolist()))
        for b in range(len(case.lengths))
    ]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_decode_finds_the_best_path_and_only_legal_ones(case: Case) -> None:
    tags = case.crf.decode(case.emissions, case.batch_sizes)
    for b in range(len(case.lengths)):
        found = case.score(b, tuple(tags[case.rows(b)].tolist()))  # -inf if not legal
        assert found > -math.inf
        assert found == pytest.approx(max(score for _, score in case.paths(b)), abs=1e-10)


@settings(max_examples=60, deadline=None)
@given(cases())
def test_marginals_equal_the_sum_over_all_paths(case: Case) -> None:
    found = case.crf.marginals(case.emissions, case.batch_sizes)
    expected = torch.zeros_like(found)
    for b in range(len(case.lengths)):
        log_z = case.log_z(b)
        for path, score in case.paths(b):
            for row, tag in zip(case.rows(b), path, strict=True):
                expected[row, tag] += math.exp(score - log_z)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found), dtype=torch.float64), rtol=0, atol=1e-10)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_what_is_not_legal_never_makes_a_nan(case: Case) -> None:
    emissions = case.emissions.requires_grad_()
    loss = case.crf.nll(emissions, case.batch_sizes, case.gold).sum()
    loss.backward()
    assert loss.isfinite()
    assert emissions.grad is not None
    assert case.crf.transitions.grad is not None
    assert emissions.grad.isfinite().all()
    assert case.crf.transitions.grad.isfinite().all()
    assert torch.count_nonzero(case.crf.transitions.grad[~case.crf.legal]) == 0


def test_gold_tags_that_are_not_legal_cost_infinity_and_not_nan() -> None:
    legal = torch.ones(3, 3, dtype=torch.bool)
    case = Case(legal, [3], 0)
    case.crf.legal[0, 1] = False
    emissions = case.emissions.requires_grad_()
    nll = case.crf.nll(emissions, case.batch_sizes, torch.tensor([0, 1, 1]))
    assert nll.tolist() == [math.inf]


@settings(max_examples=10, deadline=None)
@given(cases().filter(lambda case: case.emissions.abs().max() < 10), st.integers(0, 1000))
def test_gradient_equals_central_differences(case: Case, seed: int) -> None:
    """Law 1, with a different weight on each sequence's nll."""
    crf, emissions = case.crf, case.emissions.requires_grad_()
    weights = torch.randn(
        len(case.lengths), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )

    def loss() -> Tensor:
        return (crf.nll(emissions, case.batch_sizes, case.gold) * weights).sum()

    leaves = (emissions, crf.transitions)
    found = torch.autograd.grad(loss(), leaves)
    with torch.no_grad():
        for leaf, gradient in zip(leaves, found, strict=True):
            flat = leaf.view(-1)
            for i in range(len(flat)):
                kept = flat[i].item()
                flat[i] = kept + 1e-5
                above = loss().item()
                flat[i] = kept - 1e-5
                below = loss().item()
                flat[i] = kept
                assert abs((above - below) / 2e-5 - gradient.reshape(-1)[i].item()) < 1e-6


def test_a_sequence_scores_the_same_in_company() -> None:
    """Law 2."""
    legal = torch.ones(4, 4, dtype=torch.bool)
    case = Case(legal, [4, 2, 2, 1], 3)
    together = case.crf.nll(case.emissions, case.batch_sizes, case.gold)
    marginals = case.crf.marginals(case.emissions, case.batch_sizes)
    for b, length in enumerate(case.lengths):
        rows = case.rows(b)
        alone = case.crf.nll(case.emissions[rows], [1] * length, case.gold[rows])
        torch.testing.assert_close(alone[0], together[b], rtol=0, atol=1e-12)
        torch.testing.assert_close(
            case.crf.marginals(case.emissions[rows], [1] * length), marginals[rows], rtol=0, atol=1e-12
        )


def test_what_is_legal_is_no_weight() -> None:
    assert list(CRF(torch.ones(3, 3, dtype=torch.bool)).state_dict()) == ["transitions"]
