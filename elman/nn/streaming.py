"""One step at a time through a stack of layers, with weights that are packed once.

A step of a small layer takes less time than the making of a tensor, so what can be is done beforehand: a shape that
was checked is not checked again, and room for results is made for many steps at once.

Letters: B batch, I input, H hidden, L layers.
"""

import ctypes
from collections.abc import Mapping

import torch
from torch import Tensor

from elman.nn.cells import State
from elman.nn.fused import WEIGHTS, at
from elman.nn.kernels import STEP, Direction, Kernels, Layer, check

MOST_STEPS, MOST_BYTES = 64, 1 << 20  # that room is made for at once


class Stream:
    """The weights of layers that go left to right, packed.

    Args:
        kernels: of the layers' cell.
        parameters: the layers' weights by name, in torch's order. They may change: see `serves`.
        layers: L.
    """

    def __init__(self, kernels: Kernels, parameters: Mapping[str, Tensor], layers: int) -> None:
        self._seen = [(name, w, w._version, w.data_ptr()) for name, w in parameters.items()]
        self._kernels, self._layers = kernels, layers
        weights = [w.detach().contiguous() for w in parameters.values()]
        each = len(weights) // layers  # fewer than WEIGHTS without biases
        self._dtype, self._input, self._hidden = weights[0].dtype, weights[0].shape[1], weights[1].shape[1]
        self._packed = []
        for i in range(0, len(weights), each):
            inputs = weights[i].shape[1]
            packed = torch.empty(kernels.sizes(inputs, self._hidden).forward, dtype=self._dtype)
            some = [*map(at, weights[i : i + each]), *[0] * (WEIGHTS - each)]
            kernels.run(
                "pack",
                Layer(input=inputs, hidden=self._hidden, directions=1),
                [Direction(0, *some, forward=at(packed))],
            )
            self._packed.append(packed)
        self._addresses = (ctypes.c_void_p * layers)(*map(at, self._packed))
        self._shapes: tuple[torch.Size, ...] = ()  # of x and of the states, when they were last looked at
        self._one_hot = False
        self._sizes = (0,) * 6
        self._room: list[tuple[Tensor, ...]] = []

    def serves(self, parameters: Mapping[str, Tensor | None]) -> bool:
        """Return whether these are the weights that were packed, unchanged (but through `.data`, which hides it)."""
        return all(
            parameters.get(name) is w and w._version == version and w.data_ptr() == address
            for name, w, version, address in self._seen
        )

    def knows(self, x: Tensor, state: State) -> bool:
        """Return whether x and the state are of the kind that was last prepared for."""
        return (
            (x.shape, *(s.shape for s in state)) == self._shapes
            and all(s.dtype is self._dtype and s.is_contiguous() for s in state)
            and x.dtype is (torch.int64 if self._one_hot else self._dtype)
            and x.is_contiguous()
        )

    def prepare(self, x: Tensor, state: State) -> None:
        """Prepare for steps of this kind: x [B, I] or [I], or without the I for one-hot; states [L, B, H] or [L, H]."""
        self._shapes = (x.shape, *(s.shape for s in state))
        self._one_hot = not x.is_floating_point()
        batch = state[0].numel() // (self._layers * self._hidden)
        self._sizes = (
            *(self._layers, batch, self._input, self._hidden, torch.get_num_threads()),
            ctypes.addressof(self._addresses),
        )
        self._room = []

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the output, the last layer's h, and the state behind the step."""
        if not self._room:
            self._make_room(state[0].shape, len(state))
        y, *after = self._room.pop()
        x_at = x.data_ptr()
        before = [s.data_ptr() for s in state]
        behind = [s.data_ptr() for s in after]
        if len(state) == 1:
            before.append(0)
            behind.append(0)
        inputs = (0, x_at) if self._one_hot else (x_at, 0)
        check(self._kernels.step(STEP.pack(*self._sizes, *inputs, *before, *behind)))
        return y, tuple(after)

    def _make_room(self, shape: torch.Size, states: int) -> None:
        """Make the tensors of many steps, as views of one."""
        size = torch.empty((), dtype=self._dtype).element_size()
        steps = max(1, min(MOST_STEPS, MOST_BYTES // max(1, shape.numel() * size * states)))
        with torch.inference_mode(False), torch.no_grad():
            room = torch.empty(states, steps, *shape, dtype=self._dtype)
            self._room = list(
                zip(room[0, :, -1].unbind(), *(kind.unbind() for kind in room.unbind()), strict=True)
            )
