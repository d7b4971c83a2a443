"""A call of some layers, and the way back, in one step each from Python to the kernels, if all is as usual.

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
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from elman.nn.cells import State
from elman.nn.fused import WEIGHTS
from elman.nn.kernels import Kernels, check, find, ready_back, ready_call
from elman.nn.threads import threads

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")  # of the `WEIGHTS` of a direction


def names_of(layers: Any) -> list[str]:
    """Return the names of the weights of recurrent layers without projections, in torch's order."""
    ways = ("", "_reverse")[: layers.num_directions]
    suffixes = [f"_l{layer}{way}" for layer in range(layers.num_layers) for way in ways]
    return [name + suffix for suffix in suffixes for name in NAMES[: WEIGHTS if layers.bias else 2]]


def watched() -> bool:
    """Whether torch's tracer or compiler looks on: neither sees what C does."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def quick_call(layers: Any) -> Callable[[Any, Any], tuple[Any, Any] | None]:
    """Return what answers an input and a state as these layers' `forward` does, or with None: ask that.

    These layers keep no checkpoints and let every gradient pass, where one is wanted, and drop nothing.
    """
    kernels = find(layers.cell, layers.weight_ih_l0.dtype)
    if not (ready_call and kernels) or layers.proj_size:
        return lambda _x, _state: None
    return _QuickCall(kernels, layers)


class _Known:
    """What is the same for all calls of `count` layers: `KnownOfCalls` of csrc/ready_call.h."""

    def __init__(self, kernels: Kernels, layers: Any, count: int, inputs: int) -> None:
        self.directions, self.hidden = layers.num_directions, layers.hidden_size
        self.width, self.rows = self.directions * self.hidden, count * self.directions
        self.states = len(layers.cell.states)
        first, other = kernels.sizes(inputs, self.hidden), kernels.sizes(self.width, self.hidden)
        self.history = self.directions * (first.gates + first.cells)  # elements of a step
        numbers = (
            *kernels.addresses,
            *(count, self.directions, inputs, self.hidden),
            *(len(layers.cell.gates), self.states, WEIGHTS if layers.bias else 2),
            *(2, 8 * layers.weight_ih_l0.itemsize),  # kind and bits, as DLPack counts them
            *(first.forward, other.forward, first.back),
            *(first.gates, first.cells, first.dgates),
        )
        self.bytes = struct.pack(f"={len(numbers)}q", *numbers)

    def call(
        self,
        weights: tuple[Tensor, ...],
        x: Tensor,
        batch_sizes: Tensor | None,
        state: State,
        history: Tensor | None = None,
    ) -> tuple[Tensor, State] | None:
        """Return the outputs and the final state, or None where something is not as usual.

        Args:
            weights: in torch's order.
            x: [T, B, I], or [N, I] with `batch_sizes`.
            batch_sizes: [T].
            state: [L*D, B, H] each; none for zeros.
            history: room for what the way back reads.
        """
        batch = x.shape[1] if batch_sizes is None else int(batch_sizes[0])
        outputs = x.new_empty(*x.shape[:-1], self.width)
        final = tuple([x.new_empty(self.rows, batch, self.hidden) for _ in range(self.states)])
        status = ready_call(
            self.bytes, weights, x, batch_sizes, state or None, outputs, final, history, threads()
        )
        if status is None:
            return None
        check(status)
        return outputs, final


class _Unusual(Exception):  # noqa: N818 - not an error
    """Something is not as usual, found where nothing but an exception ends a call."""


class _Trained(torch.autograd.Function):
    """A layer of which a gradient may be asked: `_Known.call`, and the way back."""

    @staticmethod
    def forward(
        ctx: Any, known: _Known, batch_sizes: Tensor | None, count: int, x: Tensor, *tensors: Any
    ) -> Any:
        weights = tensors[:count]
        # The state that was given may be written to before the way back.
        state = tuple([s.clone() for s in tensors[count:]])
        history = x.new_empty(x.shape[:-1].numel() * known.history)
        done = known.call(weights, x, batch_sizes, state, history)
        if done is None:
            raise _Unusual
        outputs, final = done
        ctx.known, ctx.batch_sizes, ctx.count = known, batch_sizes, count
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, outputs, history, *weights, *state)
        return outputs, *final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, outputs, history, *others = ctx.saved_tensors
        weights, state = tuple(others[: ctx.count]), tuple(others[ctx.count :])
        wants_x, *wants = ctx.needs_input_grad[3:]
        doutputs, *dfinal = [None if d is None else d.resolve_neg().contiguous() for d in gradients]
        dx = torch.empty_like(x) if wants_x else None
        of_weights = zip(weights, wants[: ctx.count], strict=True)
        dweights = tuple([torch.empty_like(w) if want else None for w, want in of_weights])
        dstate = tuple(map(torch.empty_like, state)) if any(wants[ctx.count :]) else None
        status = ready_back(
            ctx.known.bytes, weights, x, ctx.batch_sizes, state or None, outputs, history,
            doutputs, tuple(dfinal), dx, dweights, dstate, threads(),
        )  # fmt: skip
        if status is None:
            raise TypeError("the gradient of a recurrent layer must come in ordinary tensors on the CPU")
        check(status)
        return None, None, None, dx, *dweights, *(dstate or [None] * len(state))


class _QuickCall:
    """What is the same for all calls of some layers."""

    def __init__(self, kernels: Kernels, layers: Any) -> None:
        self.names, self.parameters = tuple(names_of(layers)), layers._parameters
        self.batch_first, self.layers = layers.batch_first, layers.num_layers
        self.all = _Known(kernels, layers, self.layers, layers.input_size)
        self.first = _Known(kernels, layers, 1, layers.input_size)
        self.other = _Known(kernels, layers, 1, self.all.width)

    def __call__(self, x: Any, state: Any) -> tuple[Any, Any] | None:
        """See `quick_call`.

        Args:
            x: a batch, packed or [T, B, I] ([B, T, I] with `batch_first`).
            state: [L*D, B, H], for LSTM the pair; zeros if None.
        """
        batch_sizes = order = back = None
        if type(x) is PackedSequence:
            data, batch_sizes, order, back = x
            if not batch_sizes.numel() or (order is not None and state is not None):
                return None
        elif type(x) is Tensor and x.dim() == 3:
            data = (x.transpose(0, 1) if self.batch_first else x).contiguous()
        else:
            return None
        single = self.all.states == 1
        given = () if state is None else (state,) if single else state
        if state is not None and (type(given) is not tuple or len(given) != self.all.states):
            return None
        weights = tuple([self.parameters.get(name) for name in self.names])
        if not all(isinstance(t, Tensor) for t in (*given, *weights)):
            return None
        # A kernel sees memory, and not the sign that torch may keep beside it.
        if any(t.is_neg() for t in (data, *given)):
            return None
        if torch.is_grad_enabled() and any(t.requires_grad for t in (data, *given, *weights)):
            done = self._train(weights, data, batch_sizes, given)
        else:
            done = self.all.call(weights, data, batch_sizes, given)
        if done is None:
            return None
        outputs, final = done
        if back is not None:
            final = tuple(s.index_select(1, back) for s in final)
        if batch_sizes is not None:
            y = PackedSequence(outputs, batch_sizes, order, back)
        else:
            y = outputs.transpose(0, 1) if self.batch_first else outputs
        return y, final[0] if single else final

    def _train(
        self, weights: tuple[Tensor, ...], x: Tensor, batch_sizes: Tensor | None, state: State
    ) -> tuple[Tensor, State] | None:
        """Call each layer as one that may be asked for its gradient; see `_Known.call`."""
        known, ways, count = self.first, self.all.directions, len(weights) // self.layers
        finals = []
        for layer in range(self.layers):
            own = state if self.layers == 1 else [s[layer * ways : (layer + 1) * ways] for s in state]
            of_layer = weights[layer * count : (layer + 1) * count]
            try:
                x, *final = _Trained.apply(known, batch_sizes, count, x, *of_layer, *own)
            except _Unusual:
                return None
            finals.append(final)
            known = self.other
        return x, tuple(finals[0] if self.layers == 1 else map(torch.cat, zip(*finals, strict=True)))
