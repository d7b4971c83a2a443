"""Splits of training examples. Imports no torch."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any


def hold_out(reader: Any, examples: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Split training examples into those to train on and a tenth, but at least one, that serves as dev.

    Every label of one that is held out is left to be trained on, if any can be held out so.
    """
    if parts := reader.cut(examples):
        return parts
    having = Counter(label for example in examples for label in set(reader.labels(example)))
    order = list(range(len(examples)))
    Random(0).shuffle(order)
    dev: set[int] = set()
    for i in order:
        labels = set(reader.labels(examples[i]))
        if len(dev) < max(1, len(order) // 10) and all(having[label] > 1 for label in labels):
            dev.add(i)
            having.subtract(labels)
    dev = dev or {order[0]}
    return [e for i, e in enumerate(examples) if i not in dev], [examples[i] for i in sorted(dev)]
