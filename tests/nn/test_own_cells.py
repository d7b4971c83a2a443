"""Cells of a user's own: with parameters, without a gradient written out, without a recurrent product.

Their gradients are compared with autograd over a loop written here, one sequence at a time.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from elman import nn
from elman.nn import cells
from elman.nn.cells import State

INPUT, HIDDEN, TIME = 3, 4, 5
LENGTHS = (3, 5, 1)
pytestmark = [
    pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations"),
    pytest.mark.filterwarnings("ignore:a step that keeps gradients is a slow one"),
]


class Peephole(torch.nn.Module):
    """An LSTM whose gates also see the memory; its parameters begin at random."""

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.peep = torch.nn.Parameter(torch.randn(3, hidden))

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        i, f, g, o = (wx + uh).chunk(4, 1)
        c = state[1]
        c_next = torch.sigmoid(f + self.peep[1] * c) * c + torch.sigmoid(i + self.peep[0] * c) * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c_next) * torch.tanh(c_next), c_next


class Normed(torch.nn.Module, cells.GRU):
    """A GRU whose two sums are normed over the units; it inherits a `step_back` that is not its own."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.of_input, self.of_state = torch.nn.LayerNorm(3 * hidden), torch.nn.LayerNorm(3 * hidden)

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        return super().step(self.of_input(wx), self.of_state(uh), state)


class Coupled(cells.LSTM):
    """An LSTM without parameters of its own, whose step differs from that to which `step_back` belongs."""

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        i, _, g, o = (wx + uh).chunk(4, 1)
        c_next = state[1] + torch.sigmoid(i) * (torch.tanh(g) - state[1])
        return torch.sigmoid(o) * torch.tanh(c_next), c_next


class Independent(torch.nn.Module):
    """An RNN whose units see themselves alone: no recurrent product."""

    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)
    recurrent_product = False

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.u = torch.nn.Parameter(torch.rand(hidden))

    def step(self, wx: Tensor, uh: None, state: State) -> State:
        assert uh is None
        return (torch.tanh(wx + self.u * state[0]),)


CELLS: dict[str, Callable[[], Any]] = {
    "peephole": lambda: Peephole(HIDDEN),
    "normed": lambda: Normed(HIDDEN),
    "coupled": Coupled,
    "independent": lambda: Independent(HIDDEN),
}
each_cell = pytest.mark.parametrize("name", CELLS)


def layer_of(name: str, **options: Any) -> nn.Recurrent:
    """A layer, every parameter of which is random."""
    layer = nn.Recurrent(CELLS[name](), INPUT, HIDDEN, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1, 1)
    return layer


def cell_of(layer: nn.Recurrent, suffix: str) -> Any:
    return getattr(layer, f"cell{suffix}", layer.cell)


def direction(layer: nn.Recurrent, suffix: str, x: Tensor, state: State) -> tuple[Tensor, State]:
    """One direction of a layer over one sequence [t, I], in a plain loop."""
    weights = dict(layer.named_parameters())

    def sums(kind: str, x: Tensor) -> Tensor | None:
        w = weights.get(f"weight_{kind}{suffix}")
        return None if w is None else F.linear(x, w, weights.get(f"bias_{kind}{suffix}"))

    outputs: list[Tensor] = []
    for step in x.flip(0) if suffix.endswith("reverse") else x:
        state = cell_of(layer, suffix).step(sums("ih", step[None]), sums("hh", state[0]), state)
        if layer.proj_size:
            state = state[0] @ weights[f"weight_hr{suffix}"].t(), *state[1:]
        outputs.append(state[0])
    return torch.cat(outputs[::-1] if suffix.endswith("reverse") else outputs), state


def looped(layer: nn.Recurrent, x: Tensor, hx: State, lengths: Sequence[int]) -> tuple[Tensor, ...]:
    """The padded outputs and the final state, as the layer returns them."""
    outputs, finals = [], []
    for b, length in enumerate(lengths):
        y, ends = x[:length, b], []
        for number in range(layer.num_layers):
            ways = []
            for way in ("", "_reverse")[: layer.num_directions]:
                state = tuple(s[len(ends), b][None] for s in hx)
                out, end = direction(layer, f"_l{number}{way}", y, state)
                ways.append(out)
                ends.append(end)
            y = torch.cat(ways, 1)
        outputs.append(F.pad(y, (0, 0, 0, len(x) - length)))
        finals.append([torch.cat(parts) for parts in zip(*ends, strict=True)])
    return torch.stack(outputs, 1), *(torch.stack(parts, 1) for parts in zip(*finals, strict=True))


def initial(layer: nn.Recurrent, batch: int) -> State:
    widths = [layer.output_size, *[HIDDEN] * (len(layer.cell.states) - 1)]
    rows = layer.num_layers * layer.num_directions
    return tuple(torch.randn(rows, batch, w, dtype=torch.float64, requires_grad=True) for w in widths)


def gradients(results: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    draw = torch.Generator().manual_seed(1)
    weighted = [(r * torch.randn(r.shape, generator=draw, dtype=r.dtype)).sum() for r in results]
    return list(torch.autograd.grad(torch.stack(weighted).sum(), leaves))


OPTIONS: list[dict[str, Any]] = [
    {"num_layers": layers, "bidirectional": both, "bias": bias}
    for layers, both, bias in product((1, 2), (False, True), (True, False))
]


@pytest.mark.parametrize("options", [*OPTIONS, {"checkpoint_every": 2, "bidirectional": True}])
@each_cell
def test_gradients_are_those_of_autograd_over_a_loop(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = layer_of(name, **options)
    x = torch.randn(TIME, len(LENGTHS), INPUT, dtype=torch.float64, requires_grad=True)
    hx = initial(layer, len(LENGTHS))
    leaves = [x, *hx, *layer.parameters()]
    outputs, final = layer(x, hx if len(layer.cell.states) > 1 else hx[0], lengths=LENGTHS)
    ours = (outputs, *(final if isinstance(final, tuple) else (final,)))
    theirs = looped(layer, x, hx, LENGTHS)
    for a, b in zip((*ours, *gradients(ours, leaves)), (*theirs, *gradients(theirs, leaves)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_a_projected_cell_trains_too() -> None:
    torch.manual_seed(0)
    layer = layer_of("peephole", proj_size=2)
    x, hx = torch.randn(TIME, 1, INPUT, dtype=torch.float64), initial(layer, 1)
    outputs, (h, c) = layer(x, hx)
    ours, theirs = (outputs, h, c), looped(layer, x, hx, [TIME])
    leaves = list(layer.parameters())
    for a, b in zip((*ours, *gradients(ours, leaves)), (*theirs, *gradients(theirs, leaves)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@each_cell
def test_detached_spans_stop_the_gradient(name: str) -> None:
    torch.manual_seed(0)
    layer = layer_of(name, detach_every=2)
    x = torch.randn(TIME, 2, INPUT, dtype=torch.float64, requires_grad=True)
    outputs, _ = layer(x)
    (dx,) = torch.autograd.grad(outputs[4].sum(), x)
    assert bool((dx[:4] == 0).all())
    assert bool((dx[4] != 0).any())


@pytest.mark.parametrize("form", ["dense", "packed", "one-hot", "cell", "step"])
@each_cell
def test_every_parameter_of_a_layer_has_a_gradient(name: str, form: str) -> None:
    torch.manual_seed(0)
    layer: Any = layer_of(name, num_layers=2, bidirectional=form != "step")
    x = torch.randn(TIME, 3, INPUT, dtype=torch.float64)
    if form == "cell":
        layer = nn.SingleStep(CELLS[name](), INPUT, HIDDEN, dtype=torch.float64)
        h = layer(x[1], layer(x[0]))
        (h if isinstance(h, Tensor) else h[0]).sum().backward()
    elif form == "step":
        _, state = layer.step(x[0])
        layer.step(x[1], state)[0].sum().backward()
    elif form == "packed":
        layer(pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False))[0].data.sum().backward()
    else:
        layer(x.argmax(2) if form == "one-hot" else x)[0].sum().backward()
    assert [n for n, p in layer.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("make", [nn.RNN, nn.GRU, nn.LSTM])
def test_every_parameter_of_a_usual_layer_has_a_gradient(make: Any) -> None:
    layer = make(INPUT, HIDDEN, num_layers=2, bidirectional=True)
    layer(torch.randn(TIME, 2, INPUT))[0].sum().backward()
    assert [n for n, p in layer.named_parameters() if p.grad is None] == []


def test_layers_and_directions_have_parameters_of_their_own() -> None:
    layer = nn.Recurrent(Peephole(HIDDEN), INPUT, HIDDEN, num_layers=2, bidirectional=True)
    names = [n for n, _ in layer.named_parameters() if n.endswith("peep")]
    assert names == ["cell.peep", "cell_l0_reverse.peep", "cell_l1.peep", "cell_l1_reverse.peep"]
    other = nn.Recurrent(Peephole(HIDDEN), INPUT, HIDDEN, num_layers=2, bidirectional=True)
    other.load_state_dict(layer.state_dict())
    x = torch.randn(TIME, 2, INPUT)
    assert torch.equal(layer(x)[0], other(x)[0])


@pytest.mark.parametrize("kind", [nn.Recurrent, nn.SingleStep])
def test_a_cell_keeps_the_values_that_it_began_with(kind: Any) -> None:
    layer = kind(Normed(HIDDEN), INPUT, HIDDEN)
    layer.reset_parameters()
    assert bool((layer.cell.of_state.weight == 1).all())


def test_without_a_recurrent_product_there_are_no_weights_for_it() -> None:
    layer = nn.Recurrent(Independent(HIDDEN), INPUT, HIDDEN, num_layers=2)
    assert [n for n, _ in layer.named_parameters() if "hh" in n] == []
    assert [
        n for n, _ in nn.SingleStep(Independent(HIDDEN), INPUT, HIDDEN).named_parameters() if "hh" in n
    ] == []
    x = torch.randn(TIME, 2, INPUT)
    with torch.no_grad():
        whole, state = layer(x)[0], None
        for t in range(TIME):
            y, state = layer.step(x[t], state)
            torch.testing.assert_close(y, whole[t], rtol=0, atol=1e-6)


class Deaf(cells.RNN):
    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        return (torch.tanh(uh),)


class Forgetful(cells.RNN):
    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        return (torch.tanh(wx),)


class Idle(Peephole):
    def __init__(self) -> None:
        super().__init__(HIDDEN)
        self.gain = torch.nn.Parameter(torch.ones(HIDDEN))


class Frozen(Idle):
    def __init__(self) -> None:
        super().__init__()
        self.gain.requires_grad_(False)


class Plain:
    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self) -> None:
        self.gain = torch.nn.Parameter(torch.ones(HIDDEN))

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        return (torch.tanh(self.gain * (wx + uh)),)


class Short(Coupled):
    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        return super().step(wx, uh, state)[:1]


@pytest.mark.parametrize("kind", [nn.Recurrent, nn.SingleStep])
@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Deaf, "the step of the cell Deaf does not read wx, so weight_ih would never train"),
        (
            Forgetful,
            "Forgetful does not read uh, so weight_hh would never train; .*recurrent_product = False",
        ),
        (Idle, "the step of the cell Idle does not read gain, which would never train"),
        (Plain, "the cell Plain holds parameters in 'gain', .*derive Plain from torch.nn.Module"),
        (Short, r"the step of the cell Short must return \(h, c\), \[b, H\] each"),
        (lambda: Peephole(HIDDEN + 1), "the step of the cell Peephole does not run for H=4: "),
    ],
)
def test_what_would_never_train_is_refused(kind: Any, cell: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(cell(), INPUT, HIDDEN)


def test_a_frozen_parameter_may_be_unused() -> None:
    nn.Recurrent(Frozen(), INPUT, HIDDEN)
