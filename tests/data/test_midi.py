"""MIDI as notes on a grid and as events: whole files as they are, damaged ones with one error each."""

import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data.events import END, Events, chords_of, left_out, read_steps, roll, steps_of, tune_of
from elman.data.midi import PLAIN_TEMPO, Note, Tune, is_midi, midi_bytes, midi_files, read_midi
from elman.data.source import DataError

symusic = pytest.importorskip("symusic")

STOP = b"\x00\xff\x2f\x00"
NOTE = b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40"  # 480 ticks
FAR = b"\xff\xff\xff\x7f"  # as many ticks as an event can wait
SLOW = b"\xff\x51\x03\x0f\x42\x40"  # 60 a minute
REAL = Path(__file__).parents[3] / "shared/data/music/folk/train"


def midi(
    tracks: Sequence[bytes],
    kind: int = 1,
    division: int = 480,
    declared: int | None = None,
    size: int | None = None,
) -> bytes:
    content = b"MThd" + struct.pack(">IHHH", 6, kind, len(tracks) if declared is None else declared, division)
    for track in tracks:
        content += b"MTrk" + struct.pack(">I", len(track) if size is None else size) + track
    return content


def read(content: bytes, folder: Path) -> Tune:
    path = folder / "x.mid"
    path.write_bytes(content)
    return read_midi(path, 12)


def test_a_note(tmp_path: Path) -> None:
    assert read(midi([NOTE + STOP]), tmp_path) == Tune((Note(0, False, 60, 12),), (), 12)


def test_running_status_drums_and_system_messages(tmp_path: Path) -> None:
    running = b"\x00\x90\x3c\x40\x83\x60\x3c\x00"
    drum = b"\x00\x99\x26\x40\x81\x70\x89\x26\x00"
    message = b"\x00\xf0\x03\x01\x02\xf7\x00\xc0\x05\x00\xe0\x00\x40"
    tune = read(midi([message + running + STOP, drum + STOP]), tmp_path)
    assert tune.notes == (Note(0, False, 60, 12), Note(0, True, 38, 6))
    assert tune.open == 0  # a note that is struck with velocity 0 is let go


def test_tempos_on_any_track_are_kept(tmp_path: Path) -> None:
    slow = b"\x83\x60" + SLOW  # behind 480 ticks
    assert read(midi([NOTE + STOP, slow + NOTE + STOP]), tmp_path).tempos == ((12, 60.0),)


@pytest.mark.parametrize("wait", [b"\x00", FAR])
@pytest.mark.parametrize("division", [1, 480])
def test_a_tempo_behind_the_last_note_costs_no_event(wait: bytes, division: int, tmp_path: Path) -> None:
    plain = read(midi([NOTE + STOP], division=division), tmp_path)
    tune = read(midi([NOTE + wait + SLOW + STOP], division=division), tmp_path)
    assert Events(12, 0).numbers(tune) == Events(12, 0).numbers(plain)
    assert (tune.late, plain.late) == (1, 0)


def test_zeros_fill_a_track_up(tmp_path: Path) -> None:
    assert read(midi([NOTE + STOP + bytes(5)]), tmp_path) == read(midi([NOTE + STOP]), tmp_path)


def test_notes_off_the_grid_and_notes_left_open_are_counted(tmp_path: Path) -> None:
    odd = b"\x07\x90\x3e\x40\x01\x80\x3e\x40"
    never = b"\x00\x90\x40\x40"
    tune = read(midi([NOTE + odd + never + STOP]), tmp_path)
    assert tune.notes == (Note(0, False, 60, 12), Note(12, False, 62, 1))
    assert (tune.moved, tune.open) == (1, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found 0 bytes that do not begin as MIDI"),
        (b"MThd", "found 4 bytes that do not begin as MIDI"),
        (b"RIFF" + bytes(20), "found 24 bytes that do not begin as MIDI"),
        (midi([b"\x00\x3c\x40" + STOP]), "track 1, byte 1: found the byte 0x3c where an event begins"),
        (
            midi([NOTE + STOP], size=0x7FFFFFFF),
            "found 13 bytes of part 1\n  expected 2,147,483,647, as its head says",
        ),
        (midi([NOTE + STOP], declared=65535), "found 1 track\n  expected 65,535, as the head says"),
        (midi([NOTE + STOP] * 3, declared=2), "found 3 tracks\n  expected 2, as the head says"),
        (midi([b"\x00\xff\x51\x03\0\0\0" + NOTE + STOP]), "found a tempo of 0 microseconds a quarter note"),
        (midi([NOTE + STOP], division=0), "found 0 ticks a quarter note"),
        (midi([NOTE + STOP], division=0xE728), "found times in seconds"),
        (midi([NOTE + STOP], kind=2), "found MIDI of format 2"),
        (midi([STOP]), "found no note"),
        (midi([]), "found no note"),
        (midi([b"\x00\x90\x3c"]), "track 1: found an event that goes on behind the end of the track"),
        (midi([b"\x00\xff\x01\x7f"]), "track 1: found an event that goes on behind the end of the track"),
        (midi([b"\x00\x90\x3c\x90" + STOP]), "track 1, byte 2: found a status byte within an event"),
        (
            midi([NOTE + STOP]) + b"tail",
            "found 4 bytes where part 2 begins\n  expected 8 bytes of its head, or none",
        ),
        (midi([NOTE + STOP + NOTE]), "byte 13: found 9 bytes behind End of Track\n  expected none, or zeros"),
        (midi([b"\x00\xff\x51\x00" + NOTE + STOP]), "found a tempo of 0 bytes\n  expected 3"),
        (midi([b"\x00\xff\x51\x01\x04" + NOTE + STOP]), "found a tempo of 1 byte\n  expected 3"),
        (midi([(FAR + SLOW) * 9 + NOTE + STOP]), "found an event 2,415,919,095 ticks on"),
        (midi([b"\xff" * 5 + NOTE + STOP]), "byte 0: found a number of more than 4 bytes"),
        (
            midi([b"\x00\x90\x3c\x40\xff\xff\xff\x7f\x80\x3c\x40" + STOP]),
            "steps on\n  expected at most 1,000,000",
        ),
    ],
)
def test_faults(content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(content, tmp_path)
    assert said in str(caught.value)
    assert caught.value.place.startswith(str(tmp_path / "x.mid"))


def test_100000_notes_never_closed(tmp_path: Path) -> None:
    struck = b"".join(b"\x00\x90" + bytes([i % 128, 64]) for i in range(100_000))
    with pytest.raises(DataError, match="found 100,000 notes, none of which is closed"):
        read(midi([struck + STOP]), tmp_path)


def test_a_file_cut_anywhere_is_one_error(tmp_path: Path) -> None:
    tune = Tune(
        tuple(Note(6 * i, i % 7 == 0, 40 + i % 30, 5) for i in range(60)), ((0, 90.0), (24, 60.0)), 12
    )
    content = midi_bytes(tune)
    for cut in range(0, len(content), 10):
        with pytest.raises(DataError):
            read(content[:cut], tmp_path)


@given(st.binary(max_size=40), st.integers(0, 200))
@settings(max_examples=60)
def test_any_bytes_are_an_error_or_a_tune(noise: bytes, at: int) -> None:
    content = midi([NOTE * 10 + STOP])
    changed = content[:at] + noise + content[at + len(noise) :]
    path = Path(tempfile.gettempdir()) / "elman-noise.mid"
    path.write_bytes(changed)
    try:
        assert read_midi(path, 12).notes
    except DataError:
        pass
    finally:
        path.unlink()


notes = st.builds(Note, st.integers(0, 300), st.booleans(), st.integers(0, 127), st.integers(1, 700))


def alone(tune: list[Note]) -> tuple[Note, ...]:
    """Leave out notes that sound while the same pitch does: MIDI cannot tell whose end is whose."""
    kept: list[Note] = []
    for note in sorted(tune):
        if not any(
            k.pitch == note.pitch and k.drum == note.drum and k.start + k.length > note.start for k in kept
        ):
            kept.append(note)
    return tuple(kept)


@given(st.lists(notes, min_size=1, max_size=12), st.sampled_from([4, 12, 24]))
@settings(max_examples=30)
def test_what_is_written_is_read_back_and_plays(given_notes: list[Note], grid: int) -> None:
    tune = Tune(alone(given_notes), ((0, PLAIN_TEMPO),), grid)
    content = midi_bytes(tune)
    path = Path(tempfile.gettempdir()) / "elman-written.mid"
    path.write_bytes(content)
    assert read_midi(path, grid) == tune
    path.unlink()
    score = symusic.Score.from_midi(content)
    assert sum(len(track.notes) for track in score.tracks) == len(tune.notes)  # each is struck and let go


@given(st.lists(notes, min_size=1, max_size=12), st.sampled_from([4, 12]))
def test_events_and_back(given_notes: list[Note], grid: int) -> None:
    events = Events(grid, 5)
    tune = Tune(tuple(sorted(given_notes)), (), grid)
    numbers = events.numbers(tune)
    assert numbers[-1] == END
    assert max(numbers) < events.spoken
    assert events.tune(numbers) == tune
    for before, after in zip([None, *numbers[:-1]], numbers, strict=True):
        assert events.legal(before)[after]


def test_the_tempo_is_kept_to_a_twentieth() -> None:
    events = Events(12, 0)
    tune = Tune((Note(12, False, 60, 12),), ((0, 93.0), (12, 60.0)), 12)
    names = [events.name(number) for number in events.numbers(tune)]
    assert names == ["tempo 92.5", "wait 12", "tempo 60.0", "note 60", "length 12", "end"]
    back = events.tune(events.numbers(tune)).tempos
    assert all(
        abs(ours / theirs - 1) < 0.05 for (_, ours), (_, theirs) in zip(back, tune.tempos, strict=True)
    )


def test_a_tune_is_moved_but_its_drums_are_not() -> None:
    events = Events(12, 5)
    tune = Tune((Note(0, False, 60, 12), Note(0, True, 38, 12)), (), 12)
    assert [n.pitch for n in events.tune(events.numbers(tune, 3)).notes] == [63, 38]
    assert len({events.begin(move) for move in range(-5, 6)} & set(range(events.spoken, len(events)))) == 11


def test_a_length_stands_behind_a_note_and_nowhere_else() -> None:
    events = Events(12, 1)
    long = Tune((Note(6, False, 60, 12 * 16 + 3),), ((0, 60.0),), 12)
    tempo, wait, note, longest, rest, end = events.numbers(long)
    assert [events.name(number) for number in (longest, rest)] == ["length 192", "length 3"]
    kinds = {
        before: {events.name(number).split()[0] for number in np.flatnonzero(events.legal(before)).tolist()}
        for before in (None, tempo, wait, note, longest, rest, end)
    }
    others = {"note", "drum", "wait", "tempo", "end"}
    assert kinds[note] == {"length"}
    assert kinds[longest] == others | {"length"}
    assert all(kinds[before] == others for before in (None, tempo, wait, rest, end))


def test_a_note_without_its_length_is_none() -> None:
    events = Events(12, 0)
    numbers = events.numbers(Tune((Note(0, False, 60, 12), Note(12, False, 62, 12)), (), 12))
    assert [note.pitch for note in events.tune(numbers[:-2]).notes] == [60]


steps = st.lists(st.lists(st.integers(21, 108), max_size=4, unique=True).map(sorted), min_size=1, max_size=9)


@given(steps, st.integers(-5, 5))
def test_rolls_chords_and_tunes_tell_the_same(piece: list[list[int]], move: int) -> None:
    chords = tuple(map(tuple, piece))
    assert steps_of(roll(chords)) == chords
    moved = tuple(tuple(p + move for p in step if 21 <= p + move <= 108) for step in chords)
    assert steps_of(roll(chords, move)) == moved
    tune = tune_of(chords, 12)
    if tune.notes:
        back = chords_of(tune)
        assert back == chords[: len(back)]
        assert not any(chords[len(back) :])  # silence at the end


def test_notes_that_are_in_no_chord_are_counted() -> None:
    kept = (Note(0, False, 60, 1), Note(11, False, 62, 2))
    lost = (Note(1, False, 60, 11), Note(0, True, 38, 12), Note(0, False, 109, 12), Note(0, False, 20, 12))
    assert left_out(Tune(kept, (), 12)) == 0
    assert left_out(Tune((*kept, *lost), (), 12)) == 4
    assert chords_of(Tune((*kept, *lost), (), 12)) == ((60,), (62,))


def test_midi_is_told_by_its_name_or_by_how_it_begins(tmp_path: Path) -> None:
    (tmp_path / "a.kar").write_bytes(b"MThd")
    (tmp_path / "a.rmi").write_bytes(b"RIFF")
    (tmp_path / "a.json").write_bytes(b"[[[60]]]")
    told = [
        is_midi(tmp_path / name) for name in ("a.kar", "a.rmi", "none.MID", "a.json", "none", "", "x" * 999)
    ]
    assert told == [True, True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[[60, 64], [62]], [[60]", ":1:25: found no JSON (Expecting ',' delimiter)"),
        ("{}", ": found dict where a list of pieces should be"),
        ("[]", ": found no piece"),
        ("[[[60]], []]", ", piece 2: found a piece without a step"),
        (
            "[[[60], [60, 109]]]",
            ", piece 1: found '109' in step 2\n  expected a list of steps, each a list of pitches 21 to",
        ),
        ("[[[60], [20]]]", ", piece 1: found '20' in step 2"),
        ("[[[60], 61]]", ", piece 1: found '61' in step 2"),
        ("[[[60.5]]]", ", piece 1: found '60.5' in step 1"),
        ("[[[true]]]", ", piece 1: found 'True' in step 1"),
        ('[[["60"]]]', ", piece 1: found the text '60' in step 1"),
        ('["60"]', ", piece 1: found the text '60'"),
        (f"[[[{'9' * 5000}]]]", ": found no JSON (a number of thousands of digits)"),
        ("[" * 100_000, ": found no JSON (lists within lists without end)"),
    ],
)
def test_faults_of_json(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_steps(path)
    assert str(caught.value).startswith(f"{path}{said}")


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[[[64, 60, 60], []],\n [[21, 108]]]")
    assert read_steps(path) == [((60, 64), ()), ((21, 108),)]


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found a folder without a MIDI file"):
        midi_files(tmp_path)
    (tmp_path / "b").mkdir()
    for name in ("b/2.MID", "1.midi", "x.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in midi_files(tmp_path)] == ["1.midi", "2.MID"]
    with pytest.raises(DataError, match="No such file: "):
        read_midi(tmp_path / "none.mid", 12)


@pytest.mark.skipif(not REAL.exists(), reason="the data are not there")
def test_real_tunes_survive_events_and_writing(tmp_path: Path) -> None:
    for path in sorted(REAL.glob("*.mid"))[::80]:
        tune = read_midi(path, 12)
        assert tune.open == 0
        assert Events(12, 5).tune(Events(12, 5).numbers(tune)).notes == tune.notes
        assert np.isclose(len(read(midi_bytes(tune), tmp_path).notes), len(tune.notes))
