"""Cross-validation: every example is judged once, by a model that saw none of its group.

Examples of one group (a scene, a speaker, a patient) resemble each other more than anything new will, so they
stay together: a fold is some whole groups. Each fold is tested by a run of its own, trained on the others; a
tenth of those serves as dev, whole groups again, and many rather than one, which would be like no other.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from elman.data.source import counted, quote
from elman.report import Display
from elman.storage import write_whole
from elman.tasks.task import Reading, Task
from elman.training import UsageError, prepare, read_examples, train_on

FOLDS = 5


def cross_validate(
    task: str,
    files: Sequence[str | Path],
    column: str,
    *,
    out: str | Path | None = None,
    skip_bad: bool = False,
    **settings: Any,
) -> tuple[dict[str, Any], Task]:
    """Train and test `FOLDS` runs on parts of all files' examples, and return the figures over all of them.

    Args:
        task: its name.
        files: whose examples are pooled.
        column: of the manifest, which names an example's group.
        out: the folder, in which fold-1, fold-2 ... are the runs, and metrics.json holds the figures.
        skip_bad: leave out bad records, and count them.
        **settings: see the task's `Settings`.

    Returns:
        {"test": figures over all examples, "folds": [those of each run], "baselines": {NAME: {"test": ...}}},
        and the last fold's task.

    Raises:
        UsageError, DataError, DivergedError: as `elman.train` does; UsageError too for less than 3 groups,
            and for a label of which a fold would have none to train on.
    """
    kind, chosen, folder = prepare(task, settings, out, resume=False)
    display = Display()
    readings = [read_examples(kind, str(file), chosen, skip_bad=skip_bad) for file in files]
    for reading in readings:
        display.say(reading.description)
    examples = [example for reading in readings for example in reading.examples]
    groups = [kind.group(example, column) for example in examples]
    fold_of = _deal(groups, FOLDS)
    if len(fold_of) < 3:
        few = f"column {column!r} has {counted(len(fold_of), 'value')}"
        raise UsageError(f"folds need at least 3 groups, to train, to stop and to test on; {few}")
    data = {"train": [one for reading in readings for one in reading.files]}

    folds = []
    for fold in range(1, max(fold_of.values()) + 1):
        rest = [group for group in fold_of if fold_of[group] != fold]
        held_out = _tenth([group for group in groups if group in rest])
        parts: dict[str, list[Any]] = {"train": [], "dev": [], "test": []}
        for example, group in zip(examples, groups, strict=True):
            part = "test" if fold_of[group] == fold else "dev" if group in held_out else "train"
            parts[part].append(example)
        shown = [{label for e in some for label in kind.shown(e, chosen)} for some in parts.values()]
        if alone := sorted(set.union(*shown) - shown[0]):
            raise UsageError(
                f"fold {fold} has the label {quote(alone[0])} in no group to train on; "
                "a label must stand in more groups"
            )
        folds.append(parts)

    answered: list[tuple[Any, Any]] = []
    figures, tasks = [], []
    for fold, parts in enumerate(folds, 1):
        display.say(f"fold {fold}: " + ", ".join(f"{len(some):,} {name}" for name, some in parts.items()))
        said = {
            name: Reading(readings[0].path, some, f"{len(some):,} examples of fold {fold}")
            for name, some in parts.items()
        }
        run = train_on(kind, chosen, said, data, folder / f"fold-{fold}", display)
        tasks.append(run.task)
        answered += zip(parts["test"], run.answers(parts["test"]), strict=True)
        figures.append(json.loads((run.folder / "metrics.json").read_text()))
    sizes = Counter(fold_of[group] for group in groups)
    total = {
        "test": tasks[-1].metric([e for e, _ in answered], [a for _, a in answered]),
        "folds": figures,
        "baselines": {
            name: {"test": _mean([fold["baselines"][name]["test"] for fold in figures], sizes)}
            for name in figures[0]["baselines"]
        },
    }
    write_whole(folder / "metrics.json", json.dumps(total, indent=1, ensure_ascii=False).encode() + b"\n")
    return total, tasks[-1]


def _deal(groups: Sequence[str], folds: int) -> dict[str, int]:
    """Deal groups to folds counted from 1, the largest first, each to the fold that has fewest examples."""
    sizes = Counter(groups)
    order = sorted(sizes)
    Random(0).shuffle(order)
    held = dict.fromkeys(range(1, min(folds, len(order)) + 1), 0)
    dealt = {}
    for group in sorted(order, key=lambda group: -sizes[group]):
        fold = min(held, key=lambda fold: held[fold])
        dealt[group] = fold
        held[fold] += sizes[group]
    return dealt


def _tenth(groups: Sequence[str]) -> set[str]:
    """Draw groups that have a tenth of the examples together, or the smallest where all have more."""
    sizes = Counter(groups)
    order = sorted(sizes)
    Random(0).shuffle(order)
    room, drawn = len(groups) / 10, set()
    for group in order:
        if sizes[group] <= room:
            drawn.add(group)
            room -= sizes[group]
    return drawn or {min(order, key=lambda group: sizes[group])}


def _mean(figures: Sequence[dict[str, Any]], sizes: Counter[int]) -> dict[str, Any]:
    """Weight the folds' values by their examples: of an accuracy, that is the value over all examples."""
    value = sum(one["value"] * sizes[fold] for fold, one in enumerate(figures, 1)) / sizes.total()
    return {"metric": figures[0]["metric"], "value": value, "signature": figures[0]["signature"]}
