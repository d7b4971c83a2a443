"""One training at a time in a folder: who comes second is told who is there, and nothing is mixed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

import elman
from elman import training
from elman.cli import main
from elman.learning.fit import Progress, fit
from elman.lock import FolderLock, LockedError
from elman.storage import read_json, read_tensors, write_tensors, write_whole
from elman.training import UsageError, train

Files = dict[str, Path]
Settings = dict[str, Any]

HOLD = """
import sys
from pathlib import Path
from elman.lock import FolderLock
FolderLock(Path(sys.argv[1])).take()
print("taken", flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    """A process that holds a folder until it is told to end, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "taken\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def call(folder: Path, files: Files, settings: Settings, **more: Any) -> None:
    train("ner", files["train"], dev=files["dev"], out=folder, **{**settings, **more})


# The lock


def test_who_comes_second_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    process = holder(tmp_path / "run")
    try:
        with pytest.raises(LockedError) as raised:
            FolderLock(tmp_path / "run").take()
        assert str(raised.value) == (
            f"{tmp_path / 'run'} is in use: process {process.pid} is training there; "
            "wait until it ends, or name another folder with --out"
        )
    finally:
        kill(process)


def test_a_process_that_dies_holds_nothing(tmp_path: Path) -> None:
    kill(holder(tmp_path))
    lock = FolderLock(tmp_path)
    lock.take()
    with pytest.raises(LockedError, match=f"process {os.getpid()} is training there"):
        FolderLock(tmp_path).take()
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "a" / "b")
    lock.take()
    assert (tmp_path / "a" / "b").is_dir()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    lock = FolderLock(tmp_path / "a" / "b")
    lock.take()
    (tmp_path / "a" / "b" / "file").touch()
    lock.release()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["file"]


def test_many_at_once_hold_it_one_after_the_other(tmp_path: Path) -> None:
    """Each takes it, makes the folder where it is absent, and takes both away: none ever meets another."""
    inside, refused, failed = [0], [0], []

    def work() -> None:
        for _ in range(100):
            lock = FolderLock(tmp_path / "run")
            try:
                lock.take()
            except LockedError:
                refused[0] += 1
                continue
            except BaseException as error:
                failed.append(error)
                return
            inside[0] += 1
            if inside[0] != 1:
                failed.append(AssertionError("two hold it"))
            time.sleep(0.0005)
            inside[0] -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert 0 < refused[0] < 400
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# Training


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_in_use_is_refused_and_left_as_it_is(
    resume: bool, trained: Path, files: Files, settings: Settings
) -> None:
    process = holder(trained)
    try:
        before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
        with pytest.raises(UsageError, match=f"is in use: process {process.pid} is training there"):
            train(
                "ner",
                files["train"],
                dev=files["dev"],
                test=files["test"],
                out=trained,
                resume=resume,
                **settings,
            )
        assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before
    finally:
        kill(process)
        (trained / ".lock").unlink()


@pytest.mark.usefixtures("no_pictures")
def test_a_training_goes_on_beside_one_that_was_refused(
    files: Files, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []

    def disturbed(*args: Any) -> Iterator[Progress]:
        for progress in fit(*args):
            if progress.checkpoint:
                for resume in (False, True):
                    with pytest.raises(
                        UsageError, match=f"process {os.getpid()} is training there"
                    ) as raised:
                        call(tmp_path / "run", files, settings, resume=resume, seed=1)
                    refused.append(raised.value)
            yield progress

    call(tmp_path / "alone", files, settings)
    monkeypatch.setattr(training, "fit", disturbed)
    call(tmp_path / "run", files, settings)
    assert len(refused) == 2 * settings["epochs"]
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "alone"))
    assert one == other
    assert not (tmp_path / "run" / ".lock").exists()


@pytest.mark.usefixtures("no_pictures")
def test_what_a_killed_process_left_is_swept_and_what_is_not_ours_stays(
    files: Files, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    (folder / "sample").mkdir(parents=True)
    left = [folder / ".elman-17-0a1b2c3d.part", folder / "sample" / ".elman-1-00000000.part"]
    for path in left:
        path.write_bytes(b"half")
    (folder / ".lock").write_text("17\n")
    (folder / "sample" / ".film.part").write_bytes(b"mine")
    call(folder, files, {**settings, "epochs": 1})
    assert not any(path.exists() for path in left)
    assert (folder / "sample" / ".film.part").read_bytes() == b"mine"


def test_processes_that_write_one_file_never_mix_it(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(4)]

    def write(content: bytes) -> None:
        for _ in range(10):
            write_whole(tmp_path / "file", content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if (tmp_path / "file").exists():
            assert (tmp_path / "file").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# What is resumed


def test_a_checkpoint_of_another_network_is_a_damaged_file(
    trained: Path, files: Files, settings: Settings, tmp_path: Path
) -> None:
    for path in trained.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors, facts = read_tensors(tmp_path / "checkpoint.safetensors")
    first = tensors["trained.0"]
    wrong: list[tuple[dict[str, torch.Tensor], dict[str, Any]]] = [
        ({}, facts),
        ({**tensors, "trained.0": first[:-1]}, facts),
        ({**tensors, "trained.0": first.double()}, facts),
        ({**tensors, "optimizer.0.exp_avg": first[:-1]}, facts),
        ({**tensors, "optimizer.a.b": first}, facts),
        ({**tensors, "random": tensors["random"][:-1]}, facts),
        ({name: tensor for name, tensor in tensors.items() if name != "average.0"}, facts),
        (tensors, {**facts, "epoch": "1"}),
        (tensors, {**facts, "step": -1}),
        (tensors, {**facts, "best": None}),
        (tensors, {**facts, "more": 1}),
        (tensors, {name: fact for name, fact in facts.items() if name != "step"}),
    ]
    for spoilt, told in wrong:
        write_tensors(tmp_path / "checkpoint.safetensors", spoilt, told)
        with pytest.raises(elman.storage.DamagedError, match="no checkpoint of this run"):
            train(
                "ner",
                files["train"],
                dev=files["dev"],
                test=files["test"],
                out=tmp_path,
                resume=True,
                **settings,
            )


# Races

BITS = ("run.json", "model.safetensors", "checkpoint.safetensors", "checkpoint.json", "metrics.json")


def bits(folder: Path) -> dict[str, str]:
    """Of a run, but what run.json says of the command."""
    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in BITS[1:]}
    return {**found, "seed": str(read_json(folder / "run.json")["settings"]["seed"])}


def started(words: list[str], err: Path, wait: float) -> int:
    """Run a command in a fork of this process, which has all that is slow to load; return its number."""
    if child := os.fork():
        return child
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(err, os.O_WRONLY | os.O_CREAT, 0o600), 2)
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115 - pytest has put another in its place
        sys.argv = ["elman", *words]
        time.sleep(wait)
        main()
    except SystemExit as end:
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        os._exit(1)
    os._exit(1)


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("resume", [False, True])
def test_of_two_trainings_in_a_folder_one_is_refused(
    resume: bool, files: Files, settings: Settings, tmp_path: Path
) -> None:
    random = Random(0)
    sizes = {**settings, "epochs": 4}

    def words(folder: Path, seed: int) -> list[str]:
        chosen = {**sizes, "seed": seed}
        flags = [
            text for name, value in chosen.items() for text in (f"--{name.replace('_', '-')}", str(value))
        ]
        data = ["train", "ner", str(files["train"]), "--dev", str(files["dev"]), "--out", str(folder)]
        return [*data, *flags, *(["--resume"] if resume else [])]

    alone = []
    for seed in (0, 1):
        call(tmp_path / f"alone{seed}", files, {**sizes, "seed": seed})
        alone.append(bits(tmp_path / f"alone{seed}"))
    seen: dict[str, int] = {}
    for race in range(25):
        folder, errors = tmp_path / f"race{race}", [tmp_path / f"err{race}-{n}" for n in (0, 1)]
        seeds = (0, 0) if resume else (0, 1)
        waits = [random.uniform(0, 0.4), random.uniform(0, 0.4)]
        children = [
            started(words(folder, seed), err, wait)
            for seed, err, wait in zip(seeds, errors, waits, strict=True)
        ]
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        what = json.dumps(sorted(codes))
        if sorted(codes) == [0, 2]:
            winner = codes.index(0)
            mixed = bits(folder) != alone[seeds[winner]] or any(folder.rglob("*.part"))
            named = f"process {children[winner]} is training there" in errors[1 - winner].read_text()
            what += f" mixed {mixed}, named {named}"
        seen[what] = seen.get(what, 0) + 1
    print(f"\nresume {resume}: {seen}")
    assert seen == {"[0, 2] mixed False, named True": 25}
