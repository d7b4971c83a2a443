"""Small data and a small run for the tests of training and of the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elman import training
from elman.samples import ner

SIZES = {"train": 30, "dev": 10, "test": 10}  # sentences


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all that elman keeps meanwhile; not the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "elman"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A few sentences of the ner sample: train, test, and for dev some of train, so that a score can rise."""
    folder = tmp_path_factory.mktemp("small")
    paths = {path.stem: path for path in ner.write(folder)}
    paths["dev"].write_bytes(paths["train"].read_bytes())
    for name, path in paths.items():
        sentences = path.read_text(encoding="utf-8").split("\n\n")[: SIZES[name]]
        path.write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return paths


@pytest.fixture(scope="session")
def settings() -> dict[str, Any]:
    """Settings with which training takes a moment, and learns something."""
    return {
        "cell": "rnn",
        "hidden": 8,
        "layers": 1,
        "dropout": 0.1,
        "epochs": 4,
        "patience": 9,
        "batch_steps": 40,
        "learning_rate": 0.05,
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
