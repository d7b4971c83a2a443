"""Forward propagation and backpropagation through time, written out once for every cell.

`_Unroll` is the definition: plain steps in torch operations, which the kernels of `csrc/` are measured by.
Where a kernel fits (`elman.nn.kernels`), `unroll` takes that; off the CPU it takes torch's own.

Sequences are packed, as torch's `PackedSequence` packs them: longest first, and then all first steps, all
second steps, and so on. Step t is alive in the first `batch_sizes[t]` rows, so a batch costs its real steps
and nothing else, and no mask exists anywhere.

Letters: T time, B batch, N real steps of the batch, I input, H hidden, G gates, P size of the output (H, or
the size of a projection).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from elman.nn.arguments import as_weights
from elman.nn.cells import GRU, LSTM, RNN, Cell, CellWithGradient, State, has_gradient, has_recurrent_product
from elman.nn.fused import WEIGHTS, Plan, unroll_fused
from elman.nn.kernels import BAD_BATCH, find, reason, say_once

SLOWER = "recurrent layers run as plain torch operations, which are slower"


class Weights(NamedTuple):
    """The weights of one layer in one direction, named as torch names them."""

    ih: Tensor  # [G*H, I]: W
    hh: Tensor | None  # [G*H, P]: U; None for a cell without a recurrent product
    bias_ih: Tensor | None = None  # [G*H]: b
    bias_hh: Tensor | None = None  # [G*H]: c
    hr: Tensor | None = None  # [P, H]: projection of the output, as LSTM's `proj_size` has it

    def output_size(self, gates: int) -> int:
        """Return P."""
        if self.hh is not None:
            return self.hh.shape[-1]
        return self.ih.shape[0] // gates if self.hr is None else self.hr.shape[0]


def unroll(
    cell: Cell,
    weights: Sequence[Weights],
    x: Tensor,
    state: State,
    batch_sizes: Tensor | Sequence[int],
    *,
    checkpoint_every: int | None = None,
    detach_every: int | None = None,
    reverse_cell: Cell | None = None,
) -> tuple[Tensor, State]:
    """Carry `cell` along packed sequences, left to right, and with a second set of weights right to left too.

    Args:
        cell: what one step computes.
        weights: of its two products, in each direction: D is 1 or 2.
        x: the inputs, packed, [N, I]; or integers [N] that stand for one-hot vectors: their product with W
            is a look-up of its columns.
        state: the initial state, longest sequence first, [D, B, P] for h and [D, B, H] for the others. Rows
            past `batch_sizes[0]` belong to sequences of length 0 and come back unchanged.
        batch_sizes: how many sequences are alive at each step; T numbers that never grow, with sum N.
        checkpoint_every: keep states only every so many steps, and find the gates between them again on the
            way back: the same gradient in less memory. None keeps all.
        detach_every: let no gradient pass from a step to the one before it where the later one's number is a
            multiple of this (truncated backpropagation through time). None lets all pass.
        reverse_cell: the cell from right to left, if it has other parameters of its own.

    Returns:
        The outputs, packed, both directions side by side, [N, D*P], and the final state, shaped as the
        initial one.

    A gradient that is written out can be taken once, not twice. A sequence that is read from right to left
    starts at its own end.
    """
    x = x if x.is_floating_point() else x.long()  # uint8 would be a mask, int8 and int16 no index at all
    x, *parts = (as_weights(t, weights[0].ih) for t in (x, *state))  # torch's own kernels obey autocast
    state = tuple(parts)
    x = x.resolve_neg()  # a kernel sees memory, and not the sign that torch may keep beside it
    check_fit(cell, weights, x, state)
    sizes = torch.as_tensor(batch_sizes, dtype=torch.int64, device="cpu").contiguous()
    dtype = weights[0].ih.dtype
    projected = weights[0].hr is not None
    torch_has = type(cell) is LSTM or (type(cell) in (RNN, GRU) and not projected)
    if torch.jit.is_tracing():  # pyright: ignore[reportPrivateImportUsage]
        reason_against = _reason_against_tracing(torch_has, x, detach_every)
        if reason_against:
            raise ValueError(f"torch.jit.trace cannot record this recurrent layer: {reason_against}")
        return _traced_unroll(cell, weights, x, state, sizes)
    plan = Plan(sizes, x.shape[0], len(weights), checkpoint_every, detach_every)
    here = x.is_cpu and not projected
    kernels = find(cell, dtype) if here else None
    if kernels is not None:
        flat = [weight for direction in weights for weight in direction[:WEIGHTS]]
        return unroll_fused(kernels, plan, x, flat, state)
    _check_batch(x, sizes, state[0].shape[1], weights[0].ih.shape[1])
    where = "with projected outputs" if projected else f"on {x.device.type}"
    if here:
        say_once(f"{SLOWER}: {reason(cell, dtype)}")
    elif torch_has and x.is_floating_point() and len(plan.spans) == 1 and len(x):
        say_once(f"{where}, recurrent layers run in torch's own kernels")
        alive = int(sizes[0])
        first = tuple(s[:, :alive].contiguous() for s in state)
        outputs, final = _torch_unroll(cell, weights, x, first, sizes, torch.is_grad_enabled())
        return outputs, tuple(torch.cat((f, s[:, alive:]), 1) for f, s in zip(final, state, strict=True))
    elif len(x):
        say_once(f"{SLOWER}: {where}, torch has no kernel for this cell, one-hot input or steps in spans")
    ways = [
        _plain_unroll((reverse_cell or cell) if i else cell, w, x, tuple(s[i] for s in state), plan, i == 1)
        for i, w in enumerate(weights)
    ]
    outputs, finals = zip(*ways, strict=True)
    return torch.cat(outputs, 1), tuple(torch.stack(parts) for parts in zip(*finals, strict=True))


def check_fit(cell: Cell, weights: Sequence[Weights], x: Tensor, state: State) -> None:
    """Raise ValueError for tensors that do not fit each other: a kernel would follow them out of memory."""
    first = weights[0].ih
    rows, inputs = first.shape
    hidden, outputs = rows // len(cell.gates), weights[0].output_size(len(cell.gates))  # H, P
    shapes = ((rows, inputs), (rows, outputs), (rows,), (rows,), (outputs, hidden))
    for way in weights:
        for name, w, shape in zip(Weights._fields, way, shapes, strict=True):
            if w is not None and not _fits(w, shape, first.dtype, first):
                raise ValueError(f"weight {name} {_unlike(w, shape, first.dtype, first)}")
        if way.hh is None:
            if way.bias_hh is not None or has_recurrent_product(cell):
                raise ValueError("weight hh must be there, unless the cell has no recurrent product")
            continue
        if (way.bias_ih is None) != (way.bias_hh is None):
            raise ValueError("bias_ih and bias_hh must both be there or both be None")
        if way.hr is None and outputs != hidden:
            raise ValueError(f"weight hh must be {[rows, hidden]}, got {list(way.hh.shape)}")
    if not inputs or not hidden:
        raise ValueError(f"I and H must be at least 1, got weights {list(first.shape)}")
    if len(state) != len(cell.states):
        raise ValueError(f"state must be ({', '.join(cell.states)}), got {len(state)} tensors")
    steps, batch = x.shape[0], state[0].shape[1] if state[0].dim() == 3 else 0
    x_shape, x_dtype = ((steps, inputs), first.dtype) if x.is_floating_point() else ((steps,), torch.int64)
    if not _fits(x, x_shape, x_dtype, first):
        raise ValueError(f"x {_unlike(x, x_shape, x_dtype, first)}")
    for i, s in enumerate(state):
        shape = (len(weights), batch, hidden if i else outputs)
        if not _fits(s, shape, first.dtype, first):
            raise ValueError(f"state {_unlike(s, shape, first.dtype, first)}")


def _fits(t: Tensor, shape: tuple[int, ...], dtype: torch.dtype, like: Tensor) -> bool:
    # Devices are slow to compare, and mostly the same.
    return t.shape == shape and t.dtype is dtype and ((t.is_cpu and like.is_cpu) or t.device == like.device)


def _unlike(t: Tensor, shape: tuple[int, ...], dtype: torch.dtype, like: Tensor) -> str:
    got = f"{list(t.shape)} of {t.dtype} on {t.device}"
    return f"must be {list(shape)} of {dtype} on {like.device}, got {got}"


def _check_batch(x: Tensor, sizes: Tensor, batch: int, inputs: int) -> None:
    """Raise ValueError for sizes or symbols that lead out of the tensors; the kernels look for themselves."""
    alive = [batch, *sizes.tolist()]
    grows = any(after > before for before, after in pairwise(alive))
    symbols = x.numel() > 0 and not x.is_floating_point() and x.device.type != "meta"
    out = symbols and not 0 <= int(x.min()) <= int(x.max()) < inputs
    if grows or min(alive) < 0 or sum(alive[1:]) != len(x) or out:
        raise ValueError(BAD_BATCH)


def _plain_unroll(
    cell: Cell, weights: Weights, x: Tensor, state: State, plan: Plan, reverse: bool
) -> tuple[Tensor, State]:
    """Go one way in plain steps, span by span."""
    spans = plan.spans[::-1] if reverse else plan.spans
    run: Any = _Unroll.apply if has_gradient(cell) else _unroll_for_autograd
    outputs = []
    for span in spans:
        cut = plan.detached(span, int(reverse))
        if cut:
            state = tuple(torch.cat((s[:cut].detach(), s[cut:])) for s in state)
        arguments = (cell, plan.batch_sizes[span.t0 : span.t1].tolist(), reverse, x[span.n0 : span.n1])
        with torch.autocast(
            x.device.type, enabled=False
        ):  # all steps in the type of the weights, as in kernels
            if plan.checkpoint_every:
                out, *after = checkpoint(run, *arguments, *weights, *state, use_reentrant=False)  # type: ignore
            else:
                out, *after = run(*arguments, *weights, *state)
        outputs.append(out)
        state = tuple(after)
    return torch.cat(outputs[::-1] if reverse else outputs), state


def _torch_unroll(
    cell: Cell, weights: Sequence[Weights], x: Tensor, state: State, batch_sizes: Tensor, train: bool
) -> tuple[Tensor, State]:
    """Call the function behind `torch.nn.LSTM` and its kin, which knows no sequences of length 0.

    It follows `batch_sizes` without a look at the shape of `state`, which must have `batch_sizes[0]` rows.
    """
    name = f"rnn_{cell.nonlinearity}" if isinstance(cell, RNN) else type(cell).__name__.lower()
    flat = [weight for direction in weights for weight in direction if weight is not None]
    hx: Any = state if len(cell.states) > 1 else state[0]
    biased = weights[0].bias_ih is not None
    outputs, *final = getattr(torch._VF, name)(
        x, batch_sizes, hx, flat, biased, 1, 0.0, train, len(weights) == 2
    )
    return outputs, tuple(final)


def _traced_unroll(
    cell: Cell, weights: Sequence[Weights], x: Tensor, state: State, batch_sizes: Tensor
) -> tuple[Tensor, State]:
    """Record torch's own kernels in a trace that holds for every number of steps and sequences.

    A number that Python sees here is the example's, and would be every later batch's too. So sizes stay
    tensors, and every check that a later call needs is an operation in the trace.
    """
    say_once("traced, recurrent layers run in torch's own kernels")
    rows, inputs = weights[0].ih.shape
    if not x.is_floating_point():
        x = torch.nn.functional.one_hot(x, inputs).to(weights[0].ih.dtype)
    # Torch's kernels would read past memory; shapes that do not fit fail in `reshape`. Sizes must not grow.
    sizes = batch_sizes.cummin(0).values
    total: Any = sizes.sum()
    x = x.reshape(total, inputs)
    alive: Any = sizes[0]
    widths = (weights[0].output_size(len(cell.gates)), rows // len(cell.gates))
    first = tuple(
        s[:, :alive].reshape(len(weights), alive, width) for s, width in zip(state, widths, strict=False)
    )
    # A trace must not say whether a gradient was wanted while it was made.
    outputs, final = _torch_unroll(cell, weights, x, first, sizes, train=True)
    return outputs, tuple(torch.cat((f, s[:, alive:]), 1) for f, s in zip(final, state, strict=True))


def _reason_against_tracing(torch_has: bool, x: Tensor, detach_every: int | None) -> str | None:
    """Say why a trace would be wrong for other batches or other gradients, if it would."""
    if not torch_has:
        return "torch has no kernel for its cell, and plain steps would hold for the example's lengths only"
    if detach_every is not None:
        return "a trace lets every gradient pass; set its detach_every to None"
    return None if len(x) else "the example must have at least one step"


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        cell: Cell,
        batch_sizes: Sequence[int],
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
        cell: CellWithGradient = ctx.cell
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


def _unroll_for_autograd(
    cell: Cell,
    batch_sizes: Sequence[int],
    reverse: bool,
    x: Tensor,
    w_ih: Tensor,
    w_hh: Tensor | None,
    bias_ih: Tensor | None,
    bias_hh: Tensor | None,
    w_hr: Tensor | None,
    *initial: Tensor,
) -> tuple[Tensor, ...]:
    """Take the same steps for a cell whose gradient, and that of its own parameters, autograd finds."""
    wx = _input_product(x, w_ih, bias_ih)
    state, outputs = initial, []
    for start, stop, alive in steps(batch_sizes, reverse):
        before = tuple(s[:alive] for s in state)
        uh = None if w_hh is None else torch.nn.functional.linear(before[0], w_hh, bias_hh)
        h, *others = cell.step(wx[start:stop], uh, before)
        if w_hr is not None:
            h = h @ w_hr.t()
        outputs.append(h)
        state = tuple(torch.cat((now, s[alive:])) for now, s in zip((h, *others), state, strict=True))
    rows = outputs[::-1] if reverse else outputs
    return torch.cat(rows) if rows else wx.new_empty(0, initial[0].shape[1]), *state


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
