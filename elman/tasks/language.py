"""Language models: how likely is a text, and what comes next?

One-to-many. Each unit of a text, a character, a word or a subword, is predicted from all before it. The end
of a line is a unit too, and what goes in before the first. The state is carried on from line to line, also
over the pieces into which a long text is cut (truncated backpropagation through time, Mikolov et al. 2010,
"Recurrent neural network based language model"); with `lines` each line begins anew.

Letters: N real steps (units) of a batch, B sequences of it, K units in the dictionary.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import fill, pack, unpack
from elman.data.facts import part
from elman.data.passages import Passage, read_passages
from elman.data.source import DataError, quote
from elman.data.units import BEGIN, END, Units
from elman.data.vocabulary import PADDING, UNKNOWN
from elman.data.written import Answers
from elman.learning.metrics import likelihood_scores, perplexity
from elman.learning.ngrams import NGrams, best_order
from elman.nn.layers import LAYERS
from elman.nn.search import draw
from elman.nn.shapes import OneToMany
from elman.samples import language as samples
from elman.tasks.carried import Carried, each
from elman.tasks.declarations.language import DECLARATION, LanguageSettings
from elman.tasks.task import BATCH_STEPS, Reading, Sampling, Task

SPAN = 70  # units that a gradient goes back over, in a text that goes on
LONGEST = 400  # units of a text that is spoken, unless another length is asked for
SHOWN = 5  # units that surprised most, or that are most probable
LINE_END = "\n"  # how the end of a line is shown as a unit


@dataclass(frozen=True)
class Batch:
    """Passages, or pieces of them, packed."""

    units: PackedSequence  # [N] numbers, each of the unit before its target
    targets: Tensor  # [N]
    carried: Carried | None  # for pieces
    places: list[str]  # file:line of each passage

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.targets)


class Language(Task):
    """The dictionary of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    better = "lower"
    unit = "units"

    def __init__(self, settings: LanguageSettings, units: Units) -> None:
        self.settings, self.units = settings, units

    @classmethod
    def read(cls, path: str, settings: LanguageSettings, *, skip_bad: bool = False) -> Reading:
        """Read a text: each line of it a passage, or all of it one passage."""
        passages = read_passages(path, lines=settings.lines)
        return Reading(path, passages.passages, passages.describe())

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write names of our own invention, which end as they began."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Passage], settings: LanguageSettings) -> "Language":
        """Make the dictionary, and choose the settings that depend on the size of the text."""
        units = Units.of(
            (line for passage in train for line in passage.lines),
            settings.unit,  # type: ignore[arg-type]
            largest=settings.largest,
            min_count=settings.min_count,
            lower=settings.lower,
            seed=settings.seed,
        )
        size = sum(len(units.split(line)) + 1 for passage in train for line in passage.lines)
        chosen = settings.for_size(size)
        task = cls(chosen, units)
        if chosen != settings:
            task.remarks = (
                f"for {size:,} units of training text: "
                f"dropout {chosen.dropout}, at most {chosen.epochs} epochs",
            )
        return task

    def facts(self) -> dict[str, Any]:
        """Return the dictionary."""
        return {"units": self.units.facts()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: LanguageSettings) -> "Language":
        """Restore the dictionary."""
        return cls(settings, Units.from_facts(part(facts, "units")))

    def check(self, examples: Sequence[Passage]) -> None:
        """Let everything pass: what is not in the dictionary is the unknown unit."""

    @classmethod
    def hold_out(cls, examples: Sequence[Passage], settings: Any) -> tuple[list[Passage], list[Passage]]:
        """Part passages as every task does, and one long passage a tenth before its end."""
        parts = [] if settings.lines else [example.cut() for example in examples]
        dev = [both[1] for both in parts if both]
        if not dev:
            return super().hold_out(examples, settings)
        return [both[0] if both else e for both, e in zip(parts, examples, strict=True)], dev

    @classmethod
    def divide(cls, examples: Sequence[Passage], count: int, settings: Any) -> Sequence[Passage]:
        """Return the lines, or as many pieces of each text that goes on."""
        return examples if settings.lines else [piece for e in examples for piece in e.pieces(count)]

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

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a text."""
        return self.read(path, self.settings, skip_bad=skip_bad)

    def tell(self, example: Passage, answer: Sequence[float], text: str | None = None) -> dict[str, Any]:
        """Say how likely the text is, and which of its units were expected least."""
        units = [unit for line in example.lines for unit in (*self.units.split(line), LINE_END)]
        surprises = sorted(zip(answer, range(len(units)), strict=True), key=lambda pair: (-pair[0], pair[1]))
        nll = sum(answer) / len(answer)
        return {
            "text": "\n".join(example.lines),
            "nll": nll,
            "perplexity": perplexity(nll),
            "units": len(units),
            "surprises": [{"unit": units[at], "index": at, "nll": nats} for nats, at in surprises[:SHOWN]],
        }

    def show(self, told: Mapping[str, Any]) -> str:
        """Show a text that was spoken as it is, and one that was judged behind its figures."""
        if "surprises" not in told:
            return told["text"]
        surprises = ", ".join(f"{unit['unit']!r} {unit['nll']:.2f}" for unit in told["surprises"])
        return f"{told['nll']:.4f} nats a unit: {told['text']}\n  least expected: {surprises}"

    def added(self, example: Passage, answer: Sequence[float]) -> Answers:
        """Return the nats a unit, and how many units there are."""
        return {"nll": sum(answer) / len(answer), "units": str(len(answer))}

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
        return np.array([*self.spell("\n".join(example.lines)), END])

    def _numbers(self, examples: Sequence[Passage]) -> list[np.ndarray]:
        return [self.numbers(example) for example in examples]

    def length(self, example: Passage) -> int:
        """Return the number of units, line ends included."""
        return len(self.numbers(example))

    def batch(self, examples: Sequence[Passage], *, answers: bool = False) -> Batch:
        """Pack whole passages."""
        sequences = [np.array([END, *numbers]) for numbers in self._numbers(examples)]
        return _piece(sequences, None, [example.place for example in examples])

    def batches(self, examples: Sequence[Passage], steps: int, epoch: int) -> list[Batch]:
        """Pack lines as every task does; cut a text that goes on into streams side by side, read in pieces.

        Each epoch begins at another place of the text, and so cuts it at others.
        """
        if self.settings.lines:
            return super().batches(examples, steps, epoch)
        numbers = np.concatenate(self._numbers(examples))
        numbers = np.roll(numbers, np.random.default_rng(self.seed(epoch)).integers(len(numbers)))
        streams = np.array_split(numbers, max(1, min(steps, len(numbers)) // SPAN))
        before = [stream[-1:] for stream in (streams[-1], *streams[:-1])]
        sequences = [np.concatenate(both) for both in zip(before, streams, strict=True)]
        return list(_pieces(sequences, SPAN, [example.place for example in examples]))

    def loss(self, model: OneToMany, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of a unit, in nats."""
        return self._nll(model, batch).mean()

    def _nll(self, model: OneToMany, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each unit, [N], and carry the state on."""
        if batch.carried is None:
            return model.nll(batch.units, batch.targets)[0]
        alive = int(batch.units.batch_sizes[0])
        state = each(batch.carried.state, lambda s: s[:, :alive])
        nll, state = model.nll(batch.units, batch.targets, state)
        batch.carried.state = each(state, Tensor.detach)
        return nll

    def answer(self, model: OneToMany, batch: Batch) -> list[list[float]]:
        """Return the negative log-likelihood of each unit of each passage."""
        return [nll.tolist() for nll in unpack(self._nll(model, batch), batch.units)]

    def answers(self, model: OneToMany, examples: Sequence[Passage]) -> list[list[float]]:
        """Return the negative log-likelihoods of each passage; a long one is read piece by piece."""
        answers: list[list[float]] = [[] for _ in examples]
        sequences = [np.array([END, *numbers]) for numbers in self._numbers(examples)]
        with torch.no_grad():
            for chosen in fill([len(sequence) for sequence in sequences], BATCH_STEPS):
                chosen.sort(key=lambda i: -len(sequences[i]))
                span = max(SPAN, BATCH_STEPS // len(chosen))
                for batch in _pieces([sequences[i] for i in chosen], span, []):
                    for i, nll in zip(chosen, self.answer(model, batch), strict=False):
                        answers[i] += nll
        return answers

    def score(self, model: OneToMany, examples: Sequence[Passage]) -> float:
        """Return the nats a unit; of a long text, as of streams side by side, each from its own beginning."""
        if self.settings.lines:
            return super().score(model, examples)
        streams = [
            np.array([END, *stream])
            for numbers in self._numbers(examples)
            for stream in np.array_split(numbers, max(1, len(numbers) // (100 * SPAN)))
        ]
        with torch.no_grad():
            return torch.cat([self._nll(model, piece) for piece in _pieces(streams, SPAN, [])]).mean().item()

    def metric(self, examples: Sequence[Passage], answers: Sequence[Sequence[float]]) -> dict[str, Any]:
        """Score the nats a unit, and what they come to a word and a character."""
        return likelihood_scores(
            sum(map(sum, answers)),
            units=sum(map(len, answers)),
            unknown=sum(int(np.count_nonzero(n == UNKNOWN)) for n in self._numbers(examples)),
            words=sum(example.words for example in examples),
            characters=sum(example.characters for example in examples),
        )

    def pooled(
        self, examples: Sequence[Passage], answers: Sequence[Any], figures: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Score the nats a unit; what was unknown is counted run by run."""
        return {**self.metric(examples, answers), "unknown": sum(fold["unknown"] for fold in figures)}

    def baselines(
        self, train: Sequence[Passage]
    ) -> dict[str, Callable[[Sequence[Passage]], list[list[float]]]]:
        """Count units, and n-grams, as long as serve a tenth of the training text best."""
        numbers = self._numbers(train)
        rest, dev = map(self._numbers, self.hold_out(train, self.settings))
        best = best_order(rest, dev, len(self.units))

        def counted(order: int) -> Callable[[Sequence[Passage]], list[list[float]]]:
            model = NGrams(numbers, len(self.units), order)
            return lambda examples: [nll.tolist() for nll in model.nll(self._numbers(examples))]

        return {"unigram": counted(1), f"{best}-gram": counted(best)}

    def generate(
        self, model: OneToMany, count: int, sampling: Sampling, prime: str | None
    ) -> list[dict[str, Any]]:
        """Return texts; each is drawn from a seed of its own, and is the same however many are drawn.

        With `lines` a text ends with its line, otherwise when it is as long as was asked for.
        """
        begun = self.spell(prime or "")
        if self.settings.lines and END in begun:
            raise DataError("--prime", "a line end", "the beginning of a line", "leave out the line end")
        if begun and set(begun) == {UNKNOWN}:
            expected = "a beginning of which training showed something"
            raise DataError("--prime", quote(prime or ""), expected, "prime it with something else")
        seeds = [(sampling.seed * 1_000_003 + i) % 2**63 for i in range(count)]
        sources = [torch.Generator().manual_seed(seed) for seed in seeds]

        def choose(scores: Tensor) -> Tensor:
            scores[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
            rows = zip(scores.split(1), sources, strict=True)
            return torch.cat(
                [draw(row, sampling.temperature, sampling.top_k, sampling.top_p, one) for row, one in rows]
            )

        with torch.no_grad():
            spoken = model.generate(
                torch.tensor([END, *begun])[:, None].expand(-1, count).contiguous(),
                sampling.longest or LONGEST,
                choose,
                END if self.settings.lines else None,
            )
        return [{"text": self.write([*begun, *numbers])} for numbers in spoken]

    def spell(self, text: str) -> list[int]:
        """Return the units of a text, with an end between its lines."""
        return [n for line in text.split("\n") for n in (END, *self.units.numbers(line))][1:]

    def write(self, numbers: Sequence[int]) -> str:
        """Undo `spell`."""
        lines: list[list[int]] = [[]]
        for number in numbers:
            if number == END:
                lines.append([])
            else:
                lines[-1].append(number)
        return "\n".join(map(self.units.text, lines))

    @contextmanager
    def stream(self, model: OneToMany) -> Iterator["Listener"]:
        """Open a stream that is told a text bit by bit."""
        yield Listener(self, model)


class Listener:
    """A stream: it takes a text bit by bit, and says how likely each bit was and what may come next."""

    def __init__(self, task: Language, model: OneToMany) -> None:
        self._task, self._model = task, model
        self._begin()

    def step(self, x: str) -> dict[str, Any]:
        """Take some more text, a line end too, and say its nats and the units most probable next."""
        if not isinstance(x, str):
            raise TypeError(f"a piece of text must be a str, got {type(x).__name__}")
        nll = 0.0
        for number in self._task.spell(x):
            nll -= self._scores[number].item()
            if number == END and self._task.settings.lines:
                self._begin()
            else:
                self._take(number)
        best = self._scores.topk(min(SHOWN, len(self._scores)))
        following = [
            {"unit": LINE_END if number == END else self._task.units.symbols[number], "probability": p}
            for number, p in zip(best.indices.tolist(), best.values.exp().tolist(), strict=True)
        ]
        return {"text": x, "nll": nll, "next": following}

    def _begin(self) -> None:
        self._state = None
        self._take(END)

    def _take(self, number: int) -> None:
        with torch.no_grad():
            scores, self._state = self._model.step(torch.tensor([number]), self._state)
        self._scores = scores[0]


def _pieces(sequences: Sequence[np.ndarray], span: int, places: list[str]) -> Iterator[Batch]:
    """Cut sequences into pieces of `span` targets; a batch goes on where the one before ended."""
    sequences = sorted(sequences, key=len, reverse=True)
    carried = Carried()
    for start in range(0, len(sequences[0]) - 1, span):
        yield _piece([s[start : start + span + 1] for s in sequences if len(s) > start + 1], carried, places)


def _piece(sequences: Sequence[np.ndarray], carried: Carried | None, places: list[str]) -> Batch:
    return Batch(pack([s[:-1] for s in sequences]), pack([s[1:] for s in sequences]).data, carried, places)


TASK = Language
