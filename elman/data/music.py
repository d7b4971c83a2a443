"""Reads music: MIDI files as tunes, JSON lists as steps of the pitches that sound. Imports no torch."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.answers import Answer
from elman.data.events import Steps, check_steps, parse_json, read_steps
from elman.data.midi import Tune, is_midi, midi_files, read_midi
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted


@dataclass(frozen=True)
class Piece:
    """A piece of music and where it stands, "file:number"."""

    music: Tune | Steps
    place: str
    name: str = ""  # as the user gave it, where not by its place

    @property
    def asked(self) -> dict[str, Any]:
        """Its name, or its place."""
        return {"piece": self.name or self.place}


class MusicReader(Reader[Piece]):
    """Reads MIDI files, folders of them, and JSON lists of pieces."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Piece]:
        """Read a MIDI file, a folder of them, or a JSON list of pieces."""
        files = self.files(path)
        if not is_midi(files[0]):
            pieces = [Piece(steps, f"{path}:{i + 1}") for i, steps in enumerate(read_steps(path))]
            steps = sum(len(piece.music) for piece in pieces if not isinstance(piece.music, Tune))
            return Examples(path, pieces, f"{path}: {counted(len(pieces), 'piece')}, {counted(steps, 'step')}")
        tunes, skipped = [], 0
        for file in files:
            try:
                tunes.append(Piece(read_midi(file, self.settings.grid), f"{file}:1"))
            except DataError:
                if not skip_bad:
                    raise
                skipped += 1
        if not tunes:
            raise DataError(path, f"{counted(skipped, 'bad file')} and no good one", "a tune", "see them")
        return Examples(path, tunes, _description(path, tunes, skipped, self.settings.grid))

    def files(self, path: str) -> list[Path]:
        """Return the file, or the MIDI files of a folder."""
        return midi_files(Path(path)) if Path(path).is_dir() else [Path(path)]

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a MIDI file, a folder or a JSON file."""
        return Path(path).is_dir() or Path(path).suffix.lower() == ".json" or is_midi(path)

    def read_unlabelled(self, path: str) -> list[Piece]:
        """Read what `read` reads."""
        return list(self.read(path).examples)

    def parse(self, item: Any, place: str) -> Piece:
        """Return steps that were written as JSON: [[60, 64], [62]]."""
        if not str(item).strip():
            raise DataError(place, "an empty text", "a MIDI file or steps: [[60, 64], [62]]", "name one")
        return Piece(check_steps(parse_json(str(item), place), place), place, str(item))

    def write(self, example: Piece, answer: Answer) -> str:
        """Return the piece, a tab and the nats a step; after another tab what was left out."""
        answered = answer.to_dict()
        left_out = f"\t{answered['left_out']} left out" if "left_out" in answered else ""
        return f"{answered['piece']}\t{answered['nll']:.4f}{left_out}"

    def key(self, example: Piece) -> Hashable:
        """Return its notes."""
        return example.music.notes if isinstance(example.music, Tune) else example.music


def _description(path: str, pieces: Sequence[Piece], skipped: int, grid: int) -> str:
    tunes = [piece.music for piece in pieces if isinstance(piece.music, Tune)]
    facts = [f"{counted(len(tunes), 'tune')}, {counted(sum(len(tune.notes) for tune in tunes), 'note')}"]
    if moved := sum(tune.moved for tune in tunes):
        facts.append(f"{counted(moved, 'note')} put on the grid of {grid} steps a quarter note")
    if left_open := sum(tune.open for tune in tunes):
        facts.append(f"{counted(left_open, 'note')} never closed, and left out")
    if late := sum(tune.late for tune in tunes):
        facts.append(f"{counted(late, 'tempo')} behind the last note, and left out")
    if skipped:
        facts.append(f"{counted(skipped, 'bad file')} skipped")
    return f"{path}: {'; '.join(facts)}"
