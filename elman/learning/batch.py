"""A batch as the training loop takes it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of some examples.

    Args:
        inputs: of the network: a packed sequence, a tensor, or a named tuple of these.
        targets: as the head's loss takes them; None where the inputs have them.
        places: where the examples stand, as file:line.
        steps: real steps of all sequences together.
        continues: whether the sequences go on where those of the batch before ended.
    """

    inputs: Any
    targets: Any
    places: Sequence[str]
    steps: int
    continues: bool = False

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on a device."""
        return replace(self, inputs=_moved(self.inputs, device), targets=_moved(self.targets, device))


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, Tensor) or hasattr(value, "batch_sizes"):
        return value.to(device)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_moved(field, device) for field in value))
    return value
