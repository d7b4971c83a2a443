"""One step of every cell: its equations written anew, and its gradient against autograd and numbers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from elman.nn import cells
from elman.nn.cells import CELLS, CellWithGradient, State

Array = np.ndarray
ALL: dict[str, CellWithGradient] = {
    **{name: kind() for name, kind in CELLS.items()},
    "rnn relu": cells.RNN("relu"),
}
ROWS, HIDDEN = 3, 4


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def rnn(wx: Array, uh: Array, h: Array) -> tuple[Array, ...]:
    return (np.tanh(wx + uh),)


def rnn_relu(wx: Array, uh: Array, h: Array) -> tuple[Array, ...]:
    return (np.maximum(wx + uh, 0),)


def gru(wx: Array, uh: Array, h: Array) -> tuple[Array, ...]:
    (wr, wz, wn), (ur, uz, un) = np.split(wx, 3, 1), np.split(uh, 3, 1)
    r, z = sigmoid(wr + ur), sigmoid(wz + uz)
    return ((1 - z) * np.tanh(wn + r * un) + z * h,)


def lstm(wx: Array, uh: Array, h: Array, c: Array) -> tuple[Array, ...]:
    (wi, wf, wg, wo), (ui, uf, ug, uo) = np.split(wx, 4, 1), np.split(uh, 4, 1)
    c_next = sigmoid(wf + uf) * c + sigmoid(wi + ui) * np.tanh(wg + ug)
    return sigmoid(wo + uo) * np.tanh(c_next), c_next


EQUATIONS: dict[str, Callable[..., tuple[Array, ...]]] = {
    "rnn": rnn,
    "rnn relu": rnn_relu,
    "gru": gru,
    "lstm": lstm,
}


def arguments(cell: CellWithGradient, seed: int) -> tuple[Tensor, Tensor, State]:
    """Float64 wx, uh [b, G*H] and a state, [b, H] each."""
    draw = torch.Generator().manual_seed(seed)
    width = len(cell.gates) * HIDDEN
    wx, uh = (2 * torch.randn(ROWS, width, generator=draw, dtype=torch.float64) for _ in "wu")
    state = (torch.randn(ROWS, HIDDEN, generator=draw, dtype=torch.float64) for _ in cell.states)
    return wx, uh, tuple(state)


def test_every_module_of_cells_is_in_the_list() -> None:
    modules = {path.stem for path in Path(cells.__file__).parent.glob("*.py")} - {"__init__", "cell"}
    assert {kind.__module__.rpartition(".")[2] for kind in CELLS.values()} == modules
    assert set(CELLS) == modules


def test_every_cell_has_its_equations_here() -> None:
    assert set(EQUATIONS) == set(ALL)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_step_equals_the_equations_written_anew(name: str, seed: int) -> None:
    wx, uh, state = arguments(ALL[name], seed)
    stepped = ALL[name].step(wx, uh, state)
    expected = EQUATIONS[name](wx.numpy(), uh.numpy(), *(s.numpy() for s in state))
    assert len(stepped) == len(expected) == len(ALL[name].states)
    for ours, theirs in zip(stepped, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("seed", range(3))
def test_step_back_equals_autograd_of_step(name: str, seed: int) -> None:
    cell = ALL[name]
    wx, uh, state = arguments(cell, seed)
    _, _, dstate = arguments(cell, seed + 100)
    inputs = [tensor.requires_grad_() for tensor in (wx, uh, *state)]
    found = torch.autograd.grad(cell.step(wx, uh, state), inputs, dstate, allow_unused=True)
    expected = [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]
    step = cell.step_back(wx.detach(), uh.detach(), tuple(s.detach() for s in state), dstate)
    for ours, theirs in zip((step.wx, step.uh, *step.state), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ALL)
def test_step_back_equals_central_differences_of_the_equations(name: str) -> None:
    """Against the equations of this file, so that neither `step` nor autograd has a part in it."""
    cell = ALL[name]
    wx, uh, state = arguments(cell, 7)
    _, _, dstate = arguments(cell, 8)
    step = cell.step_back(wx, uh, state, dstate)
    inputs = [tensor.numpy() for tensor in (wx, uh, *state)]

    def loss() -> float:
        return sum(
            float((s * d.numpy()).sum()) for s, d in zip(EQUATIONS[name](*inputs), dstate, strict=True)
        )

    for x, gradient in zip(inputs, (step.wx, step.uh, *step.state), strict=True):
        for place in np.ndindex(x.shape):
            kept = x[place]
            x[place] = kept + 1e-6
            above = loss()
            x[place] = kept - 1e-6
            below = loss()
            x[place] = kept
            assert abs((above - below) / 2e-6 - gradient[place].item()) < 1e-8


@pytest.mark.parametrize("name", ALL)
def test_step_leaves_its_arguments_alone(name: str) -> None:
    wx, uh, state = arguments(ALL[name], 0)
    ALL[name].step_back(wx, uh, state, ALL[name].step(wx, uh, state))
    kept_wx, kept_uh, kept_state = arguments(ALL[name], 0)
    assert all(map(torch.equal, (wx, uh, *state), (kept_wx, kept_uh, *kept_state)))


def test_a_misspelt_nonlinearity_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^nonlinearity must be 'tanh' or 'relu', got 'Tanh'$"):
        cells.RNN("Tanh")  # type: ignore[arg-type]
