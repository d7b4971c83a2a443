"""Recordings as normalised frames, some of them side by side as a step. Imports no torch.

Letters: T frames of a recording, F features of a frame, N real steps of a batch, I inputs of a step, K outputs, S
samples.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

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
from elman.data.labels import Labels
from elman.data.ragged import Ragged, length_batches
from elman.data.recordings import Recording, kind_of
from elman.data.source import DataError, counted
from elman.data.speech import steps_needed
from elman.data.units import Units
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.pretrained import Pretrained

# Shares of the recordings that training reads without augmentation. Of those with texts all are, in the first epoch.
PLAIN_WORDS, PLAIN_TEXTS_AT_LAST = 0.5, 0.25


class Heard(NamedTuple):
    """Where a stream of frames stands."""

    framer: Any  # of samples; None for features
    sums: np.ndarray  # [2, F] of the frames so far and of training's
    frames: int  # so far
    loudest: float
    rest: np.ndarray  # [T, F] frames that fill no step yet

    @property
    def seconds(self) -> float:
        """How much was heard, in whole frames."""
        return self.frames * HOP_MS / 1000


class RecordingEncoder(Encoder[Recording]):
    """The mean and variance of the training frames, and the characters or the labels.

    Args:
        settings: of the task.
        symbols: the characters, or the labels.
        normal: mean and mean square of the frames.
        sound: whether the frames are those of sound, not features as a file had them.
        language: sizes and units of the language model that helps the search, if any.
    """

    lm: Pretrained | None = None  # of a run that is about to train

    def __init__(
        self,
        settings: Any,
        symbols: Sequence[str],
        normal: Normal,
        *,
        sound: bool,
        language: tuple[Mapping[str, Any], Units] | None = None,
    ) -> None:
        self.settings, self.symbols, self.normal, self.sound = settings, tuple(symbols), normal, sound
        self.language = language
        self.words = settings.label is not None
        self.labels = Labels(self.symbols) if self.words else None
        self.outputs = self.symbols if self.words else ("", *self.symbols)  # the blank comes first
        self._number = {symbol: number for number, symbol in enumerate(self.outputs)}

    @classmethod
    def fit(cls, examples: Sequence[Recording], settings: Any) -> Self:
        """Measure the frames, and collect the characters or the labels."""
        answers = [one.answer or "" for one in examples]
        if settings.label:
            symbols = sorted(set(answers))
        else:
            symbols = [symbol for symbol, _ in Counter("".join(answers)).most_common()]
        sound = examples[0].held is not None
        frames = [audible(one.frames, one.frames.max()) if sound else one.frames for one in examples]
        normal = Normal.of(frames, PRIOR_FRAMES_OF_SOUND if sound else PRIOR_FRAMES)
        lm = Pretrained.load(settings.lm, "character") if settings.lm else None
        encoder = cls(settings, symbols, normal, sound=sound, language=lm and (lm.sizes, lm.units))
        encoder.lm = lm
        way = "from left to right, so that the run can stream" if settings.one_way else "both ways"
        encoder.notes = (f"the layers read {way}, in steps of {settings.stack * HOP_MS} ms",)
        return encoder

    def state(self) -> dict[str, Any]:
        """Return them."""
        return {
            "symbols": self.symbols,
            "normal": [self.normal.mean, self.normal.square, self.normal.prior],
            "sound": self.sound,
            "language": self.language and {"sizes": self.language[0], "units": self.language[1].facts()},
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore them."""
        mean, square, prior = state["normal"]
        normal = Normal(tuple(mean), tuple(square), prior)
        language = state["language"]
        language = language and (language["sizes"], Units.from_facts(language["units"]))
        return cls(settings, state["symbols"], normal, sound=state["sound"], language=language)

    def check(self, examples: Sequence[Recording]) -> None:
        """Raise DataError at frames of another kind than those of training, UnseenError at a label."""
        for one in examples:
            if one.frames.shape[1] != len(self.normal.mean) or (one.held is not None) != self.sound:
                trained = "sound" if self.sound else counted(len(self.normal.mean), "feature") + " a frame"
                raise DataError(
                    one.place, kind_of(one), f"{trained}, as in training", "give recordings of that kind"
                )
            if self.labels and one.answer is not None:
                self.labels.check(one.answer, one.place)

    def numbers(self, answer: str) -> list[int]:
        """Return the numbers of the characters of a text; one never seen has none."""
        return [self._number[c] for c in answer if c in self._number]

    def text(self, numbers: Sequence[int]) -> str:
        """Return the text that outputs spell."""
        return "".join(self.outputs[n] for n in numbers)

    def length(self, example: Recording) -> int:
        """Return the number of steps."""
        return max(1, len(example.frames) // self.settings.stack)

    def audible(self, frames: np.ndarray, loudest: float | None = None) -> np.ndarray:
        """Return what is audible of sound, and features as they are; [T, F].

        `loudest` is the largest energy of the recording, where the frames are a part of it.
        """
        if not self.sound:
            return frames
        if self.settings.one_way:
            return audible(frames, loudest_so_far(frames, -np.inf))
        return audible(frames, frames.max() if loudest is None else loudest)

    def normalised(self, frames: np.ndarray, loudest: float | None = None) -> np.ndarray:
        """Return frames with mean 0 and variance 1: of all frames [T, F], or of those up to each."""
        frames = self.audible(frames, loudest)
        if self.settings.one_way:
            return self.normal.running(frames, self.normal.start(), 0)[0]
        return self.normal.whole(frames)

    def steps(self, recordings: Sequence[np.ndarray]) -> Ragged:
        """Return the steps [N, I] of recordings of normalised frames."""
        return Ragged.of([stack(frames, self.settings.stack) for frames in recordings])

    def inputs(self, examples: Sequence[Recording]) -> Ragged:
        """Return the steps [N, I]."""
        return self.steps([self.normalised(one.frames) for one in examples])

    def epoch(self, examples: Sequence[Recording], steps: int, number: int) -> Epoch:
        """Batch recordings, some of them augmented.

        From augmented recordings alone, letters are hardly ever learned; from plain ones, these are memorised.
        """
        plain = PLAIN_WORDS
        if not self.words:
            plain = 1 - (1 - PLAIN_TEXTS_AT_LAST) * (number - 1) / self.settings.epochs
        seed = self.seed(number)
        rng = np.random.default_rng(seed)
        groups = length_batches([self.length(one) for one in examples], steps, seed)

        def batches() -> Iterator[Encoded]:
            for chosen in groups:
                batch = [examples[i] for i in chosen]
                frames = [
                    self.normalised(one.frames) if rng.random() < plain else self._augmented(one, rng)
                    for one in batch
                ]
                inputs = self.steps(frames)
                yield Encoded(batch, inputs, len(inputs.values))

        return Epoch(len(groups), batches())

    def _augmented(self, one: Recording, rng: np.random.Generator) -> np.ndarray:
        least = self.settings.stack * (1 if self.words else steps_needed(one.answer or ""))
        return varied(self.normalised(one.frames), least, rng, bands=self.sound, coloured=self.words)

    def stream(self, item: Any, state: Heard | None) -> tuple[list[np.ndarray], Heard]:
        """Return the steps [1, I] that are complete with the next samples [S] at 16 kHz, or frames [T, F].

        Raises ValueError for another shape, and for what is not finite: it would stay in the sums for good.
        """
        if state is None:
            framer = Framer() if self.sound else None
            rest = np.zeros((0, len(self.normal.mean)), np.float32)
            state = Heard(framer, self.normal.start(), 0, -np.inf, rest)
        framer, sums, count, loudest, rest = state
        with np.errstate(over="ignore"):
            frames = np.asarray(item, np.float32)
        if bad := int((~np.isfinite(frames)).sum()):
            raise ValueError(
                f"a piece must be finite numbers, got {bad:,} of {frames.size:,} NaN or infinite"
            )
        if framer and frames.ndim == 1:
            frames = framer(frames)
        if frames.ndim != 2 or frames.shape[1] != rest.shape[1]:
            samples = "samples [S] at 16 kHz or " if framer else ""
            raise ValueError(
                f"a piece must be {samples}frames [T, {rest.shape[1]}], got {list(frames.shape)}"
            )
        if framer:
            energies = loudest_so_far(frames, loudest)
            frames, loudest = audible(frames, energies), float(energies.max(initial=loudest))
        normal, sums = self.normal.running(frames, sums, count)
        held = np.concatenate((rest, normal))
        size = self.settings.stack
        whole = len(held) - len(held) % size
        steps = held[:whole].reshape(-1, 1, size * held.shape[1])
        return list(steps), Heard(framer, sums, count + len(frames), loudest, held[whole:])
