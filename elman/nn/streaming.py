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
        self._kernels, self._layers = kernels, layers
        weights = [w.detach().contiguous() for w in parameters.values()]
        each = len(weights) // layers  # fewer than WEIGHTS without biases
        self._dtype, self._input, self._hidden = weights[0].dtype, weights[0].shape[1], weights[1].shape[1]
        self._packed = []
        for i in range(0, len(weights), each):
            inputs = weights[i].shape[1]
            packed = torch.empty(kernels.sizes(inputs, self._hidden).forward, dtype=self._dtype)
            some = [*map(at, weights[i : i + each]), *[0] * (WEIGHTS - each)]
            layer = Layer(input=inputs, hidden=self._hidden, directions=1)
            kernels.run("pack", layer, [Direction(0, *some, forward=at(packed))])
            self._packed.append(packed)
        self._addresses = (ctypes.c_void_p * layers)(*map(at, self._packed))

    def serves(self, parameters: Mapping[str, Tensor | None]) -> bool:
        """Return whether these are the weights that were packed, unchanged (`.data` would hide it)."""
        for name, w, version in self._seen:
            if parameters.get(name) is not w or w._version != version:
                return False
        return True

    def prepare(self, x: Tensor, state: State) -> None:
        """Prepare for x [B, I] or [I], without the I if one-hot, and states [L, B, H] or [L, H]."""
        self._x_shape, self._x_dtype = x.shape, x.dtype
        self._states, self._shape = len(state), state[0].shape
        batch = self._shape.numel() // (self._layers * self._hidden)
        threads, addresses = torch.get_num_threads(), ctypes.addressof(self._addresses)
        self._numbers = _NUMBERS.pack(self._layers, batch, self._input, self._hidden, threads, addresses)
        self._last: tuple[Any, int, int] = (
            None,
            0,
            0,
        )  # the state that was returned last, and where it stands
        self._room: list[tuple[Tensor, Any, int, int]] = []

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any] | None:
        """Return the output and the state behind; None if x or the state are not of the kind prepared for."""
        if x.shape != self._x_shape or x.dtype is not self._x_dtype or not x.is_cpu:
            return None
        last, h, c = self._last
        if state is not last:
            single = isinstance(state, Tensor)
            given = (state,) if single else state
            if single is not (self._states == 1) or len(given) != self._states:
                return None
            for s in given:
                fits = s.shape == self._shape and s.dtype is self._dtype
                if not (fits and s.is_cpu and s.is_contiguous()):
                    return None
            h, c = (*map(at, given), 0)[:2]
        try:
            y, behind, h_next, c_next = self._room.pop()
        except IndexError:  # used up, perhaps by another thread just now
            self._room = self._make_room()
            y, behind, h_next, c_next = self._room.pop()
        x = x.contiguous()
        place = x.data_ptr()
        inputs = (place, 0) if self._x_dtype is self._dtype else (0, place)
        status = self._kernels.step(self._numbers + _PLACES.pack(*inputs, h, c, h_next, c_next))
        if status:
            check(status)
        self._last = (behind, h_next, c_next)
        return y, behind

    def _make_room(self) -> list[tuple[Tensor, Any, int, int]]:
        """Make the outputs and states of many steps as views of one tensor, with their places."""
        size = self._shape.numel() * self._packed[0].element_size()
        steps = max(1, min(MOST_STEPS, MOST_BYTES // max(1, size * self._states)))
        with torch.inference_mode(False), torch.no_grad():
            room = torch.empty(self._states, steps, *self._shape, dtype=self._dtype)
            h, *c = (kind.unbind() for kind in room)
            y = room[0, :, -1].unbind()
        first = at(room)
        places = range(first, first + steps * size, size) if size else repeat(0)
        places_of_c = range(first + steps * size, first + 2 * steps * size, size) if c and size else repeat(0)
        return list(zip(y, zip(h, c[0], strict=True) if c else h, places, places_of_c, strict=False))
