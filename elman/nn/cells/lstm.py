"""Long short-term memory: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).

i = σ(wx_i + uh_i)      input          c' = f * c + i * g
f = σ(wx_f + uh_f)      forget         h' = o * tanh(c')
g = tanh(wx_g + uh_g)   candidate
o = σ(wx_o + uh_o)      output
"""

from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.cell import State, StepGradients


class LSTM:
    """Long short-term memory; gates i f g o, states h c."""

    gates: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        """C' = f * c + i * g; h' = o * tanh(c')."""
        i, f, g, o = _gates(wx, uh)
        c_next = f * state[1] + i * g
        return o * torch.tanh(c_next), c_next

    def step_back(self, wx: Tensor, uh: Tensor, state: State, dstate: State) -> StepGradients:
        """Back through h' into c', then through c' into the gates; h acts through uh alone."""
        i, f, g, o = _gates(wx, uh)
        (h, c), (dh_next, dc_next) = state, dstate
        tanh_c = torch.tanh(f * c + i * g)
        dc_next = dc_next + dh_next * o * (1 - tanh_c**2)
        dz = torch.cat(
            (
                dc_next * g * i * (1 - i),
                dc_next * c * f * (1 - f),
                dc_next * i * (1 - g**2),
                dh_next * tanh_c * o * (1 - o),
            ),
            1,
        )
        return StepGradients(dz, dz, (torch.zeros_like(h), dc_next * f))


def _gates(wx: Tensor, uh: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    i, f, g, o = (wx + uh).chunk(4, 1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
