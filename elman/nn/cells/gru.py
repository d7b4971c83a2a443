"""The gated recurrent unit of Cho et al. (2014), with the reset gate after the product, as torch has it.

r = σ(wx_r + uh_r)            reset
z = σ(wx_z + uh_z)            update
n = tanh(wx_n + r * uh_n)     candidate
h' = (1 - z) * n + z * h
"""

from typing import ClassVar

import torch
from torch import Tensor

from elman.nn.cells.cell import State, StepGradients


class GRU:
    """The gated recurrent unit; gates r z n."""

    gates: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    states: ClassVar[tuple[str, ...]] = ("h",)

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        """H' = (1 - z) * n + z * h."""
        _, z, n, _ = _gates(wx, uh)
        return (n + z * (state[0] - n),)

    def step_back(self, wx: Tensor, uh: Tensor, state: State, dstate: State) -> StepGradients:
        """Back through h', then n, then z and r; h acts directly through z and through uh."""
        r, z, n, uh_n = _gates(wx, uh)
        (h,), (dh_next,) = state, dstate
        dn = dh_next * (1 - z) * (1 - n**2)
        dz = dh_next * (h - n) * z * (1 - z)
        dr = dn * uh_n * r * (1 - r)
        return StepGradients(
            torch.cat((dr, dz, dn), 1),
            torch.cat((dr, dz, dn * r), 1),
            (dh_next * z,),
        )


def _gates(wx: Tensor, uh: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wx_rz, wx_n = wx.tensor_split([wx.shape[1] // 3 * 2], 1)
    uh_rz, uh_n = uh.tensor_split([uh.shape[1] // 3 * 2], 1)
    r, z = torch.sigmoid(wx_rz + uh_rz).chunk(2, 1)
    return r, z, torch.tanh(wx_n + r * uh_n), uh_n
