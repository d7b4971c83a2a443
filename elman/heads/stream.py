"""A model that is fed step by step: the encoder's stream, the network's step and the head's answer so far."""

from typing import Any, NamedTuple

import torch

from elman.answers import Answer


class StreamState(NamedTuple):
    """Where a stream stands, as a value: tensors, arrays and numbers. None is the beginning."""

    encoder: Any = None
    network: Any = None
    head: Any = None


class Stream:
    """A stream of one sequence.

    Its state can be kept, and another stream of the same run goes on from it.

    Args:
        encoder: turns an item into the inputs of some steps.
        network: with `step`, in `eval` mode.
        head: answers from what the network returned so far.
        state: where to go on.
    """

    def __init__(self, encoder: Any, network: Any, head: Any, state: StreamState | None = None) -> None:
        self._encoder, self._network, self._head = encoder, network, head
        self.state = state or StreamState()

    def step(self, item: Any) -> Answer:
        """Take the next item and return the answer so far. Raises ValueError for an item that does not fit."""
        steps, encoded = self._encoder.stream(item, self.state.encoder)
        network, head = self.state.network, self.state.head
        with torch.no_grad():
            for inputs in steps:
                if self._head.restarts(inputs):
                    network = None
                outputs, network = self._network.step(inputs, network)
                head = self._head.advance(outputs, inputs, head)
        self.state = StreamState(encoded, network, head)
        return self._head.so_far(head, self._encoder.streamed(encoded))
