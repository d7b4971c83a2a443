"""What a recurrent cell is.

Letters: b rows of a batch that are alive at a step, H hidden size, G gates, P size of the output (H, or the
size of a projection).
"""

from itertools import zip_longest
from typing import Any, ClassVar, NamedTuple, Protocol, TypeGuard

import torch
from torch import Tensor, nn

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

    A cell with parameters of its own is a `torch.nn.Module` too. Each layer and direction has a copy of it.
    A cell that has `recurrent_product = False` has no U and no c, and its `step` is given None for `uh`.
    """

    gates: ClassVar[tuple[str, ...]]  # in the order of the weights' rows; their number is G
    states: ClassVar[tuple[str, ...]]  # h first

    def step(self, wx: Tensor, uh: Any, state: State) -> State:
        """Return the state after this step, [b, H] each."""
        ...


class CellWithGradient(Cell, Protocol):
    """A cell whose gradient is written out. That of any other cell is found by autograd."""

    def step_back(self, wx: Tensor, uh: Tensor, state: State, dstate: State) -> StepGradients:
        """Return the gradients of a step's arguments, given those of the state that it returned.

        `wx`, `uh` and `state` are what `step` was given; `dstate` is the gradient of what it returned.
        """
        ...


def has_recurrent_product(cell: Cell) -> bool:
    """Return whether the cell's step reads U h + c."""
    return getattr(cell, "recurrent_product", True)


def has_gradient(cell: Cell) -> TypeGuard[CellWithGradient]:
    """Return whether `step_back` is the gradient of `step`, and there is no other.

    It gives none of a cell's own parameters. One that is inherited does not belong to a `step` that is not.
    """
    if not has_recurrent_product(cell) or (
        isinstance(cell, nn.Module) and any(True for _ in cell.parameters())
    ):
        return False
    kinds = [vars(kind) for kind in type(cell).__mro__]
    first = next((kind for kind in kinds if "step" in kind or "step_back" in kind), {})
    return "step_back" in first


def check_cell(cell: Cell, hidden_size: int, output_size: int, like: Tensor) -> None:
    """Try a step of a cell that autograd is to train.

    Args:
        cell: any cell.
        hidden_size: H.
        output_size: P.
        like: a weight of the layer, of its type and on its device.

    Raises:
        ValueError: for a weight or a parameter that would never train, or a step that does not run.
    """
    if has_gradient(cell):
        return
    name = type(cell).__name__
    if not isinstance(cell, nn.Module):
        for attribute, value in getattr(cell, "__dict__", {}).items():
            if isinstance(value, (nn.Parameter, nn.Module)):
                raise ValueError(
                    f"the cell {name} holds parameters in {attribute!r}, which would never train; "
                    f"derive {name} from torch.nn.Module"
                )
    own = dict(cell.named_parameters()) if isinstance(cell, nn.Module) else {}
    inputs: dict[str, Tensor] = {p: w for p, w in own.items() if w.requires_grad}
    gates = len(cell.gates) * hidden_size
    wx = inputs["wx"] = like.new_zeros(2, gates, requires_grad=True)
    uh = None
    if has_recurrent_product(cell):
        uh = inputs["uh"] = like.new_zeros(2, gates, requires_grad=True)
    widths = [output_size, *[hidden_size] * (len(cell.states) - 1)]
    state = tuple(like.new_zeros(2, width) for width in widths)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        try:
            after = tuple(cell.step(wx, uh, state))
        except (RuntimeError, TypeError) as error:
            sizes = f"H={hidden_size}" + f", P={output_size}" * (output_size != hidden_size)
            raise ValueError(f"the step of the cell {name} does not run for {sizes}: {error}") from error
        found = [list(s.shape) for s in after]
        expected = [[2, hidden_size]] * len(cell.states)
        if found != expected:
            raise ValueError(
                f"the step of the cell {name} must return ({', '.join(cell.states)}), [b, H] each: "
                f"for b=2 and H={hidden_size} {expected}, got {found}"
            )
        outputs = [s.sum() for s in after if s.requires_grad]
        gradients = torch.autograd.grad(outputs, list(inputs.values()), allow_unused=True) if outputs else []
    unused = [p for p, gradient in zip_longest(inputs, gradients) if gradient is None]
    ways_out = {"wx": "let it read its input", "uh": f"write recurrent_product = False in {name}"}
    for product, weight in (("wx", "weight_ih"), ("uh", "weight_hh")):
        if product in unused:
            raise ValueError(
                f"the step of the cell {name} does not read {product}, so {weight} would never train; "
                f"{ways_out[product]}"
            )
    if unused:
        raise ValueError(
            f"the step of the cell {name} does not read {', '.join(unused)}, which would never train; "
            "remove what it does not use"
        )
