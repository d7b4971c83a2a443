"""The softmax over a large dictionary, at the cost of a small one.

Letters: N rows, E size of an embedding, K symbols, C clusters of rare symbols.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALL = 2000  # symbols that are always scored at once


class ClusteredSoftmax(nn.Module):
    """Scores K symbols, the most frequent first, by their embeddings.

    Where K is large, rare symbols stand in clusters. A row scores the frequent symbols and the clusters; only
    rows that go on to a cluster score what is in it. The probabilities are exact: that of a rare symbol is
    that of its cluster times its own within it (Goodman 2001, "Classes for fast maximum entropy training"; by
    frequency: Grave et al. 2017, "Efficient softmax approximation for GPUs").

    Args:
        symbols: K.
        size: E.
    """

    def __init__(self, symbols: int, size: int) -> None:
        super().__init__()
        self.ends = [symbols] if symbols <= SMALL else [symbols // 8, symbols // 2, symbols]
        self.bias = nn.Parameter(torch.zeros(symbols))
        self.cluster = nn.Parameter(torch.zeros(len(self.ends) - 1, size))  # [C, E]

    def nll(self, x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """Return the negative log-likelihoods [N], in nats, of targets [N], given x [N, E], weight [K, E]."""
        head = self._head(x, weight)
        frequent = self.ends[0]
        nll = -head.gather(1, targets.clamp(max=frequent - 1)[:, None])[:, 0]
        for i, (start, stop) in enumerate(pairwise(self.ends)):
            rows = ((targets >= start) & (targets < stop)).nonzero()[:, 0]
            inside = F.cross_entropy(
                self._scores(x[rows], weight, start, stop), targets[rows] - start, reduction="none"
            )
            nll = nll.index_copy(0, rows, inside - head[rows, frequent + i])
        return nll

    def log_probabilities(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the log-probabilities of all symbols, [N, K]."""
        head = self._head(x, weight)
        frequent = self.ends[0]
        parts = [head[:, :frequent]]
        for i, (start, stop) in enumerate(pairwise(self.ends)):
            inside = self._scores(x, weight, start, stop).log_softmax(1)
            parts.append(inside + head[:, frequent + i, None])
        return torch.cat(parts, 1)

    def _head(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the log-probabilities of the frequent symbols and of the clusters, [N, ends[0] + C]."""
        clusters = F.linear(x, self.cluster.to(x.dtype))
        return torch.cat((self._scores(x, weight, 0, self.ends[0]), clusters), 1).log_softmax(1)

    def _scores(self, x: Tensor, weight: Tensor, start: int, stop: int) -> Tensor:
        return F.linear(x, weight[start:stop].to(x.dtype), self.bias[start:stop].to(x.dtype))
