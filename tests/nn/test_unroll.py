"""Backpropagation through time of every cell: against numbers, and against autograd over a plain loop.

Each cell goes both ways that there are: through the kernels, and, as a subclass that these do not know, in
plain steps.

`pytest -s -k central tests/nn/test_unroll.py` prints the largest error of each cell's gradient.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman.nn import cells
from elman.nn.cells import CELLS, Cell, State
from elman.nn.unroll import Weights, steps, unroll


class PlainRNN(cells.RNN):
    """A subclass may compute something else, so there is no kernel for it."""


class PlainGRU(cells.GRU):
    """The same."""


class PlainLSTM(cells.LSTM):
    """The same."""


KERNELS: dict[str, Cell] = {**{name: kind() for name, kind in CELLS.items()}, "rnn relu": cells.RNN("relu")}
PLAIN: dict[str, Cell] = {
    "rnn": PlainRNN(),
    "gru": PlainGRU(),
    "lstm": PlainLSTM(),
    "rnn relu": PlainRNN("relu"),
}
PATHS = {"kernels": KERNELS, "plain": PLAIN}
# Where h enters the step by itself, as in GRU, it must be as wide as the gates: no projection.
PROJECTED = ("rnn", "rnn relu", "lstm")
INPUT, HIDDEN, PROJECTION = 3, 4, 2
RAGGED = (4, 2, 1, 0)  # lengths, the last sequence keeps its initial state
pytestmark = [
    pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations"),
    pytest.mark.filterwarnings("ignore:with projected outputs, recurrent layers run in torch's own kernels"),
]
each_cell = pytest.mark.parametrize("name", KERNELS)
each_path = pytest.mark.parametrize("path", PATHS)


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
        directions: int = 1,
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
        self.weights = [
            Weights(
                random(rows, INPUT),
                random(rows, width),
                random(rows) if bias else None,
                random(rows) if bias else None,
                random(PROJECTION, HIDDEN) if projected else None,
            )
            for _ in range(directions)
        ]
        widths = [width, *[HIDDEN] * (len(cell.states) - 1)]
        self.state: State = tuple(random(directions, len(lengths), n) for n in widths)
        self.doutputs = random(sum(lengths), directions * width).detach()
        self.dfinal = tuple(random(*s.shape).detach() for s in self.state)

    def leaves(self) -> dict[str, Tensor]:
        """Everything that has a gradient, by name."""
        named: dict[str, Tensor | None] = {"x": self.x}
        for i, weights in enumerate(self.weights):
            named |= {f"{name} {i}": w for name, w in weights._asdict().items()}
        named |= dict(zip(self.cell.states, self.state, strict=True))
        return {name: t for name, t in named.items() if t is not None and t.requires_grad}

    def loss(self, outputs: Tensor, final: State) -> Tensor:
        """A number into which all outputs and all final states go, each with a weight of its own."""
        return (outputs * self.doutputs).sum() + sum(
            (s * d).sum() for s, d in zip(final, self.dfinal, strict=True)
        )

    def unroll(self, **every: Any) -> tuple[Tensor, State]:
        return unroll(self.cell, self.weights, self.x, self.state, self.batch_sizes, **every)

    def gradients(self, outputs: Tensor, final: State) -> dict[str, Tensor]:
        leaves = self.leaves()
        found = torch.autograd.grad(self.loss(outputs, final), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(leaf) if g is None else g
            for (name, leaf), g in zip(leaves.items(), found, strict=True)
        }

    def plain_loop(self, detach_every: int | None = None) -> tuple[Tensor, State]:
        """Each sequence by itself, one step after the other, without any packing; autograd does the rest."""
        ways = [self._plain_way(i, detach_every) for i in range(len(self.weights))]
        outputs, finals = zip(*ways, strict=True)
        return torch.cat(outputs, 1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))

    def _plain_way(self, direction: int, detach_every: int | None) -> tuple[Tensor, State]:
        starts = [sum(self.batch_sizes[:t]) for t in range(len(self.batch_sizes))]
        weights, reverse = self.weights[direction], direction == 1
        outputs: dict[int, Tensor] = {}
        finals = []
        for b, length in enumerate(self.lengths):
            state = tuple(s[direction, b : b + 1] for s in self.state)
            for i in range(length):
                t = length - 1 - i if reverse else i
                later = t + 1 if reverse else t  # of this step and the one that it follows
                if detach_every and i > 0 and later % detach_every == 0:
                    state = tuple(s.detach() for s in state)
                row = starts[t] + b
                x = self.x[row : row + 1]
                if not x.is_floating_point():
                    x = torch.nn.functional.one_hot(x, INPUT).double()
                assert weights.hh is not None
                wx, uh = x @ weights.ih.T, state[0] @ weights.hh.T
                if weights.bias_ih is not None and weights.bias_hh is not None:
                    wx, uh = wx + weights.bias_ih, uh + weights.bias_hh
                h, *others = self.cell.step(wx, uh, state)
                if weights.hr is not None:
                    h = h @ weights.hr.T
                state = (h, *others)
                outputs[row] = h
            finals.append(state)
        packed = [outputs[row] for row in sorted(outputs)]
        joined = (
            torch.cat(packed) if packed else self.doutputs[:, : weights.output_size(len(self.cell.gates))]
        )
        return joined, tuple(torch.cat(parts) for parts in zip(*finals, strict=True))


def options(name: str) -> Iterator[dict[str, Any]]:
    """All that a cell can do."""
    for directions, projected, one_hot, bias in product(
        (1, 2), (False, True) if name in PROJECTED else (False,), (False, True), (True, False)
    ):
        yield {"directions": directions, "projected": projected, "one_hot": one_hot, "bias": bias}


@torch.no_grad()
def central_difference_error(case: Case, gradients: dict[str, Tensor], eps: float = 1e-5) -> float:
    """The largest difference between `gradients` and central differences, over every entry of every leaf."""
    largest = 0.0
    for name, leaf in case.leaves().items():
        flat, gradient = leaf.view(-1), gradients[name].reshape(-1)
        for i in range(len(flat)):
            kept = flat[i].item()
            flat[i] = kept + eps
            above = case.loss(*case.unroll()).item()
            flat[i] = kept - eps
            below = case.loss(*case.unroll()).item()
            flat[i] = kept
            largest = max(largest, abs((above - below) / (2 * eps) - gradient[i].item()))
    return largest


def assert_same(case: Case, ours: tuple[Tensor, State], theirs: tuple[Tensor, State], atol: float) -> None:
    """Outputs, final states and all gradients."""
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=atol)
    torch.testing.assert_close(ours[1], theirs[1], rtol=0, atol=atol)
    expected = case.gradients(*theirs)
    for leaf, gradient in case.gradients(*ours).items():
        torch.testing.assert_close(
            gradient, expected[leaf], rtol=atol, atol=10 * atol, msg=lambda m, n=leaf: f"{n}: {m}"
        )


@each_path
@each_cell
def test_gradient_equals_central_differences(name: str, path: str) -> None:
    """Law 1: float64, ragged, non-zero initial state, gradient into outputs and final states."""
    largest = 0.0
    for chosen in options(name):
        if chosen["directions"] == 1 or (chosen["one_hot"] and not chosen["bias"]):
            continue  # the other test has these
        case = Case(PATHS[path][name], RAGGED, **chosen)
        error = central_difference_error(case, case.gradients(*case.unroll()))
        assert error < 1e-6, chosen
        largest = max(largest, error)
    print(f"\n{name}, {path}: largest error of the gradient {largest:.1e}")


LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=5).map(lambda n: sorted(n, reverse=True))


@each_path
@each_cell
@settings(max_examples=25, deadline=None)
@given(lengths=LENGTHS, choice=st.integers(0, 15), seed=st.integers(0, 1000))
def test_equals_autograd_over_a_plain_loop(
    name: str, path: str, lengths: list[int], choice: int, seed: int
) -> None:
    every = list(options(name))
    case = Case(PATHS[path][name], lengths, **every[choice % len(every)], seed=seed)
    assert_same(case, case.unroll(), case.plain_loop(), 1e-12)


@each_cell
@settings(max_examples=15, deadline=None)
@given(lengths=LENGTHS, choice=st.integers(0, 7), seed=st.integers(0, 1000))
def test_kernels_equal_the_plain_steps(name: str, lengths: list[int], choice: int, seed: int) -> None:
    every = [chosen for chosen in options(name) if not chosen["projected"]]
    case = Case(KERNELS[name], lengths, **every[choice], seed=seed)
    ours = case.unroll()
    case.cell = PLAIN[name]
    assert_same(case, ours, case.unroll(), 1e-12)


@each_path
@each_cell
def test_a_sequence_of_length_0_keeps_its_initial_state_and_passes_its_gradient_on(
    name: str, path: str
) -> None:
    case = Case(PATHS[path][name], RAGGED, projected=False, one_hot=False, directions=2)
    outputs, final = case.unroll()
    gradients = case.gradients(outputs, final)
    for i, (state, s, ds) in enumerate(zip(case.cell.states, case.state, case.dfinal, strict=True)):
        assert torch.equal(final[i][:, -1], s[:, -1])
        assert torch.equal(gradients[state][:, -1], ds[:, -1])


@each_path
@each_cell
def test_final_state_is_the_last_output(name: str, path: str) -> None:
    case = Case(PATHS[path][name], (5,), projected=False, one_hot=False, directions=2)
    outputs, (h, *_) = case.unroll()
    assert torch.equal(outputs[-1, :HIDDEN], h[0, 0])
    assert torch.equal(outputs[0, HIDDEN:], h[1, 0])


@each_path
def test_the_initial_state_is_not_written_to(path: str) -> None:
    case = Case(PATHS[path]["lstm"], RAGGED, projected=False, one_hot=False)
    kept = [s.detach().clone() for s in case.state]
    case.gradients(*case.unroll())
    with torch.no_grad():
        case.unroll()
    assert all(map(torch.equal, case.state, kept))


@each_path
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_integers_of_any_width_are_one_hot(dtype: torch.dtype, path: str) -> None:
    case = Case(PATHS[path]["gru"], RAGGED, projected=False, one_hot=True)
    expected, _ = case.unroll()
    case.x = case.x.to(dtype)
    assert torch.equal(case.unroll()[0], expected)


def test_steps_visits_each_row_once_in_order() -> None:
    assert steps([3, 2, 2]) == [(0, 3, 3), (3, 5, 2), (5, 7, 2)]
    assert steps([3, 2, 2], reverse=True) == [(5, 7, 2), (3, 5, 2), (0, 3, 3)]
    assert steps([]) == []
