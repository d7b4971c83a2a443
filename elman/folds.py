"""Cross-validation: every example is judged once, by a model that did not see it.

Examples of one group (a scene, a speaker, a patient) resemble each other more than anything new will, so they
stay together: a fold is some whole groups. Without groups each example is one by itself. Groups are dealt so
that folds have as many examples, and as many of each label, as each other; with as many folds as groups, each
is one group. Each fold is tested by a run of its own, trained on the others; a tenth of those serves as dev:
whole groups again, and many rather than one, which would be like no other.
"""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from random import Random
from typing import Any

from elman.data.source import counted, quote
from elman.report import Display
from elman.storage import write_whole
from elman.tasks.settings import Settings
from elman.tasks.task import Reading, Task
from elman.training import Files, UsageError, as_files, claim, prepare, read_examples, train_on

FOLDS = 5
Parts = dict[str, list[Any]]  # examples to train on, dev and test


def cross_validate(
    task: str,
    files: Sequence[Files],
    group_column: str | None = None,
    *,
    folds: int = FOLDS,
    out: str | Path | None = None,
    skip_bad: bool = False,
    **settings: Any,
) -> tuple[dict[str, Any], Task]:
    """Train and test runs on parts of all files' examples, and return the figures over all of them.

    Args:
        task: its name.
        files: whose examples are pooled.
        group_column: of a table or a manifest, which names an example's group; without it there are none.
        folds: how many runs; no more than there are groups, or examples.
        out: the folder, in which fold-1, fold-2 ... are the runs, and metrics.json holds the figures.
        skip_bad: leave out bad records, and count them.
        **settings: see the task's `Settings`.

    Returns:
        {"test": figures over all examples, "folds": [those of each run], "baselines": {NAME: {"test": ...}}},
        and the last fold's task.

    Raises:
        UsageError, DataError, DivergedError: as `elman.train` does; UsageError too for less than 2 folds, or
            3 groups, and for a label of which a fold would have none to train on.
    """
    kind, chosen, folder = prepare(task, settings, out)
    if folds < 2:
        raise UsageError(f"cross-validation takes at least 2 folds, got {folds}")
    display = Display()
    with claim(folder, display):
        readings = [read_examples(kind, as_files(file), chosen, skip_bad=skip_bad) for file in files]
        return _train_folds(kind, chosen, readings, group_column, folds, folder, display)


def _train_folds(
    kind: type[Task],
    chosen: Settings,
    readings: Sequence[Reading],
    group_column: str | None,
    folds: int,
    folder: Path,
    display: Display,
) -> tuple[dict[str, Any], Task]:
    """Train and test runs in parts of a folder that is held, on what was read; see `cross_validate`."""
    for reading in readings:
        display.say(reading.description)
    examples = [example for reading in readings for example in reading.examples]
    data = {"train": [one for reading in readings for one in reading.files]}
    split = (
        _by_group(kind, examples, group_column, folds, chosen)
        if group_column
        else _plain(kind, examples, folds, chosen)
    )
    for fold, parts in enumerate(split, 1):
        _check(kind, parts, fold, chosen, "group" if group_column else "example")

    tested: list[Any] = []
    figures: list[dict[str, Any]] = []
    answers: list[list[Any]] = []  # of the model, then of each baseline
    names: list[list[str]] = []  # of the baselines, fold by fold
    learned: Task | None = None
    for fold, parts in enumerate(split, 1):
        display.say(f"fold {fold}: " + ", ".join(f"{len(some):,} {name}" for name, some in parts.items()))
        said = {
            name: Reading(readings[0].path, some, f"{len(some):,} examples of fold {fold}")
            for name, some in parts.items()
        }
        run, plain = train_on(kind, chosen, said, data, folder / f"fold-{fold}", display)
        learned = run.task
        tested += parts["test"]
        given = [run.answers(parts["test"]), *(one["test"] for one in plain.values())]
        answers = [before + more for before, more in zip(answers or [[] for _ in given], given, strict=True)]
        figures.append(json.loads((run.folder / "metrics.json").read_text()))
        names.append(list(plain))
    assert learned, "there are at least two folds"
    baselines = {}
    for some, given in zip(zip(*names, strict=True), answers[1:], strict=True):
        # A baseline may be called after what it chose, such as the length of its n-grams.
        of_folds = [fold["baselines"][name]["test"] for fold, name in zip(figures, some, strict=True)]
        baselines[" or ".join(sorted({*some}))] = {"test": learned.pooled(tested, given, of_folds)}
    total = {
        "test": learned.pooled(tested, answers[0], [fold["test"] for fold in figures]),
        "folds": figures,
        "baselines": baselines,
    }
    write_whole(folder / "metrics.json", json.dumps(total, indent=1, ensure_ascii=False).encode() + b"\n")
    return total, learned


def _by_group(
    kind: type[Task], examples: Sequence[Any], column: str, folds: int, settings: Settings
) -> list[Parts]:
    """Return the parts of each fold, of whole groups."""
    groups = [kind.group(example, column, settings) for example in examples]
    if len({*groups}) < 3:
        few = f"column {column!r} has {counted(len({*groups}), 'value')}"
        raise UsageError(f"folds need at least 3 groups, to train, to stop and to test on; {few}")
    labels = [{*kind.shown(example, settings)} for example in examples]
    fold_of = deal(groups, labels, folds)
    split = []
    for fold in sorted({*fold_of.values()}):
        rest = [i for i, group in enumerate(groups) if fold_of[group] != fold]
        held_out = _tenth([groups[i] for i in rest], [labels[i] for i in rest])
        parts: Parts = {"train": [], "dev": [], "test": []}
        for example, group in zip(examples, groups, strict=True):
            part = "test" if fold_of[group] == fold else "dev" if group in held_out else "train"
            parts[part].append(example)
        split.append(parts)
    return split


def _plain(kind: type[Task], examples: Sequence[Any], folds: int, settings: Settings) -> list[Parts]:
    """Return the parts of each fold, of single examples."""
    examples = kind.divide(examples, folds, settings)
    fold_of = deal(range(len(examples)), [{*kind.shown(e, settings)} for e in examples], folds)
    split = []
    for fold in sorted({*fold_of.values()}):
        rest = [example for i, example in enumerate(examples) if fold_of[i] != fold]
        train, dev = kind.hold_out(rest, settings) if rest else ([], [])
        if not train:
            few = f"{counted(len(examples), 'example')} in {counted(folds, 'fold')}"
            raise UsageError(f"a fold needs examples to train, to stop and to test on, got {few}")
        split.append(
            {"train": train, "dev": dev, "test": [e for i, e in enumerate(examples) if fold_of[i] == fold]}
        )
    return split


def _check(kind: type[Task], parts: Parts, fold: int, settings: Settings, what: str) -> None:
    """Refuse a fold without an example to train on of some label."""
    shown = {name: {label for e in some for label in kind.shown(e, settings)} for name, some in parts.items()}
    asked = shown["dev"] if kind.rare_labels else shown["dev"] | shown["test"]
    if alone := sorted(asked - shown["train"]):
        raise UsageError(
            f"fold {fold} has the label {quote(alone[0])} in no {what} to train on; "
            f"a label must stand in more {what}s"
        )


def deal(groups: Sequence[Any], labels: Sequence[Collection[str]], folds: int) -> dict[Any, int]:
    """Deal groups to folds counted from 1, so that all have alike numbers of examples and of each label.

    The largest group comes first; each goes to the fold in which it adds least to the sum of squares of what
    a fold has, as shares: of all examples, and of those of each label.

    Args:
        groups: the group of each example.
        labels: the labels of each example.
        folds: how many; no more than there are groups.
    """
    sizes = Counter(groups)
    having: dict[Any, Counter[str]] = {group: Counter() for group in sizes}
    for group, some in zip(groups, labels, strict=True):
        having[group].update(some)
    totals = Counter(label for some in labels for label in some)
    order = list(sizes)
    Random(0).shuffle(order)
    order.sort(key=lambda group: -sizes[group])
    held = [Counter[str]() for _ in range(min(folds, len(order)))]
    counts = [0] * len(held)
    dealt = {}
    for group in order:
        size, some = sizes[group], having[group]
        costs = [
            len(totals) * count * size / len(groups) ** 2
            + sum(has[label] * number / totals[label] ** 2 for label, number in some.items())
            for count, has in zip(counts, held, strict=True)
        ]
        fold = min(range(len(held)), key=lambda fold: (costs[fold], counts[fold]))
        dealt[group] = fold + 1
        held[fold] += some
        counts[fold] += size
    return dealt


def _tenth(groups: Sequence[str], labels: Sequence[Collection[str]] = ()) -> set[str]:
    """Draw groups that have a tenth of the examples together, or the smallest where all have more.

    A group is left to be trained on where it has the last example of a label.
    """
    sizes = Counter(groups)
    having: dict[str, Counter[str]] = {group: Counter() for group in sizes}
    for group, some in zip(groups, labels, strict=False):
        having[group].update(some)
    left = sum(having.values(), Counter[str]())
    order = sorted(sizes)
    Random(0).shuffle(order)
    room, drawn = len(groups) / 10, set[str]()
    for group in order:
        if sizes[group] <= room and all(left[label] > count for label, count in having[group].items()):
            drawn.add(group)
            room -= sizes[group]
            left -= having[group]
    if drawn:
        return drawn
    by_size = sorted(order, key=lambda group: sizes[group])
    able = (g for g in by_size if all(left[label] > count for label, count in having[g].items()))
    return {next(able, by_size[0])}
