"""Plain methods that a recurrent network must beat to be worth its while.

scikit-learn is imported where it trains: that takes seconds, and asking a trained run does without it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Generic, TypeVar

import numpy as np
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
    loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
) -> None:
    """Train a network that has no sequences in it: inputs [N, ...], labels [N, ...], AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), learning_rate, fused=True)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs), generator=generator).split(batch):
            optimizer.zero_grad()
            loss(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()


class NGramRegression:
    """Logistic regression on the n-grams of a sequence, weighted by tf-idf: it sees order within them only.

    How strongly it is regularised is chosen by cross-validation on what it is trained on.

    Args:
        sequences: B sequences of symbols, to train on.
        labels: B, of at least two kinds.
        orders: the smallest and the largest n.

    >>> model = NGramRegression(["ab", "ba", "abc", "bac"], ["up", "down", "up", "down"], orders=(2, 2))
    >>> model.labels, model(["ab"]).argmax(1)
    (['down', 'up'], array([1]))
    """

    def __init__(
        self, sequences: Iterable[Sequence[Hashable]], labels: Sequence[str], orders: tuple[int, int] = (1, 2)
    ) -> None:
        # Imported here, for it takes a second, and the tasks without this baseline need not wait for it.
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import cross_val_score

        def ngrams(sequence: Sequence[Hashable]) -> list[tuple[Hashable, ...]]:
            return [
                tuple(sequence[i : i + n])
                for n in range(orders[0], orders[1] + 1)
                for i in range(len(sequence) - n + 1)
            ]

        def regression(strength: float) -> LogisticRegression:
            return LogisticRegression(C=strength, max_iter=1000, tol=1e-3)

        # Its stubs know names of analyzers only.
        self._features = TfidfVectorizer(analyzer=ngrams, sublinear_tf=True)  # pyright: ignore[reportArgumentType]
        x = self._features.fit_transform(sequences)
        folds = min(3, *Counter(labels).values())

        def score(strength: float) -> float:
            return cross_val_score(regression(strength), x, labels, cv=folds).mean()

        best = max((0.1, 1.0, 10.0, 100.0), key=score) if folds > 1 else 1.0
        self._regression = regression(best).fit(x, labels)
        self.labels: list[str] = self._regression.classes_.tolist()

    def __call__(self, sequences: Iterable[Sequence[Hashable]]) -> np.ndarray:
        """Return the probabilities of the labels, [B, K]."""
        return self._regression.predict_proba(self._features.transform(sequences))


def train_linear(inputs: np.ndarray, targets: Tensor) -> Callable[[np.ndarray], Tensor]:
    """Train logistic regression on labels [B], or ridge regression on numbers [B].

    Args:
        inputs: [B, I].
        targets: numbers of labels, each of which is there, or floats.

    Returns:
        What scores others: [B, K] log-probabilities, or [B, 1].
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    if targets.is_floating_point():
        ridge = Ridge().fit(inputs, targets)
        return lambda others: torch.from_numpy(ridge.predict(others))[:, None]
    logistic = LogisticRegression(max_iter=1000).fit(inputs, targets)
    return lambda others: torch.from_numpy(logistic.predict_log_proba(others))


def first_steps(sequences: Sequence[np.ndarray], steps: int) -> Tensor:
    """Return the first `steps` rows of each sequence [T, I] side by side, 0 behind its end, [B, steps * I].

    >>> first_steps([np.ones((3, 1)), np.ones((1, 1))], 2)
    tensor([[1., 1.],
            [1., 0.]])
    """
    rows = np.zeros((len(sequences), steps, sequences[0].shape[1]), np.float32)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence[:steps]
    return torch.from_numpy(rows).flatten(1)
