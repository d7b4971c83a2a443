"""Speech: what is said in a recording, letter by letter; or, with --label, which word it is.

Many-to-many, T_x > T_y. Some frames side by side are a step; recurrent layers read the steps, and at each one
linear layer scores the characters and the blank; connectionist temporal classification finds the text in them
(Graves and Jaitly 2014, "Towards end-to-end speech recognition with recurrent neural networks"). With --label
many-to-one: what the layers say is pooled over time, and one linear layer scores the words.

Letters: T frames of a recording, F features of a frame, N real steps of a batch, B recordings of it, I inputs
of a step, K outputs.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import fill, pack, unpack
from elman.data.frames import HOP_MS, Normal, stack, varied
from elman.data.manifest import is_manifest, read_manifest
from elman.data.recordings import (
    SUFFIXES,
    Recording,
    frames_of,
    kind_of,
    media_in,
    read_recording,
    read_recordings,
    windows_of,
)
from elman.data.source import DataError, counted, did_you_mean, quote
from elman.data.vocabulary import Vocabulary
from elman.learning.calibration import best_temperature
from elman.learning.metrics import confusion, label_scores, transcript_scores
from elman.nn import ctc
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany, ManyToOne
from elman.samples import speech as samples
from elman.tasks.task import CannotError, Reading, Settings, Stream, Task, option

LONGEST_S = 60.0  # of a recording that is read whole; of a longer one WINDOW_S at a time
WINDOW_S, MARGIN_S = 20.0, 3.0  # what both-ways layers read around a window, so that it has a context


@dataclass(frozen=True)
class SpeechSettings(Settings):
    """Settings of the speech task."""

    text: str = option("text", "column of the manifest that holds what is said")
    label: str | None = option(None, "column whose values are words to be told apart, instead of a text")
    stack: int = option(3, f"frames of {HOP_MS} ms that make one step")
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    layers: int = option(2, "recurrent layers")
    dropout: float = option(0.3, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(30, "passes over the training data, at most")
    patience: int = option(20, "epochs without a better dev score before training stops")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack < 1:
            raise ValueError(f"stack must be at least 1, got {self.stack}")


class Word(NamedTuple):
    """The answer to a recording of one word: which, and the probability of each label, in their order."""

    label: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """Recordings, packed."""

    steps: PackedSequence  # [N, I]
    answers: list[list[int]]  # B texts as numbers, or B labels as one each; none where they are not known
    places: list[str]  # file:line of each recording

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.steps.data)


class Listener(nn.Module):
    """The network: scores [N, K] of characters at each step, or [B, K] of labels.

    Args:
        inputs: I.
        outputs: K.
        settings: the user's.
    """

    temperature: Tensor

    def __init__(self, inputs: int, outputs: int, settings: SpeechSettings) -> None:
        super().__init__()
        layers = LAYERS[settings.cell](
            inputs,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=not settings.one_way,
        )
        shape = ManyToOne if settings.label else ManyToMany
        self.whole = shape(layers, outputs, settings.dropout)
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, steps: PackedSequence) -> Tensor:
        """Return the scores of packed steps [N, I]."""
        return self.whole(steps)


class Speech(Task):
    """What the frames of one training file are, and its characters.

    Args:
        settings: the user's.
        symbols: the characters, or the labels.
        normal: mean and mean square of the frames.
        sound: whether the frames are those of sound, not features as a file had them.
    """

    name = "speech"
    summary = "speech recognition: text, or with --label one word"
    shape = "many-to-many, T_x > T_y (CTC); many-to-one with --label"
    files = "TSV manifest with path and text; WAV, FLAC, or .npy features [T, F]"
    metric_name = "wer"
    better = "lower"
    unit = "steps"
    settings_type = SpeechSettings
    settings: SpeechSettings

    def __init__(
        self, settings: SpeechSettings, symbols: Sequence[str], normal: Normal, *, sound: bool
    ) -> None:
        self.settings, self.symbols, self.normal, self.sound = settings, tuple(symbols), normal, sound
        self._number = {symbol: number for number, symbol in enumerate(self.outputs)}

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each of the K outputs says; the blank says nothing."""
        return ("", *self.symbols)

    @classmethod
    def read(cls, path: str, settings: SpeechSettings, *, skip_bad: bool = False) -> Reading:
        """Read a manifest and its recordings; a text that is longer than its recording is a bad one."""
        read = read_recordings(path, settings.label or settings.text, skip_bad=skip_bad)
        kept, skipped = [], read.skipped
        for one in read.recordings:
            try:
                _check_length(one, settings)
            except DataError:
                if not skip_bad:
                    raise
                skipped += 1
            else:
                kept.append(one)
        return Reading(path, kept, replace(read, recordings=tuple(kept), skipped=skipped).describe())

    @classmethod
    def paths(cls, path: str, settings: SpeechSettings) -> list[Path]:
        """Return the manifest and the recordings that it names."""
        return [Path(path)]

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write Morse code of varying speed, in noise, with its text."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Recording], settings: SpeechSettings) -> "Speech":
        """Measure the frames, and collect the characters or the labels."""
        kind = SpokenWords if settings.label else Speech
        normal = Normal.of([one.frames for one in train])
        task = kind(settings, kind.symbols_of(train), normal, sound=train[0].held is not None)
        ways = "one way, left to right: the run can stream" if settings.one_way else "both ways, whole recordings"
        task.remarks = (f"its layers read {ways}; a step is {settings.stack * HOP_MS} ms", *task.remarks)
        return task

    @staticmethod
    def symbols_of(train: Sequence[Recording]) -> list[str]:
        """Return the characters, the most frequent first."""
        return [s for s, _ in Counter("".join(one.answer or "" for one in train)).most_common()]

    def facts(self) -> dict[str, Any]:
        """Return them."""
        return {
            "symbols": self.symbols,
            "normal": [self.normal.mean, self.normal.square],
            "sound": self.sound,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: SpeechSettings) -> "Speech":
        """Restore them."""
        kind = SpokenWords if settings.label else Speech
        normal = Normal(*map(tuple, facts["normal"]))
        return kind(settings, facts["symbols"], normal, sound=facts["sound"])

    def check(self, examples: Sequence[Recording]) -> None:
        """Raise DataError at frames of another kind than those of the training file."""
        for one in examples:
            if one.frames.shape[1] != len(self.normal.mean) or (one.held is not None) != self.sound:
                trained = "sound" if self.sound else counted(len(self.normal.mean), "feature") + " a frame"
                raise DataError(
                    one.place, kind_of(one), f"{trained}, as in training", "give what the run was trained on"
                )

    def key(self, example: Recording) -> Hashable:
        """Return what tells its frames from others."""
        return hashlib.sha256(example.frames.tobytes()).digest()

    def question(self, text: str) -> Recording:
        """Read the file that a text names."""
        if not text.strip():
            raise DataError("input", "no path", "the path of a recording", "name a file")
        return self._ask([text.strip()])[0]

    def has_records(self, path: str) -> bool:
        """Tell a recording, a folder or a manifest from lines that name recordings."""
        return Path(path).is_dir() or path.lower().endswith(SUFFIXES) or is_manifest(path)

    def questions(self, path: str) -> list[Recording]:
        """Read a recording, those in a folder, or those of a manifest, whose answers are passed over."""
        if Path(path).is_dir():
            return self._ask(media_in(path))
        if path.lower().endswith(SUFFIXES):
            return self._ask([path])
        return self._ask([clip.path for clip in read_manifest(path).clips])

    def _ask(self, paths: Sequence[str | Path]) -> list[Recording]:
        asked = [read_recording(path, LONGEST_S) for path in paths]
        self.check(asked)
        return asked

    def tell(self, example: Recording, answer: Any, text: str | None = None) -> dict[str, Any]:
        """Say the path, how long it is, and what is said in it."""
        return {
            "path": str(example.path) if text is None else text,
            "seconds": round(example.seconds, 3),
            **self.said(answer),
        }

    def said(self, answer: Any) -> dict[str, Any]:
        """Say the text."""
        return {"text": answer}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the text."""
        return told["text"]

    def record(self, told: Mapping[str, Any]) -> str:
        """Write a row of a manifest: path and text."""
        return f"{told['path']}\t{self.show(told)}"

    def model(self) -> Listener:
        """Return a new network."""
        inputs = self.settings.stack * len(self.normal.mean)
        return Listener(inputs, len(self.outputs), self.settings)

    def length(self, example: Recording) -> int:
        """Return the number of steps."""
        return max(1, len(example.frames) // self.settings.stack)

    def normalised(self, frames: np.ndarray) -> np.ndarray:
        """Return frames [T, F] with mean 0 and variance 1: of all of them, or of those up to each."""
        if self.settings.one_way:
            return self.normal.running(frames, self.normal.start(), 0)[0]
        return self.normal.whole(frames)

    def batch(self, examples: Sequence[Recording], *, answers: bool = False) -> Batch:
        """Pack recordings; their answers as numbers."""
        return self._batch(examples, [self.normalised(one.frames) for one in examples], answers)

    def batches(self, examples: Sequence[Recording], steps: int, seed: int) -> list[Batch]:
        """Return the batches of an epoch, each recording varied."""
        chance = np.random.default_rng(seed)
        batches = []
        for chosen in fill([self.length(one) for one in examples], steps, seed):
            some = [examples[i] for i in chosen]
            frames = [
                varied(
                    self.normalised(one.frames),
                    least_frames(one.answer or "", self.settings),
                    self.sound,
                    chance,
                )
                for one in some
            ]
            batches.append(self._batch(some, frames, True))
        return batches

    def _batch(self, examples: Sequence[Recording], frames: Sequence[np.ndarray], answers: bool) -> Batch:
        return Batch(
            pack([stack(each, self.settings.stack) for each in frames]),
            [self.numbers(one.answer or "") for one in examples] if answers else [],
            [one.place for one in examples],
        )

    def numbers(self, answer: str) -> list[int]:
        """Return the numbers of the outputs that say a text; a character never seen has none."""
        return [self._number[c] for c in answer if c in self._number]

    def loss(self, model: Listener, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of the texts, for each character."""
        nll = ctc.nll(model(batch.steps), batch.steps, batch.answers)
        return nll.sum() / sum(map(len, batch.answers))

    def answer(self, model: Listener, batch: Batch) -> list[Any]:
        """Return the text of each recording."""
        return [self.text(ctc.greedy(scores)[0]) for scores in unpack(model(batch.steps), batch.steps)]

    def text(self, numbers: Sequence[int]) -> str:
        """Return the text that outputs say."""
        return "".join(self.outputs[n] for n in numbers)

    def answers(self, model: Listener, examples: Sequence[Recording]) -> list[Any]:
        """Return the answer to each recording; long ones are read piece by piece."""
        short = iter(super().answers(model, [one for one in examples if len(one.frames)]))
        with torch.no_grad():
            return [next(short) if len(one.frames) else self._long(model, one.path) for one in examples]

    def _long(self, model: Listener, path: Path) -> str:
        """Return the text of a recording of any length."""
        if self.settings.one_way:
            with self.stream(model) as stream:
                for frames in frames_of(path):
                    stream.step(frames)
                return stream.text
        text, last, count = "", ctc.BLANK, self.settings.stack
        window, margin = (round(s * 1000 / HOP_MS / count) * count for s in (WINDOW_S, MARGIN_S))
        for frames, start, stop in windows_of(path, window, margin):
            scores = model(pack([stack(self.normalised(frames), count)]))
            numbers, last = ctc.greedy(scores[start // count : -(-stop // count)], last)
            text += self.text(numbers)
        return text

    @contextmanager
    def stream(self, model: Listener) -> Iterator["Listening"]:
        """Open a stream of sound or features. Raises CannotError where the layers read both ways."""
        if not self.settings.one_way:
            raise CannotError("its layers read both ways, so that it hears whole recordings; train with --one-way")
        with torch.no_grad():
            yield Listening(self, model)

    def metric(self, examples: Sequence[Recording], answers: Sequence[Any]) -> dict[str, Any]:
        """Score texts: WER, CER."""
        return transcript_scores([one.answer or "" for one in examples], answers)

    def baselines(
        self, train: Sequence[Recording]
    ) -> dict[str, Callable[[Sequence[Recording]], list[Any]]]:
        """Train what hears no sequence: the most frequent text, and a network that sees some steps only."""
        most = Counter(one.answer or "" for one in train).most_common(1)[0][0]
        standard = _standard_network(WINDOW * self.settings.stack * len(self.normal.mean), len(self.outputs))

        def windows(batch: Batch) -> PackedSequence:
            return pack([_windows(steps) for steps in unpack(batch.steps.data, batch.steps)])

        def batches(epoch: int) -> list[Batch]:
            return [
                replace(batch, steps=windows(batch))
                for batch in self.batches(train, BASELINE_STEPS, epoch)
            ]

        def loss(batch: Batch) -> Tensor:
            return ctc.nll(standard(batch.steps.data), batch.steps, batch.answers).sum() / batch.real_steps

        for _ in fit(standard, batches, loss, lambda: 0.0, Plan(BASELINE_EPOCHS, 0.003, BASELINE_EPOCHS)):
            pass

        def standard_network(examples: Sequence[Recording]) -> list[str]:
            with torch.no_grad():
                steps = [windows(self.batch([one])).data for one in examples]
                return [self.text(ctc.greedy(standard(each))[0]) for each in steps]

        return {
            "most_frequent_text": lambda examples: [most] * len(examples),
            "standard_network": standard_network,
        }


class Listening:
    """A stream into a network that reads from left to right."""

    def __init__(self, task: Speech, model: Listener) -> None:
        self._task, self._layers, self._output = task, model.whole.layers, model.whole.output
        self._framer, self._state = Framer(), None
        self._sums, self._count = task.normal.start(), 0
        self._rest = np.zeros((0, len(task.normal.mean)), np.float32)
        self._last = ctc.BLANK
        self.text = ""

    def step(self, x: Any) -> dict[str, Any]:
        """Hear more, and return {"text" so far, "seconds" heard}.

        Args:
            x: samples [S] from -1 to 1 at 16 kHz, or frames [T, F].
        """
        frames = np.asarray(x, np.float32)
        if frames.ndim == 1 and self._task.sound:
            frames = self._framer(frames)
        if frames.ndim != 2 or frames.shape[1] != self._rest.shape[1]:
            shape = f"frames [T, {self._rest.shape[1]}]" + (" or samples [S]" if self._task.sound else "")
            raise ValueError(f"a stream takes {shape}, got {list(frames.shape)}")
        normal, self._sums = self._task.normal.running(frames, self._sums, self._count)
        self._count += len(frames)
        held = np.concatenate((self._rest, normal))
        whole = len(held) - len(held) % self._task.settings.stack
        self._rest = held[whole:]
        if whole:
            steps = torch.from_numpy(stack(held[:whole], self._task.settings.stack))
            outputs, self._state = self._layers(steps, self._state)
            numbers, self._last = ctc.greedy(self._output(outputs), self._last)
            self.text += self._task.text(numbers)
        return {"text": self.text, "seconds": self._count * HOP_MS / 1000}


class SpokenWords(Speech):
    """Speech with --label: each recording is one word of some."""

    metric_name = "accuracy"
    better = "higher"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels."""
        return self.symbols

    @staticmethod
    def symbols_of(train: Sequence[Recording]) -> list[str]:
        """Return the labels."""
        return sorted({one.answer or "" for one in train})

    def numbers(self, answer: str) -> list[int]:
        """Return the number of a label."""
        return [self._number[answer]]

    def check(self, examples: Sequence[Recording]) -> None:
        """Raise DataError, besides, at a label that training never showed."""
        super().check(examples)
        for one in examples:
            if one.answer is not None and one.answer not in self.symbols:
                raise DataError(
                    one.place,
                    f"the label {quote(one.answer)}, never seen in training",
                    f"one of {', '.join(map(quote, self.symbols))}",
                    did_you_mean(one.answer, list(self.symbols)) or "train on a file that has it",
                )

    def said(self, answer: Word) -> dict[str, Any]:
        """Say the label and how sure it is."""
        sure = {label: round(p, 4) for label, p in zip(self.symbols, answer.probabilities, strict=True)}
        return {"label": answer.label, "confidence": sure[answer.label], "probabilities": sure}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the label and how sure it is."""
        return f"{told['label']} {told['confidence']:.2f}"

    def record(self, told: Mapping[str, Any]) -> str:
        """Write a row of a manifest: path and label."""
        return f"{told['path']}\t{told['label']}"

    def loss(self, model: Listener, batch: Batch) -> Tensor:
        """Return the mean cross-entropy."""
        return F.cross_entropy(model(batch.steps), torch.tensor(batch.answers)[:, 0])

    def answer(self, model: Listener, batch: Batch) -> list[Word]:
        """Return the label of each recording, with all probabilities."""
        probabilities = (model(batch.steps).double() / model.temperature).softmax(1)
        return [Word(self.symbols[int(np.argmax(row))], tuple(row)) for row in probabilities.tolist()]

    def calibrate(self, model: Listener, examples: Sequence[Recording]) -> None:
        """Choose the temperature under which dev is most likely."""
        with torch.no_grad():
            scores = torch.cat([model(self.batch([one]).steps) for one in examples])
        targets = torch.tensor([self._number[one.answer or ""] for one in examples])
        model.temperature.fill_(best_temperature(scores, targets))

    def metric(self, examples: Sequence[Recording], answers: Sequence[Word]) -> dict[str, Any]:
        """Score labels: accuracy, macro F1."""
        return label_scores([one.answer or "" for one in examples], [answer.label for answer in answers])

    def confusion(
        self, examples: Sequence[Recording], answers: Sequence[Word]
    ) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold, given = [one.answer or "" for one in examples], [answer.label for answer in answers]
        return confusion(gold, given, self.symbols)


def least_frames(answer: str, settings: SpeechSettings) -> int:
    """Return how many frames a recording must have at least, so that the answer can be heard in it."""
    return settings.stack * (1 if settings.label else ctc.steps_needed(answer))


def _check_length(one: Recording, settings: SpeechSettings) -> None:
    needed, there = least_frames(one.answer or "", settings), len(one.frames)
    if not settings.label and there < needed:
        raise DataError(
            one.place,
            f"{counted(len(one.answer or ''), 'character')} in {counted(there, 'frame')} of {HOP_MS} ms",
            f"at least {needed:,} frames, {settings.stack} for each character and between equal ones",
            "choose a smaller --stack, correct the text, or leave it out with --skip-bad",
        )


TASK = Speech
