"""RNN, GRU and LSTM as `torch.nn` has them: constructor, parameter names, gate order, shapes, state_dict.

Only the constructors stand here; all else is `elman.nn.recurrent.Recurrent`.
"""

from typing import Literal

import torch

from elman.nn import cells
from elman.nn.recurrent import Recurrent


class RNN(Recurrent):
    """Elman's simple recurrent network, as `torch.nn.RNN`; `nonlinearity` is "tanh" or "relu".

    >>> layer = RNN(3, 5, bidirectional=True)
    >>> outputs, state = layer(torch.zeros(7, 2, 3), lengths=[7, 4])
    >>> outputs.shape, state.shape
    (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        checkpoint_every: int | Literal["auto"] | None = None,
        detach_every: int | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            cells.RNN(nonlinearity), input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, device, dtype, checkpoint_every=checkpoint_every, detach_every=detach_every,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the settings that differ from the defaults."""
        said = super().extra_repr()
        return said if self.nonlinearity == "tanh" else f"{said}, nonlinearity={self.nonlinearity!r}"


class GRU(Recurrent):
    """The gated recurrent unit, as `torch.nn.GRU`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        checkpoint_every: int | Literal["auto"] | None = None,
        detach_every: int | None = None,
    ) -> None:
        super().__init__(
            cells.GRU(), input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, 0, device, dtype, checkpoint_every=checkpoint_every, detach_every=detach_every,
        )  # fmt: skip


class LSTM(Recurrent):
    """Long short-term memory, as `torch.nn.LSTM`; the state is the pair (h, c)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        checkpoint_every: int | Literal["auto"] | None = None,
        detach_every: int | None = None,
    ) -> None:
        super().__init__(
            cells.LSTM(), input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype,
            checkpoint_every=checkpoint_every, detach_every=detach_every,
        )  # fmt: skip


LAYERS = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
