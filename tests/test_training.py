"""Training from files to a run folder: laws 3 and 4, what is refused, and what a run folder holds.

(A long file, because all of it trains on the same few sentences.)
"""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import image
from torch import nn

import elman
from elman import training
from elman.data.source import DataError
from elman.learning.fit import DivergedError, Progress, fit
from elman.storage import DamagedError, read_json
from elman.training import UsageError, train

Files = dict[str, Path]
Settings = dict[str, Any]
BITS = ("model.safetensors", "checkpoint.safetensors", "checkpoint.json", "metrics.json")


def bits(folder: Path) -> dict[str, str]:
    """What two runs of one command must have alike."""
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in BITS}


def log_of(folder: Path) -> list[dict[str, Any]]:
    """The log without its speeds."""
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "steps_a_second"} for row in rows]


class Killed(BaseException):
    """Nothing catches it, as nothing catches kill -9."""


# Laws 3 and 4


@pytest.mark.usefixtures("no_pictures")
def test_the_same_call_gives_the_same_bits(
    trained: Path, files: Files, settings: Settings, tmp_path: Path
) -> None:
    train("ner", files["train"], dev=files["dev"], test=files["test"], out=tmp_path / "run", **settings)
    assert bits(tmp_path / "run") == bits(trained)
    assert log_of(tmp_path / "run") == log_of(trained)


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("updates", [0, 1, 4, 6, 9, 13, 16, 1000])
def test_a_run_stopped_between_updates_goes_on_to_the_same_bits(
    updates: int,
    trained: Path,
    files: Files,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopping(*args: Any) -> Iterator[Progress]:
        for count, progress in enumerate(fit(*args)):
            if count == updates:
                raise Killed
            yield progress
        raise Killed

    def go(**more: Any) -> None:
        train("ner", files["train"], dev=files["dev"], test=files["test"], out=tmp_path, **more, **settings)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", stopping)
        with pytest.raises(Killed):
            go()
    assert not (tmp_path / "metrics.json").exists()
    epochs = len(log_of(tmp_path)) if (tmp_path / "log.jsonl").exists() else 0
    capsys.readouterr()
    go(resume=True)
    told = f"goes on behind epoch {epochs}\n" if epochs else "epoch   1"
    assert told in capsys.readouterr().err
    assert bits(tmp_path) == bits(trained)
    assert log_of(tmp_path) == log_of(trained)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_stopped_within_any_write_goes_on_to_the_same_bits(
    trained: Path, files: Files, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt dies as it forces a file or a folder to the disk, a few writes further on every time."""
    fsync, allowed, deaths = os.fsync, 0, 0

    def dying(descriptor: int) -> None:
        nonlocal allowed
        allowed -= 1
        if allowed < 0:
            raise Killed
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", dying)
    for attempt in range(40):
        allowed = attempt
        try:
            train(
                "ner",
                files["train"],
                dev=files["dev"],
                test=files["test"],
                out=tmp_path,
                resume=True,
                **settings,
            )
            break
        except Killed:
            deaths += 1
    assert deaths >= 8
    assert bits(tmp_path) == bits(trained)
    assert log_of(tmp_path) == log_of(trained)
    assert not list(tmp_path.rglob("*.part"))


COMMAND = [sys.executable, "-c", "from elman.cli import main; main()"]


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bits(files: Files, settings: Settings, tmp_path: Path) -> None:
    chosen = settings | {"epochs": 12, "patience": 99}
    flags = [text for name, value in chosen.items() for text in (f"--{name.replace('_', '-')}", str(value))]

    def start(out: str, *more: str) -> subprocess.Popen[bytes]:
        data = [str(files["train"]), "--dev", str(files["dev"]), "--out", str(tmp_path / out)]
        quiet = subprocess.DEVNULL
        return subprocess.Popen([*COMMAND, "train", "ner", *data, *flags, *more], stdout=quiet, stderr=quiet)

    def epochs() -> int:
        log = tmp_path / "killed" / "log.jsonl"
        return len(log.read_text().splitlines()) if log.exists() else 0

    assert start("unbroken").wait() == 0
    moments = random.Random(0)
    kills = 0
    for epoch in (1, 5, 8):
        process = start("killed", *(["--resume"] if kills else []))
        while process.poll() is None and epochs() < epoch:
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        kills += process.wait() == -signal.SIGKILL
    assert kills == 3
    assert start("killed", "--resume").wait() == 0
    assert bits(tmp_path / "killed") == bits(tmp_path / "unbroken")
    assert log_of(tmp_path / "killed") == log_of(tmp_path / "unbroken")


def test_a_finished_run_may_be_resumed(
    trained: Path, files: Files, settings: Settings, tmp_path: Path
) -> None:
    out = copy(trained, tmp_path)
    train("ner", files["train"], dev=files["dev"], test=files["test"], out=out, resume=True, **settings)
    assert bits(out) == bits(trained)
    assert log_of(out) == log_of(trained)


def copy(folder: Path, to: Path) -> Path:
    """A copy of a run, to be spoiled."""
    for path in folder.rglob("*"):
        if path.is_file():
            target = to / "copy" / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return to / "copy"


# What is refused


@pytest.mark.parametrize(
    ("change", "wording"),
    [
        ({"hidden": 9}, r"hidden was 8, now 9"),
        ({"seed": 1, "epochs": 5}, r"epochs was 4, now 5, seed was 0, now 1"),
        ({"test": None}, r"test file was [0-9a-f]{12}, now None"),
    ],
)
def test_a_run_does_not_go_on_as_another(
    change: Settings, wording: str, trained: Path, files: Files, settings: Settings
) -> None:
    before = bits(trained)
    call = {"dev": files["dev"], "test": files["test"], **settings, **change}
    with pytest.raises(UsageError) as caught:
        train("ner", files["train"], out=trained, resume=True, **call)
    expected = (
        rf"the run in {re.escape(str(trained))} cannot go on: {wording}; use the same command as before"
    )
    assert re.fullmatch(expected, str(caught.value))
    assert bits(trained) == before


@pytest.mark.parametrize("name", ["train", "dev", "test", "vectors"])
@pytest.mark.usefixtures("no_pictures")
def test_a_run_does_not_go_on_with_other_data(
    name: str, files: Files, settings: Settings, tmp_path: Path
) -> None:
    mine = {part: tmp_path / part for part in ("train", "dev", "test", "vectors")}
    for part, path in files.items():
        mine[part].write_bytes(path.read_bytes())
    mine["vectors"].write_text("the 1 2\nof 3 4\nzyzzyva 5 6\n")
    call: Settings = {"dev": mine["dev"], "test": mine["test"], "out": tmp_path / "run"}
    call |= {**settings, "epochs": 1, "vectors": str(mine["vectors"])}
    train("ner", mine["train"], **call)
    text = mine[name].read_text(encoding="utf-8")
    mine[name].write_text("the 2 2\n" + text if name == "vectors" else f"a\tO\n\n{text}", encoding="utf-8")
    with pytest.raises(
        UsageError, match=f"cannot go on: {name} file was [0-9a-f]{{12}}, now [0-9a-f]{{12}};"
    ):
        train("ner", mine["train"], resume=True, **call)


def test_a_folder_that_is_taken(trained: Path, files: Files, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    with pytest.raises(UsageError, match=r"holds a run; name another folder with --out, or .* --resume"):
        train("ner", files["train"], out=trained)
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
    (tmp_path / "thesis.txt").write_text("mine")
    for resume in (False, True):
        with pytest.raises(UsageError, match="is not empty; name another folder with --out"):
            train("ner", files["train"], out=tmp_path, resume=resume)
    for out in (tmp_path / "thesis.txt", tmp_path / "thesis.txt" / "run"):
        with pytest.raises(UsageError, match=r"out must be a folder, and .*thesis\.txt is a file"):
            train("ner", files["train"], out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("call", "error", "wording"),
    [
        ({"task": "nerr"}, UsageError, "there is no task 'nerr'; did you mean 'ner'?"),
        ({"hiden": 8}, UsageError, "there is no setting 'hiden'; did you mean 'hidden'?"),
        ({"hidden": 0}, UsageError, "hidden must be at least 1, got 0"),
        ({"train": None, "dev": "dev"}, UsageError, "dev and test need a training file"),
        ({"train": "nowhere"}, DataError, "No such file: nowhere. Check the spelling."),
        ({"dev": "nowhere"}, DataError, "No such file: nowhere. Check the spelling."),
        ({"test": "nowhere"}, DataError, "No such file: nowhere. Check the spelling."),
        ({"vectors": "nowhere"}, DataError, "No such file: nowhere. Check the spelling."),
        ({"train": "one"}, DataError, "one: found one example\n  expected at least 2"),
        ({"dev": "unseen"}, DataError, "unseen:2: found an entity of type 'WORK', never seen in training"),
    ],
)
def test_nothing_is_written_when_the_call_is_wrong(
    call: Settings,
    error: type[Exception],
    wording: str,
    files: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("one").write_text("Ada\tB-PER\n")
    Path("unseen").write_text("read\tO\nHamlet\tB-WORK\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=re.escape(wording)):
        train(**{"task": "ner", "train": files["train"], "out": tmp_path / "a" / "run", **call})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("no_pictures")
def test_a_type_that_only_test_has_counts_as_missed(
    files: Files, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = tmp_path / "test.conll"
    test.write_text("read\tO\nHamlet\tB-WORK\n")
    call = {**settings, "epochs": 1}
    train("ner", files["train"], dev=files["dev"], test=test, out=tmp_path / "run", **call)
    told = capsys.readouterr().err
    assert f"warning: {test}:2: found an entity of type 'WORK', never seen in training\n" in told
    assert "it counts as missed" in told
    judged = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert (judged["gold"], judged["recall"]) == (1, 0.0)
    assert judged["per_type"]["WORK"]["gold"] == 1


@pytest.mark.usefixtures("no_pictures")
def test_without_dev_a_tenth_of_train_is_held_out(
    files: Files, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train("ner", files["train"], out=tmp_path / "run", **{**settings, "epochs": 1})
    assert "dev   3 of the 30 training examples, held out (there is no dev file)" in capsys.readouterr().err
    metrics = json.loads((run.folder / "metrics.json").read_text())
    entities = files["train"].read_text(encoding="utf-8").count("\tB-")
    assert 0 < metrics["dev"]["gold"] < entities / 3
    assert metrics.keys() == {"dev", "baselines"}
    words = len({w.lower() for e in run.read(files["train"]).examples for w in e.words})
    known = run.task.facts()["words"]
    assert len(known) - 2 < words  # what is held out is not learned from
    assert "held out" in (run.folder / "README.md").read_text()


# What a run folder holds


def test_a_run_folder_holds_what_the_design_names(trained: Path) -> None:
    held = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    pictures = {name for name in held if name.startswith("plots/")}
    assert held - pictures == {
        "run.json",
        "model.safetensors",
        "checkpoint.safetensors",
        "checkpoint.json",
        "log.jsonl",
        "metrics.json",
        "README.md",
    }
    assert {"plots/learning.png", "plots/lengths.png", "plots/confusion-test.png"} <= pictures


def test_run_json_says_where_the_run_came_from(trained: Path, files: Files, settings: Settings) -> None:
    facts = read_json(trained / "run.json")
    assert facts["task"] == "ner"
    assert facts["settings"].items() >= settings.items()
    for name, path in files.items():
        content = path.read_bytes()
        assert facts["data"][name]["bytes"] == len(content)
        assert facts["data"][name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert Path(facts["data"][name]["path"]).name == path.name
    assert facts["versions"].keys() >= {"elman", "torch", "numpy", "python"}
    assert facts["command"]
    assert facts["learned"]["types"] == ["LOC", "ORG", "PER"]


def test_metrics_have_the_form_of_the_design(trained: Path, files: Files) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics.keys() == {"dev", "test", "baselines"}
    assert metrics["baselines"].keys() == {"most_frequent_tag", "standard_network"}
    for judged in (metrics, *metrics["baselines"].values()):
        for part in ("dev", "test"):
            figures = judged[part]
            assert figures["metric"] == "entity_f1"
            assert figures.keys() == metrics["dev"].keys()
            for name in ("value", "precision", "recall"):
                assert 0 <= figures[name] <= 1
            assert figures["gold"] == metrics[part]["gold"]
    run = elman.load(trained)
    for part in ("dev", "test"):
        assert run.evaluate(files[part]) == metrics[part]


def test_the_log_and_the_checkpoint_tell_of_the_best_epoch(
    trained: Path, files: Files, settings: Settings
) -> None:
    log = log_of(trained)
    assert [row["epoch"] for row in log] == list(range(1, settings["epochs"] + 1))
    best = max(row["score"] for row in log)
    assert best > 0
    assert log[-1]["best"] == best
    # What is chosen on dev after training betters that score; without it, the kept weights score it exactly.
    assert json.loads((trained / "metrics.json").read_text())["dev"]["value"] >= best
    run = elman.load(trained)
    run.model.get_buffer("eagerness").fill_(0)
    assert run.evaluate(files["dev"])["value"] == best
    facts = read_json(trained / "checkpoint.json")
    assert (facts["epoch"], facts["best"]) == (settings["epochs"], best)
    assert log[facts["best_epoch"] - 1]["score"] == best


@pytest.mark.usefixtures("no_pictures")
def test_the_last_of_the_best_weights_are_kept(
    files: Files, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, kept = iter([0.5, 0.1, 0.2, 0.5]), []

    def scripted(model: nn.Module, batches: Any, loss: Any, evaluate: Any, *rest: Any) -> Iterator[Progress]:
        for progress in fit(model, batches, loss, lambda: next(scores), *rest):
            if progress.checkpoint:
                kept.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
            yield progress

    monkeypatch.setattr(training, "fit", scripted)
    train("ner", files["train"], dev=files["dev"], out=tmp_path, **settings)
    held = dict(elman.load(tmp_path).model.named_parameters())
    same = [all(torch.equal(tensor, weights[name]) for name, tensor in held.items()) for weights in kept]
    assert same == [False, False, False, True]
    card = (tmp_path / "README.md").read_text()
    assert "Trained for 4 epochs; the weights are those of epoch 4, the last that was as good on dev" in card


def test_the_card_shows_the_figures_beside_the_baselines(trained: Path, settings: Settings) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())
    card = (trained / "README.md").read_text()
    for part in ("dev", "test"):
        assert f"| {part} | this model | {metrics[part]['value']:.4f} |" in card
        for name, judged in metrics["baselines"].items():
            assert f"| {part} | {name.replace('_', ' ')} | {judged[part]['value']:.4f} |" in card
    assert f"Signature: `{metrics['dev']['signature']}`" in card
    for name, value in settings.items():
        assert f"- {name} = {value}\n" in card
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", card)
    assert sorted(pictures) == sorted(f"plots/{path.name}" for path in (trained / "plots").iterdir())


def test_pictures_are_not_blank(trained: Path) -> None:
    pictures = sorted((trained / "plots").glob("*.png"))
    assert len(pictures) >= 4
    for path in pictures:
        pixels = image.imread(path)
        assert min(pixels.shape[:2]) > 200
        dark = (pixels[..., :3].mean(2) < 0.5).mean()
        assert 0.001 < dark < 0.5
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 20


# What is damaged


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [flip, cut, empty])
@pytest.mark.parametrize("name", ["run.json", "model.safetensors", "checkpoint.safetensors"])
def test_a_damaged_file_is_named(
    name: str, spoil: Callable[[Path], None], trained: Path, files: Files, settings: Settings, tmp_path: Path
) -> None:
    folder = copy(trained, tmp_path)
    spoil(folder / name)
    match = rf"^{re.escape(str(folder / name))}: damaged: .*\n  expected .*\n  restore it"
    if not name.startswith("checkpoint"):
        with pytest.raises(DamagedError, match=match):
            elman.load(folder)
    if not name.startswith("model"):
        with pytest.raises(DamagedError, match=match):
            train(
                "ner",
                files["train"],
                dev=files["dev"],
                test=files["test"],
                out=folder,
                resume=True,
                **settings,
            )


@pytest.mark.parametrize(
    "log",
    [None, "", "{}\n{}\n{}\n", "[1]\n[2]\n[3]\n", '{"epoch": 1}\n', "{\n", '"a"\n"b"\n"c"\n', "\x80"],
)
def test_a_damaged_log_is_named(
    log: str | None, trained: Path, files: Files, settings: Settings, tmp_path: Path
) -> None:
    folder = copy(trained, tmp_path)
    path = folder / "log.jsonl"
    path.unlink() if log is None else path.write_bytes(log.encode("latin-1"))
    with pytest.raises(DamagedError, match=rf"^{re.escape(str(path))}: damaged: "):
        train(
            "ner", files["train"], dev=files["dev"], test=files["test"], out=folder, resume=True, **settings
        )


def test_a_run_without_weights(trained: Path, tmp_path: Path) -> None:
    folder = copy(trained, tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"saved no model yet\n  expected model\.safetensors\n  .* --resume"):
        elman.load(folder)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    no_run, remedy = tmp_path / "ner", "give the folder that `elman train --out` named"
    no_run.mkdir()
    file = no_run / "model.safetensors"
    file.touch()

    def message(folder: Path) -> str:
        with pytest.raises(DataError) as caught:
            elman.load(folder)
        return str(caught.value)

    assert message(tmp_path / "nre") == f"No such folder: {tmp_path}/nre. Did you mean {no_run}?"
    assert message(tmp_path / "zzz") == f"No such folder: {tmp_path}/zzz. Check the spelling."
    assert message(no_run) == f"{no_run}: found no run.json\n  expected the folder of a run\n  {remedy}"
    assert message(file) == f"{file}: found a file\n  expected the folder of a run\n  {remedy}"
    (no_run / "run.json").touch()
    assert message(file).endswith(f"  give its folder: {no_run}")


def test_weights_of_another_run(trained: Path, files: Files, settings: Settings, tmp_path: Path) -> None:
    folder = copy(trained, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        other = train(
            "ner",
            files["train"],
            dev=files["dev"],
            out=tmp_path / "other",
            **{**settings, "epochs": 1, "hidden": 4},
        )
    (folder / "model.safetensors").write_bytes((other.folder / "model.safetensors").read_bytes())
    with pytest.raises(DamagedError, match=r"not the weights that run\.json speaks of"):
        elman.load(folder)


# What diverges


def test_a_loss_that_is_no_number_names_its_lines(files: Files, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DivergedError) as caught:
        train(
            "ner",
            files["train"],
            dev=files["dev"],
            out=tmp_path / "run",
            **{**settings, "learning_rate": 1e30},
        )
    first, *rest = str(caught.value).splitlines()
    found = re.fullmatch(
        r"training diverged: found a (loss|gradient) .* at update \d+, on the batch of (.*)", first
    )
    assert found
    places = re.findall(rf"{re.escape(str(files['train']))}:(\d+)", found[2])
    lines = files["train"].read_text(encoding="utf-8").split("\n")
    assert places
    for place in map(int, places):
        assert lines[place - 1]
        assert place == 1 or not lines[place - 2]  # the first row of a sentence
    assert rest == ["  expected finite numbers", "  try a smaller --learning-rate, and look at these lines"]


# Without files


@pytest.mark.usefixtures("no_pictures")
def test_without_files_a_task_trains_on_its_sample(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from elman.samples import ner

    monkeypatch.setattr(ner, "SPLITS", {name: (20, names) for name, (_, names) in ner.SPLITS.items()})
    monkeypatch.chdir(tmp_path)
    run = train("ner", **{**settings, "epochs": 1})
    assert run.folder == Path("runs/ner")
    assert {path.name for path in (run.folder / "sample").iterdir()} == {
        "train.conll",
        "dev.conll",
        "test.conll",
    }
    assert json.loads((run.folder / "metrics.json").read_text()).keys() == {"dev", "test", "baselines"}


def test_a_test_file_that_chose_the_weights_is_told(
    files: Files, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train("ner", files["train"], dev=files["dev"], test=files["dev"], out=tmp_path / "run", **settings)
    assert "examples of test stand in the dev file too" in capsys.readouterr().err
