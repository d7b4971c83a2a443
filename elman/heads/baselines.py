"""Plain methods that a recurrent network must beat, for every head that turns scores into answers.

Letters: B examples, I features, K outputs.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from elman.learning.baselines import train_classifier, train_linear

Features = Callable[[Any], np.ndarray]  # an example to [I]
Method = Callable[[Sequence[Any]], list[Any]]


def majority(head: Any, train: Sequence[Any]) -> Method:
    """Answer with the share of each label in the training examples."""
    targets = head.targets(train)
    shares = targets.bincount(minlength=head.outputs).double() / len(targets)
    return lambda examples: head.decode_probabilities(shares.expand(len(examples), -1), examples)


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
