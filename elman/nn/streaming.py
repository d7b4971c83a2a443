"""One step at a time through a stack of layers, with weights that are packed once.

A step of a small layer takes less time than the making of a tensor, so what can be is done beforehand: a
shape that was checked is not checked again, and room for results is made for many steps at once.

Letters: B batch, I input, H hidden, L layers.
"""

import ctypes
import struct
from collections.abc import Mapping
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from elman.nn.cells import State
from elman.nn.fused import WEIGHTS, at
from elman.nn.kernels import Direction, Kernels, Layer, check

MOST_STEPS, MOST_BYTES = 64, 1 << 20  # that room is made for at once


_NUMBERS, _PLACES = struct.Struct("=6q"), struct.Struct("=6q")  # together `ElmanStep`


class Stream:
    """The weights of layers that go left to right, packed.

    Args:
        kernels: of the layers' cell.
        parameters: the layers' weights by name, in torch's order.
        layers: L.
    """

    def __init__(self, kernels: Kernels, parameters: Mapping[str, Tensor], layers: int) -> None:
        self._seen = [(name, w, w._version) for name, w in parameters.items()]
        self._kernels, self.layers = kernels, layers
        weights = [w.detach().contiguous() for w in parameters.values()]
        each = len(weights) // layers  # fewer than WEIGHTS without biases
        self.dtype, self.input, self.hidden = weights[0].dtype, weights[0].shape[1], weights[1].shape[1]
        self.packed = []
        for i in range(0, len(weights), each):
            inputs = weights[i].shape[1]
            packed = torch.empty(kernels.sizes(inputs, self.hidden).forward, dtype=self.dtype)
            some = [*map(at, weights[i : i + each]), *[0] * (WEIGHTS - each)]
            layer = Layer(input=inputs, hidden=self.hidden, directions=1)
            kernels.run("pack", layer, [Direction(0, *some, forward=at(packed))])
            self.packed.append(packed)
        self.addresses = (ctypes.c_void_p * layers)(*map(at, self.packed))
        self._kind: _Kind | None = None  # of the steps that it is ready for

    def serves(self, parameters: Mapping[str, Tensor | None]) -> bool:
        """Return whether these are the weights that were packed, unchanged (`.data` would hide it)."""
        for name, w, version in self._seen:
            if parameters.get(name) is not w or w._version != version:
                return False
        return True

    def begin(self, x: Tensor, state: State) -> tuple[Tensor, Any]:
        """Go a step, and be ready for more of its kind.

        Args:
            x: [B, I] or [I], without the I if one-hot.
            state: [L, B, H] or [L, H] each, contiguous.
        """
        kind = self._kind = _Kind(self, x, state)
        return kind.step(self._kernels, x, *(*map(at, state), 0)[:2])

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any] | None:
        """Return the output and the state behind; None if x or the state are not of the kind begun with."""
        kind = self._kind
        if kind is None or x.shape != kind.x_shape or x.dtype is not kind.x_dtype or not x.is_cpu:
            return None
        last, h, c = kind.last
        if state is not last:
            single = isinstance(state, Tensor)
            given = (state,) if single else state
            if single is not (kind.states == 1) or len(given) != kind.states:
                return None
            for s in given:
                fits = s.shape == kind.shape and s.dtype is self.dtype
                if not (fits and s.is_cpu and s.is_contiguous()):
                    return None
            h, c = (*map(at, given), 0)[:2]
        return kind.step(self._kernels, x.contiguous(), h, c)


class _Kind:
    """Steps of one kind: what is the same for all of them, and room for their results.

    Threads may share it: whatever changes is replaced as a whole.
    """

    def __init__(self, stream: Stream, x: Tensor, state: State) -> None:
        self.x_shape, self.x_dtype = x.shape, x.dtype
        self.states, self.shape, self.dtype = len(state), state[0].shape, stream.dtype
        batch = self.shape.numel() // (stream.layers * stream.hidden)
        threads, addresses = torch.get_num_threads(), ctypes.addressof(stream.addresses)
        sizes = (stream.layers, batch, stream.input, stream.hidden)
        self.numbers = _NUMBERS.pack(*sizes, threads, addresses)
        self.last: tuple[Any, int, int] = (None, 0, 0)  # the state that was returned last, and its places
        self.room: list[tuple[Tensor, Any, int, int]] = []

    def step(self, kernels: Kernels, x: Tensor, h: int, c: int) -> tuple[Tensor, Any]:
        """Go a step from the state that stands at h and c."""
        try:
            y, behind, h_next, c_next = self.room.pop()
        except IndexError:
            room = self._make_room()
            y, behind, h_next, c_next = room.pop()
            self.room = room
        place = x.data_ptr()
        inputs = (place, 0) if self.x_dtype is self.dtype else (0, place)
        status = kernels.step(self.numbers + _PLACES.pack(*inputs, h, c, h_next, c_next))
        if status:
            check(status)
        self.last = (behind, h_next, c_next)
        return y, behind

    def _make_room(self) -> list[tuple[Tensor, Any, int, int]]:
        """Make the outputs and states of many steps as views of one tensor, with their places."""
        size = self.shape.numel() * self.dtype.itemsize
        steps = max(1, min(MOST_STEPS, MOST_BYTES // max(1, size * self.states)))
        with torch.inference_mode(False), torch.no_grad():
            room = torch.empty(self.states, steps, *self.shape, dtype=self.dtype)
            h, *c = (kind.unbind() for kind in room)
            y = room[0, :, -1].unbind()
        first = at(room)
        places = range(first, first + steps * size, size) if size else repeat(0)
        places_of_c = range(first + steps * size, first + 2 * steps * size, size) if c and size else repeat(0)
        return list(zip(y, zip(h, c[0], strict=True) if c else h, places, places_of_c, strict=False))
