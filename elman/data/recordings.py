"""Recordings of speech, as frames, with what was said in them.

Letters: T frames, F features of a frame.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.data import audio
from elman.data.frames import BANDS, HOP_MS, RATE_HZ, Framer
from elman.data.manifest import Clip, read_manifest, reading
from elman.data.source import DataError, counted, quote

SUFFIXES = (*audio.SUFFIXES, ".npy")


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording.

    Args:
        frames: [T, F]: log-mel energies of sound, or features as the file has them; without steps where the
            recording is so long that it is read piece by piece.
        answer: what is said in it, or None where that was not read.
        path: of its file.
        columns: those of its manifest.
        place: "file:line", or the file.
        held: how the file holds its sound; None for features.
    """

    frames: np.ndarray
    answer: str | None
    path: Path
    columns: Mapping[str, str]
    place: str
    held: audio.Format | None

    title = ""

    @property
    def label(self) -> str | None:
        """The answer, where it is one of some labels."""
        return self.answer

    @property
    def asked(self) -> dict[str, Any]:
        """Its path and how long it is."""
        return {"path": str(self.path), "seconds": round(self.seconds, 3)}

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.held.samples / self.held.rate_hz if self.held else len(self.frames) * HOP_MS / 1000


@dataclass(frozen=True)
class Recordings:
    """The recordings of a manifest, and how many bad ones were left out."""

    path: str
    recordings: tuple[Recording, ...]
    skipped: int

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not taken as it stands."""
        seconds = sum(one.seconds for one in self.recordings)
        formats = [one.held for one in self.recordings if one.held]
        facts = [counted(len(self.recordings), "recording"), f"{seconds / 60:.1f} minutes"]
        facts.append(
            f"{BANDS} log-mel bands" if formats else f"{self.recordings[0].frames.shape[1]} features a frame"
        )
        facts += [
            f"{number:,} of {rate:,} Hz resampled to {RATE_HZ:,}"
            for rate, number in sorted(Counter(held.rate_hz for held in formats).items())
            if rate != RATE_HZ
        ]
        facts += [
            f"{number:,} of {channels} channels averaged"
            for channels, number in sorted(Counter(held.channels for held in formats).items())
            if channels > 1
        ]
        silent = [one for one in self.recordings if one.held and is_silent(one.frames)]
        if silent:
            facts.append(f"{len(silent):,} silent, the first in {silent[0].place}")
        if self.skipped:
            facts.append(f"{self.skipped:,} bad skipped")
        return f"{self.path}: {', '.join(facts)}"


def read_recordings(
    path: str | Path, column: str, check: Callable[[Recording], None], *, skip_bad: bool = False
) -> Recordings:
    """Read the recordings that a manifest names.

    Args:
        path: of the manifest.
        column: that says what is said in each.
        check: raises DataError for a recording that cannot be used.
        skip_bad: leave out bad rows and recordings instead of stopping at the first.

    Raises DataError for whatever `read_manifest` and the reading of a file raise it, and for recordings whose
    features are of different widths; MissingError.
    """
    manifest = read_manifest(path, [column], skip_bad=skip_bad)
    recordings: list[Recording] = []
    skipped = manifest.skipped
    for clip in manifest.clips:
        try:
            one = _read(clip, " ".join(clip.columns[column].split()))
            _check_width(one, recordings)
            check(one)
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
            continue
        recordings.append(one)
    if not recordings:
        raise DataError(
            str(path),
            f"{counted(skipped, 'bad recording')} and no good one",
            "recordings",
            "see the first without --skip-bad",
        )
    return Recordings(str(path), tuple(recordings), skipped)


def read_recording(path: str | Path, longest_s: float) -> Recording:
    """Read a file of sound or features without an answer; without its frames where sound is longer."""
    path = Path(path)
    held = None if _is_features(path) else audio.read_format(path)
    if held and held.samples > longest_s * held.rate_hz:
        return Recording(np.zeros((0, BANDS), np.float32), None, path, {}, str(path), held)
    return _read(Clip(path, {}, str(path)), None)


def frames_of(path: Path) -> Iterator[np.ndarray]:
    """Yield the frames [T, F] of a file piece by piece. Raises DataError, MissingError."""
    if _is_features(path):
        yield audio.read_features(path)
        return
    framer = Framer()
    for samples in audio.blocks(path):
        yield framer(samples)


def windows_of(path: Path, window: int, margin: int) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield a file window by window, so that memory is bounded; each with some frames before and after it.

    Args:
        path: of a file of sound.
        window: frames of a window.
        margin: frames before it, and after it, where there are any.

    Yields:
        Frames [T, F], and the first and the last but one of them that belong to the window.
    """
    start, held = 0, np.zeros((0, BANDS), np.float32)
    for frames in frames_of(path):
        held = np.concatenate((held, frames))
        while len(held) >= start + window + margin:
            yield held[: start + window + margin], start, start + window
            drop = start + window - margin
            held, start = held[max(0, drop) :], min(margin, start + window)
    if len(held) > start:
        yield held, start, len(held)


def media_in(folder: str | Path) -> list[Path]:
    """Return the files of sound and features in a folder and those below it, in order. Raises DataError."""
    found = sorted(
        Path(place) / name
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(SUFFIXES)
    )
    if not found:
        raise DataError(
            str(folder),
            "a folder without recordings",
            f"files that end in {', '.join(SUFFIXES)}",
            "name another",
        )
    return found


def is_silent(frames: np.ndarray) -> bool:
    """Return whether nothing changes in frames [T, BANDS], as in digital silence."""
    return bool((frames == frames[0, 0]).all())


def _read(clip: Clip, answer: str | None) -> Recording:
    if not clip.path.name.lower().endswith(SUFFIXES):
        raise DataError(
            clip.place,
            f"the file {quote(clip.path.name)}",
            f"one that ends in {', '.join(SUFFIXES)}",
            "convert it",
        )
    with reading(clip):
        frames = np.concatenate(list(frames_of(clip.path)))
        held = None if _is_features(clip.path) else audio.read_format(clip.path)
    return Recording(frames, answer, clip.path, clip.columns, clip.place, held)


def _check_width(one: Recording, before: Sequence[Recording]) -> None:
    if before and (
        one.frames.shape[1] != before[0].frames.shape[1] or (one.held is None) != (before[0].held is None)
    ):
        raise DataError(
            one.place,
            kind_of(one),
            f"{kind_of(before[0])}, as in {before[0].place}",
            "put recordings of one kind into a manifest",
        )


def kind_of(one: Recording) -> str:
    """Say what its frames are."""
    return "sound" if one.held else counted(one.frames.shape[1], "feature") + " a frame"


def _is_features(path: Path) -> bool:
    return path.name.lower().endswith(".npy")
