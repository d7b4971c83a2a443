"""A layer in the kernels, as autograd and hostile callers see it: errors, gradients asked for, gaps.

The numbers themselves are shown in test_unroll.py, the bits in test_same_bits.py.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elman import nn
from elman.nn import cells, fused
from elman.nn.cells import Cell, State
from elman.nn.layers import LAYERS
from elman.nn.unroll import Weights, unroll

INPUT, HIDDEN, BATCH = 3, 5, 3
SIZES = [3, 2, 2, 1]  # of the batch at each step
ROWS = sum(SIZES)


class Plain(cells.LSTM):
    """Without kernels."""


CELLS: dict[str, Cell] = {
    "rnn": cells.RNN(),
    "rnn relu": cells.RNN("relu"),
    "gru": cells.GRU(),
    "lstm": cells.LSTM(),
    "plain": Plain(),
}
FAST = [name for name in CELLS if name != "plain"]
each_cell = pytest.mark.parametrize("name", CELLS)
each_fast_cell = pytest.mark.parametrize("name", FAST)
pytestmark = pytest.mark.filterwarnings(
    r"ignore:recurrent layers run as plain.*the cell Plain has no kernels"
)


class Case:
    """Leaves of a call in both directions."""

    def __init__(self, name: str, *, one_hot: bool = False) -> None:
        draw = torch.Generator().manual_seed(3)

        def random(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_()

        self.cell = CELLS[name]
        rows = len(self.cell.gates) * HIDDEN
        self.x = torch.randint(INPUT, (ROWS,), generator=draw) if one_hot else random(ROWS, INPUT)
        self.weights = [
            Weights(random(rows, INPUT), random(rows, HIDDEN), random(rows), random(rows)) for _ in range(2)
        ]
        self.state: State = tuple(random(2, BATCH, HIDDEN) for _ in self.cell.states)
        self.doutputs = random(ROWS, 2 * HIDDEN).detach()

    def leaves(self) -> dict[str, Tensor]:
        named = {f"{name}{i}": w for i, ways in enumerate(self.weights) for name, w in ways._asdict().items()}
        named |= {"x": self.x} | dict(zip(self.cell.states, self.state, strict=True))
        return {name: t for name, t in named.items() if t is not None and t.is_floating_point()}

    def unroll(self, sizes: Sequence[int] = SIZES) -> tuple[Tensor, State]:
        return unroll(self.cell, self.weights, self.x, self.state, sizes)

    def loss(self) -> Tensor:
        outputs, final = self.unroll()
        return (outputs * self.doutputs).sum() + sum(s.square().sum() for s in final)

    def gradients(self) -> dict[str, Tensor | None]:
        leaves = self.leaves()
        for leaf in leaves.values():
            leaf.grad = None
        self.loss().backward()
        return {name: leaf.grad for name, leaf in leaves.items()}


@each_cell
@pytest.mark.parametrize(
    "sizes", [[1, 2], [4, 4], [9], [3, 2, 2], [3, 2, 2, 2], [], [3, 3, 3, -1], [2, 3, 3]], ids=str
)
def test_batch_sizes_that_do_not_fit(name: str, sizes: list[int]) -> None:
    with pytest.raises(ValueError, match=r"^batch_sizes must never grow, begin with at most B"):
        Case(name).unroll(sizes)


@each_cell
@pytest.mark.parametrize("symbol", [-1, INPUT, 1 << 40, -(1 << 63)])
def test_symbols_out_of_range(name: str, symbol: int) -> None:
    case = Case(name, one_hot=True)
    case.x[ROWS - 1] = symbol
    with pytest.raises(ValueError, match="one-hot input must be from 0"):
        case.unroll()


def misfits() -> dict[str, Any]:
    """Changes to a call that make its parts not fit each other."""
    first = Case("lstm").weights[0]
    zeros = torch.zeros(20, 2)
    return {
        "hh": lambda c: c.weights.__setitem__(0, first._replace(hh=zeros.double())),
        "ih of another width": lambda c: c.weights.__setitem__(1, first._replace(ih=zeros.double())),
        "ih of another type": lambda c: c.weights.__setitem__(1, first._replace(ih=first.ih.float())),
        "bias_ih": lambda c: c.weights.__setitem__(0, first._replace(bias_ih=zeros[0].double())),
        "one bias": lambda c: c.weights.__setitem__(0, first._replace(bias_hh=None)),
        "a weight elsewhere": lambda c: c.weights.__setitem__(0, first._replace(hh=zeros.to("meta"))),
        "x too narrow": lambda c: setattr(c, "x", c.x[:, :2]),
        "x too deep": lambda c: setattr(c, "x", c.x[None]),
        "x of another type": lambda c: setattr(c, "x", c.x.float()),
        "x elsewhere": lambda c: setattr(c, "x", c.x.to("meta")),
        "symbols too deep": lambda c: setattr(c, "x", torch.zeros(ROWS, 1, dtype=torch.int64)),
        "a state for one direction": lambda c: setattr(c, "state", tuple(s[:1] for s in c.state)),
        "a state too narrow": lambda c: setattr(c, "state", tuple(s[..., :2] for s in c.state)),
        "c for fewer": lambda c: setattr(c, "state", (c.state[0], c.state[1][:, :1])),
        "a state of another type": lambda c: setattr(c, "state", tuple(s.float() for s in c.state)),
        "a state of integers": lambda c: setattr(c, "state", tuple(s.long() for s in c.state)),
        "a state elsewhere": lambda c: setattr(c, "state", tuple(s.to("meta") for s in c.state)),
        "no c": lambda c: setattr(c, "state", c.state[:1]),
        "a third state": lambda c: setattr(c, "state", (*c.state, c.state[0])),
        "sequences too few": lambda c: setattr(c, "state", tuple(s[:, :2] for s in c.state)),
    }


@torch.no_grad()
@pytest.mark.parametrize("change", misfits())
@pytest.mark.parametrize("name", ["lstm", "plain"])
def test_tensors_that_do_not_fit_each_other(name: str, change: str) -> None:
    case = Case(name)
    misfits()[change](case)
    with pytest.raises(ValueError, match="must"):
        case.unroll()


@each_fast_cell
def test_symbols_equal_dense_one_hot_vectors(name: str) -> None:
    ours, dense = Case(name, one_hot=True), Case(name, one_hot=True)
    dense.x = F.one_hot(ours.x, INPUT).double().requires_grad_()
    with torch.no_grad():
        for way, other in zip(ours.weights, dense.weights, strict=True):
            assert all(map(torch.equal, way[:4], other[:4]))  # type: ignore[arg-type]
    for found, expected in zip(ours.unroll()[1], dense.unroll()[1], strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(ours.unroll()[0], dense.unroll()[0])
    found, expected = ours.gradients(), dense.gradients()
    del expected["x"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("every", [None, 1, 2])
@pytest.mark.parametrize("sizes", [[3], [3, 2], SIZES], ids=str)
@each_fast_cell
def test_whether_the_initial_state_wants_a_gradient_changes_no_other(
    name: str, sizes: list[int], every: int | None
) -> None:
    def gradients(wanted: bool) -> dict[str, Tensor | None]:
        case = Case(name)
        for s in case.state:
            s.requires_grad_(wanted)
        x, rows = case.x, sum(sizes)
        outputs, final = unroll(case.cell, case.weights, x[:rows], case.state, sizes, checkpoint_every=every)
        ((outputs * case.doutputs[:rows]).sum() + sum(s.square().sum() for s in final)).backward()
        return {leaf: t.grad for leaf, t in case.leaves().items()}

    with_it, without = gradients(True), gradients(False)
    assert all(without[state] is None and with_it.pop(state) is not None for state in CELLS[name].states)
    for leaf, found in with_it.items():
        assert found is not None
        assert torch.equal(found, without[leaf])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "frozen",
    [
        ["x"],
        ["ih0"],
        ["hh1"],
        ["bias_ih0", "bias_hh1"],
        ["h"],
        ["c", "h", "x"],
        [f"{name}{i}" for name in ("ih", "hh", "bias_ih", "bias_hh") for i in range(2)],
    ],
    ids=",".join,
)
@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_what_is_frozen_has_no_gradient_and_the_rest_is_unchanged(
    name: str, one_hot: bool, frozen: list[str]
) -> None:
    case = Case(name, one_hot=one_hot)
    expected = case.gradients()
    for leaf in set(frozen) & set(expected):
        case.leaves()[leaf].requires_grad_(False)
    found = case.gradients()
    for leaf, gradient in found.items():
        if leaf in frozen:
            assert gradient is None
        else:
            assert gradient is not None
            assert expected[leaf] is not None
            assert torch.equal(gradient, expected[leaf]), leaf  # type: ignore[arg-type]


@each_cell
def test_a_gradient_taken_twice_is_the_same(name: str) -> None:
    case = Case(name)
    leaves = list(case.leaves().values())
    loss = case.loss()
    first, second = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))


@each_cell
def test_a_part_of_the_results_may_be_used(name: str) -> None:
    """Autograd gives no gradient for the others."""
    case = Case(name)
    outputs, final = case.unroll()
    whole = torch.autograd.grad(
        outputs[0].sum() + 0 * sum(s.sum() for s in final), list(case.leaves().values()), retain_graph=True
    )
    part = torch.autograd.grad(outputs[0].sum(), list(case.leaves().values()), retain_graph=True)
    torch.testing.assert_close(part, whole, rtol=0, atol=1e-13)
    last = torch.autograd.grad(final[-1].sum(), list(case.leaves().values()), retain_graph=True)
    whole = torch.autograd.grad(final[-1].sum() + 0 * outputs.sum(), list(case.leaves().values()))
    torch.testing.assert_close(last, whole, rtol=0, atol=1e-13)


@each_fast_cell
@torch.no_grad()
def test_without_gradients_the_values_are_the_same(name: str) -> None:
    case = Case(name)
    outputs, final = case.unroll()
    with torch.enable_grad():
        kept_outputs, kept_final = case.unroll()
    assert kept_outputs.requires_grad
    assert not outputs.requires_grad
    assert all(map(torch.equal, (outputs, *final), (kept_outputs, *kept_final)))
    with torch.inference_mode():
        assert torch.equal(case.unroll()[0], outputs)


def gaps(t: Tensor) -> Tensor:
    """The same numbers, every other one in memory, and its dimensions the other way round."""
    wide = torch.full((*t.shape[::-1], 2), float("nan"), dtype=t.dtype)
    wide[..., 0] = t.detach().permute(*range(t.dim())[::-1])
    return wide[..., 0].permute(*range(t.dim())[::-1]).requires_grad_(t.requires_grad)


@each_cell
def test_tensors_with_gaps(name: str) -> None:
    case, wide = Case(name), Case(name)
    wide.x, wide.state, wide.doutputs = gaps(case.x), tuple(map(gaps, case.state)), gaps(case.doutputs)
    wide.weights = [Weights(*(gaps(w) for w in way if w is not None)) for way in case.weights]
    assert not wide.x.is_contiguous()
    assert not wide.weights[0].ih.is_contiguous()
    if name != "plain":
        assert torch.equal(case.unroll()[0], wide.unroll()[0])
    found, expected = wide.gradients(), case.gradients()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)
    outputs, final = case.unroll()  # gradients that are one number, expanded
    one = torch.autograd.grad((outputs.sum(), *(s.sum() for s in final)), list(case.leaves().values()))
    outputs, final = case.unroll()
    all_ones = [torch.ones_like(t) for t in (outputs, *final)]
    assert all(
        map(torch.equal, one, torch.autograd.grad((outputs, *final), list(case.leaves().values()), all_ones))
    )


@each_fast_cell
@pytest.mark.parametrize("what", ["outputs", "x", "weight"])
def test_what_backpropagation_needs_may_not_be_written_to(name: str, what: str) -> None:
    case = Case(name)
    outputs, _ = case.unroll()
    loss = outputs.square().sum() if what != "outputs" else (outputs * case.doutputs).sum()
    with torch.no_grad():
        {"outputs": outputs, "x": case.x, "weight": case.weights[1].hh}[what].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@each_fast_cell
def test_the_initial_state_may_be_written_to(name: str) -> None:
    """It was copied, as a loop over chunks of a long sequence may count on."""
    case = Case(name)
    expected = case.gradients()
    leaves = case.leaves()
    for leaf in leaves.values():
        leaf.grad = None
    loss = case.loss()
    with torch.no_grad():
        for s in case.state:
            s.zero_()
    loss.backward()
    torch.testing.assert_close({name: t.grad for name, t in leaves.items()}, expected, rtol=0, atol=1e-13)


@each_cell
def test_a_second_derivative_is_a_clear_error(name: str) -> None:
    case = Case(name)
    (dx,) = torch.autograd.grad(case.loss(), [case.x], create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        dx.sum().backward()


@pytest.mark.parametrize("length", [0, 1])
@pytest.mark.parametrize("batch", [0, 1, 4])
@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_no_steps_and_no_sequences_give_the_state_and_its_gradient(
    kind: Any, batch: int, length: int
) -> None:
    layer = kind(INPUT, HIDDEN, bidirectional=True, dtype=torch.float64)
    x = torch.randn(length, batch, INPUT, dtype=torch.float64, requires_grad=True)
    state = tuple(torch.randn(2, batch, HIDDEN).double().requires_grad_() for _ in layer.cell.states)
    outputs, final = layer(x, state if len(state) != 1 else state[0], lengths=[0] * batch)
    final = final if isinstance(final, tuple) else (final,)
    assert outputs.shape == (length, batch, 2 * HIDDEN)
    assert not outputs.any()
    assert all(map(torch.equal, final, state))
    sum((s * s.detach()).sum() for s in final).backward()  # type: ignore[union-attr]
    for s in state:
        assert s.grad is not None
        assert torch.equal(s.grad, s)
    assert all(p.grad is None or not p.grad.any() for p in layer.parameters())


@each_fast_cell
@pytest.mark.parametrize(("inputs", "hidden"), [(0, 4), (3, 0)])
def test_sizes_of_zero(name: str, inputs: int, hidden: int) -> None:
    """Layers do not allow them; straight from a caller they are an error, or a sum of nothing, which is 0."""
    cell, rows = CELLS[name], len(CELLS[name].gates) * hidden
    weights = [
        Weights(torch.ones(rows, inputs), torch.ones(rows, hidden), torch.ones(rows), torch.ones(rows))
    ]
    x = torch.zeros(2, inputs, requires_grad=True)
    state = tuple(torch.zeros(1, 1, hidden) for _ in cell.states)
    junk = [torch.full((n,), 7e30) for n in range(1, 400)]  # so that new memory is not 0 by chance
    del junk
    try:
        outputs, _ = unroll(cell, weights, x, state, [1, 1])
    except ValueError:
        return
    (dx,) = torch.autograd.grad(outputs.sum(), [x])
    assert not dx.any()
    wider = [weights[0]._replace(ih=torch.ones(rows, 1))]
    assert torch.equal(outputs, unroll(cell, wider, torch.zeros(2, 1), state, [1, 1])[0])


@each_fast_cell
def test_a_long_sequence_sums_its_gradient_as_well_as_double(name: str) -> None:
    """20,000 steps in float32: the sum over all of them is kept in double."""
    draw = torch.Generator().manual_seed(1)
    cell, rows, n = CELLS[name], len(CELLS[name].gates) * HIDDEN, 20_000
    found = []
    numbers = [torch.randn(shape, generator=draw) / 2
               for shape in ((rows, INPUT), (rows, HIDDEN), (rows,), (rows,), (n, INPUT))]  # fmt: skip
    for dtype in (torch.float32, torch.float64):
        *w, x = (t.to(dtype, copy=True).requires_grad_() for t in numbers)
        state = tuple(torch.zeros(1, n // 10, HIDDEN, dtype=dtype) for _ in cell.states)
        outputs, _ = unroll(cell, [Weights(*w)], x, state, [n // 10] * 10)
        found.append([g.double() for g in torch.autograd.grad(outputs.square().sum(), w)])
    for single, double in zip(*found, strict=True):
        assert (single - double).abs().max() < 2e-6 * double.abs().max()


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_python_threads_go_back_at_once_as_alone(name: str) -> None:
    """Room that one call has is not another's, though it is kept between calls."""
    torch.manual_seed(0)
    layers = [LAYERS[name](INPUT, hidden, num_layers=2) for hidden in (96, 33, 64, 96)]
    inputs = [torch.randn(50, 4, INPUT) for _ in layers]

    def gradients(i: int) -> list[Tensor]:
        return list(torch.autograd.grad(layers[i](inputs[i])[0].square().sum(), list(layers[i].parameters())))

    alone = [gradients(i) for i in range(len(layers))]
    with ThreadPoolExecutor(len(layers)) as threads:
        for _ in range(10):
            for expected, found in zip(alone, threads.map(gradients, range(len(layers))), strict=True):
                assert all(map(torch.equal, expected, found))


def test_scratch_is_kept_unless_it_is_large_or_in_use() -> None:
    room, (a, nothing, b) = fused.scratch(torch.float64, 15, 0, 2)
    assert a == room.data_ptr() <= nothing <= b <= a + 8 * (room.numel() - 2)
    assert b - a >= 15 * 8
    fused.keep(room)
    again, _ = fused.scratch(torch.float64, 1)
    other, _ = fused.scratch(torch.float64, 1)
    assert again.data_ptr() == a != other.data_ptr()
    fused.keep(again)
    large, _ = fused.scratch(torch.float64, fused.LARGEST_KEPT // 8 + 1)
    fused.keep(large)
    small, _ = fused.scratch(torch.float64, 1)
    assert small.data_ptr() == a != large.data_ptr()
