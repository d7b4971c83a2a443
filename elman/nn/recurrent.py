"""A stack of recurrent layers over any cell, as `torch.nn` has them: parameter names, shapes, state_dict.

What is more: `lengths` for padded batches (any order, zeros allowed), integers for one-hot input, a gradient
that is written out (`elman.nn.unroll`), and steps of a stream.

Letters: T time, B batch, N real steps of the batch, I input, H hidden, P size of the output (H, or
`proj_size`), D directions, L layers.
"""

import copy
import math
import numbers
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, is_grad_enabled, nn
from torch._C import _is_tracing as is_tracing  # torch.jit's takes three times as long
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.nn import cells
from elman.nn.arguments import (
    as_weights,
    check_flags,
    check_like,
    check_sizes,
    check_tensor,
    is_one_hot,
    parts_of_state,
)
from elman.nn.cells import Cell, State, check_cell, has_recurrent_product
from elman.nn.fused import WEIGHTS, check_every
from elman.nn.kernels import find, say_once
from elman.nn.padding import Packing, checked_lengths
from elman.nn.quick import names_of, quick_call, watched
from elman.nn.streaming import Stream
from elman.nn.unroll import Weights, check_fit, unroll


class Recurrent(nn.Module):
    """A stack of recurrent layers over any cell; `elman.nn.layers` names the usual three.

    Args:
        cell: what one step computes (see `elman.nn.cells.Cell`). Of one with parameters of its own every
            layer and direction but the first has a copy.
        input_size: I.
        hidden_size: H.
        num_layers: L; each layer reads the outputs of the one below.
        bias: whether there are b and c.
        batch_first: whether padded batches are [B, T, ...] instead of [T, B, ...].
        dropout: probability with which an output of any layer but the last is zeroed in training.
        bidirectional: whether each layer also runs right to left; outputs of both directions side by side.
        proj_size: P, when outputs are to be projected from H to fewer; 0 for none.
        device: where the parameters live, a cell's own too.
        dtype: their type.
        checkpoint_every: keep states only every so many steps while training, and find what lies between them
            again on the way back: the same gradient in less memory. "auto" is about the square root of T.
        detach_every: let no gradient go back across a step whose number is a multiple of this (truncated
            backpropagation through time).

    Raises:
        ValueError: for a size, a dropout or an input that does not fit, or a cell with parameters that would
            never train.
        TypeError: for an argument of another type.
    """

    weight_ih_l0: Tensor
    checkpoint_every: int | Literal["auto"] | None = None  # here, so that a layer of torch's can become one
    detach_every: int | None = None
    _stream: Stream | None = None
    _quick: Callable[[Any, Any], tuple[Any, Any] | None] | None = None

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        checkpoint_every: int | Literal["auto"] | None = None,
        detach_every: int | None = None,
    ) -> None:
        super().__init__()
        check_sizes(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        check_flags(bias=bias, batch_first=batch_first, bidirectional=bidirectional)
        if not isinstance(dropout, numbers.Real) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a number from 0 to 1, got {dropout!r}")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(
                f"proj_size must be from 0 to hidden_size - 1 = {hidden_size - 1}, got {proj_size}"
            )
        check_every("checkpoint_every", None if checkpoint_every == "auto" else checkpoint_every)
        check_every("detach_every", detach_every)
        if checkpoint_every is not None:
            self.checkpoint_every = checkpoint_every
        if detach_every is not None:
            self.detach_every = detach_every
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"dropout={dropout} acts between layers, and there is one layer", stacklevel=3)
        self.cell = cell.to(device, dtype) if isinstance(cell, nn.Module) else cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.output_size = proj_size or hidden_size  # P

        for layer in range(num_layers):
            width = input_size if layer == 0 else self.output_size * self.num_directions
            for suffix in self._suffixes(layer):
                rows, recurrent = len(cell.gates) * hidden_size, has_recurrent_product(cell)
                shapes = {
                    "weight_ih": (rows, width),
                    "weight_hh": (rows, self.output_size) if recurrent else None,
                    "bias_ih": (rows,) if bias else None,
                    "bias_hh": (rows,) if bias and recurrent else None,
                    "weight_hr": (proj_size, hidden_size) if proj_size else None,
                }
                for name, shape in shapes.items():
                    if shape:
                        weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                        self.register_parameter(name + suffix, weight)
                if isinstance(cell, nn.Module) and suffix != "_l0":
                    self.add_module(f"cell{suffix}", copy.deepcopy(cell))
        check_cell(self.cell, hidden_size, self.output_size, self.weight_ih_l0)
        self.reset_parameters()

    @property
    def num_directions(self) -> int:
        """2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self.num_directions]

    def reset_parameters(self) -> None:
        """Draw every parameter evenly from ±1/sqrt(H), in torch's order: a seed gives torch's weights.

        Those of a cell's own are left as the cell has set them.
        """
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if not name.startswith("cell"):
                nn.init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """Return the settings that differ from the defaults, as `print(layer)` shows them."""
        said = [str(self.input_size), str(self.hidden_size)]
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        for name, default in {**defaults, "bidirectional": False, "proj_size": 0}.items():
            if getattr(self, name) != default:
                said.append(f"{name}={getattr(self, name)}")
        return ", ".join(said)

    def forward(
        self,
        input: Tensor | PackedSequence,  # noqa: A002 - torch's name, given by keyword in users' code
        hx: Tensor | tuple[Tensor, ...] | None = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Any, Any]:
        """Return (outputs, final state).

        Args:
            input: [T, B, I] (or [B, T, I] with `batch_first`), one sequence [T, I], or a PackedSequence.
                Integers without the I dimension stand for one-hot vectors.
            hx: the initial state [L*D, B, P] ([L*D, P] for one sequence), for LSTM the pair (h, c) with c
                [L*D, B, H]; zeros when absent.
            lengths: [B] real lengths of a padded batch, in any order, zeros allowed. Outputs past a length
                are zero; a sequence of length 0 keeps its initial state.

        Returns:
            Outputs [T, B, D*P], laid out as the input was, and the final state, shaped as `hx`.

        Raises:
            TypeError: for what is no tensor.
            ValueError: for shapes, types or lengths that do not fit.
        """
        whole = self.checkpoint_every is self.detach_every is None or not is_grad_enabled()
        if whole and lengths is None and not (self.dropout and self.training) and not watched():
            self._quick = self._quick or quick_call(self)
            if done := self._quick(input, hx):
                return done
        packed = isinstance(input, PackedSequence)
        data = input.data if packed else input
        check_tensor("input", data)
        weight = self._weight("weight_ih_l0")
        data = as_weights(data, weight)
        one_hot = is_one_hot(data, weight, self.input_size)
        feature_dims = 0 if one_hot else 1
        if packed:
            if data.dim() != 1 + feature_dims:
                shape = "[N]" if one_hot else "[N, I]"
                raise ValueError(f"data of a PackedSequence must be {shape}, got {list(data.shape)}")
            if lengths is not None:
                raise ValueError("lengths must be absent for a PackedSequence, which knows its own")
            order, back = input.sorted_indices, input.unsorted_indices
            batch: Any = input.batch_sizes[0]  # a tensor in a trace, which would keep a number
            state = self._states(hx, batch if watched() else int(batch), True, order)
            outputs, final = self._run(data, state, input.batch_sizes)
            final = _permuted(final, back)
            return PackedSequence(outputs, input.batch_sizes, order, back), self._as_given(final)

        if data.dim() - feature_dims not in (1, 2):
            shape = "[T, B] or [T]" if one_hot else "[T, B, I] or [T, I]"
            raise ValueError(f"input must be {shape}, got {list(data.shape)}")
        batched = data.dim() - feature_dims == 2
        if not batched:
            data = data.unsqueeze(1)
        elif self.batch_first:
            data = data.transpose(0, 1)
        time, batch = data.shape[:2]
        steps = data.reshape(time * batch, *data.shape[2:])  # [T*B, I]
        if lengths is None:
            state = self._states(hx, batch, batched, None)
            outputs, final = self._run(steps, state, torch.full((time,), batch))
        else:
            packing = Packing(checked_lengths(lengths, time, batch), time, data.device)
            state = self._states(hx, batch, batched, packing.order)
            kept, final = self._run(steps[packing.index], state, packing.batch_sizes)
            outputs = kept.new_zeros(time * batch, kept.shape[1]).index_copy(0, packing.index, kept)
            final = _permuted(final, packing.order.argsort())
        outputs = outputs.view(time, batch, outputs.shape[1])
        if not batched:
            return outputs.squeeze(1), self._as_given(tuple(s.squeeze(1) for s in final))
        return outputs.transpose(0, 1) if self.batch_first else outputs, self._as_given(final)

    def step(self, x: Tensor, state: Tensor | tuple[Tensor, ...] | None = None) -> tuple[Tensor, Any]:
        """Go one step: the same bits as `forward` over the whole sequence, for streams.

        Under `torch.no_grad()` the weights are packed once, at the first step, and again when they changed
        (but not when they are changed through `.data`, which nobody can see). Where a gradient may be wanted,
        or where there is no kernel, a step is a sequence of one step, and slower.

        Args:
            x: [B, I], or [I] for one sequence; integers [B] or [] stand for one-hot vectors.
            state: the state before, as `forward` returns it: [L, B, H], [L, H] for one sequence, for LSTM the
                pair (h, c); zeros when absent.

        Returns:
            The output [B, P] or [P], and the state behind.

        Raises:
            TypeError: for what is no tensor.
            ValueError: for shapes or types that do not fit, and for layers that read from right to left too.

        >>> layer = Recurrent(cells.GRU(), 3, 5)
        >>> with torch.no_grad():
        ...     y, state = layer.step(torch.zeros(3))
        ...     y, state = layer.step(torch.ones(3), state)
        >>> y.shape, state.shape
        (torch.Size([5]), torch.Size([1, 5]))
        """
        stream = self._stream
        # To ask a module for an attribute takes time: dropout acts between layers only.
        drops = stream and stream.layers > 1 and self.dropout and self.training
        if stream and not drops and not is_grad_enabled() and not is_tracing():
            stepped = stream.quick(x, state) or stream.step(x, state)
            if stepped:
                return stepped
        return self._first_step(x, state)

    def _first_step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Go a step for which no stream is ready: prepare one, or else take `forward`."""
        if self.bidirectional:
            raise ValueError("step needs layers that read from left to right only, got bidirectional=True")
        check_tensor("x", x)
        x = as_weights(x, self.weight_ih_l0)
        parameters = {name: w for name, w in self._parameters.items() if w is not None}
        kernels = find(self.cell, self.weight_ih_l0.dtype)
        states = () if state is None else parts_of_state(state, self.cell.states)
        tensors: list[Tensor] = [x, *parameters.values(), *states]
        wanted = is_grad_enabled() and any(t.requires_grad for t in tensors)
        if wanted:
            say_once("a step that keeps gradients is a slow one; call it under torch.no_grad()")
        # In torch's order, for one that was set anew stands last.
        weights = {name: parameters[name] for name in names_of(self) if name in parameters}
        # None is computed, as by a parametrization, and none projects.
        complete = len(weights) == len(parameters) == self.num_layers * (WEIGHTS if self.bias else 2)
        drops = self.training and self.dropout > 0 and self.num_layers > 1
        plain = not watched() and all(t.is_cpu for t in tensors)
        plain = plain and not any(w.is_inference() for w in parameters.values())
        if wanted or drops or kernels is None or not complete or not plain:
            time = 1 if self.batch_first and x.dim() > x.is_floating_point() else 0
            outputs, final = self(x.unsqueeze(time), state)
            return outputs.squeeze(time), final
        if x.is_floating_point() and x.shape[-1:] != (self.input_size,):
            raise ValueError(f"x must be [B, I] or [I] with I={self.input_size}, got {list(x.shape)}")
        one_hot = is_one_hot(x.unsqueeze(0), self.weight_ih_l0, self.input_size)
        single = x.dim() == (0 if one_hot else 1)
        if not single and x.dim() != (1 if one_hot else 2):
            raise ValueError(f"x must be {'[B] or []' if one_hot else '[B, I] or [I]'}, got {list(x.shape)}")
        initial = self._states(state, 1 if single else len(x), not single, None)
        initial = tuple((s.squeeze(1) if single else s).contiguous() for s in initial)
        x = (x.long() if one_hot else x).contiguous()
        stream = self._stream
        if stream is None or not stream.serves():
            nothing = tuple(self.weight_ih_l0.new_zeros(1, 0, self.hidden_size) for _ in self.cell.states)
            for layer in range(self.num_layers):
                none = nothing[0].new_zeros(0, self.hidden_size if layer else self.input_size)
                check_fit(self.cell, [self._weights(f"_l{layer}")], none, nothing)
            stream = Stream(kernels, weights, self._parameters, self.num_layers)
        stepped = stream.begin(x, initial)
        self._stream = stream
        return stepped

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Forget packed weights: `double()`, `to()` and their kin change weights through `.data`."""
        self._stream = self._quick = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made anew: the weights that `step` has packed."""
        return {**super().__getstate__(), "_stream": None, "_quick": None}

    def flatten_parameters(self) -> None:
        """Do nothing: torch's layers gather their weights for a GPU here, and users' code calls it."""

    @property
    def mode(self) -> str:
        """The cell's name as torch has it: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU"."""
        name = type(self.cell).__name__
        return f"RNN_{self.cell.nonlinearity.upper()}" if isinstance(self.cell, cells.RNN) else name

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The weights of each layer and direction, in torch's order."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [[w for w in self._weights(suffix) if w is not None] for suffix in suffixes]

    def _run(self, x: Tensor, state: State, batch_sizes: Tensor) -> tuple[Tensor, State]:
        """Run all layers over packed steps [N, I]; `state` and the state returned are [L*D, B, ...]."""
        every = math.isqrt(len(batch_sizes)) + 1 if self.checkpoint_every == "auto" else self.checkpoint_every
        finals = []
        for layer in range(self.num_layers):
            if layer > 0 and self.dropout > 0:
                x = F.dropout(x, self.dropout, self.training)
            directions = slice(layer * self.num_directions, (layer + 1) * self.num_directions)
            suffixes = self._suffixes(layer)
            own: list[Any] = [self._modules.get(f"cell{suffix}", self.cell) for suffix in suffixes]
            x, final = unroll(
                own[0],
                [self._weights(suffix) for suffix in suffixes],
                x,
                tuple(s[directions] for s in state) if self.num_layers > 1 else state,
                batch_sizes,
                checkpoint_every=every,
                detach_every=self.detach_every,
                reverse_cell=own[-1],
            )
            finals.append(final)
        return x, finals[0] if len(finals) == 1 else tuple(map(torch.cat, zip(*finals, strict=True)))

    def _weights(self, suffix: str) -> Weights:
        recurrent = has_recurrent_product(self.cell)
        return Weights(
            self._weight("weight_ih" + suffix),
            self._weight("weight_hh" + suffix) if recurrent else None,
            self._weight("bias_ih" + suffix) if self.bias else None,
            self._weight("bias_hh" + suffix) if self.bias and recurrent else None,
            self._weight("weight_hr" + suffix) if self.proj_size else None,
        )

    def _weight(self, name: str) -> Tensor:
        """Look among the parameters first: to ask a module for an attribute takes time."""
        found = self._parameters.get(name)
        return getattr(self, name) if found is None else found

    def _states(
        self, hx: Tensor | tuple[Tensor, ...] | None, batch: int, batched: bool, order: Tensor | None
    ) -> State:
        """Return the initial state, [L*D, B, P] or [L*D, B, H] each, in the packed order of sequences."""
        weight = self._weight("weight_ih_l0")
        names, rows = self.cell.states, self.num_layers * self.num_directions
        widths = [self.output_size, *[self.hidden_size] * (len(names) - 1)]
        if hx is None:
            return tuple(weight.new_zeros(rows, batch, width) for width in widths)
        given = parts_of_state(hx, names)
        state = []
        for name, s, width in zip(names, given, widths, strict=True):
            expected = [rows, batch, width] if batched else [rows, width]
            s = as_weights(s, weight)
            check_like(f"{name} of hx", s, expected, weight)
            state.append(s if batched else s.unsqueeze(1))
        return _permuted(tuple(state), order)

    def _as_given(self, state: State) -> Any:
        return state if len(self.cell.states) > 1 else state[0]


def _permuted(state: State, order: Tensor | None) -> State:
    return state if order is None else tuple(s.index_select(1, order) for s in state)
