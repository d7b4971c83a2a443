"""What the tasks share that answer with a label: which there are, and an error at any other."""

from collections.abc import Iterable, Sequence

import numpy as np

from elman.data.source import DataError, counted, did_you_mean, quote

_SHOWN = 10  # labels in a message


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
    remarks = (f"warning: {counted(len(once), 'label')} seen only once: {_shown(once)}",) if once else ()
    return names.tolist(), remarks


def check_label(label: str, place: str, known: Sequence[str]) -> None:
    """Raise DataError for a label that is not among the `known`, those of the training file."""
    if label not in known:
        raise DataError(
            place,
            f"the label {quote(label)}, never seen in training",
            f"one of {_shown(known)}",
            did_you_mean(label, list(known)) or "train on a file that has it",
        )


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(map(quote, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
