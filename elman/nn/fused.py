"""Forward propagation and backpropagation through time of a whole layer in the kernels of `csrc/`.

The equations are those of `elman.nn.unroll`; here stand only the memory that a call needs and its order in
time. A layer's steps may be parted into spans: gates are then kept for one span at a time and found again on
the way back (`checkpoint_every`), and a gradient may end where a span begins (`detach_every`).

Letters: T time, B batch, N real steps of the batch, I input, H hidden, D directions.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from elman.nn.cells import State
from elman.nn.kernels import BAD_BATCH, Direction, Kernels, Layer
from elman.nn.threads import threads

WEIGHTS = 4  # of a direction: weight_ih, weight_hh, bias_ih, bias_hh
GRADIENTS = ("dw_ih", "dw_hh", "db_ih", "db_hh")
UNPACKED = 4  # sequences of a single step whose weights are not packed
LARGEST_KEPT = 32 << 20  # bytes
LINE = 64  # elements of which each part of the scratch is a multiple: it begins a line of the cache


class Span(NamedTuple):
    """Steps t0 to t1 - 1 of a packed batch, which are its rows n0 to n1 - 1."""

    t0: int
    t1: int
    n0: int
    n1: int


class Visit(NamedTuple):
    """A span and the directions that cross it together."""

    span: Span
    directions: range


class Plan:
    """How a layer goes through time.

    Args:
        batch_sizes: sequences alive at each step, [T] on the CPU.
        rows: N.
        directions: D; 0 goes left to right, 1 right to left.
        checkpoint_every: steps whose gates are kept at a time; all if None.
        detach_every: steps that a gradient goes back at most; all if None.
    """

    def __init__(
        self,
        batch_sizes: Tensor,
        rows: int,
        directions: int,
        checkpoint_every: int | None = None,
        detach_every: int | None = None,
    ) -> None:
        check_every("checkpoint_every", checkpoint_every)
        check_every("detach_every", detach_every)
        self.batch_sizes, self.directions = batch_sizes, directions
        self.checkpoint_every, self.detach_every = checkpoint_every, detach_every
        time = batch_sizes.shape[0]
        every = [n for n in (checkpoint_every, detach_every) if n]
        self.spans = [Span(0, time, 0, rows)]
        if not every:
            return
        cuts = sorted({0, time, *(t for n in every for t in range(0, time, n))})
        if len(cuts) > 2:
            starts = [0, *batch_sizes.cumsum(0).tolist()]
            if starts[-1] != rows or bool((batch_sizes[1:] > batch_sizes[:-1]).any()):
                raise ValueError(BAD_BATCH)
            self.spans = [Span(t0, t1, starts[t0], starts[t1]) for t0, t1 in pairwise(cuts)]

    def visits(self) -> list[Visit]:
        """Return the order of forward propagation: both directions at once if there is one span only.

        If there are more, each direction meets them in an order of its own.
        """
        if len(self.spans) == 1:
            return [Visit(self.spans[0], range(self.directions))]
        ways = (self.spans, self.spans[::-1])[: self.directions]
        return [Visit(span, range(i, i + 1)) for i, way in enumerate(ways) for span in way]

    def detached(self, span: Span, direction: int) -> int:
        """Return how many sequences a gradient may not follow out of a span: at its beginning, or its end."""
        t = span.t1 if direction else span.t0
        cut = self.detach_every and 0 < t < len(self.batch_sizes) and t % self.detach_every == 0
        return int(self.batch_sizes[t]) if cut else 0


def check_every(name: str, every: object) -> None:
    """Raise ValueError for what is neither a number of steps nor None."""
    if every is not None and (not isinstance(every, int) or isinstance(every, bool) or every < 1):
        raise ValueError(f"{name} must be a number of steps, at least 1, got {every!r}")


_kept: dict[torch.dtype, Tensor] = {}


def scratch(dtype: torch.dtype, *elements: int) -> tuple[Tensor, list[int]]:
    """Return room for what lasts no longer than a call, and where each of its parts begins; see `keep`.

    Memory that comes anew from the system takes a tenth of a small layer's time: it is cleared, page by page.
    """
    *starts, size = accumulate((-(-n // LINE) * LINE for n in elements), initial=0)
    # Taken out while it is in use, so that another thread's call finds none and takes room of its own.
    room = _kept.pop(dtype, None) if size * dtype.itemsize <= LARGEST_KEPT else None
    if room is None or room.numel() < size:
        room = torch.empty(size, dtype=dtype)
    begin = room.data_ptr()
    return room, [begin + start * dtype.itemsize for start in starts]


def keep(room: Tensor) -> None:
    """Keep room for the next call, unless it is large."""
    if room.numel() * room.itemsize <= LARGEST_KEPT:
        _kept[room.dtype] = room


class History(NamedTuple):
    """Where steps leave what the way back reads: addresses of [D, rows, ...], 0 for nothing."""

    gates: int
    cells: int
    rows: int  # steps that there is room for
    first: int = 0  # row of the batch that has the first place


class Gradients(NamedTuple):
    """What backpropagation reads and writes: the structures' fields, but by direction."""

    packed: int  # address of the weights, packed for the way back
    dgates: int  # address
    doutputs: Tensor | None
    dstate: State
    wants_dstate: bool  # behind
    dweights: list[int]  # addresses
    dx: Tensor | None
    add_dx: bool  # or it is written anew
    add_dw: bool


class _Call:
    """The tensors of one call, and the structures that show them to the kernels."""

    def __init__(
        self, kernels: Kernels, plan: Plan, x: Tensor, weights: Sequence[Tensor | None], batch: int
    ) -> None:
        self.kernels, self.plan, self.batch = kernels, plan, batch
        self.x = x.contiguous()
        self.weights = [None if w is None else w.contiguous() for w in weights]
        self.addresses = [*map(at, self.weights)]
        w_ih, w_hh = weights[:2]
        assert w_ih is not None, "a layer without weights"
        assert w_hh is not None, "a layer without weights"
        self.like, self.dtype, self.input, self.hidden = w_ih, w_ih.dtype, w_ih.shape[1], w_hh.shape[1]
        self.bytes = self.dtype.itemsize
        self.sizes = kernels.sizes(self.input, self.hidden)
        self.width = plan.directions * self.hidden
        self.packs = plan.spans[-1].t1 != 1 or self.x.shape[0] > UNPACKED
        self.threads = threads()

    def empty(self, *shape: int) -> Tensor:
        """Return room for numbers."""
        return self.like.new_empty(*shape)

    def forward(self, state: State, history: History | None) -> tuple[Tensor, State, list[State]]:
        """Return the outputs, the final state, and with `history` the states before each visit."""
        outputs = self.empty(self.x.shape[0], self.width)
        before: list[State] = []
        seen: set[range] = set()
        room, (packed,) = scratch(self.dtype, self.plan.directions * self.sizes.forward * self.packs)
        for visit in self.plan.visits():
            if history or not seen:
                before.append(state)
                state = _copies(state)
            done = visit.directions in seen
            self.kernels.run("forward", *self.describe(visit, outputs, state, history, packed, done))
            seen.add(visit.directions)
        keep(room)
        return outputs, state, before

    def backward(
        self,
        outputs: Tensor,
        before: list[State],
        history: History | None,
        doutputs: Tensor | None,
        dstate: State,
        wants_dstate: bool,
        dx: Tensor | None,
        dweights: Sequence[Tensor | None],
    ) -> None:
        """Write the gradients of x and of the weights; `dstate` becomes that of the initial state, if wanted.

        Without `history`, every span's is found again.
        """
        plan, sizes, ways = self.plan, self.sizes, self.plan.directions
        longest = max(span.n1 - span.n0 for span in plan.spans)
        again = 0 if history else longest  # steps whose gates are found again
        room, (packed, packed_back, dgates, gates, cells) = scratch(
            self.dtype,
            0 if history else ways * sizes.forward * self.packs,
            ways * sizes.back,
            ways * longest * sizes.dgates,
            ways * again * sizes.gates,
            ways * again * sizes.cells,
        )
        addresses = [*map(at, dweights)]
        wants_dstate |= len(plan.spans) > 1  # between them
        seen: set[range] = set()
        crossed: set[Span] = set()  # by a direction
        for visit, state in reversed([*zip(plan.visits(), before, strict=True)]):
            done, add_dx = visit.directions in seen, visit.span in crossed
            found = history or History(
                gates if sizes.gates else 0, cells if sizes.cells else 0, again, visit.span.n0
            )
            gradients = Gradients(
                packed_back, dgates, doutputs, dstate, wants_dstate, addresses, dx, add_dx, done
            )
            layer, directions = self.describe(visit, outputs, state, found, packed, done, gradients)
            if not history:
                self.kernels.run("forward", layer._replace(recompute=1), directions)
            self.kernels.run("backward", layer, directions)
            seen.add(visit.directions)
            crossed.add(visit.span)
            for i in visit.directions:
                if cut := plan.detached(visit.span, i):
                    for ds in dstate:
                        ds[i, :cut] = 0
        keep(room)

    def describe(
        self,
        visit: Visit,
        outputs: Tensor,
        state: State,
        history: History | None,
        packed: int,
        done: bool,
        gradients: Gradients | None = None,
    ) -> tuple[Layer, list[Direction]]:
        """Describe a visit; `packed` is where the packed weights are, if it is `done`, or go."""
        (t0, t1, n0, n1), ways = visit
        x = at(self.x, n0)
        one_hot = not self.x.is_floating_point()
        layer = Layer(
            t1 - t0, n1 - n0, self.batch, self.input, self.hidden, self.width, self.threads,
            at(self.plan.batch_sizes, t0),
            *((0, x) if one_hot else (x, 0)),
            *(
                (at(gradients.dx, n0), gradients.add_dx, gradients.add_dw, gradients.wants_dstate)
                if gradients else (0, 0, 0, 0)
            ),
            packed=done,
            directions=len(ways),
        )  # fmt: skip
        directions = []
        h, *c = state
        for i in ways:
            weights = slice(WEIGHTS * i, WEIGHTS * (i + 1))
            row = i * history.rows + n0 - history.first if history else 0
            places = (
                i,
                *self.addresses[weights],
                packed + i * self.sizes.forward * self.bytes if self.packs else 0,
                gradients.packed + i * self.sizes.back * self.bytes if gradients else 0,
                at(outputs, n0, i * self.hidden),
                at(h, i),
                at(c[0], i) if c else 0,
                history.gates + row * self.sizes.gates * self.bytes if history and history.gates else 0,
                history.cells + row * self.sizes.cells * self.bytes if history and history.cells else 0,
            )
            if gradients:
                dh, *dc = gradients.dstate
                places += (
                    at(gradients.doutputs, n0, i * self.hidden),
                    at(dh, i),
                    at(dc[0], i) if dc else 0,
                    gradients.dgates + i * (n1 - n0) * self.sizes.dgates * self.bytes,
                    *gradients.dweights[weights],
                )
            directions.append(Direction(*places))
        return layer, directions


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, plan: Plan, states: int, x: Tensor, *tensors: Any) -> Any:
        state, weights = tensors[:states], tensors[states:]
        call = _Call(kernels, plan, x, weights, state[0].shape[1])
        rows = 0 if plan.checkpoint_every else x.shape[0]
        gates = call.empty(plan.directions, rows, call.sizes.gates)
        cells = call.empty(plan.directions, rows, call.sizes.cells)
        history = History(at(gates), at(cells), rows)
        # The state that was given may be written to before the way back.
        outputs, final, before = call.forward(_copies(state), history)
        ctx.kernels, ctx.plan, ctx.states = kernels, plan, states
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, outputs, gates, cells, *weights, *(s for visit in before for s in visit))
        return outputs, *final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        doutputs, *dfinal = gradients
        plan, states = ctx.plan, ctx.states
        x, outputs, gates, cells, *others = ctx.saved_tensors
        weights, states_before = others[: WEIGHTS * plan.directions], others[WEIGHTS * plan.directions :]
        before = [tuple(states_before[i : i + states]) for i in range(0, len(states_before), states)]
        dstate = tuple(
            torch.zeros_like(s) if ds is None else ds.clone(memory_format=torch.contiguous_format)
            for s, ds in zip(before[0], dfinal, strict=True)
        )
        dx = torch.empty_like(x, memory_format=torch.contiguous_format) if ctx.needs_input_grad[3] else None
        dweights = [
            torch.empty_like(w, memory_format=torch.contiguous_format) if need else None
            for w, need in zip(weights, ctx.needs_input_grad[4 + states :], strict=True)
        ]
        wants_dstate = any(ctx.needs_input_grad[4 : 4 + states])
        _Call(ctx.kernels, plan, x, weights, before[0][0].shape[1]).backward(
            outputs,
            before,
            None if plan.checkpoint_every else History(at(gates), at(cells), x.shape[0]),
            None if doutputs is None else doutputs.resolve_neg().contiguous(),
            dstate,
            wants_dstate,
            dx,
            dweights,
        )
        return None, None, None, dx, *(dstate if wants_dstate else [None] * states), *dweights


def unroll_fused(
    kernels: Kernels, plan: Plan, x: Tensor, weights: Sequence[Tensor | None], state: State
) -> tuple[Tensor, State]:
    """Carry a layer through time: see `elman.nn.unroll.unroll`, whose arguments these are.

    Args:
        kernels: of the cell.
        plan: the way through time.
        x: [N, I], or [N] integers for one-hot vectors.
        weights: weight_ih, weight_hh, bias_ih and bias_hh of each direction, one behind the other.
        state: [D, B, H] each.

    Returns:
        The outputs [N, D*H], and the final state.
    """
    if torch.is_grad_enabled() and any(
        t.requires_grad for tensors in ((x,), weights, state) for t in tensors if t is not None
    ):
        outputs, *final = _Fused.apply(kernels, plan, len(state), x, *state, *weights)
        return outputs, tuple(final)
    outputs, final, _ = _Call(kernels, plan, x, weights, state[0].shape[1]).forward(state, None)
    return outputs, final


def at(tensor: Tensor | None, row: int = 0, column: int = 0) -> int:
    """Return where a row begins, for a kernel; 0 where there is nothing."""
    if tensor is None:
        return 0
    address = tensor.data_ptr()
    if address and (row or column):
        address += (row * tensor.stride(0) + column) * tensor.itemsize
    return address


def _copies(state: State) -> State:
    return tuple(s.clone(memory_format=torch.contiguous_format) for s in state)
