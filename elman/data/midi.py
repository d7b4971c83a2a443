"""MIDI files as notes on a grid, and back.

symusic reads and writes them. What it passes over in silence is counted here before: tracks that the head
promises, bytes that a track promises, notes that are never closed.

Source: MIDI Manufacturers Association, "Standard MIDI Files 1.0".
"""

from dataclasses import dataclass, replace
from pathlib import Path

from elman.data.extras import need
from elman.data.source import DataError, counted, read_lines

SUFFIXES = (".mid", ".midi")
TICKS = 480  # of a quarter note, in a file that is written
VELOCITY = 80  # of a note that is written
PLAIN_TEMPO = 120.0  # quarter notes a minute, where a file has no tempo
MICROSECONDS = 60_000_000  # of a minute
LONGEST = 1_000_000  # steps of a tune; what is longer is no tune but a fault in its times
_DATA_BYTES = {0x8: 2, 0x9: 2, 0xA: 2, 0xB: 2, 0xC: 1, 0xD: 1, 0xE: 2}  # by the high half of the status
_NOTE_ON, _META, _SYSEX, _END_SYSEX = 0x9, 0xFF, 0xF0, 0xF7
_TEMPO, _END_OF_TRACK = 0x51, 0x2F  # kinds of meta events
_TEMPO_BYTES = 3
_MOST_TICKS = 2**31 - 1  # that symusic can count
_NUMBER_BYTES = 4
_BEGINNINGS = (b"MThd", b"RIFF")  # the latter wraps MIDI so that it cannot be read, and is to be told so
_REMEDY = "write the file again, or leave it out"

_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, order=True)
class Note:
    """A note; times in steps of the grid. The pitch of a drum says which one it is."""

    start: int
    drum: bool
    pitch: int
    length: int


@dataclass(frozen=True)
class Tune:
    """The notes of a file in the order of time, and its tempos: (step, quarter notes a minute).

    `grid` is the number of steps of a quarter note. `moved` notes did not stand on it, or were shorter than a
    step; `open` ones were never closed, and are left out, as are `late` tempos, behind the last note.
    """

    notes: tuple[Note, ...]
    tempos: tuple[tuple[int, float], ...]
    grid: int
    moved: int = 0
    open: int = 0
    late: int = 0

    def until(self, step: int) -> "Tune":
        """Return what is played before a step; a note that would sound longer ends there."""
        notes = [replace(n, length=min(n.length, step - n.start)) for n in self.notes if n.start < step]
        return replace(self, notes=tuple(notes), tempos=tuple(t for t in self.tempos if t[0] < step))


def is_midi(path: str | Path) -> bool:
    """Tell a MIDI file by its name, or by how it begins."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        if not path.is_file():  # what is read of a pipe would be gone
            return False
        with path.open("rb") as file:
            return file.read(4) in _BEGINNINGS
    except OSError:  # a text, too long for a path; or no file to be read
        return False


def read_midi(path: str | Path, grid: int) -> Tune:
    """Read a MIDI file: the notes of all its tracks, the drums among them, and the tempos of all its tracks.

    Instruments and velocities are not read. Raises DataError for a file that is not whole, that its head
    contradicts, without ticks a quarter note, with a tempo of 0, with anything but zeros behind the end of a
    track, without a note, or longer than `LONGEST`; MissingError where symusic is not installed.
    """
    symusic = need("symusic", "music")
    path = Path(path)
    if not path.is_file():
        next(read_lines(path), None)  # says why not
    content = path.read_bytes()
    struck = _count_notes(content, str(path))
    try:
        score = symusic.Score.from_midi(content)
    except (RuntimeError, ValueError) as error:
        raise DataError(str(path), f"no MIDI file that can be read ({error})", "notes", _REMEDY) from None
    if any(tempo.mspq == 0 for tempo in score.tempos):
        raise DataError(str(path), "a tempo of 0 microseconds a quarter note", "more than 0", _REMEDY)
    notes, moved = [], 0
    for track in score.tracks:
        for note in track.notes:
            start, end = (ticks * grid / score.tpq for ticks in (note.time, note.time + note.duration))
            step = round(start)
            length = max(1, round(end) - step)
            moved += (step, step + length) != (start, end)
            notes.append(Note(step, track.is_drum, note.pitch, length))
    if not notes:
        raise DataError(
            str(path),
            f"{counted(struck, 'note')}, none of which is closed" if struck else "no note",
            "at least one",
            _REMEDY,
        )
    end = max(note.start + note.length for note in notes)
    if end > LONGEST:
        raise DataError(str(path), f"a note {end:,} steps on", f"at most {LONGEST:,}", _REMEDY)
    timed = [(round(tempo.time * grid / score.tpq), MICROSECONDS / tempo.mspq) for tempo in score.tempos]
    tempos = {step: tempo for step, tempo in timed if step < end}
    late = sum(step >= end for step, _ in timed)
    return Tune(tuple(sorted(notes)), tuple(sorted(tempos.items())), grid, moved, struck - len(notes), late)


def midi_bytes(tune: Tune) -> bytes:
    """Return a MIDI file that plays the tune: a track of notes, and one of drums if there are any."""
    symusic = need("symusic", "music")
    score = symusic.Score(TICKS)
    step = TICKS // tune.grid
    for at, tempo in tune.tempos or ((0, PLAIN_TEMPO),):
        score.tempos.append(symusic.Tempo(at * step, mspq=round(MICROSECONDS / tempo)))
    for is_drum in (False, True):
        played = [note for note in tune.notes if note.drum == is_drum]
        if played:
            track = symusic.Track("drums" if is_drum else "notes", 0, is_drum)
            for note in played:
                track.notes.append(symusic.Note(note.start * step, note.length * step, note.pitch, VELOCITY))
            score.tracks.append(track)
    return bytes(score.dumps_midi())


def midi_files(folder: Path) -> list[Path]:
    """Return the MIDI files in a folder and those below it, in the order of their names. Raises DataError."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise DataError(str(folder), "a folder without a MIDI file", "files *.mid", "name another folder")
    return found


def _count_notes(content: bytes, path: str) -> int:
    """Walk through a whole file and return how many notes are struck in it. Raises DataError."""

    def fault(found: str, expected: str) -> DataError:
        return DataError(path, found, expected, _REMEDY)

    if content[:4] != b"MThd" or len(content) < 14:
        raise fault(
            f"{counted(len(content), 'byte')} that do not begin as MIDI", "MThd and the head behind it"
        )
    length, kind, declared, division = (
        int.from_bytes(content[start:stop], "big") for start, stop in ((4, 8), (8, 10), (10, 12), (12, 14))
    )
    if kind > 1:
        raise fault(f"MIDI of format {kind}, whose tracks are not played together", "format 0 or 1")
    if division == 0 or division >= 0x8000:
        raise fault(
            "0 ticks a quarter note" if division == 0 else "times in seconds (SMPTE)", "ticks a quarter note"
        )
    place, tracks, struck = 8 + length, 0, 0
    while place < len(content):
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "big")
        there = len(content) - place - 8
        if there < 0:
            raise fault(
                f"{counted(there + 8, 'byte')} where part {tracks + 1} begins", "8 bytes of its head, or none"
            )
        if there < size:
            raise fault(f"{there:,} bytes of part {tracks + 1}", f"{size:,}, as its head says")
        if name == b"MTrk":
            tracks += 1
            struck += _struck(content[place + 8 : place + 8 + size], f"{path}, track {tracks}")
        place += 8 + size
    if tracks != declared:
        raise fault(counted(tracks, "track"), f"{declared:,}, as the head says")
    return struck


def _struck(content: bytes, place: str) -> int:
    """Walk through the events of a track, to its end, and return how many notes are struck."""

    def fault(found: str, expected: str) -> DataError:
        return DataError(f"{place}, byte {at}", found, expected, _REMEDY)

    at = ticks = struck = status = 0
    kind = None
    try:
        while at < len(content) and kind != _END_OF_TRACK:
            wait, at = _number(content, at)
            ticks += wait
            if ticks > _MOST_TICKS:
                raise fault(f"an event {ticks:,} ticks on", f"at most {_MOST_TICKS:,}")
            byte = content[at]
            if byte in (_META, _SYSEX, _END_SYSEX):
                kind = content[at + 1] if byte == _META else None
                size, at = _number(content, at + (2 if byte == _META else 1))
                if kind == _TEMPO and size != _TEMPO_BYTES:
                    raise fault(f"a tempo of {counted(size, 'byte')}", f"{_TEMPO_BYTES}")
                at += size
            else:
                if byte >= 0x80:
                    status, at = byte, at + 1
                size = _DATA_BYTES.get(status >> 4)  # running status: as before, where the byte is no status
                if size is None:
                    raise fault(f"the byte 0x{byte:02x} where an event begins", "a status byte")
                if content[at] >= 0x80 or content[at + size - 1] >= 0x80:
                    raise fault("a status byte within an event", "bytes below 0x80")
                struck += status >> 4 == _NOTE_ON and content[at + 1] > 0
                at += size
    except IndexError:
        at = len(content) + 1
    except OverflowError:
        raise fault(f"a number of more than {_NUMBER_BYTES} bytes", f"{_NUMBER_BYTES} at most") from None
    if at > len(content):
        raise DataError(place, "an event that goes on behind the end of the track", "whole events", _REMEDY)
    if content[at:].strip(b"\0"):  # zeros fill the track up
        raise fault(f"{counted(len(content) - at, 'byte')} behind End of Track", "none, or zeros")
    return struck


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins here, seven bits a byte, the last of which is below 0x80; and its end.

    Raises OverflowError where it has more bytes than MIDI allows.
    """
    number = 0
    for place in range(at, at + _NUMBER_BYTES):
        number = number << 7 | content[place] & 0x7F
        if content[place] < 0x80:
            return number, place + 1
    raise OverflowError


def pitch_name(pitch: int) -> str:
    """Return the name of a pitch, such as "C4" of 60."""
    return f"{_NAMES[pitch % 12]}{pitch // 12 - 1}"
