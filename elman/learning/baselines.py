"""Plain methods that a recurrent network must beat to be worth its while."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

X = TypeVar("X", bound=Hashable)
Y = TypeVar("Y", bound=Hashable)


class MostFrequent(Generic[X, Y]):
    """Answers each symbol with the label that it had most often, an unseen one with the most frequent label.

    >>> MostFrequent([("Paris", "LOC"), ("Paris", "PER"), ("Paris", "LOC"), ("in", "O")])("Paris")
    'LOC'
    """

    def __init__(self, pairs: Iterable[tuple[X, Y]]) -> None:
        counts: defaultdict[X, Counter[Y]] = defaultdict(Counter)
        overall: Counter[Y] = Counter()
        for symbol, label in pairs:
            counts[symbol][label] += 1
            overall[label] += 1
        self._best = {symbol: labels.most_common(1)[0][0] for symbol, labels in counts.items()}
        self._otherwise = overall.most_common(1)[0][0]

    def __call__(self, symbol: X) -> Y:
        """Return the label for `symbol`."""
        return self._best.get(symbol, self._otherwise)


def windows(sequences: Sequence[Sequence[int]], width: int, padding: int) -> Tensor:
    """Return the `width` numbers around each step of each sequence, [N, width], sequence after sequence.

    >>> windows([[5, 6]], width=3, padding=0)
    tensor([[0, 5, 6],
            [5, 6, 0]])
    """
    side = [padding] * (width // 2)
    return torch.cat([torch.tensor([*side, *s, *side]).unfold(0, width, 1) for s in sequences])


def train_classifier(
    model: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    epochs: int = 6,
    batch: int = 1000,
    learning_rate: float = 0.005,
    seed: int = 0,
) -> None:
    """Train a network that has no sequences in it: inputs [N, ...], labels [N], cross-entropy, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs), generator=generator).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
