"""checkpoint_every and detach_every: less memory for the same gradient, and a gradient that ends.

Both go through the kernels and, as a subclass that these do not know, through the plain steps.
"""

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from elman import nn
from elman.nn import cells
from elman.nn.cells import Cell
from elman.nn.layers import Recurrent
from elman.nn.unroll import Weights, unroll

INPUT, HIDDEN, TIME = 3, 4, 7
LENGTHS = (5, 0, 7, 2, 7, 3)
Every = int | Literal["auto"] | None


class PlainRNN(cells.RNN):
    """Without kernels."""


class PlainGRU(cells.GRU):
    """The same."""


class PlainLSTM(cells.LSTM):
    """The same."""


CELLS: dict[str, Cell] = {
    "rnn": cells.RNN(),
    "rnn relu": cells.RNN("relu"),
    "gru": cells.GRU(),
    "lstm": cells.LSTM(),
    "rnn, plain": PlainRNN(),
    "gru, plain": PlainGRU(),
    "lstm, plain": PlainLSTM(),
}
pytestmark = pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations")
each_cell = pytest.mark.parametrize("name", CELLS)


def layer(name: str, **options: Any) -> Recurrent:
    torch.manual_seed(1)
    return Recurrent(CELLS[name], INPUT, HIDDEN, dtype=torch.float64, **options)


def leaves(model: Recurrent, batch: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """An input and a state that is not zero."""
    draw = torch.Generator().manual_seed(2)
    rows = model.num_layers * model.num_directions
    x, *state = (
        torch.randn(*shape, generator=draw, dtype=torch.float64).requires_grad_()
        for shape in [(TIME, batch, INPUT), *[(rows, batch, HIDDEN)] * len(model.cell.states)]
    )
    return x, tuple(state)


def weighed(outputs: Tensor, final: tuple[Tensor, ...]) -> Tensor:
    """A number into which all goes, each entry with its weight."""
    parts = [outputs, *final]
    return sum(((p * torch.linspace(-1, 2, p.numel(), dtype=p.dtype).view_as(p)).sum() for p in parts),
               torch.zeros((), dtype=outputs.dtype))  # fmt: skip


def results(model: Recurrent, lengths: Any = LENGTHS) -> list[Tensor]:
    """Outputs, final states, and the gradients of the input, the states and the weights."""
    x, state = leaves(model, len(LENGTHS))
    outputs, final = model(x, state if len(state) != 1 else state[0], lengths=lengths)
    final = final if isinstance(final, tuple) else (final,)
    gradients = torch.autograd.grad(weighed(outputs, final), [x, *state, *model.parameters()])
    return [outputs, *final, *gradients]


def assert_same(ours: list[Tensor], theirs: list[Tensor]) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@each_cell
@pytest.mark.parametrize("bidirectional", [False, True], ids=["", "bidirectional"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["", "ragged"])
def test_a_checkpoint_changes_no_gradient(name: str, bidirectional: bool, lengths: Any) -> None:
    expected = results(layer(name, bidirectional=bidirectional, num_layers=2), lengths)
    for every in (1, 2, 3, TIME, TIME + 1, "auto"):
        ours = layer(name, bidirectional=bidirectional, num_layers=2, checkpoint_every=every)
        assert_same(results(ours, lengths), expected)


@each_cell
@pytest.mark.parametrize("checkpoint_every", [None, 1, 3, "auto"])
@pytest.mark.parametrize("detach_every", [1, 2, 3, TIME, TIME + 1])
def test_detach_equals_a_loop_that_detaches_the_state(
    name: str, detach_every: int, checkpoint_every: Every
) -> None:
    found = results(layer(name, detach_every=detach_every, checkpoint_every=checkpoint_every), None)
    loop = layer(name)
    x, state = leaves(loop, len(LENGTHS))
    now, parts = state, []
    for start in range(0, TIME, detach_every):
        if start:
            now = tuple(s.detach() for s in now)
        part, after = loop(x[start : start + detach_every], now if len(now) != 1 else now[0])
        now = after if isinstance(after, tuple) else (after,)
        parts.append(part)
    outputs = torch.cat(parts)
    gradients = torch.autograd.grad(weighed(outputs, now), [x, *state, *loop.parameters()])
    assert_same(found, [outputs, *now, *gradients])


@each_cell
@pytest.mark.parametrize("checkpoint_every", [None, 2])
@pytest.mark.parametrize("detach_every", [1, 2, 3])
def test_detach_equals_a_loop_in_both_directions_and_ragged(
    name: str, detach_every: int, checkpoint_every: int | None
) -> None:
    """From right to left, a gradient may not go from step t - 1, which comes later, to step t."""
    ours = layer(name, bidirectional=True, detach_every=detach_every, checkpoint_every=checkpoint_every)
    found = results(ours)
    loop = layer(name, bidirectional=True)
    x, state = leaves(loop, len(LENGTHS))
    outputs: list[list[Tensor]] = [[torch.zeros(len(LENGTHS), HIDDEN).double()] * TIME for _ in range(2)]
    rows = []
    for i in range(2):
        suffix = ("_l0", "_l0_reverse")[i]
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_ih, w_hh, b_ih, b_hh = (getattr(loop, kind + suffix) for kind in names)
        now = tuple(s[i] for s in state)
        for t in reversed(range(TIME)) if i else range(TIME):
            border = t + 1 if i else t
            alive = torch.tensor([n > t for n in LENGTHS])[:, None]
            if border % detach_every == 0 and 0 < border < TIME:
                crosses = torch.tensor([n > border for n in LENGTHS])[:, None]  # in its middle, not at an end
                now = tuple(torch.where(crosses, s.detach(), s) for s in now)
            h, *others = loop.cell.step(x[t] @ w_ih.T + b_ih, now[0] @ w_hh.T + b_hh, now)
            now = tuple(torch.where(alive, new, old) for new, old in zip((h, *others), now, strict=True))
            outputs[i][t] = torch.where(alive, h, torch.zeros_like(h))
        rows.append(now)
    joined = torch.cat([torch.stack(way) for way in outputs], 2)
    final = tuple(torch.stack(parts) for parts in zip(*rows, strict=True))
    gradients = torch.autograd.grad(weighed(joined, final), [x, *state, *loop.parameters()])
    assert_same(found, [joined, *final, *gradients])


@each_cell
def test_detach_cuts_what_it_should(name: str) -> None:
    """So that the tests above compare two things that differ from the whole gradient."""
    whole, cut = results(layer(name)), results(layer(name, detach_every=2))
    assert (whole[-1] - cut[-1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["gru", "gru, plain"])
def test_a_gradient_ends_where_it_was_told_to(name: str) -> None:
    model = layer(name, detach_every=3)
    x, _ = leaves(model, 1)
    outputs, _ = model(x)
    (dx,) = torch.autograd.grad(outputs[4].sum(), [x])
    assert dx.abs().amax((1, 2)).gt(0).tolist() == [False, False, False, True, True, False, False]


@each_cell
def test_one_hot_input_in_spans(name: str) -> None:
    symbols = torch.randint(INPUT, (TIME, 5), generator=torch.Generator().manual_seed(4))
    found = []
    for every in (None, 1, 3):
        model = layer(name, bidirectional=True, checkpoint_every=every)
        outputs, _ = model(symbols, lengths=[7, 2, 0, 5, 1])
        weighed(outputs, ()).backward()
        found.append([outputs, *(p.grad for p in model.parameters())])
    assert_same(found[1], found[0])
    assert_same(found[2], found[0])


def test_spans_of_frozen_weights() -> None:
    """What is not wanted is not there, and the rest is unchanged."""
    whole, spans = layer("lstm", bidirectional=True), layer("lstm", bidirectional=True, checkpoint_every=2)
    expected = results(whole)
    spans.weight_hh_l0.requires_grad_(False)
    x, state = leaves(spans, len(LENGTHS))
    outputs, final = spans(x, state, lengths=LENGTHS)
    wanted = [p for p in spans.parameters() if p.requires_grad]
    found = torch.autograd.grad(weighed(outputs, final), [x, *state, *wanted])
    del expected[6 + 1]  # outputs, h, c, dx, dh, dc, then weight_ih_l0 and weight_hh_l0
    assert_same([outputs, *final, *found], expected)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("name", ["checkpoint_every", "detach_every"])
@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "Auto", "auto "])
def test_bad_numbers_of_steps(kind: Any, name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be a number of steps, at least 1, got {bad!r}$"):
        kind(INPUT, HIDDEN, **{name: bad})


def test_detach_has_no_auto() -> None:
    with pytest.raises(ValueError, match=r"^detach_every must be a number of steps"):
        nn.GRU(INPUT, HIDDEN, detach_every="auto")  # type: ignore[arg-type]


@pytest.mark.parametrize("checkpoint_every", [None, 1, 2])
@pytest.mark.parametrize("batch_sizes", [[1, 2], [2, 2, 2], [2], [3], [], [-1, 4], [4, -1], [2, 0, 1]])
def test_batch_sizes_that_do_not_fit(batch_sizes: list[int], checkpoint_every: int | None) -> None:
    w = Weights(torch.randn(12, 3), torch.randn(12, 4), torch.randn(12), torch.randn(12))
    with pytest.raises(ValueError, match=r"^batch_sizes must never grow, begin with at most B"):
        unroll(cells.GRU(), [w], torch.randn(3, 3), (torch.zeros(1, 2, 4),), batch_sizes,
               checkpoint_every=checkpoint_every)  # fmt: skip


@pytest.mark.parametrize("name", ["checkpoint_every", "detach_every"])
@pytest.mark.parametrize("every", [0, "atuo"])
def test_a_bad_number_of_steps_set_later_is_an_error_too(name: str, every: object) -> None:
    layer = nn.GRU(3, 4)
    setattr(layer, name, every)
    with pytest.raises(ValueError, match=rf"^{name} must be a number of steps, at least 1, got {every!r}$"):
        layer(torch.zeros(2, 1, 3))
