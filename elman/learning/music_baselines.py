"""Plain models of music, which know at most the last few steps.

Letters: N steps of a piece, K symbols or keys.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elman.learning.baselines import train_classifier
from elman.learning.ngrams import NGrams
from elman.nn.shapes import OneToOne

NGRAM = 6  # events of the n-gram model, the predicted one included
WINDOW, WINDOW_HIDDEN = 5, 100  # last steps that the feed-forward network reads
WINDOW_STEPS = 200_000  # of the training pieces, on which it is trained

Targets = Sequence[np.ndarray]  # of each piece: events [N], or keys [N, K]
Method = Callable[[Targets], list[list[float]]]  # nats of each step


def event_baselines(train: Targets, symbols: int, begin: int) -> dict[str, Method]:
    """Count events, and sequences of a few; train a feed-forward network on the last few."""

    def last(targets: np.ndarray) -> Tensor:
        """Return the events before each target, [N, WINDOW]; marks of the beginning before the first."""
        before = np.concatenate(([begin] * WINDOW, targets[:-1]))
        return torch.from_numpy(before).unfold(0, WINDOW, 1)

    window = _some(train)
    network = OneToOne(symbols, WINDOW, WINDOW_HIDDEN, symbols)
    train_classifier(network, torch.cat(list(map(last, window))), torch.from_numpy(np.concatenate(window)))

    def ngrams(order: int) -> Method:
        model = NGrams(train, symbols, order)
        return lambda pieces: [nll.tolist() for nll in model.nll(pieces)]

    def standard(pieces: Targets) -> list[list[float]]:
        with torch.no_grad():
            return [
                F.cross_entropy(network(last(t)), torch.from_numpy(t), reduction="none").tolist()
                for t in pieces
            ]

    return {"event_frequency": ngrams(1), f"{NGRAM}-grams": ngrams(NGRAM), "standard_network": standard}


def roll_baselines(train: Targets) -> dict[str, Method]:
    """Count how often each key sounds, and after itself; train a feed-forward network on the last steps."""
    keys = train[0].shape[1]
    after, before = np.concatenate(train), np.concatenate([_shifted(piece, 1) for piece in train])
    often = _share(after.sum(0), len(after))
    held = _share((after * before).sum(0), before.sum(0))
    struck = _share((after * (1 - before)).sum(0), (1 - before).sum(0))
    window = _some(train)
    network = nn.Sequential(
        nn.Linear(WINDOW * keys, WINDOW_HIDDEN), nn.Tanh(), nn.Linear(WINDOW_HIDDEN, keys)
    )
    train_classifier(
        network,
        torch.cat(list(map(_last_steps, window))),
        torch.from_numpy(np.concatenate(window)),
        epochs=30,
        batch=100,
        loss=F.binary_cross_entropy_with_logits,
    )

    def scored(probability: Callable[[np.ndarray], Any]) -> Method:
        """Return the nats of each step, given the probability of each key, [N, K], of a piece [N, K]."""

        def nats(piece: np.ndarray) -> list[float]:
            likely = np.asarray(probability(piece))
            return (-np.log(np.where(piece > 0, likely, 1 - likely))).sum(1).tolist()

        return lambda pieces: list(map(nats, pieces))

    def standard(piece: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(_last_steps(piece)).double().sigmoid().clamp(1e-9, 1 - 1e-9).numpy()

    return {
        "key_frequency": scored(lambda piece: np.broadcast_to(often, piece.shape)),
        "last_step": scored(lambda piece: np.where(_shifted(piece, 1) > 0, held, struck)),
        "standard_network": scored(standard),
    }


def _some(train: Targets) -> list[np.ndarray]:
    """Return the targets of as many training pieces as make WINDOW_STEPS, drawn at random."""
    chosen, steps = [], 0
    for i in np.random.default_rng(0).permutation(len(train)):
        if steps < WINDOW_STEPS:
            chosen.append(train[i])
            steps += len(train[i])
    return chosen


def _shifted(piece: np.ndarray, steps: int) -> np.ndarray:
    """Return a piece so many steps later, no key before it, [N, K] for one step."""
    return np.concatenate((np.zeros((steps, piece.shape[1]), np.float32), piece[:-1]))


def _last_steps(piece: np.ndarray) -> Tensor:
    """Return the keys of the steps before each, side by side, [N, WINDOW * K]."""
    return torch.from_numpy(_shifted(piece, WINDOW)).unfold(0, WINDOW, 1).flatten(1)


def _share(count: np.ndarray, of: np.ndarray | int) -> np.ndarray:
    """Return a share that is never 0 nor 1 (Krichevsky and Trofimov 1981)."""
    return (count + 0.5) / (np.asarray(of, dtype=float) + 1)
