"""Music: how likely is a piece, and how does it go on?

One-to-many. MIDI files are read as events, JSON lists as the keys of a piano that sound at each step (see
`elman.tasks.playing`); each event, or each step's keys, is predicted from all before it, and what was said
last goes in at the next step. In training most pieces are moved up or down by some semitones, and the network
is told by how many: from a piece in one key it learns what holds in all, and still knows which key is usual.

Letters: N real steps of a batch.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import fill, pack, unpack
from elman.data.compression import plain_path
from elman.data.events import Steps, check_steps, parse_json, read_steps, tune_of
from elman.data.facts import flag
from elman.data.midi import SUFFIXES, Note, Tune, is_midi, midi_bytes, midi_files, read_midi
from elman.data.rows import Row
from elman.data.source import DataError, counted
from elman.data.written import Answers
from elman.learning.metrics import music_scores
from elman.samples import music as samples
from elman.tasks.carried import Carried, each
from elman.tasks.declarations.music import DECLARATION, MusicSettings
from elman.tasks.playing import EventByEvent, KeysByStep, Playing
from elman.tasks.task import CannotError, Heatmap, Reading, Sampling, Task

SPAN = 200  # steps that a gradient goes back over
MOVED = 0.7  # share of the pieces of an epoch that are moved
SCORED_STEPS = 20_000  # of the dev pieces, on which training is judged each epoch
LONGEST = {"event": 512, "step": 64}  # quarter notes that are generated at most, where nothing else is asked
MOST_LABELS = 100  # under a picture
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True)
class Piece:
    """A piece of music and where it stands, "file:number"."""

    music: Tune | Steps
    place: str

    @property
    def row(self) -> Row:
        """Its place, as a row."""
        return Row.of({"piece": self.place}, self.place)


@dataclass(frozen=True)
class Batch:
    """Pieces, or spans of them, packed."""

    inputs: PackedSequence  # [N] events or [N, I] keys
    targets: Tensor  # [N] or [N, K]
    places: list[str]
    carried: Carried = field(default_factory=Carried)

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.targets)


class Music(Task):
    """The way of writing of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    better = "lower"
    unit = "steps"
    settings: MusicSettings

    def __init__(self, settings: MusicSettings, playing: Playing) -> None:
        self.settings, self.playing = settings, playing

    @classmethod
    def read(cls, path: str, settings: MusicSettings, *, skip_bad: bool = False) -> Reading:
        """Read a MIDI file, a folder of them, or a JSON list of pieces."""
        files = cls.paths(path, settings)
        if not is_midi(files[0]):
            pieces = [Piece(steps, f"{path}:{i + 1}") for i, steps in enumerate(read_steps(path))]
            steps = sum(len(piece.music) for piece in pieces if not isinstance(piece.music, Tune))
            return Reading(path, pieces, f"{path}: {counted(len(pieces), 'piece')}, {counted(steps, 'step')}")
        tunes, skipped = [], 0
        for file in files:
            try:
                tunes.append(Piece(read_midi(file, settings.grid), f"{file}:1"))
            except DataError:
                if not skip_bad:
                    raise
                skipped += 1
        if not tunes:
            raise DataError(path, f"{counted(skipped, 'bad file')} and no good one", "a tune", "see them")
        return Reading(path, tunes, _described(path, tunes, skipped, settings.grid))

    @classmethod
    def paths(cls, path: str, settings: MusicSettings) -> list[Path]:
        """Return the file, or the MIDI files of a folder."""
        return midi_files(Path(path)) if Path(path).is_dir() else [Path(path)]

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write folders of MIDI files, melodies by rule."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Piece], settings: MusicSettings) -> "Music":
        """See whether the training file has tunes or steps of keys."""
        return cls(settings, _playing(settings, events=isinstance(train[0].music, Tune)))

    def facts(self) -> dict[str, Any]:
        """Return the way of writing."""
        return {"events": isinstance(self.playing, EventByEvent)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: MusicSettings) -> "Music":
        """Restore it."""
        return cls(settings, _playing(settings, events=flag(facts, "events")))

    def check(self, examples: Sequence[Piece]) -> None:
        """Raise DataError for a tune of which the run's way of writing has no note at all."""
        for example in examples:
            left, notes = self._left_out([example])
            if left and left == notes:
                raise DataError(
                    example.place,
                    f"{counted(notes, 'note')}, none of them a key of a piano as a quarter note begins",
                    "at least one: this run learned from steps of keys",
                    "ask a run that was trained on MIDI files, or leave it out",
                )

    def _left_out(self, pieces: Sequence[Piece]) -> tuple[int, int]:
        """How many notes of the tunes among some pieces the way of writing leaves out, and of how many."""
        tunes = [piece.music for piece in pieces if isinstance(piece.music, Tune)]
        return sum(map(self.playing.left_out, tunes)), sum(len(tune.notes) for tune in tunes)

    def key(self, example: Piece) -> Hashable:
        """Return its notes."""
        return example.music.notes if isinstance(example.music, Tune) else example.music

    def question(self, text: str) -> Piece:
        """Read a MIDI file that is named, or steps as JSON: [[60, 64], [62]]."""
        if is_midi(text):
            piece = Piece(read_midi(text, self.settings.grid), f"{text}:1")
            self.check([piece])
            return piece
        if not text.strip():
            raise DataError("input", "an empty text", "a MIDI file or steps: [[60, 64], [62]]", "name one")
        return Piece(check_steps(parse_json(text, "input"), "input"), "input:1")

    def has_records(self, path: str) -> bool:
        """Tell MIDI files, folders and JSON files by their names from lines of steps."""
        return Path(path).is_dir() or plain_path(path).suffix.lower() == ".json" or is_midi(path)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read what `read` reads."""
        read = self.read(path, self.settings, skip_bad=skip_bad)
        self.check(read.examples)
        return read

    def tell(self, example: Piece, answer: Sequence[float], text: str | None = None) -> dict[str, Any]:
        """Say how likely a piece is, and how many of its notes were left out, if any."""
        told = {"piece": example.place if text is None else text}
        told = {**told, "nll": sum(answer) / len(answer), self.playing.unit + "s": len(answer)}
        return {**told, **self._shortfall([example])}

    def _shortfall(self, pieces: Sequence[Piece]) -> dict[str, str]:
        left, notes = self._left_out(pieces)
        return {"left_out": f"{left:,} of {counted(notes, 'note')}"} if left else {}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the nats a step of a piece, or the notes of what was generated."""
        if "notes" in told:
            return " ".join(f"{NAMES[pitch % 12]}{pitch // 12 - 1}" for _, _, pitch, _ in told["notes"])
        unit = self.playing.unit
        a = "an" if unit == "event" else "a"
        said = f"{told['nll']:.4f} nats {a} {unit}, {told[unit + 's']:,} {unit}s"
        return said + (f", {told['left_out']} left out" if "left_out" in told else "")

    def added(self, example: Piece, answer: Sequence[float]) -> Answers:
        """Return the nats a step, and which notes were left out, if any."""
        return {"nll": sum(answer) / len(answer), "left_out": self._shortfall([example]).get("left_out", "")}

    def model(self) -> nn.Module:
        """Return a new network."""
        return self.playing.model(self.settings)

    def length(self, example: Piece) -> int:
        """Return the number of steps."""
        return len(self.playing.sequence(example.music)[1])

    def batch(self, examples: Sequence[Piece], *, answers: bool = False) -> Batch:
        """Pack whole pieces, as they are."""
        sequences = [self.playing.sequence(example.music) for example in examples]
        return _span(sequences, [example.place for example in examples], Carried())

    def batches(self, examples: Sequence[Piece], steps: int, epoch: int) -> list[Batch]:
        """Draw as many pieces as an epoch takes, move most of them, and cut them into spans side by side."""
        seed = self.seed(epoch)
        chance = np.random.default_rng(seed)
        sequences: list[tuple[np.ndarray, np.ndarray]] = []
        places: list[str] = []
        left = self.settings.epoch_steps
        for i in chance.permutation(len(examples)):
            if left > 0:
                moved = chance.random() < MOVED
                move = int(chance.integers(-self.settings.transpose, self.settings.transpose + 1)) * moved
                sequences.append(self.playing.sequence(examples[i].music, move))
                places.append(examples[i].place)
                left -= len(sequences[-1][1])
        lengths = [len(targets) for _, targets in sequences]
        spans = max(1.0, sum(lengths) / len(lengths) / SPAN)  # of a piece
        return [
            batch
            for chosen in fill(lengths, round(steps * spans), seed)
            for batch in _spans([sequences[i] for i in chosen], [places[i] for i in chosen])
        ]

    def loss(self, model: Any, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of a step, in nats."""
        return self._nll(model, batch).mean()

    def _nll(self, model: Any, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of each step, [N], and carry the state on."""
        alive = int(batch.inputs.batch_sizes[0])
        state = each(batch.carried.state, lambda s: s[:, :alive])
        nll, state = model.nll(batch.inputs, batch.targets, state)
        batch.carried.state = each(state, Tensor.detach)
        return nll

    def answer(self, model: Any, batch: Batch) -> list[list[float]]:
        """Return the negative log-likelihood of each step of each piece."""
        return [nll.tolist() for nll in unpack(self._nll(model, batch), batch.inputs)]

    def score(self, model: Any, examples: Sequence[Piece]) -> float:
        """Return the nats a step; of many pieces, those of a part that is the same each epoch."""
        steps = np.cumsum([self.length(example) for example in examples])
        some = examples[:: 1 + int(steps[-1]) // SCORED_STEPS]
        return super().score(model, some)

    def metric(self, examples: Sequence[Piece], answers: Sequence[Sequence[float]]) -> dict[str, Any]:
        """Score the nats a step; the signature tells of notes that were left out."""
        scores = {**music_scores(answers, self.playing.unit), **self._shortfall(examples)}
        if "left_out" in scores:
            scores["signature"] += f"|left_out:{scores['left_out']}"
        return scores

    def baselines(self, train: Sequence[Piece]) -> dict[str, Callable[[Sequence[Piece]], list[list[float]]]]:
        """Train models that know at most the last few steps."""
        methods = self.playing.baselines([piece.music for piece in train])
        return {name: _of_pieces(method) for name, method in methods.items()}

    def generate(self, model: Any, count: int, sampling: Sampling, prime: str | None) -> list[dict[str, Any]]:
        """Play on behind a MIDI file or steps, or from nothing; `longest` counts quarter notes."""
        start = None if prime is None else self.question(prime).music
        longest = sampling.longest or LONGEST[self.playing.unit]
        with torch.no_grad():
            tunes = self.playing.speak(model, count, sampling, start, longest)
        return [
            {
                "grid": tune.grid,
                "tempos": [list(tempo) for tempo in tune.tempos],
                "notes": [[note.start, note.length, note.pitch, note.drum] for note in tune.notes],
            }
            for tune in tunes
        ]

    def media(self, told: Mapping[str, Any], path: Path) -> bytes | None:
        """Return what a MIDI file of that name holds. Raises CannotError where nothing was played."""
        if path.suffix.lower() not in SUFFIXES:
            return None
        if not told["notes"]:
            raise CannotError("nothing was played: try another --seed, or a higher --temperature")
        notes = tuple(Note(start, drum, pitch, length) for start, length, pitch, drum in told["notes"])
        return midi_bytes(Tune(notes, tuple((at, tempo) for at, tempo in told["tempos"]), told["grid"]))

    def picture(self, model: Any, example: Piece) -> Heatmap:
        """Return a piano roll: which pitches sound in each half of a quarter note."""
        tune = example.music
        tune = tune if isinstance(tune, Tune) else tune_of(tune, self.settings.grid)
        if not tune.notes:
            raise DataError(example.place, "steps without a note", "at least one note to draw", "add it")
        pitches = range(max(n.pitch for n in tune.notes), min(n.pitch for n in tune.notes) - 1, -1)
        cells = max(1, tune.grid // 2)
        ends = [-(-(note.start + note.length) // cells) for note in tune.notes]
        values = np.zeros((len(pitches), max(ends)))
        for note, end in zip(tune.notes, ends, strict=True):
            values[pitches[0] - note.pitch, note.start // cells : end] = 1
        every = -(-max(ends) // MOST_LABELS) * tune.grid
        quarters = ["" if i * cells % every else str(i * cells // tune.grid) for i in range(max(ends))]
        rows = [f"{NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in pitches]
        return Heatmap(values, rows, quarters, "Piano roll, in quarter notes")


def _playing(settings: MusicSettings, *, events: bool) -> Playing:
    return (EventByEvent if events else KeysByStep)(settings.grid, settings.transpose)


def _of_pieces(method: Any) -> Callable[[Sequence[Piece]], list[list[float]]]:
    return lambda pieces: method([piece.music for piece in pieces])


def _described(path: str, tunes: Sequence[Piece], skipped: int, grid: int) -> str:
    music = [tune.music for tune in tunes if isinstance(tune.music, Tune)]
    remarks = [f"{counted(len(tunes), 'tune')}, {counted(sum(len(tune.notes) for tune in music), 'note')}"]
    if moved := sum(tune.moved for tune in music):
        remarks.append(f"{counted(moved, 'note')} put on the grid of {grid} steps a quarter note")
    if left_open := sum(tune.open for tune in music):
        remarks.append(f"{counted(left_open, 'note')} never closed, and left out")
    if late := sum(tune.late for tune in music):
        remarks.append(f"{counted(late, 'tempo')} behind the last note, and left out")
    if skipped:
        remarks.append(f"{counted(skipped, 'bad file')} skipped")
    return f"{path}: {'; '.join(remarks)}"


def _spans(sequences: Sequence[tuple[np.ndarray, np.ndarray]], places: list[str]) -> Iterator[Batch]:
    """Cut sequences into spans of SPAN steps; a batch goes on where the one before ended."""
    sequences = sorted(sequences, key=lambda sequence: -len(sequence[1]))
    carried = Carried()
    for start in range(0, len(sequences[0][1]), SPAN):
        stop = start + SPAN
        alive = [(i[start:stop], t[start:stop]) for i, t in sequences if len(t) > start]
        yield _span(alive, places, carried)


def _span(sequences: Sequence[tuple[np.ndarray, np.ndarray]], places: list[str], carried: Carried) -> Batch:
    inputs, targets = zip(*sequences, strict=True)
    return Batch(pack(inputs), pack(targets).data, places, carried)


TASK = Music
