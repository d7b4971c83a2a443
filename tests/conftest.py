"""Small data and a small run for the tests of training and of the command line."""

from pathlib import Path
from typing import Any

import pytest

from elman import training
from elman.samples import ner

SIZES = {"train": 30, "dev": 10, "test": 10}  # sentences


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The first sentences of the ner sample: train, dev and test."""
    folder = tmp_path_factory.mktemp("small")
    for path in ner.write(folder):
        sentences = path.read_text(encoding="utf-8").split("\n\n")[: SIZES[path.stem]]
        path.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return {name: folder / f"{name}.conll" for name in SIZES}


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    """Settings with which training takes a moment, and learns something."""
    return {
        "hidden": 8,
        "layers": 1,
        "dropout": 0.3,
        "epochs": 3,
        "patience": 9,
        "batch_steps": 60,
        "learning_rate": 0.03,
        "seed": 0,
    }


@pytest.fixture(scope="session")
def trained(
    files: dict[str, Path], settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a run trained on all three files. Read only: every test shares it."""
    out = tmp_path_factory.mktemp("runs") / "ner"
    training.train("ner", files["train"], dev=files["dev"], test=files["test"], out=out, **settings)
    return out


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train without the pictures, which take longer than the training."""
    monkeypatch.setattr(training, "_draw", lambda *_: None)
