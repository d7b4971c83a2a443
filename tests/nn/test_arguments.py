"""What recurrent layers are given that is no tensor, or that torch's autocast has changed."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from elman import nn
from elman.nn import cells

INPUT, HIDDEN, TIME, BATCH = 3, 4, 5, 2
LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
BAD = ["x", "xy", None, {"a": 1}, 5, [1.0, 2.0, 3.0]]
each_kind = pytest.mark.parametrize("name", LAYERS)
pytestmark = pytest.mark.filterwarnings("ignore:recurrent layers run as plain torch operations")


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("bad", BAD)
@each_kind
def test_a_step_refuses_what_is_no_tensor(name: str, bad: Any, prepared: bool) -> None:
    layer, x = LAYERS[name](INPUT, HIDDEN), torch.randn(BATCH, INPUT)
    with torch.no_grad():
        y, state = layer.step(x) if prepared else (None, None)
        with pytest.raises(TypeError, match=f"^x must be a tensor, got {type(bad).__name__}$"):
            layer.step(bad, state)
        if bad is not None and not isinstance(bad, list):
            with pytest.raises(TypeError, match=f"^hx must be a .*, got {type(bad).__name__}$"):
                layer.step(x, bad)
        with pytest.raises((TypeError, ValueError), match=r"^(h of )?hx must be a "):
            layer.step(x, ["x", "y"][: len(layer.cell.states)] if name == "lstm" else ["x"])  # type: ignore
        if prepared:
            assert y is not None
            assert torch.equal(layer.step(x)[0], y)


@pytest.mark.parametrize("bad", BAD)
@each_kind
def test_a_layer_and_a_cell_refuse_what_is_no_tensor(name: str, bad: Any) -> None:
    for layer, x in (
        (LAYERS[name], torch.randn(TIME, BATCH, INPUT)),
        (CELLS[name], torch.randn(BATCH, INPUT)),
    ):
        with pytest.raises(TypeError, match=f"^input must be a tensor, got {type(bad).__name__}$"):
            layer(INPUT, HIDDEN)(bad)
        if bad is not None and not isinstance(bad, list):
            with pytest.raises(TypeError, match=f"^hx must be a .*, got {type(bad).__name__}$"):
                layer(INPUT, HIDDEN)(x, bad)


class Own(cells.GRU):
    """A cell that runs in plain steps."""


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("form", ["dense", "lengths", "packed", "state", "step", "cell"])
@pytest.mark.parametrize("name", [*LAYERS, "own", "projected"])
@pytest.mark.filterwarnings(
    "ignore:a step that keeps gradients", "ignore:.*projected outputs, recurrent layers run in"
)
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_behind_a_linear_layer_autocast_changes_little(name: str, form: str, grad: bool) -> None:
    """Torch's own layers cast there; these cast back, and compute in the type of their weights."""
    torch.manual_seed(0)
    linear = torch.nn.Linear(INPUT, INPUT)
    layer: Any
    if name == "own":
        layer = (nn.SingleStep if form == "cell" else nn.Recurrent)(Own(), INPUT, HIDDEN)
    elif name == "projected":
        layer = nn.LSTMCell(INPUT, HIDDEN) if form == "cell" else nn.LSTM(INPUT, HIDDEN, 2, proj_size=2)
    else:
        layer = (CELLS if form == "cell" else LAYERS)[name](INPUT, HIDDEN)
    x = torch.randn(TIME, BATCH, INPUT)

    def call() -> Tensor:
        below = linear(x)
        if form == "lengths":
            return layer(below, lengths=[5, 2])[0]
        if form == "packed":
            return layer(pack_padded_sequence(below, torch.tensor([5, 2])))[0].data
        if form == "state":
            _, state = layer(below)
            lower = tuple(s.bfloat16() for s in state) if isinstance(state, tuple) else state.bfloat16()
            return layer(below, lower if torch.is_autocast_enabled("cpu") else state)[0]
        if form == "step":
            return layer.step(below[0])[0]
        outputs = layer(below[0] if form == "cell" else below)
        return outputs[0] if isinstance(outputs, tuple) else outputs

    with torch.set_grad_enabled(grad):
        expected = call()
        with torch.autocast("cpu", torch.bfloat16):
            assert linear(x).dtype is torch.bfloat16
            found = call()
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=0.03)
        if grad:
            found.sum().backward()
            assert [n for n, p in layer.named_parameters() if p.grad is None or p.grad.dtype != p.dtype] == []


def test_without_autocast_another_type_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"^input must be torch\.float32 as the weights are, got torch\.bfloat16$"
    ):
        nn.GRU(INPUT, HIDDEN)(torch.randn(TIME, BATCH, INPUT).bfloat16())
    with (
        torch.autocast("cpu", torch.bfloat16),
        pytest.raises(ValueError, match=r"as the weights are, got torch\.float64$"),
    ):
        nn.GRU(INPUT, HIDDEN)(torch.randn(TIME, BATCH, INPUT).double())
