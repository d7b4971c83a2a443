"""RNNCell, GRUCell and LSTMCell beside torch's own, forward and backward."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from elman import nn
from elman.nn import cells
from elman.nn.single_step import SingleStep

INPUT, HIDDEN, BATCH = 3, 4, 5
KINDS: dict[str, tuple[Callable[..., SingleStep], Callable[..., Any], dict[str, Any]]] = {
    "rnn": (nn.RNNCell, torch.nn.RNNCell, {}),
    "rnn relu": (nn.RNNCell, torch.nn.RNNCell, {"nonlinearity": "relu"}),
    "gru": (nn.GRUCell, torch.nn.GRUCell, {}),
    "lstm": (nn.LSTMCell, torch.nn.LSTMCell, {}),
}


def pair(kind: str, dtype: torch.dtype = torch.float64, bias: bool = True) -> tuple[SingleStep, Any]:
    """Ours and torch's, with the weights that one seed gives to both."""
    both = []
    for make in KINDS[kind][:2]:
        torch.manual_seed(3)
        both.append(make(INPUT, HIDDEN, bias, dtype=dtype, **KINDS[kind][2]))
    return both[0], both[1]


def results(cell: torch.nn.Module, x: Tensor, hx: tuple[Tensor, ...] | None) -> list[Tensor]:
    """The next state, and the gradients of a number into which all of it goes, each entry with its weight."""
    given: Any = hx[0] if hx is not None and len(hx) == 1 else hx
    state = cell(x, given)
    state = state if isinstance(state, tuple) else (state,)
    draw = torch.Generator().manual_seed(9)
    terms = [(s * torch.randn(s.shape, generator=draw, dtype=s.dtype)).sum() for s in state]
    leaves = [x, *(hx or ()), *(p for _, p in sorted(cell.named_parameters()))]
    return [*state, *torch.autograd.grad(torch.stack(terms).sum(), leaves)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("kind", KINDS)
def test_parity_with_torch_for_all_options(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    for bias, batch, with_state in product((True, False), ((), (BATCH,), (0,)), (True, False)):
        ours, theirs = pair(kind, dtype, bias)
        x = torch.randn(*batch, INPUT, dtype=dtype, requires_grad=True)
        shape = (*batch, HIDDEN)
        hx = tuple(torch.randn(shape, dtype=dtype, requires_grad=True) for _ in ours.cell.states)
        for a, b in zip(
            *(results(cell, x, hx if with_state else None) for cell in (ours, theirs)), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_torchs_weights_under_torchs_names(kind: str, bias: bool) -> None:
    ours, theirs = pair(kind, bias=bias)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(torch.equal(theirs.state_dict()[name], weight) for name, weight in ours.state_dict().items())
    assert (ours.bias_ih is None) == (theirs.bias_ih is None) == (not bias)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_the_layer_on_the_whole_sequence(kind: str) -> None:
    cell, _ = pair(kind)
    layer = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind.split()[0]](
        INPUT, HIDDEN, dtype=torch.float64, **KINDS[kind][2]
    )
    layer.load_state_dict({f"{name}_l0": weight for name, weight in cell.state_dict().items()})
    x = torch.randn(6, BATCH, INPUT, dtype=torch.float64)
    outputs, _ = layer(x)
    state = None
    for step, output in zip(x, outputs, strict=True):
        state = cell(step, state)
        h = state[0] if isinstance(state, tuple) else state
        torch.testing.assert_close(h, output, rtol=0, atol=1e-12)


def test_every_cell_has_its_single_step() -> None:
    made = {type(KINDS[name][0](1, 1).cell) for name in KINDS}
    assert made == set(cells.CELLS.values())


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        (nn.RNNCell(3, 5), "RNNCell(3, 5)"),
        (nn.RNNCell(3, 5, nonlinearity="relu"), "RNNCell(3, 5, nonlinearity='relu')"),
        (nn.GRUCell(3, 5, bias=False), "GRUCell(3, 5, bias=False)"),
        (nn.LSTMCell(3, 5), "LSTMCell(3, 5)"),
    ],
)
def test_printed_cell_makes_the_cell(cell: SingleStep, shown: str) -> None:
    assert repr(cell) == shown
    assert repr(eval(shown, dict(vars(nn)))) == shown


X = torch.zeros(BATCH, INPUT)
H = torch.zeros(BATCH, HIDDEN)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.GRUCell(0, 4), ValueError, "input_size must be at least 1, got 0"),
        (lambda: nn.GRUCell(3, -1), ValueError, "hidden_size must be at least 1, got -1"),
        (lambda: nn.GRUCell(3, 4.0), TypeError, "hidden_size must be an int, got float"),  # type: ignore[arg-type]
        (lambda: nn.GRUCell(3, 4, "relu"), TypeError, "bias must be a bool, got str"),  # type: ignore[arg-type]
        (
            lambda: nn.RNNCell(3, 4, nonlinearity="sin"),  # type: ignore[arg-type]
            ValueError,
            "nonlinearity must be 'tanh' or 'relu', got 'sin'",
        ),
        (lambda: nn.GRUCell(3, 4)(X[None]), ValueError, "input must be [B, I] or [I], got [1, 5, 3]"),
        (lambda: nn.GRUCell(3, 4)(X[:, :2]), ValueError, "input must be [5, 3], got [5, 2]"),
        (lambda: nn.GRUCell(3, 4)(X[0, :2]), ValueError, "input must be [3], got [2]"),
        (
            lambda: nn.GRUCell(3, 4)(X.long()),
            ValueError,
            "input must be torch.float32 as the weights are, got torch.int64",
        ),
        (lambda: nn.GRUCell(3, 4)(X, H[:2]), ValueError, "h of hx must be [5, 4], got [2, 4]"),
        (lambda: nn.GRUCell(3, 4)(X[0], H), ValueError, "h of hx must be [4], got [5, 4]"),
        (
            lambda: nn.GRUCell(3, 4)(X, H.double()),
            ValueError,
            "h of hx must be torch.float32 as the weights are, got torch.float64",
        ),
        (lambda: nn.GRUCell(3, 4)(X, (H, H)), ValueError, "hx must be a tensor, got a tuple of 2"),
        (lambda: nn.GRUCell(3, 4)(X, (H,)), ValueError, "hx must be a tensor, got a tuple of 1"),
        (lambda: nn.LSTMCell(3, 4)(X, H), ValueError, "hx must be a tuple (h, c), got a tensor"),
        (lambda: nn.LSTMCell(3, 4)(X, (H,)), ValueError, "hx must be a tuple (h, c), got a tuple of 1"),
        (lambda: nn.LSTMCell(3, 4)(X, (H, H[:, :2])), ValueError, "c of hx must be [5, 4], got [5, 2]"),
    ],
)
def test_wording_of_errors(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        make()
    assert str(raised.value) == message
