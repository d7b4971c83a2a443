"""The likelihood of a sequence, step by step.

Letters: N real steps of a batch, B sequences, K symbols.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from elman.encoders.spans import NextStep
from elman.heads.head import Head
from elman.nn.packing import to_tensors, unpack


class LikelihoodHead(Head):
    """Negative log-likelihood of the next step; the targets are the inputs, one step later.

    The network returns what `nll` scores.
    """

    metric = "nll"
    better = "lower"

    def targets(self, examples: Sequence[Any]) -> None:
        """Return None: the inputs have them."""

    def nll(self, network: Any, inputs: NextStep[Any], state: Any = None) -> tuple[Tensor, Any]:
        """Return the negative log-likelihood of each step, [N] in nats, and the state after it.

        Sequences that have ended leave the state: of those that go on, the longest come first.
        """
        state = map_state(state, lambda s: s[:, : int(inputs.inputs.batch_sizes[0])])
        nll, state = network.nll(inputs.inputs, inputs.targets.data, state)
        return nll, map_state(state, Tensor.detach)

    def loss(self, network: Any, inputs: Any, targets: None, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean negative log-likelihood of a step, in nats."""
        nll, state = self.nll(network, inputs, state)
        return nll.mean(), state

    def step_nll(
        self, network: Any, batches: Iterator[NextStep[Any]]
    ) -> Iterator[list[Tensor]]:
        """Yield the negative log-likelihoods of each sequence in each of some batches that continue another."""
        state, device = None, next(network.parameters()).device
        for batch in batches:
            inputs = to_tensors(batch, device)
            nll, state = self.nll(network, inputs, state)
            yield unpack(nll, inputs.inputs)


def map_state(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Change every tensor of a recurrent state: a tensor, a tuple of them, or None at the beginning."""
    if isinstance(state, tuple):
        return tuple(map(change, state))
    return None if state is None else change(state)
