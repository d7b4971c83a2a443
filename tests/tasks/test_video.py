"""Clips: what the network sees of them, what a user may give, streaming, and folds by scene."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elman import folds, training
from elman.data.source import DataError
from elman.data.video import SIDE
from elman.folds import cross_validate
from elman.run import Run
from elman.samples import video as samples
from elman.tasks.task import CannotError
from elman.tasks.video import Film, Video, VideoSettings

TINY = {"hidden": 8, "epochs": 2, "batch_steps": 60}
SIZES = {"train": 12, "dev": 6, "test": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample, with a column of scenes."""
    folder = tmp_path_factory.mktemp("clips")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "SIZES", SIZES)
        for path in samples.write(folder):
            head, *rows = path.read_text().splitlines()
            scenes = [f"{row}\tscene{number // 3}" for number, row in enumerate(rows)]
            path.write_text("\n".join([f"{head}\tscene", *scenes, ""]))
    return folder


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_draw", lambda *_: None)


def films(folder: Path, name: str = "train") -> list[Film]:
    return list(Video.read(str(folder / f"{name}.tsv"), VideoSettings()).examples)


def train(folder: Path, out: Path, **settings: Any) -> Run:
    return training.train(
        "video", folder / "train.tsv", dev=folder / "dev.tsv", out=out, **{**TINY, **settings}
    )


def test_a_frame_is_seen_beside_the_one_before_it(folder: Path) -> None:
    """The packed order of frames is undone: alone, a clip gets the scores that it gets among others."""
    some = [Film(f.frames[: 3 + 2 * i], f.label, f.clip) for i, f in enumerate(films(folder)[:5])]
    task = Video.learn(films(folder), VideoSettings.of(TINY))  # pyright: ignore[reportArgumentType]
    torch.manual_seed(0)
    model = task.model().eval()
    with torch.no_grad():
        together = model(task.batch(some).frames)
        alone = torch.cat([model(task.batch([film]).frames) for film in some])
        backwards = model(task.batch([Film(f.frames[::-1].copy(), f.label, f.clip) for f in some]).frames)
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    assert not torch.allclose(together, backwards, atol=1e-4)


def test_the_eye_finds_how_much_moves() -> None:
    torch.manual_seed(0)
    eye = Video(VideoSettings(), ("a", "b")).model().eye
    change = torch.cat((torch.zeros(1, 3, SIDE, SIDE), torch.rand(1, 2, SIDE, SIDE)), 1)
    with torch.no_grad():
        assert eye(4 * change).mean() > 2 * eye(change).mean()


def test_training_looks_at_parts_and_mirror_images(folder: Path) -> None:
    task = Video.learn(films(folder), VideoSettings.of({**TINY, "dropout": 0.0}))  # pyright: ignore[reportArgumentType]
    model = task.model()
    batch = task.batch(films(folder)[:2]).frames
    torch.manual_seed(0)
    first, second = model(batch), model(batch)
    assert not torch.allclose(first, second)
    model.eval()
    assert torch.equal(model(batch), model(batch))


def test_it_streams_what_it_says_of_the_whole(folder: Path, tmp_path: Path) -> None:
    run = train(folder, tmp_path / "run", one_way=True)
    film = films(folder, "test")[0]
    with run.stream() as stream:
        told = [stream.step(frame) for frame in film.frames]
    (answer,) = run.answers([film])
    assert told[-1]["label"] == answer.label
    # What is told has four digits.
    assert list(told[-1]["probabilities"].values()) == pytest.approx(answer.probabilities, abs=5.1e-5)
    (half,) = run.answers([Film(film.frames[:7], None, film.clip)])
    assert list(told[6]["probabilities"].values()) == pytest.approx(half.probabilities, abs=5.1e-5)
    with run.stream() as stream, pytest.raises(ValueError, match=r"a frame must be \[64, 64, 3\] bytes, got"):
        stream.step(np.zeros((SIDE, SIDE), np.uint8))
    for bad in ("x", None, {"a": 1}):
        with (
            run.stream() as stream,
            pytest.raises(ValueError, match=f"a frame must .* in a {type(bad).__name__}$"),
        ):
            stream.step(bad)  # type: ignore


def test_a_run_that_reads_both_ways_does_not_stream(folder: Path) -> None:
    task = Video.learn(films(folder), VideoSettings())
    with (
        pytest.raises(CannotError, match="reads clips both ways; train one with --one-way"),
        task.stream(task.model()),
    ):
        pass


def test_clips_folders_and_manifests_are_answered(folder: Path, tmp_path: Path) -> None:
    run = train(folder, tmp_path / "run")
    clip = folder / "clips" / "test000.mp4"
    (one,) = run.predict_file(clip)
    assert run.predict([str(clip)]) == [one]
    assert one["path"] == str(clip)
    assert one["confidence"] == max(one["probabilities"].values())
    assert len(run.predict_file(folder / "clips")) == sum(SIZES.values())
    from_manifest = run.predict_file(folder / "test.tsv")
    assert [told["path"] for told in from_manifest] == [f"clips/test{n:03}.mp4" for n in range(6)]
    assert from_manifest[0]["probabilities"] == one["probabilities"]
    assert run.task.show(one) == f"{clip}  {one['label']} {one['confidence']:.2f}"


def test_a_folder_of_clips_for_each_label(folder: Path, tmp_path: Path) -> None:
    for number, film in enumerate(films(folder)):
        place = tmp_path / "clips" / str(film.label) / f"{number}.mp4"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(film.clip.path.read_bytes())
    reading = Video.read(str(tmp_path / "clips"), VideoSettings())
    assert sorted(str(f.label) for f in reading.examples) == sorted(str(f.label) for f in films(folder))
    assert "12 clips, 192 frames at 8 a second, 3 labels" in reading.description
    assert len(Video.paths(str(tmp_path / "clips"), VideoSettings())) == 12
    named = [folder / "train.tsv", *(film.clip.path for film in films(folder))]
    assert Video.paths(str(folder / "train.tsv"), VideoSettings()) == named


def labelled(folder: Path, tmp_path: Path, *names: str) -> str:
    """A folder in which the first clips of the sample have other names."""
    for name, film in zip(names, films(folder), strict=False):
        place = tmp_path / "clips" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(film.clip.path.read_bytes())
    return str(tmp_path / "clips")


def test_the_first_folder_is_the_label_and_what_is_no_clip_is_counted(folder: Path, tmp_path: Path) -> None:
    path = labelled(folder, tmp_path, "up/a.mp4", "up/deep/deeper/b.mp4", "down/c.mkv", "down/c.txt", "notes")
    reading = Video.read(path, VideoSettings())
    assert [str(film.label) for film in reading.examples] == ["down", "up", "up"]
    assert reading.description.endswith(", 2 labels; 2 other files left out")


def test_a_clip_beside_the_folders_has_no_label(folder: Path, tmp_path: Path) -> None:
    path = labelled(folder, tmp_path, "up/a.mp4", "down/c.mp4", "b.mp4")
    with pytest.raises(DataError) as caught:
        Video.read(path, VideoSettings())
    assert str(caught.value) == (
        f"{path}/b.mp4: found 1 clip beside the folders of clips\n"
        "  expected each clip in the folder of its label\n  move it there, or leave it out with --skip-bad"
    )
    reading = Video.read(path, VideoSettings(), skip_bad=True)
    assert reading.description.endswith(", 2 labels; 1 bad clip skipped")


@pytest.mark.parametrize("name", ["a.gif", "a.TS"])
def test_what_a_manifest_takes_is_a_clip_everywhere(name: str, folder: Path, tmp_path: Path) -> None:
    path = Path(labelled(folder, tmp_path, f"up/{name}"))  # ffmpeg looks at what is in it
    task = Video(VideoSettings(), ("up", "down"))
    assert task.has_records(str(path / "up" / name))
    for asked in (path, path / "up" / name):
        (film,) = task.questions(str(asked)).examples
        assert np.array_equal(film.frames, films(folder)[0].frames)
    assert [film.label for film in Video.read(str(path), VideoSettings()).examples] == ["up"]


def test_a_clip_is_told_from_others_without_keeping_its_frames(folder: Path) -> None:
    task, (one, other, *_) = Video(VideoSettings(), ("up", "down")), films(folder)
    same = Film(np.array(one.frames), None, other.clip)
    assert task.key(one) == task.key(same) != task.key(other)
    assert len(task.key(one)) == 32  # pyright: ignore[reportArgumentType]


def test_a_clip_that_was_cut_off_is_told_with_its_row(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    rows = (folder / "train.tsv").read_text().splitlines()[:5]
    for number, row in enumerate(rows[1:]):
        content = (folder / row.split("\t")[0]).read_bytes()
        (tmp_path / row.split("\t")[0]).write_bytes(content[: len(content) // (2 if number == 2 else 1)])
    manifest = tmp_path / "some.tsv"
    manifest.write_text("\n".join([*rows, ""]))
    with pytest.raises(DataError) as caught:
        Video.read(str(manifest), VideoSettings())
    assert str(caught.value).startswith(f"{manifest}:4: found in train002.mp4: ")
    reading = Video.read(str(manifest), VideoSettings(), skip_bad=True)
    assert len(reading.examples) == 3
    assert reading.description.endswith("; 1 bad clip skipped")


def test_one_label_alone_cannot_be_learned(folder: Path) -> None:
    some = [film for film in films(folder) if film.label == "rising"]
    with pytest.raises(DataError, match="found one label only: 'rising'\n  expected at least two"):
        Video.learn(some, VideoSettings())


def test_a_label_never_seen_is_told(folder: Path) -> None:
    task = Video.learn(films(folder), VideoSettings())
    film = films(folder)[0]
    with pytest.raises(DataError, match="the label 'risin', never seen in training"):
        task.check([Film(film.frames, "risin", film.clip)])


def test_folds_keep_scenes_together_and_judge_every_clip_once(folder: Path, tmp_path: Path) -> None:
    files = [folder / f"{name}.tsv" for name in SIZES]
    total, _ = cross_validate(
        "video", files, "scene", out=tmp_path / "cv", hidden=8, epochs=1, batch_steps=60
    )
    judged = total["test"]["per_class"].values()
    assert sum(rates["gold"] for rates in judged) == sum(SIZES.values())
    assert total["test"]["metric"] == "accuracy"
    assert total == json.loads((tmp_path / "cv" / "metrics.json").read_text())
    assert len(total["folds"]) == len(list((tmp_path / "cv").glob("fold-*"))) == 4  # there are four scenes
    sizes = [sum(rates["gold"] for rates in fold["test"]["per_class"].values()) for fold in total["folds"]]
    right = sum(size * fold["test"]["value"] for size, fold in zip(sizes, total["folds"], strict=True))
    assert total["test"]["value"] == pytest.approx(right / sum(sizes))
    assert set(total["baselines"]) == {"majority", "averages_logistic_regression", "standard_network"}


def test_the_dev_part_of_a_fold_is_many_small_scenes_not_the_largest() -> None:
    groups = ["hall"] * 40 + [f"street {number}" for number in range(60)]
    drawn = folds._tenth(groups)
    assert len(drawn) == 10
    assert "hall" not in drawn
    assert folds._tenth(["hall"] * 9 + ["yard"] * 4) == {"yard"}  # each has more than a tenth


def test_a_column_for_folds_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column 'scen'\n.*\n  did you mean 'scene'\?"):
        cross_validate("video", [folder / "train.tsv"], "scen", out=tmp_path / "cv")
    some = folder / "one.tsv"
    some.write_text("".join((folder / "train.tsv").read_text().splitlines(keepends=True)[:4]))
    with pytest.raises(training.UsageError, match=r"at least 3 groups, .*; column 'scene' has 1 value$"):
        cross_validate("video", [some], "scene", out=tmp_path / "cv")
