"""Checks of what users give to recurrent layers.

Letters: I input.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def check_sizes(**sizes: Any) -> None:
    """Raise TypeError for what is no int, ValueError for one below 1."""
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} must be an int, got {type(size).__name__}")
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")


def check_flags(**flags: Any) -> None:
    """Raise TypeError for what is no bool."""
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{name} must be a bool, got {type(flag).__name__}")


def check_tensor(name: str, given: Any) -> None:
    """Raise TypeError for what is no tensor."""
    if not isinstance(given, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(given).__name__}")


def as_weights(given: Tensor, weight: Tensor) -> Tensor:
    """Return a tensor in the type of the weights where torch's autocast is on: which changed it."""
    if given.dtype is weight.dtype or not given.is_floating_point() or given.dtype is torch.float64:
        return given
    return given.to(weight.dtype) if torch.is_autocast_enabled(weight.device.type) else given


def check_like(name: str, given: Tensor, shape: Sequence[int], weight: Tensor) -> None:
    """Raise ValueError for another shape, or for another type or device than the weights have."""
    if list(given.shape) != list(shape):
        raise ValueError(f"{name} must be {list(shape)}, got {list(given.shape)}")
    if given.dtype != weight.dtype:
        raise ValueError(f"{name} must be {weight.dtype} as the weights are, got {given.dtype}")
    if given.device != weight.device:
        raise ValueError(f"{name} must be on {weight.device} as the weights are, got {given.device}")


def is_one_hot(data: Tensor, weight: Tensor, input_size: int) -> bool:
    """Return whether an input stands for one-hot vectors. Raises ValueError where it does not fit."""
    if data.is_floating_point():
        if data.dtype != weight.dtype:
            raise ValueError(f"input must be {weight.dtype} as the weights are, got {data.dtype}")
        if data.device != weight.device:
            raise ValueError(f"input must be on {weight.device} as the weights are, got {data.device}")
        if data.dim() < 2 or data.shape[-1] != input_size:
            raise ValueError(f"input must be [..., I]=[..., {input_size}], got {list(data.shape)}")
        return False
    if data.dtype in (torch.bool,) or data.is_complex():
        raise ValueError(f"input must be real numbers, or integers for one-hot, got {data.dtype}")
    if data.numel() and not 0 <= int(data.min()) <= int(data.max()) < input_size:
        got = f"{int(data.min())} to {int(data.max())}"
        raise ValueError(f"one-hot input must be from 0 to I-1={input_size - 1}, got {got}")
    return True


def parts_of_state(hx: Any, names: Sequence[str]) -> tuple[Tensor, ...]:
    """Return the tensors of a state that was given.

    Raises:
        TypeError: for what is no tensor, and no tuple or list of tensors.
        ValueError: for another number of tensors than the cell has states.
    """
    expected = "a tensor" if len(names) == 1 else f"a tuple ({', '.join(names)})"
    if not isinstance(hx, (Tensor, tuple, list)):
        raise TypeError(f"hx must be {expected}, got {type(hx).__name__}")
    parts = (hx,) if isinstance(hx, Tensor) else tuple(hx)
    if isinstance(hx, Tensor) != (len(names) == 1) or len(parts) != len(names):
        got = "a tensor" if isinstance(hx, Tensor) else f"a tuple of {len(parts)}"
        raise ValueError(f"hx must be {expected}, got {got}")
    for name, part in zip(names, parts, strict=True):
        check_tensor(f"{name} of hx", part)
    return parts
