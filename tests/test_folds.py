"""Cross-validation: with groups and without, how these are dealt, and what every fold needs."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from elman.folds import cross_validate, deal
from elman.tasks import TASKS, find
from elman.training import UsageError

TINY: dict[str, Any] = {"hidden": 4, "layers": 1, "epochs": 1}


def manifest(folder: Path, rows: list[tuple[str, str]]) -> Path:
    """Recordings as features, each with its label and its speaker."""
    random = np.random.default_rng(0)
    lines = ["path\tword\tspeaker"]
    for i, (word, speaker) in enumerate(rows):
        np.save(folder / f"{i}.npy", random.standard_normal((8, 4), np.float32))
        lines.append(f"{i}.npy\t{word}\t{speaker}")
    path = folder / "all.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_label_of_one_group_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    rows = [(word, speaker) for speaker in "abcd" for word in ("yes", "no")] + [("maybe", "d")] * 2
    path = manifest(tmp_path, rows)
    with pytest.raises(UsageError, match=r"fold \d has the label 'maybe' in no group to train on"):
        cross_validate("speech", [path], "speaker", out=tmp_path / "cv", label="word")
    assert not (tmp_path / "cv").exists()


def test_the_task_is_the_one_that_was_learned(tmp_path: Path) -> None:
    path = manifest(tmp_path, [(word, speaker) for speaker in "abc" for word in ("yes", "no")])
    total, task = cross_validate(
        "speech", [path], "speaker", out=tmp_path / "cv", label="word", hidden=4, layers=1, epochs=1
    )
    assert total["test"]["metric"] == task.metric_name == "accuracy"
    assert task.better == "higher"


# without groups


def small(task: str, folder: Path) -> Path:
    """A few examples of a task's sample."""
    path = find(task).sample(folder)[0]
    if path.is_dir():
        for extra in sorted(path.iterdir())[9:]:
            extra.unlink()
        return path
    rows = {"ner": 300, "tagging": 500, "dna": 59, "series": 500, "speech": 9, "video": 13}.get(task, 25)
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:rows]))
    return path


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("task", TASKS)
def test_every_task_makes_folds_by_number(task: str, tmp_path: Path) -> None:
    """Each example is judged once, by a model that did not see it, beside the baselines on the same ones."""
    total, learned = cross_validate(
        task, [small(task, tmp_path / "data")], folds=2, out=tmp_path / "cv", **TINY
    )
    assert total == json.loads((tmp_path / "cv" / "metrics.json").read_text())
    assert len(total["folds"]) == len(list((tmp_path / "cv").glob("fold-*"))) == 2
    assert total["test"].keys() >= {"metric", "value", "signature"}
    assert total["test"]["metric"] == learned.metric_name
    values = [fold["test"]["value"] for fold in total["folds"]]
    assert task == "translation" or min(values) <= total["test"]["value"] + 1e-9  # BLEU is no mean
    for name in ("words", "units", "steps", "characters", "unknown", "unknown_words"):
        if name in total["test"]:
            assert total["test"][name] == sum(fold["test"][name] for fold in total["folds"])
    assert all(one["test"].keys() >= total["test"].keys() for one in total["baselines"].values())


def table(path: Path, labels: Sequence[str]) -> Path:
    rows = "".join(f"word{i} text,{label},a{i % 5}\n" for i, label in enumerate(labels))
    path.write_text("text,label,author\n" + rows)
    return path


@pytest.mark.usefixtures("no_pictures")
def test_labels_are_spread_over_the_folds(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["rare"] * 4 + ["often"] * 16)
    total, _ = cross_validate("sentiment", [path], folds=4, out=tmp_path / "cv", **TINY)
    for fold in total["folds"]:
        assert {label: one["gold"] for label, one in fold["test"]["per_class"].items()} == {
            "rare": 1,
            "often": 4,
        }


@pytest.mark.usefixtures("no_pictures")
def test_a_column_of_a_table_makes_groups_too_and_as_many_folds_as_groups_leave_one_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "t.csv", ["a", "b"] * 10)
    total, _ = cross_validate("sentiment", [path], "author", folds=99, out=tmp_path / "cv", **TINY)
    assert len(total["folds"]) == 5
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fold ")]
    assert said == [f"fold {i}: 12 train, 4 dev, 4 test" for i in range(1, 6)]


def test_too_few_folds_and_too_few_examples(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", ["a", "b"])
    with pytest.raises(UsageError, match=r"at least 2 folds, got 1$"):
        cross_validate("sentiment", [path], folds=1, out=tmp_path / "cv", **TINY)
    with pytest.raises(UsageError, match=r"to train, to stop and to test on, got 2 examples in 2 folds$"):
        cross_validate("sentiment", [path], folds=2, out=tmp_path / "cv", **TINY)
    path = table(tmp_path / "t.csv", [*"ab" * 9, "c"])
    with pytest.raises(UsageError, match=r"fold \d has the label 'c' in no example to train on"):
        cross_validate("sentiment", [path], folds=2, out=tmp_path / "cv", **TINY)
    assert not (tmp_path / "cv").exists()


# dealing


def shares(
    groups: Sequence[str], labels: Sequence[str], dealt: dict[str, int], folds: int
) -> list[Counter[str]]:
    held = [Counter[str]() for _ in range(folds)]
    for group, label in zip(groups, labels, strict=True):
        held[dealt[group] - 1][label] += 1
    return held


def test_groups_of_one_label_do_not_meet_in_a_fold() -> None:
    """Ten groups of two sizes, each of one label: a fold has as many of each size, and of each label."""
    groups = [f"{label}{size}{i}" for label in "xy" for size in (2, 6) for i in range(5) for _ in range(size)]
    labels = [group[0] for group in groups]
    held = shares(groups, labels, deal(groups, [[label] for label in labels], 5), 5)
    assert held == [Counter(x=8, y=8)] * 5


def test_folds_are_as_even_as_those_of_scikit_learn() -> None:
    """Twenty groups of 3 to 30 examples, which have a label of three more or less often."""

    def unevenness(folds: Sequence[Counter[str]], total: Counter[str]) -> float:
        sizes = np.array([fold.total() for fold in folds]) / total.total()
        of_labels = np.array([[fold[label] / total[label] for label in total] for fold in folds])
        return float(np.ptp(sizes) + np.ptp(of_labels, 0).mean())

    ours, theirs = [], []
    for seed in range(20):
        chance = random.Random(seed)
        groups: list[str] = []
        labels: list[str] = []
        for group in range(20):
            size, weights = chance.randint(3, 30), [chance.random() ** 3 + 0.02 for _ in "abc"]
            groups += [f"g{group}"] * size
            labels += chance.choices("abc", weights, k=size)
        dealt = deal(groups, [[label] for label in labels], 5)
        ours.append(unevenness(shares(groups, labels, dealt, 5), Counter(labels)))
        split = StratifiedGroupKFold(5).split(labels, labels, groups)
        folds = [Counter(labels[i] for i in test) for _, test in split]
        theirs.append(unevenness(folds, Counter(labels)))
    assert np.mean(ours) < np.mean(theirs)


@pytest.mark.parametrize("folds", [2, 3, 7, 50])
def test_every_group_is_dealt_once_and_no_fold_stays_empty(folds: int) -> None:
    groups = [f"g{i * i % 23}" for i in range(100)]
    for labels in ([[]] * 100, [["a"]] * 100, [[g, "x"] for g in groups]):
        dealt = deal(groups, labels, folds)
        assert dealt.keys() == {*groups}
        assert {*dealt.values()} == set(range(1, min(folds, len({*groups})) + 1))
