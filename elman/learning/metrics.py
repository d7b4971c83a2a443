"""The metrics of the field, each equal to its reference implementation, each saved with its signature."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

Entity = tuple[int, int, str]  # first word, word after the last, type

ENTITY_SIGNATURE = "entity_f1|match:start+stop+type|average:micro|as:conlleval"


def entity_scores(gold: Iterable[Iterable[Entity]], predicted: Iterable[Iterable[Entity]]) -> dict[str, Any]:
    """Score predicted entities against gold ones, sentence by sentence, as conlleval does.

    An entity is right when its first word, its last word and its type are right. Rates are fractions; a rate
    with nothing to count is 0.

    Returns:
        {"metric": "entity_f1", "value", "precision", "recall", "correct", "predicted", "gold", "signature",
        "per_type": {TYPE: {"f1", "precision", "recall", "correct", "predicted", "gold"}}}

    >>> entity_scores([[(0, 2, "PER"), (4, 5, "LOC")]], [[(0, 2, "PER"), (4, 6, "LOC")]])["value"]
    0.5
    """
    right: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for gold_entities, predicted_entities in zip(gold, predicted, strict=True):
        gold_set, predicted_set = set(gold_entities), set(predicted_entities)
        right.update(kind for _, _, kind in gold_set & predicted_set)
        guessed.update(kind for _, _, kind in predicted_set)
        wanted.update(kind for _, _, kind in gold_set)
    overall = _rates(right.total(), guessed.total(), wanted.total())
    return {
        "metric": "entity_f1",
        "value": overall.pop("f1"),
        **overall,
        "per_type": {
            kind: _rates(right[kind], guessed[kind], wanted[kind]) for kind in sorted(wanted | guessed)
        },
        "signature": ENTITY_SIGNATURE,
    }


def confusion(
    gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """Count how often one label was taken for another.

    Returns:
        `labels` and whatever others occur, K of them; the counts [K, K], gold in rows, predicted in columns.
    """
    number = {label: i for i, label in enumerate([*labels, *sorted({*gold, *predicted} - {*labels})])}
    counts = np.zeros((len(number), len(number)), dtype=int)
    np.add.at(counts, ([number[label] for label in gold], [number[label] for label in predicted]), 1)
    return list(number), counts


def _rates(correct: int, predicted: int, gold: int) -> dict[str, Any]:
    return {
        "f1": 2 * correct / (predicted + gold) if correct else 0.0,
        "precision": correct / predicted if correct else 0.0,
        "recall": correct / gold if correct else 0.0,
        "correct": correct,
        "predicted": predicted,
        "gold": gold,
    }
