"""Music as sequences of symbols: tunes as events in the order of time, and steps of keys that sound together.

An event of a tune is one of: wait so many steps of the grid; play this note, or this drum; for so many steps;
from now on at this tempo. Behind each note stands its length; what lasts longer than the longest event takes
several of them. The dictionary has all events, whether they were seen or not, so that each has a probability.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from elman.data.midi import Note, Tune
from elman.data.source import DataError, quote, read_lines

LOWEST, KEYS = 21, 88  # the keys of a piano, as MIDI counts them
PITCHES = 128
LONGEST_EVENT = 16  # quarter notes that one event can last
TEMPOS = tuple(round(15 * 2 ** (i / 8), 1) for i in range(36))  # quarter notes a minute, 9 % apart
LONGEST_LINE = 100_000_000  # bytes of a JSON file's line
END = 0

Steps = tuple[tuple[int, ...], ...]  # of a piece: the pitches that sound at each


@dataclass(frozen=True)
class Events:
    """The dictionary of events on a grid.

    Args:
        grid: steps of a quarter note.
        moves: semitones, up or down, by which a tune may be moved; each has a mark of its own with which a
            tune begins that was moved so.

    >>> events = Events(grid=4, moves=0)
    >>> numbers = events.numbers(Tune((Note(2, False, 60, 4),), (), 4))
    >>> [events.name(number) for number in numbers]
    ['wait 2', 'note 60', 'length 4', 'end']
    """

    grid: int
    moves: int

    @cached_property
    def _starts(self) -> dict[str, int]:
        """The first number of each kind."""
        longest = self.grid * LONGEST_EVENT
        sizes = {
            "end": 1,
            "wait": longest,
            "length": longest,
            "note": PITCHES,
            "drum": PITCHES,
            "tempo": len(TEMPOS),
            "begin": 2 * self.moves + 1,
        }
        starts, start = {}, 0
        for kind, size in sizes.items():
            starts[kind], start = start, start + size
        return {**starts, "behind": start}

    def __len__(self) -> int:
        """Return the size of the dictionary."""
        return self._starts["behind"]

    @property
    def spoken(self) -> int:
        """How many of its symbols can come next: the marks of a beginning cannot."""
        return self._starts["begin"]

    def begin(self, move: int = 0) -> int:
        """Return the mark with which a tune begins that was moved by so many semitones."""
        return self._starts["begin"] + self.moves + move

    def numbers(self, tune: Tune, move: int = 0) -> list[int]:
        """Return the events of a tune, and the end; it is moved by so many semitones, its drums are not."""
        tempos = [(step, False, self._tempo(tempo)) for step, tempo in tune.tempos]
        numbers, now = [], 0
        for step, is_note, what in sorted(
            [*tempos, *((note.start, True, i) for i, note in enumerate(tune.notes))]
        ):
            numbers += self._last("wait", step - now)
            now = step
            if not is_note:
                numbers.append(self._starts["tempo"] + what)
                continue
            note = tune.notes[what]
            pitch = note.pitch if note.drum else min(max(note.pitch + move, 0), PITCHES - 1)
            numbers.append(self._starts["drum" if note.drum else "note"] + pitch)
            numbers += self._last("length", note.length)
        return [*numbers, END]

    def tune(self, numbers: Sequence[int]) -> Tune:
        """Return the tune that events make; a note without its length is none."""
        notes: list[tuple[int, bool, int]] = []
        lengths: list[int] = []
        tempos, now = [], 0
        for number in numbers:
            kind, value = self._kind(number)
            if kind in ("note", "drum"):
                notes.append((now, kind == "drum", value))
                lengths.append(0)
            elif kind == "length" and notes:
                lengths[-1] += value + 1
            elif kind == "wait":
                now += value + 1
            elif kind == "tempo":
                tempos.append((now, TEMPOS[value]))
        whole = (Note(*note, length) for note, length in zip(notes, lengths, strict=True) if length)
        return Tune(tuple(sorted(whole)), tuple(tempos), self.grid)

    def waited(self, number: int) -> int:
        """Return how many steps of the grid go by with an event."""
        kind, value = self._kind(number)
        return value + 1 if kind == "wait" else 0

    def name(self, number: int) -> str:
        """Say what an event is."""
        kind, value = self._kind(number)
        said = {"wait": value + 1, "length": value + 1, "tempo": TEMPOS[value % len(TEMPOS)]}
        return "end" if kind == "end" else f"{kind} {said.get(kind, value)}"

    def legal(self, before: int | None) -> np.ndarray:
        """Return which events may follow another, or begin a tune: a length stands behind each note."""
        starts = self._starts
        is_note = before is not None and starts["note"] <= before < starts["tempo"]
        legal = np.full(len(self), not is_note)
        is_longest = before == starts["note"] - 1
        legal[starts["length"] : starts["note"]] = is_note or is_longest
        legal[starts["begin"] :] = False
        return legal

    def _last(self, kind: str, steps: int) -> list[int]:
        """The events, waits or lengths, that last so many steps together."""
        longest = self.grid * LONGEST_EVENT
        parts = [longest] * (steps // longest) + [steps % longest] * (steps % longest > 0)
        return [self._starts[kind] + part - 1 for part in parts]

    def _kind(self, number: int) -> tuple[str, int]:
        kind = next(kind for kind in reversed(self._starts) if self._starts[kind] <= number)
        return kind, number - self._starts[kind]

    def _tempo(self, tempo: float) -> int:
        return int(np.abs(np.log(np.array(TEMPOS) / tempo)).argmin())


def roll(piece: Steps, move: int = 0) -> np.ndarray:
    """Return which of the 88 keys sound at each of T steps, [T, KEYS], all moved by so many semitones."""
    keys = np.zeros((len(piece), KEYS), np.float32)
    for row, pitches in zip(keys, piece, strict=True):
        places = np.array(pitches, dtype=int) - LOWEST + move
        row[places[(places >= 0) & (places < KEYS)]] = 1
    return keys


def steps_of(keys: np.ndarray) -> Steps:
    """Undo `roll`."""
    return tuple(tuple(int(key) + LOWEST for key in np.flatnonzero(row)) for row in keys)


def tune_of(piece: Steps, grid: int) -> Tune:
    """Return the tune that steps make, a quarter note each; a pitch that goes on is one long note."""
    notes = []
    sounding: dict[int, int] = {}  # since when
    for step, pitches in enumerate((*piece, ())):
        for pitch in sorted(sounding.keys() - set(pitches)):
            start = sounding.pop(pitch)
            notes.append(Note(start * grid, False, pitch, (step - start) * grid))
        sounding |= {pitch: step for pitch in pitches if pitch not in sounding}
    return Tune(tuple(sorted(notes)), (), grid)


def chords_of(tune: Tune) -> Steps:
    """Return the pitches that sound as each quarter note begins; `left_out` counts the notes without one.

    >>> chords_of(tune_of(((60, 64), (), (60,)), 12))
    ((60, 64), (), (60,))
    """
    last = max(note.start + note.length for note in tune.notes)
    steps: list[set[int]] = [set() for _ in range(-(-last // tune.grid))]
    for note in tune.notes:
        for step in _quarters(note, tune.grid):
            steps[step].add(note.pitch)
    return tuple(tuple(sorted(step)) for step in steps)


def left_out(tune: Tune) -> int:
    """Return how many notes `chords_of` does not have: drums, what no piano has, and what is over too soon.

    >>> left_out(Tune((Note(0, False, 60, 1), Note(1, False, 60, 11), Note(0, True, 38, 12)), (), 12))
    2
    """
    return sum(not _quarters(note, tune.grid) for note in tune.notes)


def _quarters(note: Note, grid: int) -> range:
    """The quarter notes as which begin a key of a piano sounds."""
    if note.drum or not _is_key(note.pitch):
        return range(0)
    return range(-(-note.start // grid), -(-(note.start + note.length) // grid))


def read_steps(path: str | Path) -> list[Steps]:
    """Read a JSON list of pieces, each a list of steps, each a list of pitches from 21 to 108.

    Raises DataError for what is no such list, a pitch that no piano has, and a piece without a step.
    """
    pieces = parse_json("\n".join(text for _, text in read_lines(path, LONGEST_LINE)), str(path))
    if not isinstance(pieces, list) or not pieces:
        found = "no piece" if pieces == [] else f"{type(pieces).__name__} where a list of pieces should be"
        raise DataError(
            str(path), found, "a list of pieces: [[[60, 64], [62]], ...]", "write the pieces as a list"
        )
    return [check_steps(piece, f"{path}, piece {i + 1}") for i, piece in enumerate(pieces)]


def parse_json(text: str, path: str) -> object:
    """Parse JSON. Raises DataError, with line and column where they are known."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place, what = f"{path}:{error.lineno}:{error.colno}", error.msg
    except RecursionError:
        place, what = path, "lists within lists without end"
    except ValueError:  # all that Python says of an integer that is too long for it
        place, what = path, "a number of thousands of digits"
    raise DataError(place, f"no JSON ({what})", "a list of pieces", "correct it")


def check_steps(piece: object, place: str) -> Steps:
    """Return a piece as it should be. Raises DataError."""
    expected, remedy = (
        f"a list of steps, each a list of pitches {LOWEST} to {LOWEST + KEYS - 1}",
        "correct it",
    )
    if not isinstance(piece, list) or not piece:
        raise DataError(place, "a piece without a step" if piece == [] else _said(piece), expected, remedy)
    for number, step in enumerate(piece):
        bad = [step] if not isinstance(step, list) else [p for p in step if not _is_key(p)]
        if bad:
            raise DataError(place, f"{_said(bad[0])} in step {number + 1}", expected, remedy)
    return tuple(tuple(sorted(set(step))) for step in piece)


def _said(value: object) -> str:
    return f"the text {quote(value)}" if isinstance(value, str) else quote(str(value))


def _is_key(pitch: object) -> bool:
    return type(pitch) is int and LOWEST <= pitch < LOWEST + KEYS
