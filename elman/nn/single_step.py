"""RNNCell, GRUCell and LSTMCell as `torch.nn` has them: one step of recurrence, state in, state out.

Letters: B batch, I input, H hidden, G gates.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor, nn

from elman.nn import cells
from elman.nn.arguments import as_weights, check_flags, check_like, check_sizes, check_tensor, parts_of_state
from elman.nn.cells import Cell, State, check_cell, has_recurrent_product
from elman.nn.unroll import Weights, unroll


class SingleStep(nn.Module):
    """One step of any cell; `RNNCell`, `GRUCell` and `LSTMCell` below name the usual three.

    Args:
        cell: what the step computes (see `elman.nn.cells.Cell`).
        input_size: I.
        hidden_size: H.
        bias: whether there are b and c.
        device: where the parameters live, a cell's own too.
        dtype: their type.

    Raises:
        ValueError: for a size or an input that does not fit, or a cell whose parameters would never train.
        TypeError: for an argument of another type.
    """

    weight_ih: Tensor
    weight_hh: Tensor | None
    bias_ih: Tensor | None
    bias_hh: Tensor | None

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size)
        check_flags(bias=bias)
        self.cell = cell.to(device, dtype) if isinstance(cell, nn.Module) else cell
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = len(cell.gates) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size, device=device, dtype=dtype))
        recurrent = has_recurrent_product(cell)
        shapes = {
            "weight_hh": (rows, hidden_size) if recurrent else None,
            "bias_ih": (rows,) if bias else None,
            "bias_hh": (rows,) if bias and recurrent else None,
        }
        for name, shape in shapes.items():
            weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype)) if shape else None
            self.register_parameter(name, weight)
        check_cell(self.cell, hidden_size, hidden_size, self.weight_ih)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw every parameter evenly from ±1/sqrt(H), in torch's order: a seed gives torch's weights."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters(recurse=False):  # a cell has initialised its own
            nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """Return the settings that differ from the defaults, as `print(cell)` shows them."""
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")

    def forward(
        self,
        input: Tensor,  # noqa: A002 - torch's name, given by keyword in users' code
        hx: Tensor | tuple[Tensor, ...] | None = None,
    ) -> Any:
        """Return the next state, shaped as `hx`.

        Args:
            input: [B, I], or [I] for one sequence.
            hx: the state, [B, H] or [H], for LSTMCell the pair (h, c); zeros when absent.

        Raises:
            TypeError: for what is no tensor.
            ValueError: for shapes or types that do not fit.
        """
        check_tensor("input", input)
        input = as_weights(input, self.weight_ih)  # noqa: A001
        if input.dim() not in (1, 2):
            raise ValueError(f"input must be [B, I] or [I], got {list(input.shape)}")
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        shape = [*input.shape[:-1], self.hidden_size]
        check_like("input", input, [*input.shape[:-1], self.input_size], weights.ih)
        state = self._state(hx, shape, weights.ih)
        x = input.reshape(-1, self.input_size)  # [B, I]
        rows = tuple(s.reshape(1, -1, self.hidden_size) for s in state)  # [1, B, H]
        _, following = unroll(self.cell, [weights], x, rows, torch.full((1,), x.shape[0]))
        following = tuple(s.reshape(shape) for s in following)
        return following if len(self.cell.states) > 1 else following[0]

    def _state(self, hx: Tensor | tuple[Tensor, ...] | None, shape: list[int], like: Tensor) -> State:
        names = self.cell.states
        if hx is None:
            return tuple(like.new_zeros(shape) for _ in names)
        given = parts_of_state(hx, names)
        given = tuple(as_weights(s, like) for s in given)
        for name, s in zip(names, given, strict=True):
            check_like(f"{name} of hx", s, shape, like)
        return given


class RNNCell(SingleStep):
    """One step of Elman's simple recurrent network, as `torch.nn.RNNCell`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(cells.RNN(nonlinearity), input_size, hidden_size, bias, device, dtype)

    def extra_repr(self) -> str:
        """Return the settings that differ from the defaults."""
        said = super().extra_repr()
        return said if self.nonlinearity == "tanh" else f"{said}, nonlinearity={self.nonlinearity!r}"


class GRUCell(SingleStep):
    """One step of the gated recurrent unit, as `torch.nn.GRUCell`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(cells.GRU(), input_size, hidden_size, bias, device, dtype)


class LSTMCell(SingleStep):
    """One step of long short-term memory, as `torch.nn.LSTMCell`; the state is the pair (h, c).

    >>> cell = LSTMCell(3, 5)
    >>> h, c = cell(torch.zeros(2, 3))
    >>> h, c = cell(torch.ones(2, 3), (h, c))
    >>> h.shape, c.shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(cells.LSTM(), input_size, hidden_size, bias, device, dtype)
