"""Linear-chain conditional random field: Lafferty, McCallum and Pereira (2001).

    p(y | x) = exp(score(x, y)) / Z(x),   score = Σ_t emission[t, y_t] + Σ_t transition[y_t-1, y_t]

with a transition into the first tag and one out of the last. Sequences are packed (see `elman.nn.unroll`).

Letters: T time, B batch, N real steps of the batch, K tags.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from elman.nn.unroll import steps


class CRF(nn.Module):
    """Scores sequences of tags; transitions that are not legal have probability 0.

    Args:
        legal: [K+1, K+1] bool; `legal[i, j]` says whether tag j may follow tag i, `legal[K, j]` whether a
            sequence may begin with j, `legal[i, K]` whether it may end with i.
    """

    legal: Tensor

    def __init__(self, legal: Tensor) -> None:
        super().__init__()
        self.register_buffer("legal", legal, persistent=False)
        self.transitions = nn.Parameter(torch.zeros(legal.shape))  # [K+1, K+1], as `legal`

    def nll(self, emissions: Tensor, batch_sizes: Sequence[int], tags: Tensor) -> Tensor:
        """Return -log p of each sequence's tags, [B], longest sequence first.

        Args:
            emissions: [N, K], packed.
            batch_sizes: sequences alive at each step.
            tags: [N], packed.
        """
        transitions, start, end = self._parts()
        score = emissions.new_zeros(batch_sizes[0])
        last = tags[: batch_sizes[0]]
        for first, stop, alive in steps(batch_sizes):
            tag = tags[first:stop]
            step = start[tag] if first == 0 else transitions[last[:alive], tag]
            step = step + emissions[first:stop].gather(1, tag[:, None]).squeeze(1)
            score = torch.cat((score[:alive] + step, score[alive:]))
            last = torch.cat((tag, last[alive:]))
        log_z = _LogPartition.apply(emissions, transitions, start, end, tuple(batch_sizes))
        return log_z - (score + end[last])

    def decode(self, emissions: Tensor, batch_sizes: Sequence[int]) -> Tensor:
        """Return the most probable tags of each sequence, [N], packed (Viterbi 1967)."""
        transitions, start, end = self._parts()
        best = emissions.new_zeros(batch_sizes[0], len(start))  # of all paths that end in a tag, [B, K]
        came_from = torch.zeros(emissions.shape, dtype=torch.long, device=emissions.device)
        for first, stop, alive in steps(batch_sizes):
            if first == 0:
                best = start + emissions[:stop]
            else:
                score, came_from[first:stop] = (best[:alive, :, None] + transitions).max(1)
                best = torch.cat((score + emissions[first:stop], best[alive:]))
        tag = (best + end).argmax(1)  # [B]
        tags = torch.empty(len(emissions), dtype=torch.long, device=emissions.device)
        for first, stop, alive in steps(batch_sizes, reverse=True):
            tags[first:stop] = tag[:alive]
            tag = torch.cat((came_from[first:stop].gather(1, tag[:alive, None]).squeeze(1), tag[alive:]))
        return tags

    def marginals(self, emissions: Tensor, batch_sizes: Sequence[int]) -> Tensor:
        """Return the probability of each tag at each step, [N, K]."""
        with torch.enable_grad():
            emissions = emissions.detach().requires_grad_()
            log_z = _LogPartition.apply(emissions, *self._parts(), tuple(batch_sizes))
            return torch.autograd.grad(log_z.sum(), emissions)[0]

    def _parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return transitions [K, K], into the first tag [K] and out of the last [K]; -inf if not legal."""
        scores = self.transitions.masked_fill(~self.legal, -torch.inf)
        return scores[:-1, :-1], scores[-1, :-1], scores[:-1, -1]


class _LogPartition(torch.autograd.Function):
    """log Z by the forward algorithm; its gradient is the backward algorithm, and is the marginals."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: Tensor,
        transitions: Tensor,
        start: Tensor,
        end: Tensor,
        batch_sizes: tuple[int, ...],
    ) -> Tensor:
        alphas = torch.empty_like(emissions)  # log of the sum over all paths up to a step and tag
        alpha = start + emissions[: batch_sizes[0]]
        for first, stop, alive in steps(batch_sizes):
            if first > 0:
                step = torch.logsumexp(alpha[:alive, :, None] + transitions, 1) + emissions[first:stop]
                alpha = torch.cat((step, alpha[alive:]))
            alphas[first:stop] = alpha[:alive]
        log_z = torch.logsumexp(alpha + end, 1)
        ctx.batch_sizes = batch_sizes
        ctx.save_for_backward(emissions, transitions, end, alphas, log_z)
        return log_z

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (dlog_z,) = grad_outputs
        emissions, transitions, end, alphas, log_z = ctx.saved_tensors
        demissions, dtransitions = torch.empty_like(emissions), torch.zeros_like(transitions)
        beta = end.expand(len(log_z), -1)  # log of the sum over all paths from a step and tag on
        dend = torch.zeros_like(end)
        order = steps(ctx.batch_sizes, reverse=True)
        ended = 0  # sequences whose last step was visited
        for (first, stop, alive), (earlier, _, _) in zip(order, [*order[1:], (0, 0, 0)], strict=True):
            weight = dlog_z[:alive, None]
            marginal = weight * torch.exp(alphas[first:stop] + beta[:alive] - log_z[:alive, None])
            demissions[first:stop] = marginal
            dend += marginal[ended:].sum(0)
            ended = alive
            if first > 0:
                onward = emissions[first:stop] + beta[:alive]
                before = alphas[earlier : earlier + alive]
                path = before[:, :, None] + transitions + (onward - log_z[:alive, None])[:, None, :]
                dtransitions += (weight[:, :, None] * torch.exp(path)).sum(0)
                step = torch.logsumexp(transitions + onward[:, None, :], 2)
                beta = torch.cat((step, beta[alive:]))
        return demissions, dtransitions, demissions[: ctx.batch_sizes[0]].sum(0), dend, None
