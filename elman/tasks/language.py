"""Language models: how likely is a text, and what comes next?

One-to-many. Each unit of a text, a character, a word or a subword, is predicted from all before it; the state is
carried on from line to line, and over the pieces into which a long text is cut (truncated backpropagation through
time, Mikolov et al. 2010, "Recurrent neural network based language model").

Letters: N real steps (units) of a batch, B sequences of it, K units in the dictionary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import fill, pack, unpack
from elman.data.source import DataError, counted, read_lines
from elman.data.units import BEGIN, END, UNITS, UNKNOWN, Units
from elman.learning.metrics import likelihood_scores
from elman.learning.ngrams import NGrams
from elman.nn.layers import LAYERS
from elman.nn.shapes import OneToMany
from elman.tasks.task import BATCH_STEPS, Reading, Settings, Task, option

SPAN = 70  # units that a gradient goes back over, in a text that goes on


@dataclass(frozen=True)
class LanguageSettings(Settings):
    """Settings of the language task."""

    unit: str = option("character", "what a text is made of", UNITS)
    lines: bool = option(False, "each line is a sequence by itself")
    lower: bool = option(False, "read letters in lower case")
    largest: int = option(8000, "largest size of the dictionary")
    min_count: int = option(2, "words and characters seen less often in training are unknown")
    size: int = option(300, "size of a unit's embedding")
    hidden: int = option(400, "size of the hidden state")
    dropout: float = option(0.2, "probability of zeroing an input or output of the layers in training")
    batch_steps: int = option(1400, "real steps in a batch, at most; fewer where the training file is small")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 5 or self.size < 1:
            raise ValueError(
                "min_count and size must be at least 1 and largest at least 5, "
                f"got {self.min_count}, {self.size} and {self.largest}"
            )


@dataclass(frozen=True)
class Passage:
    """Lines that follow each other, as they are written, and where the first of them stands."""

    lines: tuple[str, ...]
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where it begins, as "file:line"."""
        return f"{self.file}:{self.line}"


class Carried:
    """The state behind one batch, from which the next goes on."""

    state: tuple[Tensor, ...] | Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Passages, or pieces of them, packed."""

    units: PackedSequence  # [N] numbers, each the one before that of its target
    targets: Tensor  # [N]
    carried: Carried
    places: list[str]  # file:line of each passage

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.targets)


class Language(Task):
    """The dictionary of one training file."""

    name = "language"
    summary = "language models, to generate text and to start other tasks from"
    shape = "one-to-many"
    files = "plain text; with --lines each line is a sequence"
    metric_name = "nll"
    better = "lower"
    unit = "units"
    settings_type = LanguageSettings

    def __init__(self, settings: LanguageSettings, units: Units) -> None:
        self.settings, self.units = settings, units

    @classmethod
    def read(cls, path: str, settings: LanguageSettings, *, skip_bad: bool = False) -> Reading:
        """Read a text: each line of it a passage, or all of it one passage."""
        lines = list(read_lines(path))
        full = [(number, line) for number, line in lines if line.strip()]
        if not full:
            raise DataError(path, "no text", "lines of text", "check that this is the file you meant")
        if settings.lines:
            passages = [Passage((line,), path, number) for number, line in full]
        else:
            full = lines
            passages = [Passage(tuple(line for _, line in lines), path, 1)]
        said = [counted(len(full), "line"), counted(sum(len(line) for _, line in full), "character")]
        if len(full) < len(lines):
            said.append(f"{counted(len(lines) - len(full), 'blank line')} passed over")
        return Reading(path, passages, f"{path}: {', '.join(said)}")

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write names of our own invention."""
        raise NotImplementedError

    @classmethod
    def learn(cls, train: Sequence[Passage], settings: LanguageSettings) -> "Language":
        """Make the dictionary."""
        units = Units.of(
            (line for passage in train for line in passage.lines),
            settings.unit,  # type: ignore[arg-type]
            largest=settings.largest,
            min_count=settings.min_count,
            lower=settings.lower,
            seed=settings.seed,
        )
        return cls(settings, units)

    def facts(self) -> dict[str, Any]:
        """Return the dictionary."""
        return {"units": self.units.facts()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: LanguageSettings) -> "Language":
        """Restore the dictionary."""
        return cls(settings, Units.from_facts(facts["units"]))

    def check(self, examples: Sequence[Passage]) -> None:
        """Let everything pass: what is not in the dictionary is the unknown unit."""

    @classmethod
    def hold_out(cls, examples: Sequence[Passage]) -> tuple[list[Passage], list[Passage]]:
        """Part passages as every task does, and one long passage a tenth before its end."""
        whole = examples[0]
        cut = len(whole.lines) - max(1, len(whole.lines) // 10)
        if len(examples) > 1 or cut == 0:
            return super().hold_out(examples)
        rest = Passage(whole.lines[:cut], whole.file, whole.line)
        return [rest], [Passage(whole.lines[cut:], whole.file, whole.line + cut)]

    def key(self, example: Passage) -> tuple[str, ...]:
        """Return its lines."""
        return example.lines

    def question(self, text: str) -> Passage:
        """Take a text as it is."""
        if not text.strip():
            raise DataError("input", "an empty text", "a text", "type one in quotes")
        return Passage(tuple(text.split("\n")), "input", 1)

    def has_records(self, path: str) -> bool:
        """Return False: a file of this task is plain text, and each line of it is answered."""
        return False

    def questions(self, path: str) -> list[Passage]:
        """Read a text."""
        return list(self.read(path, self.settings).examples)

    def tell(self, example: Passage, answer: Sequence[float], text: str | None = None) -> dict[str, Any]:
        return {"text": text, "nll": sum(answer) / len(answer)}

    def show(self, told: Mapping[str, Any]) -> str:
        return f"{told['nll']}"

    def record(self, told: Mapping[str, Any]) -> str:
        """Write the text."""
        return told["text"]

    def model(self) -> OneToMany:
        """Return a new network."""
        settings = self.settings
        layers = LAYERS[settings.cell](
            settings.size,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
        )
        return OneToMany(len(self.units), layers, settings.dropout)

    def numbers(self, example: Passage) -> np.ndarray:
        """Return the units of a passage, an end behind each line."""
        return np.array([n for line in example.lines for n in (*self.units.numbers(line), END)])

    def length(self, example: Passage) -> int:
        """Return the number of units, line ends included."""
        return len(self.numbers(example))

    def batch(self, examples: Sequence[Passage], *, answers: bool = False) -> Batch:
        """Pack whole passages."""
        sequences = [np.array([BEGIN, *self.numbers(example)]) for example in examples]
        return _piece(sequences, Carried(), [example.place for example in examples])

    def batches(self, examples: Sequence[Passage], steps: int, seed: int) -> list[Batch]:
        """Pack lines as every task does; cut a text that goes on into streams side by side, read piece by piece.

        Each epoch begins at another place of the text, and so cuts it at others.
        """
        if self.settings.lines:
            return super().batches(examples, steps, seed)
        (text,) = examples
        numbers = self.numbers(text)
        numbers = np.roll(numbers, np.random.default_rng(seed).integers(len(numbers)))
        streams = np.array_split(numbers, max(1, min(steps, len(numbers)) // SPAN))
        before = [stream[-1:] for stream in (streams[-1], *streams)]
        sequences = [np.concatenate(both) for both in zip(before, streams)]
        return list(_pieces(sequences, SPAN, [text.place]))

    def loss(self, model: OneToMany, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of a unit, in nats."""
        return self._nll(model, batch).mean()

    def _nll(self, model: OneToMany, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each unit, [N], and carry the state on."""
        alive = int(batch.units.batch_sizes[0])
        state = _each(batch.carried.state, lambda s: s[:, :alive])
        nll, state = model.nll(batch.units, batch.targets, state)
        batch.carried.state = _each(state, Tensor.detach)
        return nll

    def answer(self, model: OneToMany, batch: Batch) -> list[list[float]]:
        """Return the negative log-likelihood of each unit of each passage."""
        return [nll.tolist() for nll in unpack(self._nll(model, batch), batch.units)]

    def answers(self, model: OneToMany, examples: Sequence[Passage]) -> list[list[float]]:
        """Return the negative log-likelihoods of each passage; a long one is read piece by piece."""
        answers: list[list[float]] = [[] for _ in examples]
        sequences = [np.array([BEGIN, *self.numbers(example)]) for example in examples]
        with torch.no_grad():
            for chosen in fill([len(sequence) for sequence in sequences], BATCH_STEPS):
                chosen.sort(key=lambda i: -len(sequences[i]))
                span = max(SPAN, BATCH_STEPS // len(chosen))
                for batch in _pieces([sequences[i] for i in chosen], span, []):
                    for i, nll in zip(chosen, self.answer(model, batch), strict=False):
                        answers[i] += nll
        return answers

    def score(self, model: OneToMany, examples: Sequence[Passage]) -> float:
        """Return the nats a unit; of a long text, as of streams side by side, each from a beginning of its own."""
        if self.settings.lines:
            return super().score(model, examples)
        streams = [
            np.array([BEGIN, *stream])
            for numbers in map(self.numbers, examples)
            for stream in np.array_split(numbers, max(1, len(numbers) // (100 * SPAN)))
        ]
        with torch.no_grad():
            nll = [self._nll(model, batch) for batch in _pieces(streams, SPAN, [])]
        return torch.cat(nll).mean().item()

    def metric(self, examples: Sequence[Passage], answers: Sequence[Sequence[float]]) -> dict[str, Any]:
        """Score the nats a unit, and what they come to for a word and a character."""
        lines = [line for example in examples for line in example.lines]
        return likelihood_scores(
            sum(map(sum, answers)),
            units=sum(map(len, answers)),
            words=sum(len(line.split()) + 1 for line in lines),
            characters=sum(len(line) + 1 for line in lines),
        )

    def baselines(
        self, train: Sequence[Passage]
    ) -> dict[str, Callable[[Sequence[Passage]], list[list[float]]]]:
        """Count units, and sequences of up to five of them."""
        return {}


def _each(state: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(state, tuple):
        return tuple(map(change, state))
    return None if state is None else change(state)


def _pieces(sequences: Sequence[np.ndarray], span: int, places: list[str]) -> Iterator[Batch]:
    """Cut sequences into pieces of `span` targets; a batch goes on where the one before ended."""
    sequences = sorted(sequences, key=len, reverse=True)
    carried = Carried()
    for start in range(0, len(sequences[0]) - 1, span):
        yield _piece([s[start : start + span + 1] for s in sequences if len(s) > start + 1], carried, places)


def _piece(sequences: Sequence[np.ndarray], carried: Carried, places: list[str]) -> Batch:
    return Batch(
        units=pack([s[:-1] for s in sequences]),
        targets=pack([s[1:] for s in sequences]).data,
        carried=carried,
        places=places,
    )


TASK = Language
