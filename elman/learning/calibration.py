"""Probabilities that mean what they say: an answer of 0.8 is right in 8 of 10 cases."""

from torch import Tensor
from torch.nn import functional as F

COLDEST, HOTTEST = 0.05, 20.0


def best_temperature(scores: Tensor, targets: Tensor) -> float:
    """Return the number by which to divide scores, so that their softmax is most likely to give the targets.

    It changes how sure the answers are, never which they are. The slope of the log-likelihood in the inverse
    of the temperature falls, so its zero is found by halving. As if there were two examples more, of which
    all targets have the same share, no number of right answers makes it certain that all are.

    Source: Guo et al. 2017, "On calibration of modern neural networks"; for the two examples, Platt 1999,
    "Probabilistic outputs for support vector machines".

    Args:
        scores: [B, K].
        targets: [B], numbers of the right answers.

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
