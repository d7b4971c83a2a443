"""A trained task in its folder: save, load, ask."""

import importlib.metadata
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import elman
from elman.data.facts import texts, whole
from elman.data.fingerprint import Fingerprint, summary
from elman.data.source import DataError, UnseenError, counted, read_lines
from elman.nn.threads import threads
from elman.storage import DamagedError, read_json, write_json, write_tensors, write_whole
from elman.tasks.stored import FACTS, WEIGHTS, read_facts, read_weights, task_of
from elman.tasks.task import Heatmap, Reading, Sampling, Stream, Task

METRICS = "metrics.json"  # which a run has when its training is finished
MUCH_LONGER = 10  # times the longest training example
TYPED = "input"  # the tasks' name, in errors, of where a typed question stands


@dataclass(frozen=True)
class Inputs:
    """What is to be answered.

    Args:
        examples: without their answers.
        texts: as they were typed; None for those of a file of records.
        places: where each stands.
        description: says what was read of a file of records, and what was left out; nothing, if so.
    """

    examples: Sequence[Any]
    texts: Sequence[str | None]
    places: Sequence[str]
    description: str


class Run:
    """A task, its network and their folder.

    >>> run = Run.load("runs/ner")  # doctest: +SKIP
    >>> run.predict(["Ada Lovelace wrote to Charles Babbage in London"])  # doctest: +SKIP
    """

    model: Any  # of the task's own kind

    def __init__(self, task: Task, model: nn.Module, folder: Path, longest: int | None = None) -> None:
        self.task, self.model, self.folder = task, model, folder
        self.longest = longest  # length of the longest training example; None in runs that did not keep it

    @classmethod
    def load(cls, folder: str | Path) -> "Run":
        """Load a run. Raises DataError where there is none, DamagedError for a damaged file."""
        folder = Path(folder)
        facts = read_facts(folder)
        task = task_of(folder, facts)
        longest = facts.get("longest")  # none in a run of an earlier version
        if longest is not None and (type(longest) is not int or longest < 0):
            raise DamagedError(folder / FACTS, "the longest training example has no number of steps")
        weights = read_weights(folder, task)
        run = cls(task, task.model(), folder, longest)
        run._take(weights)
        return run

    def load_weights(self) -> None:
        """Take the best weights from the folder. Raises DataError, DamagedError."""
        self._take(read_weights(self.folder, self.task))

    def _take(self, weights: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict(weights)
        self.model.eval()

    def unfinished(self) -> str | None:
        """Return how far training got, and how it goes on; None where it is finished.

        A folder without a checkpoint is a copy of what answering needs. Raises DamagedError.
        """
        checkpoint = self.folder / "checkpoint.json"
        if (self.folder / METRICS).exists() or not checkpoint.is_file():
            return None
        facts = read_facts(self.folder)
        try:
            epoch = whole(read_json(checkpoint)["epoch"], "epoch")
            command = [*texts(facts, "command")]
        except (ValueError, KeyError) as error:
            raise DamagedError(checkpoint, f"no checkpoint of this run ({error})") from None
        how = resumed(command) if command[:1] == ["elman"] else "the same command with --resume"
        return (
            f"the training of {self.folder} is not finished: epoch {epoch} of {self.task.settings.epochs} is "
            f"done; unless it still runs, go on with it: {how}"
        )

    def save_facts(self, data: Mapping[str, Sequence[Fingerprint]], command: Sequence[str]) -> None:
        """Write run.json: all that rebuilds the task, and where it came from.

        Args:
            data: the files that the run depends on, by what they are for.
            command: that trains it.
        """
        facts = {
            "task": self.task.name,
            "settings": asdict(self.task.settings),
            "data": {name: summary(files) for name, files in data.items()},
            "versions": versions(),
            "command": list(command),
            "learned": self.task.facts(),
            "longest": self.longest,
        }
        write_json(self.folder / FACTS, facts)

    def save_weights(self) -> None:
        """Write model.safetensors."""
        write_tensors(self.folder / WEIGHTS, self.model.state_dict())

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

        Returns:
            An answer each; "warning" in it says that the input is far longer than any in training.

        Raises:
            DataError: for a text without anything in it, or that is no question of this task.
            TypeError: for one text where several are expected.
        """
        return self.tell(self.inputs(texts, places))

    def predict_file(self, path: str | Path, *, skip_bad: bool = False) -> list[dict[str, Any]]:
        """Answer the questions in a file of records, or the lines of plain text. Raises DataError."""
        return self.tell(self.read_inputs(path, skip_bad=skip_bad))

    def inputs(
        self, texts: Sequence[str], places: Sequence[str] | None = None, *, skip_bad: bool = False
    ) -> "Inputs":
        """Read texts as a user types them; see `predict`."""
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, got one text")
        good: list[tuple[Any, str, str]] = []
        bad: list[DataError] = []
        for text, place in zip(texts, places or [TYPED] * len(texts), strict=True):
            try:
                good.append((self._question(text, place), text, place))
            except DataError as error:
                if not skip_bad:
                    raise
                bad.append(error)
        said = f"{counted(len(bad), 'bad text')} skipped; {bad[0].place} has {bad[0].found}" if bad else ""
        examples, asked, where = zip(*good, strict=True) if good else ((), (), ())
        return Inputs(examples, asked, where, said)

    def read_inputs(self, path: str | Path, *, skip_bad: bool = False) -> "Inputs":
        """Read what is to be answered of a file of records, or of lines of plain text. Raises DataError."""
        if self.task.has_records(str(path)):
            read = self.task.questions(str(path), skip_bad=skip_bad)
            places = [example.place for example in read.examples]
            return Inputs(read.examples, [None] * len(places), places, read.description)
        lines = [(number, line) for number, line in read_lines(path) if line.strip()]
        if not lines:
            raise DataError(
                str(path), "no text", "a text in each line", "check that this is the file you meant"
            )
        places = [f"{path}:{number}" for number, _ in lines]
        return self.inputs([line for _, line in lines], places, skip_bad=skip_bad)

    def tell(self, inputs: "Inputs") -> list[dict[str, Any]]:
        """Return the answers to inputs as JSON holds them."""
        told = []
        for example, answer, text in zip(
            inputs.examples, self.answers(inputs.examples), inputs.texts, strict=True
        ):
            warning = self.warning(example)
            told.append(self.task.tell(example, answer, text) | ({"warning": warning} if warning else {}))
        return told

    def written(self, examples: Sequence[Any], answers: Sequence[Any]) -> Iterator[str]:
        """Yield the lines of the examples' file with the answers added, in its own format."""
        if examples and (header := self.task.header(examples[0], answers[0])):
            yield header
        yield from map(self.task.write_answer, examples, answers)

    def write_answers(self, path: Path, examples: Sequence[Any], answers: Sequence[Any]) -> None:
        """Write a file of the format that the examples were read from, with the answers added."""
        write_whole(path, "".join(f"{line}\n" for line in self.written(examples, answers)).encode())

    def long_inputs(self, examples: Sequence[Any], places: Sequence[str] | None = None) -> str | None:
        """Return which inputs are far longer than any in training: the first, and how many; None for none."""
        places = places or [example.place for example in examples]
        found = [(at, said) for at, one in zip(places, examples, strict=True) if (said := self.warning(one))]
        more = f"; so for {len(found) - 1:,} more" if len(found) > 1 else ""
        return f"{found[0][0]}: {found[0][1]}{more}" if found else None

    def warning(self, example: Any) -> str | None:
        """Return what to say of an input that is far longer than any in training, if it is."""
        if not self.longest or (length := self.task.length(example)) <= MUCH_LONGER * self.longest:
            return None
        return f"{length // self.longest:,} times as long as any in training; the answer may be unreliable"

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


def resumed(command: Sequence[str]) -> str:
    """Return the command that goes on with a training that another one began."""
    return shlex.join(command if "--resume" in command else [*command, "--resume"])


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
