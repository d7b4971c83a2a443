"""What the tasks share that hear recordings: frames, batches, and the network.

Some frames side by side are a step; recurrent layers read the steps.

Letters: T frames of a recording, F features of a frame, N real steps of a batch, B recordings of it, I inputs
of a step, K outputs.
"""

import hashlib
from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.arrays import numbers_of
from elman.data.batch import fill, pack
from elman.data.facts import flag, items, numbers, texts, whole
from elman.data.frames import (
    HOP_MS,
    PRIOR_FRAMES,
    PRIOR_FRAMES_OF_SOUND,
    Framer,
    Normal,
    audible,
    loudest_so_far,
    stack,
    varied,
)
from elman.data.manifest import files_of, is_manifest, reading
from elman.data.recordings import (
    SUFFIXES,
    Recording,
    Recordings,
    clips_of,
    kind_of,
    nothing_good,
    read_recording,
    read_recordings,
)
from elman.data.source import DataError, counted, quote
from elman.nn import ctc
from elman.nn.bands import Bands
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany, ManyToOne
from elman.tasks.declarations.speech import DECLARATION, SpeechSettings
from elman.tasks.task import CannotError, Reading, Task

# Shares of the recordings that training hears as they are. Of those with texts it hears all so at first.
PLAIN_WORDS, PLAIN_TEXTS_AT_LAST = 0.5, 0.25


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
        features: F.
        outputs: K.
        settings: the user's.
        sound: whether the features are bands of frequency. Where words are told apart, which a few voices may
            have said, detectors slide over them: they hear a higher voice as they hear a lower one. A text is
            learned sooner without them.
    """

    def __init__(self, features: int, outputs: int, settings: SpeechSettings, *, sound: bool) -> None:
        super().__init__()
        slide = sound and settings.label is not None
        self.bands = Bands(settings.stack, features, settings.hidden) if slide else nn.Identity()
        layers = LAYERS[settings.cell](
            settings.hidden if slide else settings.stack * features,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=not settings.one_way,
        )
        self.whole = (ManyToOne if settings.label else ManyToMany)(layers, outputs, settings.dropout)

    def forward(self, steps: PackedSequence) -> Tensor:
        """Return the scores of packed steps [N, I]."""
        return self.whole(PackedSequence(self.bands(steps.data), *steps[1:]))


class Feed:
    """Turns a recording that comes in pieces into the steps that a network reads from left to right.

    Args:
        normal: mean and mean square of the training file's frames.
        count: frames of a step.
        sound: whether the pieces may be samples.
    """

    def __init__(self, normal: Normal, count: int, *, sound: bool) -> None:
        self._normal, self._count = normal, count
        self._framer = Framer() if sound else None
        self._sums, self._frames, self._loudest = normal.start(), 0, -np.inf
        self._rest = np.zeros((0, len(normal.mean)), np.float32)

    @property
    def seconds(self) -> float:
        """How much was heard, in whole frames."""
        return self._frames * HOP_MS / 1000

    def __call__(self, x: Any) -> Tensor:
        """Return the steps [K, I] that are complete with the next samples [S] at 16 kHz, or frames [T, F].

        Raises TypeError for what is no array of numbers, and ValueError for another shape or what is not
        finite: it would stay in the sums for good.
        """
        samples = "samples [S] at 16 kHz or " if self._framer else ""
        expected = f"a piece must be {samples}frames [T, {self._rest.shape[1]}]"
        frames = numbers_of(x, expected)
        if bad := int((~np.isfinite(frames)).sum()):
            raise ValueError(
                f"a piece must be finite numbers, got {bad:,} of {frames.size:,} NaN or infinite"
            )
        if self._framer and frames.ndim == 1:
            frames = self._framer(frames)
        if frames.ndim != 2 or frames.shape[1] != self._rest.shape[1]:
            raise ValueError(f"{expected}, got {list(frames.shape)}")
        if self._framer:
            loudest = loudest_so_far(frames, self._loudest)
            frames, self._loudest = audible(frames, loudest), loudest.max(initial=self._loudest)
        normal, self._sums = self._normal.running(frames, self._sums, self._frames)
        self._frames += len(frames)
        held = np.concatenate((self._rest, normal))
        whole = len(held) - len(held) % self._count
        self._rest = held[whole:]
        return torch.from_numpy(held[:whole].reshape(-1, self._count * held.shape[1]))


class Hearing(Task):
    """What the frames of one training file are, and what is said in them.

    Args:
        settings: the user's.
        symbols: the characters, or the labels.
        normal: mean and mean square of the frames.
        sound: whether the frames are those of sound, not features as a file had them.
    """

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "steps"
    settings: SpeechSettings
    longest_s = float("inf")  # of a recording that is read whole

    def __init__(
        self, settings: SpeechSettings, symbols: Sequence[str], normal: Normal, *, sound: bool
    ) -> None:
        self.settings, self.symbols, self.normal, self.sound = settings, tuple(symbols), normal, sound
        self._number = {symbol: number for number, symbol in enumerate(self.outputs)}

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """What each of the K outputs says."""

    @staticmethod
    @abstractmethod
    def symbols_of(answers: Sequence[str]) -> list[str]:
        """Return the symbols that training answers are made of."""

    @staticmethod
    @abstractmethod
    def least_steps(answer: str) -> int:
        """Return how many steps a recording must have at least, so that the answer can be heard in it."""

    @abstractmethod
    def numbers(self, answer: str) -> list[int]:
        """Return the numbers of the outputs that say an answer."""

    @abstractmethod
    def said(self, answer: Any) -> dict[str, Any]:
        """Say an answer as JSON holds it."""

    @classmethod
    def read(cls, path: str, settings: SpeechSettings, *, skip_bad: bool = False) -> Reading:
        """Read a manifest and its recordings."""

        def check(one: Recording) -> None:
            needed = settings.stack * (0 if settings.label else ctc.steps_needed(one.answer or ""))
            if len(one.frames) < needed:
                raise DataError(
                    one.place,
                    f"{counted(len(one.frames), 'frame')} for the text {quote(one.answer or '')}",
                    f"at least {needed:,}: {settings.stack} for each character, and between equal ones",
                    "choose a smaller --stack, correct the text, or leave it out with --skip-bad",
                )

        read = read_recordings(path, settings.label or settings.text, check, skip_bad=skip_bad)
        return Reading(path, read.recordings, read.describe())

    @classmethod
    def paths(cls, path: str, settings: SpeechSettings) -> list[Path]:
        """Return the manifest and its recordings."""
        return files_of(path)

    @classmethod
    def shown(cls, example: Recording, settings: Any) -> Collection[str]:
        """Return its label; a text is none."""
        return [example.answer or ""] if settings.label else ()

    @classmethod
    def learn(cls, train: Sequence[Recording], settings: SpeechSettings) -> Self:
        """Measure the frames, and collect the characters or the labels."""
        symbols = cls.symbols_of([one.answer or "" for one in train])
        sound = train[0].held is not None
        heard = [audible(one.frames, one.frames.max()) if sound else one.frames for one in train]
        normal = Normal.of(heard, PRIOR_FRAMES_OF_SOUND if sound else PRIOR_FRAMES)
        task = cls(settings, symbols, normal, sound=sound)
        way = "from left to right, so that the run can stream" if settings.one_way else "both ways"
        task.remarks = (f"the layers read {way}, in steps of {settings.stack * HOP_MS} ms",)
        return task

    def facts(self) -> dict[str, Any]:
        """Return them."""
        return {
            "symbols": self.symbols,
            "normal": [self.normal.mean, self.normal.square, self.normal.prior],
            "sound": self.sound,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: SpeechSettings) -> Self:
        """Restore them."""
        mean, square, prior = items(facts, "normal")
        mean, square = numbers(mean, "mean"), numbers(square, "mean square", len(mean))
        normal = Normal(mean, square, whole(prior, "prior", 1))
        return cls(settings, texts(facts, "symbols"), normal, sound=flag(facts, "sound"))

    def check(self, examples: Sequence[Recording]) -> None:
        """Raise DataError at frames of another kind than those of the training file."""
        for one in examples:
            if one.frames.shape[1] != len(self.normal.mean) or (one.held is not None) != self.sound:
                trained = "sound" if self.sound else counted(len(self.normal.mean), "feature") + " a frame"
                raise DataError(
                    one.place, kind_of(one), f"{trained}, as in training", "give recordings of that kind"
                )

    def key(self, example: Recording) -> Hashable:
        """Return what tells its frames from others."""
        return hashlib.sha256(example.frames.tobytes()).digest()

    def question(self, text: str) -> Recording:
        """Read the file that a text names."""
        if not text.strip():
            raise DataError("input", "a text without a path", "the path of a recording", "type one")
        return self._ask(text.strip())

    def has_records(self, path: str) -> bool:
        """Tell a recording, a folder or a manifest from lines that name recordings."""
        return Path(path).is_dir() or path.lower().endswith(SUFFIXES) or is_manifest(path)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a recording, those in a folder, or those of a manifest, whose answers are passed over."""
        clips, skipped = clips_of(path, skip_bad=skip_bad)
        asked: list[Recording] = []
        for clip in clips:
            try:
                with reading(clip):
                    one = self._ask(clip.path)
            except DataError:
                if not skip_bad:
                    raise
                skipped += 1
            else:
                asked.append(replace(one, columns=clip.columns, place=clip.place))
        if not asked:
            raise nothing_good(path, skipped)
        return Reading(path, asked, Recordings(path, tuple(asked), skipped).describe())

    def _ask(self, path: str | Path) -> Recording:
        asked = read_recording(path, self.longest_s)
        self.check([asked])
        return asked

    def tell(self, example: Recording, answer: Any, text: str | None = None) -> dict[str, Any]:
        """Say the path, how long it is, and what is said in it."""
        return {
            "path": str(example.path) if text is None else text,
            "seconds": round(example.seconds, 3),
            **self.said(answer),
        }

    def feed(self) -> Feed:
        """Return what a stream is fed through. Raises CannotError where the layers read both ways."""
        if not self.settings.one_way:
            raise CannotError("this run reads both ways, and cannot stream; train one with --one-way")
        return Feed(self.normal, self.settings.stack, sound=self.sound)

    def listener(self) -> Listener:
        """Return a new network."""
        return Listener(len(self.normal.mean), len(self.outputs), self.settings, sound=self.sound)

    def length(self, example: Recording) -> int:
        """Return the number of steps; also of a recording so long that its frames are not held."""
        frames = len(example.frames) or round(example.seconds * 1000 / HOP_MS)
        return max(1, frames // self.settings.stack)

    def heard(self, frames: np.ndarray, loudest: float | None = None) -> np.ndarray:
        """Return what is audible of sound, and features as they are; [T, F].

        `loudest` is the largest energy of the recording, where the frames are a part of it.
        """
        if not self.sound:
            return frames
        if self.settings.one_way:
            return audible(frames, loudest_so_far(frames, -np.inf))
        return audible(frames, frames.max() if loudest is None else loudest)

    def normalised(self, frames: np.ndarray, loudest: float | None = None) -> np.ndarray:
        """Return what is heard, with mean 0 and variance 1: of all frames [T, F], or of those up to each."""
        frames = self.heard(frames, loudest)
        if self.settings.one_way:
            return self.normal.running(frames, self.normal.start(), 0)[0]
        return self.normal.whole(frames)

    def batch(self, examples: Sequence[Recording], *, answers: bool = False) -> Batch:
        """Pack recordings; their answers as numbers."""
        return self._batch(examples, [self.normalised(one.frames) for one in examples], answers=answers)

    def batches(self, examples: Sequence[Recording], steps: int, epoch: int) -> list[Batch]:
        """Return the batches of an epoch, some of its recordings varied.

        From varied recordings alone, letters are hardly ever learned; from plain ones, these by heart.
        """
        if self.settings.label is not None:
            plain = PLAIN_WORDS
        else:
            plain = 1 - (1 - PLAIN_TEXTS_AT_LAST) * (epoch - 1) / self.settings.epochs
        seed = self.seed(epoch)
        chance, batches = np.random.default_rng(seed), []
        for chosen in fill([self.length(one) for one in examples], steps, seed):
            some = [examples[i] for i in chosen]
            frames = [
                self.normalised(one.frames) if chance.random() < plain else self._varied(one, chance)
                for one in some
            ]
            batches.append(self._batch(some, frames, answers=True))
        return batches

    def _varied(self, one: Recording, chance: np.random.Generator) -> np.ndarray:
        words = self.settings.label is not None
        least = self.settings.stack * self.least_steps(one.answer or "")
        return varied(self.normalised(one.frames), least, chance, bands=self.sound, coloured=words)

    def _batch(self, examples: Sequence[Recording], frames: Sequence[np.ndarray], *, answers: bool) -> Batch:
        return Batch(
            pack([stack(each, self.settings.stack) for each in frames]),
            [self.numbers(one.answer or "") for one in examples] if answers else [],
            [one.place for one in examples],
        )
