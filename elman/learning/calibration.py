"""Probabilities that mean what they say: an answer of 0.8 is right in 8 of 10 cases.

Letters: B examples, N rows of scores (one an example, or one a step of it), K labels.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

COLDEST, HOTTEST = 0.05, 20.0
FOLDS = 10
FEWEST = 50  # examples on which a temperature is chosen


def best_temperature(scores: Tensor, targets: Tensor) -> float:
    """Return the number by which to divide scores, so that their softmax is most likely to give the targets.

    It changes how sure the answers are, never which they are. The slope of the log-likelihood in the inverse
    of the temperature falls, so its zero is found by halving. As if there were two examples more, of which
    all targets have the same share, no number of right answers makes it certain that all are.

    Source: Guo et al. 2017, "On calibration of modern neural networks"; for the two examples, Platt 1999,
    "Probabilistic outputs for support vector machines".

    Args:
        scores: [N, K].
        targets: [N], numbers of the right answers.

    Returns:
        The temperature, from 0.05 to 20.
    """
    scores = scores.double()
    unsure = 2 / (len(scores) + 2)
    right = (1 - unsure) * scores.gather(1, targets[:, None]).mean() + unsure * scores.mean()
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(50):
        middle = (low + high) / 2
        expected = (F.softmax(scores * middle, 1) * scores).sum(1).mean()
        low, high = (middle, high) if right > expected else (low, middle)
    return 2 / (low + high)


def temperature_gain(scores: Tensor, targets: Tensor, examples: Tensor) -> tuple[float, float]:
    """Return by how much temperature scaling lowers the log loss of unseen examples, and its standard error.

    Estimated by cross-validation: the temperature of each fold is chosen on the other folds. The rows of one
    example stay in one fold, and count as one observation in the standard error.

    Args:
        scores: [N, K].
        targets: [N], numbers of the right answers.
        examples: [N], the number of each row's example, from 0 to B - 1; B at least 2.

    Returns:
        The mean gain of a row in nats, negative where scaling does harm, and the standard error of that mean.
    """
    scores = scores.double()
    count = int(examples.max()) + 1
    # The order of the file may have a pattern, so the folds are drawn.
    fold = (torch.randperm(count, generator=torch.Generator().manual_seed(0)) % FOLDS)[examples]
    gain = F.cross_entropy(scores, targets, reduction="none")
    for number in range(min(FOLDS, count)):
        held_out = fold == number
        temperature = best_temperature(scores[~held_out], targets[~held_out])
        gain[held_out] -= F.cross_entropy(scores[held_out] / temperature, targets[held_out], reduction="none")
    mean = gain.mean()
    deviations = torch.bincount(examples, gain - mean, count)  # [B]
    error = (deviations.square().sum() * count / (count - 1)).sqrt() / len(gain)
    return mean.item(), error.item()
