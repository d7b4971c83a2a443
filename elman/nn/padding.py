"""Padded batches: which of their steps are real.

Letters: T time, B batch, N real steps of the batch.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


class Packing:
    """Where each real step of a padded batch stands: longest sequence first, then step by step."""

    def __init__(self, lengths: Tensor, time: int, device: torch.device) -> None:
        self.order = lengths.argsort(descending=True, stable=True)  # [B]
        alive = torch.arange(time)[:, None] < lengths[self.order]  # [T, B]
        # Sizes stay tensors here, so that `torch.jit.trace` does not record the example's as numbers.
        self.batch_sizes = alive.sum(1)[: lengths.max() if len(lengths) else 0]  # [T], none of them 0
        step, row = alive.nonzero(as_tuple=True)
        self.order, row = self.order.to(device), row.to(device)
        self.index = step.to(device) * lengths.shape[0] + self.order[row]  # [N] into [T*B]


def checked_lengths(lengths: Tensor | Sequence[int], time: int, batch: int) -> Tensor:
    """Return lengths [B] as integers from 0 to T. Raises ValueError for others."""
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    if tracing and not isinstance(lengths, Tensor):
        got = type(lengths).__name__
        raise ValueError(f"lengths must be a tensor for torch.jit.trace, which keeps a {got} as it is")
    checked = torch.as_tensor(lengths, device="cpu")
    if checked.shape != (batch,):
        raise ValueError(f"lengths must be [B]={batch} long, got {list(checked.shape)}")
    if batch and (checked.is_floating_point() or checked.dtype == torch.bool):
        raise ValueError(f"lengths must be integers, got {checked.dtype}")
    if batch and not 0 <= int(checked.min()) <= int(checked.max()) <= time:
        raise ValueError(
            f"lengths must be from 0 to T={time}, got {int(checked.min())} to {int(checked.max())}"
        )
    return checked.reshape(batch)  # which fails in a trace too
