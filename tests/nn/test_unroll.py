"""Backpropagation through time of every cell: against numbers, and against autograd over a plain loop.

`pytest -s -k central tests/nn/test_unroll.py` prints the largest error of each cell's gradient.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.nn import cells
from elman.nn.cells import CELLS, Cell, State
from elman.nn.unroll import Weights, steps, unroll

ALL: dict[str, Cell] = {**{name: kind() for name, kind in CELLS.items()}, "rnn relu": cells.RNN("relu")}
# Where h enters the step by itself, as in GRU, it must be as wide as the gates: no projection.
PROJECTED = ("rnn", "rnn relu", "lstm")
INPUT, HIDDEN, PROJECTION = 3, 4, 2
RAGGED = (4, 2, 1, 0)  # lengths, the last sequence keeps its initial state


class Case:
    """Random float64 weights, ragged inputs and a non-zero initial state for one cell."""

    def __init__(
        self,
        cell: Cell,
        lengths: Sequence[int],
        *,
        projected: bool,
        one_hot: bool,
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        draw = torch.Generator().manual_seed(seed)

        def random(*shape: int) -> Tensor:
            return (torch.randn(shape, generator=draw, dtype=torch.float64) / 2).requires_grad_()

        self.cell, self.lengths = cell, lengths
        rows, width = len(cell.gates) * HIDDEN, PROJECTION if projected else HIDDEN
        self.batch_sizes = [sum(n > t for n in lengths) for t in range(max(lengths, default=0))]
        self.x = (
            torch.randint(INPUT, (sum(lengths),), generator=draw) if one_hot else random(sum(lengths), INPUT)
        )
        self.weights = Weights(
            random(rows, INPUT),
            random(rows, width),
            random(rows) if bias else None,
            random(rows) if bias else None,
            random(PROJECTION, HIDDEN) if projected else None,
        )
        widths = [width, *[HIDDEN] * (len(cell.states) - 1)]
        self.state: State = tuple(random(len(lengths), n) for n in widths)
        self.doutputs = random(sum(lengths), width).detach()
        self.dfinal = tuple(random(*s.shape).detach() for s in self.state)

    def leaves(self) -> dict[str, Tensor]:
        """Everything that has a gradient, by name."""
        named = {"x": self.x, **self.weights._asdict()}
        named |= dict(zip(self.cell.states, self.state, strict=True))
        return {name: t for name, t in named.items() if t is not None and t.requires_grad}

    def loss(self, outputs: Tensor, final: State) -> Tensor:
        """A number into which all outputs and all final states go, each with a weight of its own."""
        return (outputs * self.doutputs).sum() + sum(
            (s * d).sum() for s, d in zip(final, self.dfinal, strict=True)
        )

    def unroll(self, reverse: bool) -> tuple[Tensor, State]:
        return unroll(self.cell, self.weights, self.x, self.state, self.batch_sizes, reverse=reverse)

    def gradients(self, outputs: Tensor, final: State) -> dict[str, Tensor]:
        leaves = self.leaves()
        found = torch.autograd.grad(self.loss(outputs, final), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if g is None else g
            for (name, leaf), g in zip(leaves.items(), found, strict=True)
        }

    def plain_loop(self, reverse: bool) -> tuple[Tensor, State]:
        """Each sequence by itself, one step after the other, without any packing; autograd does the rest."""
        starts = [sum(self.batch_sizes[:t]) for t in range(len(self.batch_sizes))]
        outputs: dict[int, Tensor] = {}
        finals = []
        for b, length in enumerate(self.lengths):
            state = tuple(s[b : b + 1] for s in self.state)
            times = range(length)
            for t in reversed(times) if reverse else times:
                row = starts[t] + b
                x = self.x[row : row + 1]
                if not x.is_floating_point():
                    x = torch.nn.functional.one_hot(x, INPUT).double()
                wx, uh = x @ self.weights.ih.T, state[0] @ self.weights.hh.T
                if self.weights.bias_ih is not None and self.weights.bias_hh is not None:
                    wx, uh = wx + self.weights.bias_ih, uh + self.weights.bias_hh
                h, *others = self.cell.step(wx, uh, state)
                if self.weights.hr is not None:
                    h = h @ self.weights.hr.T
                state = (h, *others)
                outputs[row] = h
            finals.append(state)
        packed = [outputs[row] for row in sorted(outputs)]
        joined = torch.cat(packed) if packed else self.doutputs
        return joined, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


def options(name: str) -> Iterator[tuple[bool, bool, bool, bool]]:
    """(reverse, projected, one_hot, bias) for a cell, all that it can do."""
    yield from product(
        (False, True), (False, True) if name in PROJECTED else (False,), (False, True), (True, False)
    )


@torch.no_grad()
def central_difference_error(
    case: Case, reverse: bool, gradients: dict[str, Tensor], eps: float = 1e-5
) -> float:
    """The largest difference between `gradients` and central differences, over every entry of every leaf."""
    largest = 0.0
    for name, leaf in case.leaves().items():
        flat, gradient = leaf.view(-1), gradients[name].reshape(-1)
        for i in range(len(flat)):
            kept = flat[i].item()
            flat[i] = kept + eps
            above = case.loss(*case.unroll(reverse)).item()
            flat[i] = kept - eps
            below = case.loss(*case.unroll(reverse)).item()
            flat[i] = kept
            largest = max(largest, abs((above - below) / (2 * eps) - gradient[i].item()))
    return largest


@pytest.mark.parametrize("name", ALL)
def test_gradient_equals_central_differences(name: str) -> None:
    """Law 1: float64, ragged, non-zero initial state, gradient into outputs and final states."""
    largest = 0.0
    for reverse, projected, one_hot, bias in options(name):
        case = Case(ALL[name], RAGGED, projected=projected, one_hot=one_hot, bias=bias)
        gradients = case.gradients(*case.unroll(reverse))
        error = central_difference_error(case, reverse, gradients)
        assert error < 1e-6, f"{reverse=} {projected=} {one_hot=} {bias=}"
        largest = max(largest, error)
    print(f"\n{name}: largest error of the gradient {largest:.1e}")


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5).map(lambda n: sorted(n, reverse=True)),
    choice=st.integers(0, 15),
    seed=st.integers(0, 1000),
)
def test_equals_autograd_over_a_plain_loop(name: str, lengths: list[int], choice: int, seed: int) -> None:
    every = list(options(name))
    reverse, projected, one_hot, bias = every[choice % len(every)]
    case = Case(ALL[name], lengths, projected=projected, one_hot=one_hot, bias=bias, seed=seed)
    (outputs, final), (plain_outputs, plain_final) = case.unroll(reverse), case.plain_loop(reverse)
    if sum(lengths):
        torch.testing.assert_close(outputs, plain_outputs, rtol=0, atol=1e-12)
    assert outputs.shape == case.doutputs.shape
    for ours, theirs in zip(final, plain_final, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    expected = case.gradients(plain_outputs, plain_final)
    for leaf, gradient in case.gradients(outputs, final).items():
        torch.testing.assert_close(
            gradient, expected[leaf], rtol=1e-11, atol=1e-11, msg=lambda m, n=leaf: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", ALL)
def test_a_sequence_of_length_0_keeps_its_initial_state_and_passes_its_gradient_on(name: str) -> None:
    case = Case(ALL[name], RAGGED, projected=False, one_hot=False)
    outputs, final = case.unroll(False)
    gradients = case.gradients(outputs, final)
    for state, s, ds in zip(case.cell.states, case.state, case.dfinal, strict=True):
        assert torch.equal(final[case.cell.states.index(state)][-1], s[-1])
        assert torch.equal(gradients[state][-1], ds[-1])


@pytest.mark.parametrize("name", ALL)
def test_final_state_is_the_last_output(name: str) -> None:
    case = Case(ALL[name], (5,), projected=False, one_hot=False)
    outputs, (h, *_) = case.unroll(False)
    assert torch.equal(outputs[-1:], h)
    outputs, (h, *_) = case.unroll(True)
    assert torch.equal(outputs[:1], h)


def test_the_initial_state_is_not_written_to() -> None:
    case = Case(ALL["lstm"], RAGGED, projected=False, one_hot=False)
    kept = [s.detach().clone() for s in case.state]
    case.gradients(*case.unroll(False))
    assert all(map(torch.equal, case.state, kept))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_integers_of_any_width_are_one_hot(dtype: torch.dtype) -> None:
    case = Case(ALL["gru"], RAGGED, projected=False, one_hot=True)
    expected, _ = case.unroll(False)
    case.x = case.x.to(dtype)
    assert torch.equal(case.unroll(False)[0], expected)


def test_steps_visits_each_row_once_in_order() -> None:
    assert steps([3, 2, 2]) == [(0, 3, 3), (3, 5, 2), (5, 7, 2)]
    assert steps([3, 2, 2], reverse=True) == [(5, 7, 2), (3, 5, 2), (0, 3, 3)]
    assert steps([]) == []
