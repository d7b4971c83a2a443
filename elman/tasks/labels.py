"""What the tasks share that answer with a label: which there are, how sure an answer is, and its score.

Letters: B examples, K labels.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elman.data.source import DataError, UnseenError, counted, did_you_mean, quote
from elman.data.written import CONFIDENCE, PREDICTED, Answers
from elman.learning.calibration import FEWEST, best_temperature, temperature_gain
from elman.learning.metrics import classification_scores
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import Task

_SHOWN = 10  # labels in a message


def learn(labels: Iterable[str], file: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the distinct labels of a training file in alphabetical order, and remarks on the rare ones.

    Raises DataError where there is but one, and where there are too many.
    """
    names, counts = np.unique(list(labels), return_counts=True)
    if len(names) < 2:
        raise DataError(
            file,
            f"one label only: {quote(str(names[0]))}",
            "at least two, or there is nothing to tell apart",
            "add examples that have another label",
        )
    if len(names) > MOST_LABELS:
        raise DataError(
            file,
            counted(len(names), "label"),
            f"at most {MOST_LABELS:,}",
            "check that this is the column of the labels",
        )
    once = names[counts == 1].tolist()
    remarks = (f"warning: {counted(len(once), 'label')} seen only once: {_shown(once)}",) if once else ()
    return names.tolist(), remarks


def check(label: str, place: str, known: Sequence[str]) -> None:
    """Raise UnseenError for a label that is not among the `known`, those of the training file."""
    if label not in known:
        raise UnseenError(
            place,
            f"the label {quote(label)}, never seen in training",
            f"one of {_shown(known)}",
            did_you_mean(label, list(known)) or "train on a file that has it",
        )


class Verdict(NamedTuple):
    """An answer: the label, and the probability of each label, in their order."""

    label: str
    probabilities: tuple[float, ...]


def verdicts(labels: Sequence[str], probabilities: Tensor | np.ndarray) -> list[Verdict]:
    """Return the most probable of the labels in each row of probabilities [B, K]."""
    best: list[int] = probabilities.argmax(1).tolist()
    rows: list[list[float]] = probabilities.tolist()
    return [Verdict(labels[number], tuple(row)) for number, row in zip(best, rows, strict=True)]


def told(labels: Sequence[str], verdict: Verdict) -> dict[str, Any]:
    """Say the label, how probable it is, and the probability of each."""
    rows = zip(labels, verdict.probabilities, strict=True)
    probabilities = {label: round(probability, 4) for label, probability in rows}
    return {
        "label": verdict.label,
        "confidence": probabilities[verdict.label],
        "probabilities": probabilities,
    }


def added(verdict: Verdict) -> Answers:
    """Return the columns that a written answer adds: the label, and how probable it is."""
    return {PREDICTED: verdict.label, CONFIDENCE: round(max(verdict.probabilities), 4)}


def show(told: Mapping[str, Any]) -> str:
    """Say the label and how probable it is in a few characters."""
    return f"{told['label']} {told['confidence']:.2f}"


def scores(gold: Sequence[str], answers: Sequence[Verdict], labels: Sequence[str]) -> dict[str, Any]:
    """Score labels and their probabilities; see `classification_scores`."""
    rows = [answer.probabilities for answer in answers]
    return classification_scores(gold, [answer.label for answer in answers], labels, rows)


def grain(examples: Sequence[Any]) -> float:
    """Return what one answer more or less is worth in an accuracy, and half of another for the rounding."""
    return 1.5 / len(examples)


def calibrate(
    task: Task,
    model: Any,
    examples: Sequence[Any],
    targets: Tensor,
    rows: Callable[[Any], Sequence[Sequence[float]]] = lambda answer: [answer.probabilities],
) -> str:
    """Choose the model's temperature on dev, if that lowers the log loss; say what was done.

    The log loss must fall by more than one standard error, by cross-validation on dev. On few examples the
    temperature stays 1: what little they say of it does more harm than good.

    Args:
        task: whose metric has a "calibration_error".
        model: divides its scores by its `temperature`.
        examples: of dev.
        targets: numbers of their labels, as many as there are rows.
        rows: takes an answer and returns the probabilities of all labels, once or more often.
    """
    model.temperature.fill_(1)  # in a finished run that is resumed it is what was chosen before
    if len(examples) < FEWEST:
        few = f"{counted(len(examples), 'example')} of the {FEWEST} that it needs"
        return f"temperature scaling on dev: not used, dev has {few}"
    before = task.answers(model, examples)
    given = [rows(answer) for answer in before]
    # A probability may have been too small for a float; its logarithm must not be infinite.
    scores = (
        torch.tensor([row for some in given for row in some], dtype=torch.float64).clamp(min=1e-300).log()
    )
    numbers = torch.arange(len(given)).repeat_interleave(torch.tensor([*map(len, given)]))
    temperature = best_temperature(scores, targets)
    gain, error = temperature_gain(scores, targets, numbers)
    if gain <= error:
        return (
            f"temperature scaling on dev: not used, T = {temperature:.2f} does not clearly lower "
            f"the log loss (by cross-validation {-gain:+.4f}, standard error {error:.4f})"
        )
    model.temperature.fill_(temperature)
    errors = (
        task.metric(examples, answers)["calibration_error"]
        for answers in (before, task.answers(model, examples))
    )
    return "temperature scaling on dev: T = {:.2f}, expected calibration error {:.3f} -> {:.3f}".format(
        temperature, *errors
    )


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(map(quote, labels[:_SHOWN])) + (", ..." if len(labels) > _SHOWN else "")
