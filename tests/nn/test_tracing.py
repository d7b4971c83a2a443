"""What `torch.jit.trace` records of recurrent layers holds for every batch, or is refused.

Torch's recurrent kernels read past the end of memory where a state or an input is smaller than they are
told. So a test here that fails may end the process.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman import nn
from elman.nn import cells

INPUT, HIDDEN = 3, 4
LAYERS: dict[str, Callable[..., nn.Recurrent]] = {
    "rnn": nn.RNN,
    "rnn relu": lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "lstm projected": lambda *sizes, **options: nn.LSTM(*sizes, proj_size=2, **options),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "one layer": {},
    "two layers, both ways": {"num_layers": 2, "bidirectional": True},
    "batch first, no bias": {"batch_first": True, "bias": False},
    "checkpoints": {"checkpoint_every": 2},
}
EXAMPLE = (7, 2)  # T, B
SHAPES = [(1, 1), (7, 4), (9, 2), (2, 5)]
pytestmark = [
    pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:traced, recurrent layers run in"),
    pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN"),
    pytest.mark.filterwarnings("ignore:.*projected outputs, (recurrent layers run in|torch has no kernel)"),
]
each_layer = pytest.mark.parametrize("name", LAYERS)


class Calls(torch.nn.Module):
    """A layer that is called in some way, with tensors alone."""

    def __init__(self, layer: nn.Recurrent, how: str) -> None:
        super().__init__()
        self.layer, self.how = layer, how

    def forward(self, x: Tensor, more: Any = None) -> tuple[Tensor, ...]:
        if self.how == "lengths":
            outputs, final = self.layer(x, lengths=more)
        elif self.how == "packed":
            lengths = more.clamp(min=1)  # of which torch packs no other
            x = pack_padded_sequence(x, lengths, self.layer.batch_first, enforce_sorted=False)  # type: ignore
            (outputs, *_), final = self.layer(x)
        elif self.how == "batch sizes":
            (outputs, *_), final = self.layer(PackedSequence(x, more))  # type: ignore
        elif self.how == "one-hot":
            outputs, final = self.layer(x.argmax(-1))
        elif self.how == "numbers as lengths":
            outputs, final = self.layer(x, lengths=[7, 3])
        elif self.how == "step":
            outputs, final = self.layer.step(x, more)
        else:
            outputs, final = self.layer(x, more)
        return outputs, *(final if isinstance(final, tuple) else (final,))


def batch(layer: nn.Recurrent, how: str, time: int, size: int) -> tuple[Any, ...]:
    """Random arguments for `Calls` of a layer."""
    x = torch.randn(*((size, time) if layer.batch_first else (time, size)), INPUT)
    if how in ("lengths", "packed"):
        lengths = torch.randint(0, time + 1, (size,))
        lengths[size // 2] = time // 2 + 1
        return x, lengths
    return (x, state(layer, size)) if how == "state" else (x,)


def state(layer: nn.Recurrent, size: int) -> Any:
    widths = [layer.output_size, *[layer.hidden_size] * (len(layer.cell.states) - 1)]
    parts = [torch.randn(layer.num_layers * layer.num_directions, size, width) for width in widths]
    return tuple(parts) if len(parts) > 1 else parts[0]


def trace(layer: nn.Recurrent, how: str) -> Any:
    return torch.jit.trace(Calls(layer, how), batch(layer, how, *EXAMPLE), check_trace=False)


@pytest.mark.parametrize("how", ["dense", "state", "lengths", "packed", "one-hot"])
@pytest.mark.parametrize("options", OPTIONS)
@each_layer
def test_a_trace_holds_for_any_batch(name: str, options: str, how: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](INPUT, HIDDEN, **OPTIONS[options])
    with torch.set_grad_enabled(options == "checkpoints"):
        traced = trace(layer, how)
        for shape in SHAPES:
            given = batch(layer, how, *shape)
            for ours, theirs in zip(traced(*given), Calls(layer, how)(*given), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


@each_layer
def test_a_trace_of_one_sequence_holds_for_other_lengths(name: str) -> None:
    layer = LAYERS[name](INPUT, HIDDEN)
    traced: Any = torch.jit.trace(layer, torch.randn(7, INPUT), check_trace=False)
    x = torch.randn(9, INPUT)
    torch.testing.assert_close(traced(x)[0], layer(x)[0], rtol=0, atol=1e-6)


@each_layer
def test_a_trace_passes_the_gradient(name: str) -> None:
    layer = LAYERS[name](INPUT, HIDDEN, dtype=torch.float64)
    x = torch.randn(5, 4, INPUT, dtype=torch.float64)
    traced: Any = torch.jit.trace(layer, torch.randn(7, 2, INPUT, dtype=torch.float64), check_trace=False)
    found, expected = (
        torch.autograd.grad(call(x)[0].square().sum(), list(layer.parameters())) for call in (traced, layer)
    )
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def misfits(layer: nn.Recurrent) -> Iterator[tuple[Tensor, Any]]:
    """Inputs and states, of which a trace that was made with a state must take none."""
    time, size = EXAMPLE
    x = torch.randn(time, size, INPUT)
    yield x, state(layer, size - 1)
    yield torch.randn(time, size + 2, INPUT), state(layer, size)
    for width in (INPUT - 1, INPUT + 1):
        yield torch.randn(time, size, width), state(layer, size)
    yield x[:0], state(layer, size)
    yield torch.randn(time, INPUT), state(layer, size)
    yield x.double(), state(layer, size)
    other = LAYERS["lstm" if len(layer.cell.states) > 1 else "rnn"](INPUT, HIDDEN + 1)
    yield x, state(other, size)


@each_layer
def test_a_trace_refuses_what_does_not_fit(name: str) -> None:
    layer = LAYERS[name](INPUT, HIDDEN)
    traced = trace(layer, "state")
    for x, hx in misfits(layer):
        with pytest.raises(RuntimeError):
            traced(x, hx)


@pytest.mark.parametrize("sizes", [[1, 3], [2, 4, 5], [9], [-1, 6], [2, -1, 4], [2, 2]])
@each_layer
def test_a_trace_refuses_packed_batches_that_are_none(name: str, sizes: list[int]) -> None:
    example = torch.randn(5, INPUT), torch.tensor([2, 2, 1])
    traced: Any = torch.jit.trace(
        Calls(LAYERS[name](INPUT, HIDDEN), "batch sizes"), example, check_trace=False
    )
    with pytest.raises(RuntimeError):
        traced(torch.randn(5, INPUT), torch.tensor(sizes))


def test_lengths_of_a_trace_are_a_tensor() -> None:
    with pytest.raises(ValueError, match=r"lengths must be a tensor for torch\.jit\.trace, .* a list"):
        trace(nn.GRU(INPUT, HIDDEN), "numbers as lengths")


def test_a_trace_refuses_another_number_of_lengths() -> None:
    traced = trace(nn.GRU(INPUT, HIDDEN), "lengths")
    with pytest.raises(RuntimeError):
        traced(torch.randn(7, 4, INPUT), torch.tensor([7, 3]))


NO_KERNEL = "torch has no kernel for its cell"


class Own(cells.LSTM):
    """A cell that torch does not know."""


@pytest.mark.parametrize(
    ("make", "time", "reason"),
    [
        (lambda: nn.Recurrent(Own(), INPUT, HIDDEN), 7, NO_KERNEL),
        (lambda: nn.Recurrent(cells.RNN(), INPUT, HIDDEN, proj_size=2), 7, NO_KERNEL),
        (lambda: nn.GRU(INPUT, HIDDEN, detach_every=3), 7, "a trace lets every gradient pass"),
        (lambda: nn.GRU(INPUT, HIDDEN), 0, "the example must have at least one step"),
    ],
)
def test_what_a_trace_cannot_hold_is_refused(
    make: Callable[[], nn.Recurrent], time: int, reason: str
) -> None:
    with pytest.raises(ValueError, match=f"torch.jit.trace cannot record this recurrent layer: {reason}"):
        torch.jit.trace(make(), torch.randn(time, 2, INPUT), check_trace=False)


@pytest.mark.parametrize("prepared", [False, True])
def test_a_traced_step_depends_on_its_input(prepared: bool) -> None:
    """Also where `step` is ready to call a kernel of which a trace would keep the result alone."""
    layer = nn.LSTM(INPUT, HIDDEN)
    with torch.no_grad():
        if prepared:
            _, hc = layer.step(torch.randn(2, INPUT))
            layer.step(torch.randn(2, INPUT), hc)
        example = torch.randn(2, INPUT), state(layer, 2)
        traced: Any = torch.jit.trace(Calls(layer, "step"), example, check_trace=False)
        x, hc = torch.randn(4, INPUT), state(layer, 4)
        torch.testing.assert_close(traced(x, hc)[0], layer.step(x, hc)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_a_traced_cell_holds_for_any_batch(kind: Any) -> None:
    cell = kind(INPUT, HIDDEN)
    traced: Any = torch.jit.trace(cell, torch.randn(2, INPUT), check_trace=False)
    for size in (1, 2, 5):
        x = torch.randn(size, INPUT)
        ours, theirs = (r if isinstance(r, Tensor) else r[0] for r in (traced(x), cell(x)))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
