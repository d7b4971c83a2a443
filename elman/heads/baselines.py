"""Plain methods that a recurrent network must beat, for every head that turns scores into answers.

Letters: B examples, I features, K outputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elman.data.vocabulary import PADDING
from elman.learning.baselines import NGramRegression, train_classifier, train_linear, windows
from elman.nn.shapes import OneToOne

Features = Callable[[Any], np.ndarray]  # an example to [I]
Method = Callable[[Sequence[Any]], list[Any]]


def majority(head: Any, train: Sequence[Any]) -> Method:
    """Answer with the share of each label in the training examples."""
    targets = head.targets(train)
    shares = targets.bincount(minlength=head.outputs).double() / len(targets)
    return lambda examples: head.decode_probabilities(shares.expand(head.rows(examples), -1), examples)


def mean(head: Any) -> Method:
    """Answer with the mean of the training examples' numbers."""
    return lambda examples: head.decode(torch.zeros(len(examples), 1), examples)


def linear(head: Any, features: Features, train: Sequence[Any]) -> Method:
    """Train logistic regression, or ridge regression on numbers, on features of whole sequences."""
    scores = train_linear(np.stack([features(one) for one in train]), head.targets(train))
    return lambda examples: head.decode(scores(np.stack([features(one) for one in examples])), examples)


def feedforward(
    head: Any, features: Features, train: Sequence[Any], *, hidden: int, **training: Any
) -> Method:
    """Train a feed-forward network on features of whole sequences; `training` goes to `train_classifier`."""
    inputs = torch.from_numpy(np.stack([features(one) for one in train]))
    network = nn.Sequential(nn.Linear(inputs.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, head.outputs))
    train_classifier(network, inputs, head.targets(train), loss=head.loss_of, **training)

    def answer(examples: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            scores = network(torch.from_numpy(np.stack([features(one) for one in examples])))
            return head.decode(scores, examples)

    return answer


def sparse_regression(head: Any, features: Callable[[Sequence[Any]], Any], train: Sequence[Any]) -> Method:
    """Train logistic regression on sparse features [B, I]."""
    from elman.learning.kmers import logistic_regression

    probabilities = logistic_regression(features(train), head.targets(train).tolist())
    return lambda examples: head.decode_probabilities(probabilities(features(examples)), examples)


def window_network(
    head: Any,
    numbers: Callable[[Any], Sequence[int]],
    train: Sequence[Any],
    *,
    symbols: int,
    padding: int,
    window: int,
    hidden: int = 100,
) -> Method:
    """Train the lecture's standard network: at each step it sees the symbols in a window around it.

    Args:
        head: with a label for each step.
        numbers: of the symbols of an example, each less than `symbols`.
        train: the training examples.
        symbols: in the vocabulary, the padding included.
        padding: the symbol outside a sequence.
        window: steps that are seen, an odd number.
        hidden: units of the hidden layer.
    """

    def seen(examples: Sequence[Any]) -> Tensor:
        return windows([numbers(example) for example in examples], window, padding)

    network = OneToOne(symbols, window, hidden, head.outputs)
    targets = torch.tensor([n for example in train for n in head.step_targets(example)])
    train_classifier(network, seen(train), targets)

    def answer(examples: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            return head.decode_probabilities(network(seen(examples)).softmax(1), examples)

    return answer


def ngram_regression(
    head: Any, units: Callable[[Any], Sequence[str]], train: Sequence[Any], orders: tuple[int, int]
) -> Method:
    """Train logistic regression on n-grams of units, of the smallest to the largest of the `orders`."""
    regression = NGramRegression(
        [units(example) for example in train], [example.label for example in train], orders
    )
    return lambda examples: head.decode_probabilities(
        regression([units(example) for example in examples]), examples
    )


def first_units_network(
    head: Any,
    numbers: Callable[[Any], Sequence[int]],
    train: Sequence[Any],
    *,
    symbols: int,
    window: int = 25,
    hidden: int = 20,
) -> Method:
    """Train the lecture's standard network on the first units of each sequence, each in its place."""

    def beginnings(examples: Sequence[Any]) -> Tensor:  # [B, window]
        rows = [numbers(example)[:window] for example in examples]
        return torch.tensor([[*row, *[PADDING] * (window - len(row))] for row in rows])

    network = OneToOne(symbols, window, hidden, head.outputs)
    train_classifier(network, beginnings(train), head.targets(train))

    def answer(examples: Sequence[Any]) -> list[Any]:
        with torch.no_grad():
            return head.decode_probabilities(network(beginnings(examples)).double().softmax(1), examples)

    return answer
