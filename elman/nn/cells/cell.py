"""What a recurrent cell is.

Letters: b rows of a batch that are alive at a step, H hidden size, G gates.
"""

from typing import ClassVar, NamedTuple, Protocol

from torch import Tensor

State = tuple[Tensor, ...]


class StepGradients(NamedTuple):
    """What one step passes back: to its two products and to the state before it."""

    wx: Tensor  # [b, G*H]
    uh: Tensor  # [b, G*H]
    state: State  # [b, H] each; without the part that flows through uh


class Cell(Protocol):
    """One step of recurrence, pointwise: the two matrix products and the loop over time stand outside.

    The first state is the output and the one that the recurrent product reads. `wx` is W x + b for all
    gates and `uh` is U h + c, both [b, G*H] with the gates side by side in torch's order.
    """

    gates: ClassVar[tuple[str, ...]]  # in the order of the weights' rows; their number is G
    states: ClassVar[tuple[str, ...]]  # h first

    def step(self, wx: Tensor, uh: Tensor, state: State) -> State:
        """Return the state after this step, [b, H] each."""
        ...

    def step_back(self, wx: Tensor, uh: Tensor, state: State, dstate: State) -> StepGradients:
        """Return the gradients of a step's arguments, given those of the state that it returned.

        `wx`, `uh` and `state` are what `step` was given; `dstate` is the gradient of what it returned.
        """
        ...
