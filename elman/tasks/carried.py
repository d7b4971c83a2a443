"""The state behind one batch of a long sequence, from which the next batch goes on."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

State = tuple[Tensor, ...] | Tensor | None  # None at the beginning


class Carried:
    """Holds the state from batch to batch."""

    state: State = None


def each(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change all of a state: a tensor, a tuple of them, or None."""
    if isinstance(state, tuple):
        return tuple(map(change, state))
    return None if state is None else change(state)
