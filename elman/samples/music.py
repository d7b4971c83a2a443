"""Sample data of the music task: melodies by rule, as MIDI.

A melody has four phrases, A B A C: the first comes back note for note, so that who remembers it knows the
third. Each phrase is two bars of four quarter notes and walks over a scale in small steps; the last one ends
on the keynote. A chord of three notes lies under each bar.
"""

from pathlib import Path
from random import Random

from elman.data.midi import Note, Tune, midi_bytes
from elman.storage import write_whole

SIZES = {"train": 240, "dev": 110, "test": 110}
GRID = 12  # steps of a quarter note
BAR = 4  # quarter notes
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
RHYTHMS = ((1, 1, 1, 1), (2, 1, 1), (1, 1, 2), (1.5, 0.5, 1, 1), (0.5, 0.5, 1, 2))  # of a bar
CHORDS = (0, 3, 4, 0)  # degrees of the scale under the two bars of a phrase, and of the next
STEPS = (-2, -1, -1, 1, 1, 2)  # of a melody, in degrees


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write folders train, dev and test of MIDI files into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes. Raises MissingError where symusic is not installed.
    """
    paths = []
    for split, size in SIZES.items():
        chance = Random(f"{split} {seed}")
        paths.append(folder / split)
        paths[-1].mkdir(parents=True, exist_ok=True)
        for number in range(size):
            write_whole(paths[-1] / f"{number + 1:03}.mid", midi_bytes(melody(chance)))
    return paths


def melody(chance: Random) -> Tune:
    """Return a melody of eight bars."""
    scale = SCALES[chance.choice(list(SCALES))]
    keynote = chance.randint(57, 67)
    phrases = [_phrase(chance, 0), _phrase(chance, chance.choice((2, 4))), _phrase(chance, 0)]
    phrases = [phrases[0], phrases[1], phrases[0], [*phrases[2][:-1], (phrases[2][-1][0], 0)]]
    notes = []
    for number, phrase in enumerate(phrases):
        now = number * 2 * BAR * GRID
        for bar in range(2):
            root = CHORDS[(2 * number + bar) % len(CHORDS)] if number < 3 or bar == 0 else 0
            for third in (0, 2, 4):
                pitch = _pitch(scale, keynote - 12, root + third)
                notes.append(Note(now + bar * BAR * GRID, False, pitch, BAR * GRID))
        for length, degree in phrase:
            steps = round(length * GRID)
            notes.append(Note(now, False, _pitch(scale, keynote, degree), steps))
            now += steps
    return Tune(tuple(sorted(notes)), ((0, float(chance.choice((80, 100, 120)))),), GRID)


def _phrase(chance: Random, degree: int) -> list[tuple[float, int]]:
    """Lengths in quarter notes, and degrees of the scale, of two bars."""
    phrase = []
    for rhythm in (chance.choice(RHYTHMS), chance.choice(RHYTHMS)):
        for length in rhythm:
            phrase.append((length, degree))
            degree = min(max(degree + chance.choice(STEPS), -3), 9)
    return phrase


def _pitch(scale: tuple[int, ...], keynote: int, degree: int) -> int:
    return keynote + 12 * (degree // len(scale)) + scale[degree % len(scale)]
