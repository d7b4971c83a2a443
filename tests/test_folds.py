"""Cross-validation by groups: what every fold needs."""

from pathlib import Path

import numpy as np
import pytest

from elman.folds import cross_validate
from elman.training import UsageError


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
