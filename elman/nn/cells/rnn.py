"""The simple recurrent network of Elman (1990), "Finding structure in time".

    h' = g(W x + b + U h + c),   g = tanh or relu

The lecture writes a⟨t⟩ = g(W_a [a⟨t-1⟩, x⟨t⟩] + b_a) with one matrix: W_a is U and W side by side, b_a is
b + c. Two matrices are kept because W x is computed for all steps at once, U h only step by step.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from elman.nn.cells.cell import State, StepGradients


class RNN:
    """The simple recurrent cell; `nonlinearity` is "tanh" or "relu". Raises ValueError for another."""

    gates: ClassVar[tuple[str, ...]] = ("h",)
    states: ClassVar[tuple[str, ...]] = ("h",)

    def __init__(self, nonlinearity: Literal["tanh", "relu"] = "tanh") -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        """H' = g(wx + uh)."""
        z = wx + uh
        return (torch.tanh(z) if self.nonlinearity == "tanh" else torch.relu(z),)

    def step_back(self, wx: Tensor, uh: Tensor, state: State, dstate: State) -> StepGradients:
        """Dz = dh' * g'(z): 1 - h'^2 for tanh, 1 where z > 0 for relu; h acts through uh alone."""
        (h_next,) = self.step(wx, uh, state)
        slope = 1 - h_next**2 if self.nonlinearity == "tanh" else (h_next > 0).to(wx.dtype)
        (h,), (dh_next,) = state, dstate
        dz = dh_next * slope
        return StepGradients(dz, dz, (torch.zeros_like(h),))
