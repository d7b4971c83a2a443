"""A trained task in its folder: save, load, ask."""

import hashlib
import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

import elman
from elman.data.source import DataError, UnseenError, read_lines
from elman.nn.threads import threads
from elman.storage import DamagedError, read_json, read_tensors, write_json, write_tensors
from elman.tasks import find
from elman.tasks.task import Heatmap, Reading, Sampling, Stream, Task

TYPED = "input"  # the tasks' name, in errors, of where a typed question stands


class Run:
    """A task, its network and their folder.

    >>> run = Run.load("runs/ner")  # doctest: +SKIP
    >>> run.predict(["Ada Lovelace wrote to Charles Babbage in London"])  # doctest: +SKIP
    """

    model: Any  # of the task's own kind

    def __init__(self, task: Task, model: nn.Module, folder: Path) -> None:
        self.task, self.model, self.folder = task, model, folder

    @classmethod
    def load(cls, folder: str | Path) -> "Run":
        """Load a run. Raises DataError where there is none, DamagedError for a damaged file."""
        folder = Path(folder)
        facts = read_facts(folder)
        try:
            kind = find(facts["task"])
            task = kind.from_facts(facts["learned"], kind.settings_type.of(facts["settings"]))
            model = task.model()
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedError(folder / "run.json", f"no run of this version of elman ({error})") from None
        run = cls(task, model, folder)
        run.load_weights()
        return run

    def load_weights(self) -> None:
        """Take the best weights from the folder. Raises DataError, DamagedError."""
        path = self.folder / "model.safetensors"
        if not path.exists():
            raise DataError(
                str(self.folder),
                "a run whose training has saved no model yet",
                "model.safetensors",
                "go on with its training: the same command with --resume",
            )
        tensors, _ = read_tensors(path)
        try:
            self.model.load_state_dict(tensors)
        except RuntimeError as error:
            raise DamagedError(path, f"not the weights that run.json speaks of ({error})") from None
        self.model.eval()

    def save_facts(self, data: Mapping[str, Sequence[Path]], command: Sequence[str]) -> None:
        """Write run.json: all that rebuilds the task, and where it came from.

        Args:
            data: the files that the run depends on, by what they are for.
            command: that trains it.
        """
        facts = {
            "task": self.task.name,
            "settings": asdict(self.task.settings),
            "data": {name: fingerprint(paths) for name, paths in data.items()},
            "versions": versions(),
            "command": list(command),
            "learned": self.task.facts(),
        }
        write_json(self.folder / "run.json", facts)

    def save_weights(self) -> None:
        """Write model.safetensors."""
        write_tensors(self.folder / "model.safetensors", self.model.state_dict())

    def answers(self, examples: Sequence[Any]) -> list[Any]:
        """Return the model's answer to each example, in their order. The model must be in `eval` mode."""
        return self.task.answers(self.model, examples)

    def judge(self, examples: Sequence[Any]) -> dict[str, Any]:
        """Score the model on examples: {"metric", "value", ...}."""
        return self.task.metric(examples, self.answers(examples))

    def evaluate(self, path: str | Path) -> dict[str, Any]:
        """Score the model on a file: {"metric", "value", ...}. Raises DataError."""
        examples = self.read(path).examples
        self.doubt(examples)
        return self.judge(examples)

    def read(self, path: str | Path, *, skip_bad: bool = False) -> Reading:
        """Read a file of examples as the run's training file was read. Raises DataError."""
        return self.task.read(str(path), self.task.settings, skip_bad=skip_bad)

    def doubt(self, examples: Sequence[Any]) -> str | None:
        """Return which answer no model of this run can give, if any. Raises DataError."""
        try:
            self.task.check(examples)
        except UnseenError as error:
            return str(error)
        return None

    def predict(self, texts: Sequence[str], places: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Answer questions as a user types them.

        Args:
            texts: a question each.
            places: file:line of each, where they have not been typed.

        Raises:
            DataError: for a text without anything in it, or that is no question of this task.
            TypeError: for one text where several are expected.
        """
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, got one text")
        questions = [
            self._question(text, place)
            for text, place in zip(texts, places or [TYPED] * len(texts), strict=True)
        ]
        return [
            self.task.tell(question, answer, text)
            for question, answer, text in zip(questions, self.answers(questions), texts, strict=True)
        ]

    def predict_file(self, path: str | Path) -> list[dict[str, Any]]:
        """Answer the questions in a file of records, or the lines of plain text. Raises DataError."""
        if not self.task.has_records(str(path)):
            lines = [(number, line) for number, line in read_lines(path) if line.strip()]
            if not lines:
                raise DataError(
                    str(path), "no text", "a text in each line", "check that this is the file you meant"
                )
            return self.predict([line for _, line in lines], [f"{path}:{number}" for number, _ in lines])
        questions = self.task.questions(str(path))
        return [
            self.task.tell(question, answer)
            for question, answer in zip(questions, self.answers(questions), strict=True)
        ]

    def _question(self, text: str, place: str) -> Any:
        """Return a question; an error tells the place that it came from."""
        try:
            return self.task.question(text)
        except DataError as error:
            name, *rest = error.place.split(":")
            if name != TYPED:
                raise
            raise DataError(":".join([place, *rest]), *error.args[1:]) from None

    def generate(
        self, count: int = 1, sampling: Sampling | None = None, prime: str | None = None
    ) -> list[dict[str, Any]]:
        """Speak: `count` sequences, each behind `prime`. Raises CannotError where the task does not speak."""
        return self.task.generate(self.model, count, sampling or Sampling(), prime)

    def picture(self, text: str) -> Heatmap:
        """Return what the model looks at in a text. Raises CannotError, DataError."""
        return self.task.picture(self.model, self.task.question(text))

    def stream(self) -> AbstractContextManager[Stream]:
        """Open a stream: `with run.stream() as stream: stream.step(x)`. Raises CannotError."""
        return self.task.stream(self.model)


def read_facts(folder: Path) -> dict[str, Any]:
    """Read run.json. Raises DataError where there is none, DamagedError."""
    path = folder / "run.json"
    if not path.is_file():
        found = "no run.json" if folder.is_dir() else "no such folder"
        raise DataError(
            str(folder), found, "the folder of a run", "give the folder that `elman train --out` named"
        )
    return read_json(path)


def fingerprint(paths: Sequence[Path]) -> dict[str, Any]:
    """Return what tells some data files from others: paths, size and SHA-256, of all of them together."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return {
        "path": ", ".join(map(str, paths)),
        "bytes": sum(path.stat().st_size for path in paths),
        "sha256": digest.hexdigest(),
    }


def versions() -> dict[str, str]:
    """Return the versions that the bits of a run depend on."""
    return {
        "elman": elman.__version__,
        "torch": torch.__version__,
        "numpy": importlib.metadata.version("numpy"),
        "python": platform.python_version(),
        "threads": str(threads()),
    }


def load(folder: str | Path) -> Run:
    """Load the run in `folder`. Raises DataError where there is none, DamagedError for a damaged file."""
    return Run.load(folder)
