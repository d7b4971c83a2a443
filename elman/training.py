"""From files to a trained, judged run in its folder."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from elman import plots
from elman.data.fingerprint import Fingerprint, read_with_fingerprints, summary
from elman.data.source import DataError, UnseenError, counted
from elman.learning.fit import Checkpoint, Plan, Progress, fit
from elman.lock import NAME as LOCK
from elman.lock import FolderLock, LockedError
from elman.nn import Recurrent
from elman.nn.threads import torch_in_one_thread
from elman.report import Display, write_card
from elman.run import METRICS, Run
from elman.storage import DamagedError, is_part, read_tensors, sweep, write_json, write_tensors, write_whole
from elman.tasks import find
from elman.tasks.stored import read_facts
from elman.tasks.task import Reading, Settings, Task

SMALL = 1 << 26  # products of an update outside recurrent layers, below which one thread takes them
FEWEST_BATCHES = 50  # in an epoch: a small file gets smaller batches, or it would be learned too slowly


class UsageError(ValueError):
    """The call itself is at fault: an argument, or a folder that is taken."""


Files = str | Path | Sequence[str | Path]  # one file, or several


def train(
    task: str,
    train: Files | None = None,
    *,
    dev: Files | None = None,
    test: Files | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    skip_bad: bool = False,
    **settings: Any,
) -> Run:
    """Train a task on files and return the run, which holds the weights that scored best on dev.

    Args:
        task: its name, one of `elman.tasks.TASKS`.
        train: the training file, or several where the task reads a file a class; without it the task's own
            sample data are written to `out`/sample and used.
        dev: the file on which training decides when to stop; without it a tenth of the training examples.
        test: a file to be judged on at the end.
        out: the folder of the run, new or empty; runs/TASK by default.
        resume: go on from the folder's last checkpoint, if it has one.
        skip_bad: leave out bad records, and count them, instead of stopping at the first.
        **settings: see the task's `Settings`.

    Raises:
        UsageError: for an argument that cannot be, or a folder that is taken.
        DataError: for a file that cannot be used.
        DivergedError: when the loss stops being a number.
        DamagedError: when `resume` meets a file that is not as it was written.
    """
    kind, chosen, folder = prepare(task, settings, out)
    if train is None and (dev or test):
        raise UsageError("dev and test need a training file beside them")
    display = Display()
    with claim(folder, display, resume):
        if train is None:
            train, dev, test = kind.sample(folder / "sample")
        parts = {"train": train, "dev": dev, "test": test}
        given = {name: as_files(some) for name, some in parts.items() if some is not None}
        readings = _read(kind, given, chosen, skip_bad, display)
        files = {name: readings[name].files for name in given}
        return train_on(kind, chosen, readings, files, folder, display, resume)[0]


def as_files(files: Files) -> list[str]:
    """Return the paths of one file, or of several."""
    return [str(files)] if isinstance(files, str | Path) else list(map(str, files))


def prepare(
    task: str, settings: Mapping[str, Any], out: str | Path | None
) -> tuple[type[Task], Settings, Path]:
    """Return the task, its settings and the folder that a call names. Raises UsageError."""
    try:
        kind = find(task)
        chosen = kind.settings_type.of(settings)
    except ValueError as error:
        raise UsageError(str(error)) from None
    folder = Path(out) if out is not None else Path("runs") / task
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(f"out must be a folder, and {path} is a file")
    return kind, chosen, folder


@contextmanager
def claim(folder: Path, display: Display, resume: bool = False) -> Iterator[None]:
    """Hold the folder of a run: nobody else trains in it meanwhile. Raises UsageError where it is taken."""
    lock = FolderLock(folder)
    try:
        lock.take()
    except LockedError as error:
        raise UsageError(str(error)) from None
    try:
        _check_folder(folder, resume)
        sweep(folder)
        if lock.warning:
            display.say(lock.warning)
        yield
    finally:
        lock.release()


def train_on(
    kind: type[Task],
    chosen: Settings,
    readings: dict[str, Reading],
    files: Mapping[str, Sequence[Fingerprint]],
    folder: Path,
    display: Display,
    resume: bool = False,
) -> tuple[Run, dict[str, dict[str, list[Any]]]]:
    """Train on what was read, train, dev and, if there is one, test, from `files`; see `train`.

    Returns:
        The run, and the baselines' answers by their names: {NAME: {"dev": [...], "test": [...]}}.
    """
    torch.manual_seed(chosen.seed)
    besides = chosen.files()
    learned, fingerprints = read_with_fingerprints(
        lambda: list(besides.values()), lambda: kind.learn(readings["train"].examples, chosen)
    )
    for remark in learned.remarks:
        display.say(remark)
    learned.check(readings["dev"].examples)
    if "test" in readings:
        try:
            learned.check(readings["test"].examples)
        except UnseenError as error:
            display.say(f"warning: {error}\n  it counts as missed")
    _warn_of_duplicates(learned, readings, display)
    longest = max(map(learned.length, readings["train"].examples))
    run = Run(learned, learned.model(), folder, longest)
    files = {**files, **{name: [one] for name, one in zip(besides, fingerprints, strict=True)}}
    if resume and (folder / "run.json").exists():
        _check_same(run, files)
    folder.mkdir(parents=True, exist_ok=True)
    run.save_facts(files, [Path(sys.argv[0]).name, *sys.argv[1:]])

    steps = _batch_steps(learned, readings["train"].examples)
    with torch_in_one_thread() if _is_small(run.model, steps) else nullcontext():
        return _train_and_judge(run, readings, steps, display, resume)


def _train_and_judge(
    run: Run, readings: dict[str, Reading], steps: int, display: Display, resume: bool
) -> tuple[Run, dict[str, dict[str, list[Any]]]]:
    """Train a new run beside its baselines, and write what they score into its folder; see `train_on`."""
    learned, folder = run.task, run.folder
    judged = {name: reading for name, reading in readings.items() if name != "train"}
    with torch.random.fork_rng():
        plain = {
            name: {part: baseline(reading.examples) for part, reading in judged.items()}
            for name, baseline in learned.baselines(readings["train"].examples).items()
        }
        baselines = {
            name: {part: learned.metric(judged[part].examples, given) for part, given in answers.items()}
            for name, answers in plain.items()
        }
    log = _train(run, readings, steps, display, resume)
    run.load_weights()
    if said := learned.calibrate(run.model, readings["dev"].examples):
        display.say(said)
    run.save_weights()
    answers = {part: run.answers(reading.examples) for part, reading in judged.items()}
    metrics = {part: learned.metric(judged[part].examples, given) for part, given in answers.items()}
    metrics["baselines"] = baselines
    _draw(run, log, readings, answers)
    write_card(run, metrics, log, readings)
    # The last file: a run that has it is finished.
    write_whole(folder / METRICS, json.dumps(metrics, indent=1, ensure_ascii=False).encode() + b"\n")
    return run, plain


def _batch_steps(task: Task, examples: Sequence[Any]) -> int:
    """Return how many steps a batch has at most."""
    steps = sum(map(task.length, examples))
    least = max(1, steps // FEWEST_BATCHES, steps * task.fewest // len(examples))
    return min(task.settings.batch_steps, least)


def _is_small(model: nn.Module, steps: int) -> bool:
    """Return whether torch's operations in an update on so many steps are too small for a second thread.

    The rule reads sizes alone, so that the same command gives the same bits. Recurrent layers do not count:
    their kernels know for themselves. A convolution uses its weights more often than once a step.
    """
    own = {id(w) for layer in model.modules() if isinstance(layer, Recurrent) for w in layer.parameters()}
    if any(isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)) for layer in model.modules()):
        return False
    return steps * sum(w.numel() for w in model.parameters() if id(w) not in own) < SMALL


def _train(
    run: Run, readings: dict[str, Reading], steps: int, display: Display, resume: bool
) -> list[dict[str, Any]]:
    """Fit the run's model, saving the weights to keep, checkpoints and the log; return the log."""
    task, model, folder = run.task, run.model, run.folder
    examples, settings = readings["train"].examples, task.settings
    plan = Plan(
        settings.epochs,
        settings.learning_rate,
        settings.patience,
        better=task.better,
        grain=task.grain(readings["dev"].examples),
        depths=task.depths(model),
    )
    checkpoint, log = _load_checkpoint(folder, model) if resume else (None, [])
    if checkpoint:
        display.say(f"goes on behind epoch {checkpoint.epoch}")

    def batches(epoch: int) -> list[Any]:
        return task.batches(examples, steps, epoch)

    with display:
        for progress in fit(
            model,
            batches,
            lambda batch: task.loss(model, batch),
            lambda: task.score(model, readings["dev"].examples),
            plan,
            checkpoint,
        ):
            display.progress(progress, plan.epochs)
            if progress.checkpoint:
                # The weights first: a kill between the writes repeats an epoch, and with it this write.
                if progress.keep:
                    run.save_weights()
                log.append(_logged(progress))
                _save_checkpoint(folder, progress, log)
    return log


def _draw(
    run: Run, log: list[dict[str, Any]], readings: dict[str, Reading], answers: dict[str, list[Any]]
) -> None:
    """Write the pictures into the run's folder."""
    task = run.task
    figures = {
        "learning": plots.learning_curve(log, task.metric_name),
        "lengths": plots.lengths(
            {part: [task.length(e) for e in reading.examples] for part, reading in readings.items()},
            task.unit,
        ),
    }
    for part, given in answers.items():
        if confused := task.confusion(readings[part].examples, given):
            figures[f"confusion-{part}"] = plots.confusion(*confused, f"Confusion on {part}")
    (run.folder / "plots").mkdir(exist_ok=True)
    for name, figure in figures.items():
        plots.save(figure, run.folder / "plots" / f"{name}.png")


def _check_folder(folder: Path, resume: bool) -> None:
    """Refuse a folder in which something would be overwritten, before any work is done."""
    # A part is what a run leaves that was killed as it wrote its first file.
    names = {path.name for path in folder.iterdir() if not is_part(path.name)}
    if not names - {"sample", LOCK}:
        return
    if not (folder / "run.json").exists():
        raise UsageError(f"{folder} is not empty; name another folder with --out")
    if not resume:
        raise UsageError(
            f"{folder} holds a run; name another folder with --out, or go on in it with --resume"
        )


def _check_same(run: Run, files: Mapping[str, Sequence[Fingerprint]]) -> None:
    """Refuse to go on with a run under another task, other settings or other data."""
    before = read_facts(run.folder)
    now: dict[str, Any] = {"task": run.task.name, **asdict(run.task.settings)}
    now |= {f"{name} file": _tell(summary(some)) for name, some in files.items()}
    then: dict[str, Any] = {"task": before["task"], **before["settings"]}
    then |= {f"{name} file": _tell(facts) for name, facts in before["data"].items()}
    other = [name for name in sorted(now.keys() | then.keys()) if now.get(name) != then.get(name)]
    if other:
        changes = ", ".join(f"{name} was {then.get(name)}, now {now.get(name)}" for name in other)
        raise UsageError(f"the run in {run.folder} cannot go on: {changes}; use the same command as before")


def _tell(data: Mapping[str, Any]) -> str:
    """Say what tells some files from others, as run.json has it, in a word."""
    number = data.get("files", 1)
    return data["sha256"][:12] + (f" (of {number:,} files)" if number > 1 else "")


def read_examples(kind: type[Task], paths: list[str], settings: Settings, *, skip_bad: bool) -> Reading:
    """Read files of examples as one, with the fingerprints of all files behind them. Raises DataError."""
    reading, files = read_with_fingerprints(
        lambda: [file for path in paths for file in kind.paths(path, settings)],
        lambda: kind.read_files(paths, settings, skip_bad=skip_bad),
    )
    return replace(reading, files=files)


def _read(
    kind: type[Task], files: dict[str, list[str]], settings: Settings, skip_bad: bool, display: Display
) -> dict[str, Reading]:
    """Read every file there is; part dev from train where it has no file."""
    readings = {}
    for name, some in files.items():
        readings[name] = read_examples(kind, some, settings, skip_bad=skip_bad)
        display.say(f"{name:5} {readings[name].description}")
    if "dev" not in readings:
        train = readings["train"]
        rest, dev = kind.hold_out(train.examples, settings)
        if not rest:
            raise DataError(
                train.path,
                "one example",
                "at least 2, of which one serves as dev",
                "add some, or name a dev file",
            )
        all_of_them = counted(len(train.examples), "training example")
        said = f"{len(dev):,} of the {all_of_them}, held out (there is no dev file)"
        display.say(f"dev   {said}")
        readings |= {
            "train": replace(train, examples=rest),
            "dev": Reading(train.path, dev, said),
        }
    return readings


def _warn_of_duplicates(task: Task, readings: dict[str, Reading], display: Display) -> None:
    """Count what a model that learned a file by heart, or was chosen by it, would know of the next ones."""
    keys = {part: [task.key(example) for example in reading.examples] for part, reading in readings.items()}
    for part, other in (("dev", "train"), ("test", "train"), ("test", "dev")):
        seen = set(keys[other]) - {None}
        if twice := sum(key in seen for key in keys.get(part, ())):
            of, file = counted(len(keys[part]), "example"), {"train": "training", "dev": "dev"}[other]
            display.say(f"warning: {twice:,} of the {of} of {part} stand in the {file} file too")


def _load_checkpoint(folder: Path, model: nn.Module) -> tuple[Checkpoint | None, list[dict[str, Any]]]:
    """Return the last checkpoint and the log up to it; nothing of either when training had not got so far."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return None, []
    tensors, facts = read_tensors(path)
    try:
        checkpoint = Checkpoint(tensors, **facts)
        checkpoint.check(model)
    except (TypeError, ValueError) as error:
        raise DamagedError(path, f"no checkpoint of this run ({error})") from None
    try:
        text = (folder / "log.jsonl").read_text()
        rows = [json.loads(line) for line in text.splitlines()][: checkpoint.epoch]
        told = [row["epoch"] for row in rows if {"loss", "score", "kept"} <= row.keys()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(folder / "log.jsonl", f"no JSON objects in its lines ({error})") from None
    if told != list(range(1, checkpoint.epoch + 1)):
        raise DamagedError(folder / "log.jsonl", f"it does not tell of every epoch up to {checkpoint.epoch}")
    return checkpoint, rows


def _save_checkpoint(folder: Path, progress: Progress, log: list[dict[str, Any]]) -> None:
    """Write the log, then the checkpoint, whose header holds its numbers too: one rename replaces it all."""
    assert progress.checkpoint
    rows = "".join(json.dumps(row) + "\n" for row in log)
    write_whole(folder / "log.jsonl", rows.encode())
    facts = {
        field.name: getattr(progress.checkpoint, field.name)
        for field in fields(progress.checkpoint)
        if field.name != "tensors"
    }
    write_tensors(folder / "checkpoint.safetensors", progress.checkpoint.tensors, facts)
    write_json(folder / "checkpoint.json", facts)


def _logged(progress: Progress) -> dict[str, Any]:
    return {
        "epoch": progress.epoch,
        "step": progress.step,
        "loss": progress.loss,
        "score": progress.score,
        "best": progress.best,
        "kept": progress.keep,
        "rollbacks": progress.checkpoint.rollbacks if progress.checkpoint else 0,
        "steps_a_second": round(progress.rate, 1),
    }
