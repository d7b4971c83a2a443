"""One step at a time through a stack of layers, with weights that are packed once.

A step of a small layer takes less time than the making of a tensor, so what can be is done beforehand: a
shape that was checked is not checked again, and room for the results of many steps is made at once.

Letters: B batch, I input, H hidden, L layers.
"""

import ctypes
import struct
from collections.abc import Callable, Mapping
from functools import partial
from itertools import repeat
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from elman.nn.cells import State
from elman.nn.fused import WEIGHTS, at
from elman.nn.kernels import STEPS, Direction, Kernels, Layer, Room, check, ready_step
from elman.nn.threads import threads

NEAR_BYTES = 1 << 15  # of a room: results take places in the cache from the weights
FEWEST_STEPS = 16  # of a room nevertheless, or it is made too often
MOST_BYTES = 1 << 20  # of a room that has more than one step
LONG = 1 << 18  # multiplications, about 5 µs, from which on a step lets other threads of Python's go on

# What the steps of a room share: the room, with its address; the tensor of all results, and where it must
# still be (`share_memory_` would move it). csrc/ready_step.h reads this, and `Step`.
Place = tuple[Any, int, Tensor, int]
# A step that is left: its place, and its number there; the state that it begins with unless another one is
# given; the output and the state behind.
Step = tuple[Place, int, Any, tuple[Tensor, Any]]
_data = attrgetter("data")


class Stream:
    """The weights of layers that go left to right, packed.

    Args:
        kernels: of the layers' cell.
        weights: of the layers, by name, in torch's order.
        parameters: where the layers keep their weights by name, so that it is seen when one changes.
        layers: L.
    """

    def __init__(
        self, kernels: Kernels, weights: Mapping[str, Tensor], parameters: Mapping[str, Any], layers: int
    ) -> None:
        self.kernels, self.parameters, self.layers = kernels, parameters, layers
        self.seen = [(name, w, w._version) for name, w in weights.items()]
        rows = [w.detach().contiguous() for w in weights.values()]
        each = len(rows) // layers  # fewer than WEIGHTS without biases
        self.dtype, self.input, self.hidden = rows[0].dtype, rows[0].shape[1], rows[1].shape[1]
        self.packed = []
        for i in range(0, len(rows), each):
            inputs = rows[i].shape[1]
            packed = torch.empty(kernels.sizes(inputs, self.hidden).forward, dtype=self.dtype)
            some = [*map(at, rows[i : i + each]), *[0] * (WEIGHTS - each)]
            layer = Layer(input=inputs, hidden=self.hidden, directions=1)
            kernels.run("pack", layer, [Direction(0, *some, forward=at(packed))])
            self.packed.append(packed)
        self.addresses = (ctypes.c_void_p * layers)(*map(at, self.packed))
        self._kind: _Kind  # of the steps that it is ready for
        # Like `step`, but it leaves to that all that is rare.
        self.quick: Callable[[Tensor, Any], tuple[Tensor, Any] | None]

    def serves(self) -> bool:
        """Return whether the weights are those that were packed, unchanged (`.data` would hide it)."""
        for name, w, version in self.seen:
            if self.parameters.get(name) is not w or w._version != version:
                return False
        return True

    def begin(self, x: Tensor, state: State) -> tuple[Tensor, Any]:
        """Go a step, and be ready for more of its kind.

        Args:
            x: [B, I] or [I], without the I if one-hot.
            state: [L, B, H] or [L, H] each, contiguous.
        """
        kind = self._kind = _Kind(self, x, state)
        self.quick = partial(ready_step, kind.ready, self.parameters) if ready_step else self.step
        stepped = kind.step(x, state if kind.states > 1 else state[0])
        assert stepped is not None, "a step not of its own kind"
        return stepped

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any] | None:
        """Return the output and the state behind; None if anything is not of the kind begun with."""
        return self._kind.step(x, state) if self.serves() else None


class _Kind:
    """Steps of one kind: what is the same for all of them, and room for their results.

    Threads may share it: each step that is left, and each room, is taken by one of them.
    """

    def __init__(self, stream: Stream, x: Tensor, state: State) -> None:
        self.x_shape, self.x_dtype = x.shape, x.dtype
        self.states, self.shape, self.dtype = len(state), state[0].shape, stream.dtype
        self.kernel = stream.kernels.step
        batch = self.shape.numel() // (stream.layers * stream.hidden)
        self.numbers = (
            *(stream.layers, batch, stream.input, stream.hidden, threads()),
            *(x.dtype is not stream.dtype, ctypes.addressof(stream.addresses)),
        )
        self.left: list[Step] = []  # the next one last
        self.rooms: list[_Results] = []  # the newest last
        address = ctypes.cast(self.kernel, ctypes.c_void_p).value
        is_long = batch * sum(map(len, stream.packed)) >= LONG
        as_dlpack = (2 if x.is_floating_point() else 0, 8 * x.element_size())  # kind and bits
        known = (address, is_long, *as_dlpack, x.dim(), *x.shape)  # `KnownOfSteps` of csrc/ready_step.h
        self.ready = (stream.seen, struct.pack(f"={len(known)}q", *known), check, self.left)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any] | None:
        """Go a step; see `Stream.step`."""
        if (
            not isinstance(x, Tensor)
            or x.shape != self.x_shape
            or x.dtype is not self.x_dtype
            or not x.is_cpu
        ):
            return None
        x = x.contiguous()
        step = self._next()
        (room, *_), i, before, result = step
        if state is not before and not self._take(state, room, i):
            self.left.append(step)
            return None
        room[i] = x.data_ptr()
        check(self.kernel(room, i))
        return result

    def _next(self) -> Step:
        """Return the next step that is left; room for more is made if there is none."""
        try:
            step = self.left.pop()
            _, _, places, address = step[0]
            if places.data_ptr() == address:
                return step
        except IndexError:
            pass
        more = self._more()
        step = more.pop()
        self.left[:] = more
        return step

    def _take(self, state: Any, room: Any, i: int) -> bool:
        """Let step i begin at a state that is not that behind the step before; return whether it fits."""
        single = isinstance(state, Tensor)
        given = (state,) if single else state
        if (
            single is not (self.states == 1)
            or not isinstance(given, (tuple, list))
            or len(given) != self.states
        ):
            return False
        for s in given:
            fits = isinstance(s, Tensor) and s.shape == self.shape and s.dtype is self.dtype
            if not (fits and s.is_cpu and s.is_contiguous()):
                return False
        for place, s in zip((STEPS, 2 * STEPS), given, strict=False):
            room[place + i] = s.data_ptr()
        return True

    def _more(self) -> list[Step]:
        """Return steps with room for their results: that of the last but one, if nothing is left of these."""
        try:
            results = self.rooms.pop(0) if len(self.rooms) > 1 else None
        except IndexError:  # another thread was quicker
            results = None
        if results is None or not results.free():
            with torch.inference_mode(False):  # no more than this asks a tensor for its `.data`
                results = _Results(self.states, self.shape, self.dtype, self.numbers)
        steps = results.steps()
        self.rooms.append(results)
        return steps


class _Results:
    """Room for the outputs and states of many steps, in one storage.

    What is returned are not views but their `.data`: it costs half, and has a version of its own.
    """

    def __init__(self, states: int, shape: torch.Size, dtype: torch.dtype, numbers: tuple[int, ...]) -> None:
        """Make room; `numbers` are those of `ElmanRoom`."""
        size = shape.numel() * dtype.itemsize * states
        near, most = (limit // max(1, size) for limit in (NEAR_BYTES, MOST_BYTES))
        self.steps_of_room = max(1, min(STEPS, most, max(FEWEST_STEPS, near)))
        places = torch.empty(states, self.steps_of_room, *shape, dtype=dtype)
        self.views = [parts.unbind() for parts in (*places, places[0, :, -1])]
        self.storage = places.untyped_storage()._cdata
        self.users = torch._C._storage_Use_Count(self.storage)
        room = Room()
        room[3 * STEPS :] = [*numbers, *map(at, places), *[0] * (2 - states)]
        self.place: Place = (room, ctypes.addressof(room), places, at(places))

    def free(self) -> bool:
        """Return whether nothing is left that shares its memory, and it did not move."""
        _, _, places, address = self.place
        return torch._C._storage_Use_Count(self.storage) == self.users and at(places) == address

    def steps(self) -> list[Step]:
        """Return the steps, the first one last."""
        *states, y = ([*map(_data, views)] for views in self.views)
        behind = [*zip(*states, strict=True)] if len(states) > 1 else states[0]
        before = (self.place, *behind[:-1])  # the first begins with a state that nobody can give
        pairs = zip(y, behind, strict=True)
        return [*zip(repeat(self.place), range(self.steps_of_room), before, pairs)][::-1]
