"""The sample melodies keep their promises: MIDI that plays, in bars, and a first phrase that comes back."""

from pathlib import Path
from random import Random

import pytest

from elman.data.midi import Note, Tune, midi_files, read_midi
from elman.samples import music

pytest.importorskip("symusic")

BAR = music.BAR * music.GRID


def voice(tune: Tune, start: int, stop: int) -> list[tuple[int, int, int]]:
    """The notes of the melody from one bar to another, counted from there."""
    chords = [note for note in tune.notes if note.length == BAR and note.start % BAR == 0]
    return [
        (note.start - start * BAR, note.pitch, note.length)
        for note in tune.notes
        if note not in chords and start * BAR <= note.start < stop * BAR
    ]


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = []
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        paths = music.write(tmp_path / name / "new", seed)
        assert [path.name for path in paths] == ["train", "dev", "test"]
        assert [len(midi_files(path)) for path in paths] == list(music.SIZES.values())
        written.append([path.read_bytes() for path in midi_files(paths[0])])
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))


def test_melodies_stand_on_the_grid_and_end_together(tmp_path: Path) -> None:
    for path in midi_files(music.write(tmp_path)[1]):
        tune = read_midi(path, music.GRID)
        assert (tune.moved, tune.open) == (0, 0)
        assert max(note.start + note.length for note in tune.notes) == 8 * BAR
        assert len(tune.tempos) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_first_phrase_comes_back(seed: int) -> None:
    tune = music.melody(Random(seed))
    assert voice(tune, 0, 2) == voice(tune, 4, 6)
    assert voice(tune, 0, 2) != voice(tune, 2, 4)
    assert {note.start % BAR for note in tune.notes if note.length == BAR} == {0}
    lowest: list[Note] = [note for note in tune.notes if note.start == 7 * BAR]
    last = max(tune.notes, key=lambda note: (note.start, note.pitch))
    assert (last.pitch - min(note.pitch for note in lowest)) % 12 == 0  # the keynote, over its chord
