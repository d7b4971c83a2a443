"""Two encodings of music: event by event, and the keys that sound at each step. Imports no torch.

In training most pieces are transposed by some semitones, and the input says by how many: from a piece in one key
the network learns what holds in all, and still knows which key is usual.

Letters: N steps, I inputs and K keys of a step.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from elman.data.events import KEYS, Events, chords_of, left_out, roll, tune_of
from elman.data.midi import Tune
from elman.data.music import Piece
from elman.data.ragged import Ragged, length_batches
from elman.data.source import DataError, counted
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.spans import NextStep, Pair, count_pieces, pieces, whole

SPAN = 200  # steps that a gradient goes back over
TRANSPOSED = 0.7  # share of the pieces of an epoch


class MusicEncoding(ABC):
    """A way to write a piece as a sequence."""

    unit: str

    def __init__(self, grid: int, transpose: int) -> None:
        self.grid, self.transpose = grid, transpose

    @abstractmethod
    def sequence(self, piece: Piece, move: int = 0) -> Pair:
        """Return inputs and targets, as long as each other, of a piece transposed by so many semitones."""

    def left_out(self, tune: Tune) -> int:
        """Return how many notes of a tune cannot be written so."""
        return 0


class EventEncoding(MusicEncoding):
    """A tune is a sequence of events."""

    unit = "event"

    def __init__(self, grid: int, transpose: int) -> None:
        super().__init__(grid, transpose)
        self.events = Events(grid, transpose)

    def sequence(self, piece: Piece, move: int = 0) -> Pair:
        """Return the numbers of events [N] after the mark of the beginning, and those of what comes next."""
        targets = np.array(self.events.numbers(self.tune(piece), move))
        return np.concatenate(([self.events.begin(move)], targets[:-1])), targets

    def tune(self, piece: Piece) -> Tune:
        """Return a piece as a tune."""
        return piece.music if isinstance(piece.music, Tune) else tune_of(piece.music, self.grid)


class PianoRollEncoding(MusicEncoding):
    """A piece is a sequence of steps, at each of which some of the 88 keys sound."""

    unit = "step"

    def sequence(self, piece: Piece, move: int = 0) -> Pair:
        """Return [N, I] keys of the step before, whether there is none, and the move; [N, K] keys to come."""
        music = piece.music
        targets = roll(chords_of(music) if isinstance(music, Tune) else music, move)
        inputs = np.zeros((len(targets), KEYS + self.others), np.float32)
        inputs[1:, :KEYS] = targets[:-1]
        inputs[0, KEYS] = 1
        inputs[:, KEYS + 1 + self.transpose + move] = 1
        return inputs, targets

    @property
    def others(self) -> int:
        """Inputs after the keys: whether it is the first step, and one for each transposition."""
        return 1 + 2 * self.transpose + 1

    def left_out(self, tune: Tune) -> int:
        """Return how many notes are no key of a piano that sounds as a quarter note begins."""
        return left_out(tune)


class MusicEncoder(Encoder[Piece]):
    """The encoding that suits the training file: events of tunes, or keys of steps."""

    def __init__(self, settings: Any, *, events: bool) -> None:
        self.settings = settings
        kind = EventEncoding if events else PianoRollEncoding
        self.encoding: MusicEncoding = kind(settings.grid, settings.transpose)

    @classmethod
    def fit(cls, examples: Sequence[Piece], settings: Any) -> Self:
        """See whether the training file has tunes or steps of keys."""
        return cls(settings, events=isinstance(examples[0].music, Tune))

    def state(self) -> dict[str, Any]:
        """Return which encoding it is."""
        return {"events": isinstance(self.encoding, EventEncoding)}

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore the encoding."""
        return cls(settings, events=state["events"])

    def check(self, examples: Sequence[Piece]) -> None:
        """Raise DataError for a tune of which the encoding has no note at all."""
        for example in examples:
            left, notes = self._left_out([example])
            if left and left == notes:
                raise DataError(
                    example.place,
                    f"{counted(notes, 'note')}, none of them a key of a piano as a quarter note begins",
                    "at least one: this run learned from steps of keys",
                    "ask a run that was trained on MIDI files, or leave it out",
                )

    def left_out(self, examples: Sequence[Piece]) -> str:
        """Return how many notes of some pieces the encoding leaves out, such as "2 of 40 notes"; "" for none."""
        left, notes = self._left_out(examples)
        return f"{left:,} of {counted(notes, 'note')}" if left else ""

    def _left_out(self, examples: Sequence[Piece]) -> tuple[int, int]:
        tunes = [piece.music for piece in examples if isinstance(piece.music, Tune)]
        return sum(map(self.encoding.left_out, tunes)), sum(len(tune.notes) for tune in tunes)

    def length(self, example: Piece) -> int:
        """Return the number of steps."""
        return len(self.encoding.sequence(example)[1])

    def inputs(self, examples: Sequence[Piece]) -> NextStep[Ragged]:
        """Return whole pieces, as they are."""
        return whole([self.encoding.sequence(example) for example in examples])

    def epoch(self, examples: Sequence[Piece], steps: int, number: int) -> Epoch:
        """Draw as many pieces as an epoch takes, transpose most, and cut them into spans side by side."""
        seed = self.seed(number)
        rng = np.random.default_rng(seed)
        drawn: list[tuple[Piece, Pair]] = []
        left = self.settings.epoch_steps
        for i in rng.permutation(len(examples)):
            if left > 0:
                transposed = rng.random() < TRANSPOSED
                transpose = self.settings.transpose
                move = int(rng.integers(-transpose, transpose + 1)) * transposed
                drawn.append((examples[i], self.encoding.sequence(examples[i], move)))
                left -= len(drawn[-1][1][1])
        lengths = [len(targets) for _, (_, targets) in drawn]
        spans = max(1.0, sum(lengths) / len(lengths) / SPAN)  # of a piece
        groups = [[drawn[i] for i in chosen] for chosen in length_batches(lengths, round(steps * spans), seed)]

        def batches() -> Iterator[Encoded]:
            for group in groups:
                for i, piece in enumerate(pieces([pair for _, pair in group], SPAN)):
                    yield Encoded([e for e, _ in group], piece, len(piece.targets.values), continues=i > 0)

        count = sum(count_pieces([pair for _, pair in group], SPAN) for group in groups)
        return Epoch(count, batches())
