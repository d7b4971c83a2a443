"""What the tasks share that answer with a label and the probability of each."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.data.source import DataError, counted, did_you_mean, quote

TEMPERATURES = np.geomspace(0.5, 4, 25)  # those that are tried
_SHOWN = 5  # labels in a warning


def learn_labels(labels: Iterable[str], file: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the distinct labels of a training file in alphabetical order, and remarks on the rare ones.

    Raises DataError where there is but one.
    """
    names, counts = np.unique(list(labels), return_counts=True)
    if len(names) < 2:
        raise DataError(
            file,
            f"one label only: {quote(str(names[0]))}",
            "at least two, or there is nothing to tell apart",
            "add examples that have another label",
        )
    once = names[counts == 1].tolist()
    shown = ", ".join(map(quote, once[:_SHOWN])) + (" ..." if len(once) > _SHOWN else "")
    remarks = (f"warning: {counted(len(once), 'label')} seen only once: {shown}",) if once else ()
    return names.tolist(), remarks


def check_label(label: str, place: str, known: Sequence[str]) -> None:
    """Raise DataError for a label that is not among the `known`, those of the training file."""
    if label not in known:
        raise DataError(
            place,
            f"the label {quote(label)}, never seen in training",
            f"one of {', '.join(map(quote, known))}",
            did_you_mean(label, list(known)) or "train on a file that has it",
        )


def best_temperature(scores: Tensor, gold: Tensor) -> float:
    """Return that by which scores are to be divided, so that the labels are most likely.

    Source: Guo et al. 2017, "On calibration of modern neural networks".

    Args:
        scores: [N, K].
        gold: numbers of the labels, [N].
    """
    losses = [F.cross_entropy(scores / temperature, gold) for temperature in TEMPERATURES]
    return float(TEMPERATURES[int(torch.stack(losses).argmin())])
