"""Forward propagation and backpropagation through time, written out once for every cell.

Sequences are packed, as torch's `PackedSequence` packs them: longest first, and then all first steps, all
second steps, and so on. Step t is alive in the first `batch_sizes[t]` rows, so a batch costs its real steps
and nothing else, and no mask exists anywhere.

Letters: T time, B batch, N real steps of the batch, I input, H hidden, G gates, P size of the output (H, or
the size of a projection).
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from elman.nn.cells import Cell, State


class Weights(NamedTuple):
    """The weights of one layer in one direction, named as torch names them."""

    ih: Tensor  # [G*H, I]: W
    hh: Tensor  # [G*H, P]: U
    bias_ih: Tensor | None = None  # [G*H]: b
    bias_hh: Tensor | None = None  # [G*H]: c
    hr: Tensor | None = None  # [P, H]: projection of the output, as LSTM's `proj_size` has it


def unroll(
    cell: Cell,
    weights: Weights,
    x: Tensor,
    state: State,
    batch_sizes: Sequence[int],
    *,
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """Carry `cell` along packed sequences, left to right or, with `reverse`, right to left.

    Args:
        cell: what one step computes.
        weights: of its two products.
        x: the inputs, packed, [N, I]; or integers [N] that stand for one-hot vectors: their product with W
            is a look-up of its columns.
        state: the initial state, longest sequence first, [B, P] for h and [B, H] for the others. Rows past
            `batch_sizes[0]` belong to sequences of length 0 and come back unchanged.
        batch_sizes: how many sequences are alive at each step; T numbers that never grow, with sum N.
        reverse: start each sequence at its own end.

    Returns:
        The outputs, packed, [N, P], and the final state, shaped as the initial one.

    The gradient is our own (`_Unroll.backward`); it can be taken once, not twice.
    """
    x = x if x.is_floating_point() else x.long()  # uint8 would be a mask, int8 and int16 no index at all
    outputs, *final = _Unroll.apply(cell, tuple(batch_sizes), reverse, x, *weights, *state)
    return outputs, tuple(final)


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        batch_sizes: tuple[int, ...],
        reverse: bool,
        x: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        bias_ih: Tensor | None,
        bias_hh: Tensor | None,
        w_hr: Tensor | None,
        *initial: Tensor,
    ) -> tuple[Tensor, ...]:
        """a⟨t⟩ = step(W x⟨t⟩ + b, U a⟨t-1⟩ + c, a⟨t-1⟩) for every t."""
        wx = _input_product(x, w_ih, bias_ih)  # [N, G*H]
        uh = torch.empty_like(wx)
        n, hidden = len(wx), w_hh.shape[0] // len(cell.gates)
        before = [wx.new_empty(n, s.shape[1]) for s in initial]  # the state that each step met
        outputs = wx.new_empty(n, w_hh.shape[1])
        unprojected = wx.new_empty(n, hidden) if w_hr is not None else None
        state = [s.clone() for s in initial]
        u = w_hh.t()
        for start, stop, alive in steps(batch_sizes, reverse):
            now = slice(start, stop)
            for history, s in zip(before, state, strict=True):
                history[now] = s[:alive]
            if bias_hh is None:
                torch.mm(state[0][:alive], u, out=uh[now])
            else:
                torch.addmm(bias_hh, state[0][:alive], u, out=uh[now])
            h, *others = cell.step(wx[now], uh[now], tuple(s[:alive] for s in state))
            if unprojected is not None and w_hr is not None:
                unprojected[now] = h
                h = h @ w_hr.t()
            outputs[now] = h
            for s, s_next in zip(state, (h, *others), strict=True):
                s[:alive] = s_next

        ctx.cell, ctx.batch_sizes, ctx.reverse = cell, batch_sizes, reverse
        ctx.save_for_backward(x, w_ih, w_hh, bias_ih, bias_hh, w_hr, unprojected, wx, uh, *before)
        return outputs, *state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The same graph from right to left: each step hands its state's gradient to the step before it."""
        doutputs, *dfinal = grad_outputs
        x, w_ih, w_hh, bias_ih, bias_hh, w_hr, unprojected, wx, uh, *before = ctx.saved_tensors
        cell: Cell = ctx.cell
        dwx, duh = torch.empty_like(wx), torch.empty_like(uh)
        dprojected = torch.empty_like(doutputs)
        dstate = [s.clone() for s in dfinal]
        for start, stop, alive in steps(ctx.batch_sizes, not ctx.reverse):
            now = slice(start, stop)
            dh, *dothers = (s[:alive] for s in dstate)
            dh = dh + doutputs[now]
            if w_hr is not None:
                dprojected[now] = dh
                dh = dh @ w_hr
            state = tuple(history[now] for history in before)
            step = cell.step_back(wx[now], uh[now], state, (dh, *dothers))
            dwx[now], duh[now] = step.wx, step.uh
            dstate[0][:alive] = torch.addmm(step.state[0], step.uh, w_hh)
            for ds, ds_before in zip(dstate[1:], step.state[1:], strict=True):
                ds[:alive] = ds_before

        # The weights serve every step, so their gradients are sums over all steps: one product each.
        needs = ctx.needs_input_grad[3:]
        return (
            *(None, None, None),
            dwx @ w_ih if needs[0] else None,
            _input_weight_gradient(dwx, x, w_ih) if needs[1] else None,
            duh.t() @ before[0] if needs[2] else None,
            dwx.sum(0) if bias_ih is not None and needs[3] else None,
            duh.sum(0) if bias_hh is not None and needs[4] else None,
            dprojected.t() @ unprojected if w_hr is not None and needs[5] else None,
            *dstate,
        )


def steps(batch_sizes: Sequence[int], reverse: bool = False) -> list[tuple[int, int, int]]:
    """Return (first row, row after the last, rows alive) of each step in the order of visit."""
    stops = list(accumulate(batch_sizes))
    visits = [(stop - alive, stop, alive) for stop, alive in zip(stops, batch_sizes, strict=True)]
    return visits[::-1] if reverse else visits


def _input_product(x: Tensor, w_ih: Tensor, bias: Tensor | None) -> Tensor:
    """W x + b for all steps at once, [N, G*H]."""
    if x.is_floating_point():
        return torch.nn.functional.linear(x, w_ih, bias)
    columns = w_ih.t()[x]
    return columns if bias is None else columns + bias


def _input_weight_gradient(dwx: Tensor, x: Tensor, w_ih: Tensor) -> Tensor:
    """DW = dwx^T x; for one-hot x, each step's gradient is added to the column that it looked up."""
    if x.is_floating_point():
        return dwx.t() @ x
    return torch.zeros_like(w_ih.t()).index_add_(0, x, dwx).t()
