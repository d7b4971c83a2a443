"""A call that wants no gradient, in one step from Python to the kernels, where all is as usual.

What a layer's `forward` asks and makes before its first sum takes longer than a small batch's sums. Most of
that is the same from call to call, and is told once; csrc/ready_call.h asks the rest. What is not as usual is
left to `forward`, which answers the same, and says what does not fit.

Letters: T time, B batch, N real steps of the batch, I input, H hidden, D directions, L layers.
"""

import struct
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.nn.fused import WEIGHTS
from elman.nn.kernels import Kernels, check, find, ready_call

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of the `WEIGHTS` of a direction


def names_of(layers: Any) -> list[str]:
    """Return the names of the weights of recurrent layers without projections, in torch's order."""
    ways = ("", "_reverse")[: layers.num_directions]
    suffixes = [f"_l{layer}{way}" for layer in range(layers.num_layers) for way in ways]
    return [name + suffix for suffix in suffixes for name in NAMES[: WEIGHTS if layers.bias else 2]]


def quick_call(layers: Any) -> Callable[[Any, Any], tuple[Any, Any] | None]:
    """Return what answers an input and a state as these layers' `forward` does, or with None: ask that."""
    kernels = find(layers.cell, layers.weight_ih_l0.dtype)
    if not (ready_call and kernels) or layers.proj_size:
        return lambda _x, _state: None
    return _QuickCall(kernels, layers)


class _QuickCall:
    """What is the same for all calls of some layers."""

    def __init__(self, kernels: Kernels, layers: Any) -> None:
        self.names, self.parameters = tuple(names_of(layers)), layers._parameters
        self.batch_first, self.hidden = layers.batch_first, layers.hidden_size
        self.width = layers.num_directions * self.hidden
        self.rows, self.states = layers.num_layers * layers.num_directions, len(layers.cell.states)
        # `KnownOfCalls` of csrc/ready_call.h.
        sizes = (layers.num_layers, layers.num_directions, layers.input_size, self.hidden)
        counts = (len(layers.cell.gates), self.states, len(self.names) // self.rows)
        as_dlpack = (2, 8 * layers.weight_ih_l0.itemsize)  # kind and bits
        packed = (kernels.sizes(inputs, self.hidden).forward for inputs in (layers.input_size, self.width))
        known = (kernels.address, *sizes, *counts, *as_dlpack, *packed)
        self.known = struct.pack(f"={len(known)}q", *known)

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any] | None:
        """See `quick_call`.

        Args:
            x: a batch, packed or [T, B, I] ([B, T, I] with `batch_first`).
            state: [L*D, B, H], for LSTM the pair; zeros if None.
        """
        if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
            return None
        batch_sizes = order = back = None
        if type(x) is PackedSequence:
            data, batch_sizes, order, back = x
            if not batch_sizes.numel() or (order is not None and state is not None):
                return None
            batch = int(batch_sizes[0])
        elif type(x) is Tensor and x.dim() == 3:
            data = (x.transpose(0, 1) if self.batch_first else x).contiguous()
            batch = data.shape[1]
        else:
            return None
        # A kernel sees memory, and not the sign that torch may keep beside it.
        given = (data, *(state if type(state) is tuple else (state,)))
        if any(isinstance(t, Tensor) and t.is_neg() for t in given):
            return None
        outputs = data.new_empty(*data.shape[:-1], self.width)
        finals = tuple([data.new_empty(self.rows, batch, self.hidden) for _ in range(self.states)])
        threads = torch.get_num_threads()
        status = ready_call(
            self.known, self.names, self.parameters, data, batch_sizes, state, outputs, finals, threads
        )
        if status is None:
            return None
        check(status)
        if back is not None:
            finals = tuple(s.index_select(1, back) for s in finals)
        if batch_sizes is not None:
            y = PackedSequence(outputs, batch_sizes, order, back)
        else:
            y = outputs.transpose(0, 1) if self.batch_first else outputs
        return y, finals if self.states > 1 else finals[0]
