"""A run knows all files that it was made of, as they were when they were read."""

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman.samples import video as video_samples
from elman.storage import read_json
from elman.tasks import TASKS, find
from elman.tasks.ner import NER
from elman.training import UsageError, read_examples, train

OPENED: list[str] | None = None


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect the files that Python opens meanwhile."""
    global OPENED
    OPENED = names = []
    try:
        yield names
    finally:
        OPENED = None


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if event == "open" and OPENED is not None:
        OPENED.append(str(details[0]))


sys.addaudithook(_hook)  # which cannot be taken away again


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, no_pictures: None) -> None:
    monkeypatch.setattr(video_samples, "SIZES", {"train": 6, "dev": 3, "test": 3})


@pytest.mark.parametrize("task", TASKS)
def test_every_file_that_is_read_has_a_fingerprint(task: str, tmp_path: Path) -> None:
    kind = find(task)
    path = kind.sample(tmp_path)[0]
    with watched() as names:
        reading = read_examples(kind, [str(path)], kind.settings_type(), skip_bad=False)
    opened = {name for name in names if name.startswith(str(tmp_path)) and Path(name).is_file()}
    assert opened
    assert {str(one.path) for one in reading.files} == opened
    for one in reading.files:
        assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()


def features(folder: Path) -> Path:
    """Write a manifest of features, of which those of a label are alike."""
    rng, rows = np.random.default_rng(0), ["path\ttext"]
    folder.mkdir()
    for number in range(8):
        np.save(folder / f"{number}.npy", rng.normal(number % 2, 0.1, (12, 3)).astype(np.float32))
        rows.append(f"{number}.npy\t{'no' if number % 2 else 'yes'}")
    (folder / "train.tsv").write_text("\n".join([*rows, ""]))
    return folder / "train.tsv"


def clips(folder: Path, names: list[str]) -> list[Path]:
    for split in video_samples.write(folder):
        split.unlink()
    paths = [folder / name for name in names]
    for path, clip in zip(paths, sorted((folder / "clips").iterdir()), strict=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        clip.rename(path)
    return paths


def swap(one: Path, other: Path) -> None:
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])


TINY: dict[str, Any] = {"hidden": 4, "epochs": 1, "layers": 1}


@pytest.mark.parametrize("case", ["recordings", "clips of a manifest", "clips of a folder"])
def test_a_run_does_not_go_on_with_other_media(case: str, tmp_path: Path) -> None:
    data, settings = tmp_path / "data", dict(TINY)
    if case == "recordings":
        path, settings["label"] = features(data), "text"
    elif case == "clips of a manifest":
        video_samples.write(data)
        path = data / "train.tsv"
    else:
        media = clips(data, [f"{way}/{number}.mp4" for way in ("falling", "rising") for number in range(3)])
        path, data = data, media[0].parent
        for rest in (path / "clips").iterdir():
            rest.unlink()
        (path / "clips").rmdir()
    task = "speech" if case == "recordings" else "video"
    out = tmp_path / "run"
    train(task, path, out=out, **settings)
    train(task, path, out=out, resume=True, **settings)
    media = sorted(data.rglob("*.npy" if task == "speech" else "*.mp4"))
    number = read_json(out / "run.json")["data"]["train"]["files"]
    swap(*media[-2:])
    refused = (
        rf"cannot go on: train file was \w{{12}} \(of {number} files\), now \w{{12}} \(of {number} files\);"
    )
    with pytest.raises(UsageError, match=refused):
        train(task, path, out=out, resume=True, **settings)
    swap(*media[-2:])
    train(task, path, out=out, resume=True, **settings)


def test_the_fingerprint_is_of_what_was_read(
    files: dict[str, Path], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file changes between its reading and the writing of run.json."""
    path, learn = tmp_path / "train.conll", NER.learn
    path.write_bytes(files["train"].read_bytes())

    def disturbed(*given: Any) -> NER:
        path.write_text("Ada B-PER\n")
        return learn(*given)

    monkeypatch.setattr(NER, "learn", disturbed)
    train("ner", path, out=tmp_path / "run", **{**settings, "epochs": 1})
    read = hashlib.sha256(files["train"].read_bytes()).hexdigest()
    assert read_json(tmp_path / "run" / "run.json")["data"]["train"]["sha256"] == read


def test_vectors_that_change_while_they_are_read_are_an_error(
    files: dict[str, Path], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, learn = tmp_path / "vectors.txt", NER.learn
    vectors.write_text("the 1 2\nof 3 4\n")

    def disturbed(*given: Any) -> NER:
        learned = learn(*given)
        vectors.write_text("the 1 3\nof 3 4\n")
        return learned

    monkeypatch.setattr(NER, "learn", disturbed)
    with pytest.raises(Exception, match=r"vectors\.txt: found a file that changed while it was read"):
        train("ner", files["train"], out=tmp_path / "run", vectors=str(vectors), **settings)
