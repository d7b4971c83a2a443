"""Reads recordings with what is said in them. Imports no torch."""

import hashlib
from collections.abc import Collection, Hashable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from elman.answers import Answer
from elman.data.manifest import is_manifest, read_manifest
from elman.data.reader import Examples, Reader
from elman.data.recordings import SUFFIXES, Recording, media_in, read_recording, read_recordings
from elman.data.source import DataError, counted, quote

MAX_WHOLE_S = 60.0  # of a recording that is read whole, where its text is wanted; a longer one is read in windows


class RecordingReader(Reader[Recording]):
    """Reads manifests of WAV, FLAC and `.npy` features."""

    media = True

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Recording]:
        """Read a manifest and its recordings."""
        settings = self.settings

        def check(one: Recording) -> None:
            needed = settings.stack * (0 if settings.label else steps_needed(one.answer or ""))
            if len(one.frames) < needed:
                raise DataError(
                    one.place,
                    f"{counted(len(one.frames), 'frame')} for the text {quote(one.answer or '')}",
                    f"at least {needed:,}: {settings.stack} for each character, and between equal ones",
                    "choose a smaller --stack, correct the text, or leave it out with --skip-bad",
                )

        read = read_recordings(path, settings.label or settings.text, check, skip_bad=skip_bad)
        return Examples(path, read.recordings, read.describe())

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a recording, a folder or a manifest."""
        return Path(path).is_dir() or path.lower().endswith(SUFFIXES) or is_manifest(path)

    def read_unlabelled(self, path: str) -> list[Recording]:
        """Read a recording, those in a folder, or those of a manifest, whose answers are ignored."""
        if Path(path).is_dir():
            return self._read(media_in(path))
        if path.lower().endswith(SUFFIXES):
            return self._read([path])
        return self._read([row.path for row in read_manifest(path).clips])

    def _read(self, paths: Sequence[str | Path]) -> list[Recording]:
        longest = float("inf") if self.settings.label else MAX_WHOLE_S
        recordings = [read_recording(path, longest) for path in paths]
        self.encoder.check(recordings)
        return recordings

    def parse(self, item: Any, place: str) -> Recording:
        """Return a recording of frames [T, F]."""
        frames = np.asarray(item, np.float32)
        if frames.ndim != 2:
            found = f"an array {list(frames.shape)}"
            raise DataError(place, found, "frames [T, F]", "give the path of a recording")
        return Recording(frames, None, Path(place), {}, place, None)

    def write(self, example: Recording, answer: Answer) -> str:
        """Return a row of a manifest: path and text, or path and label."""
        answered = answer.to_dict()
        return f"{answered['path']}\t{answered['label' if 'label' in answered else 'text']}"

    def labels(self, example: Recording) -> Collection[str]:
        """Return its label; a text is none."""
        return [example.answer or ""] if self.settings.label else ()

    def key(self, example: Recording) -> Hashable:
        """Return a hash of its frames."""
        return hashlib.sha256(example.frames.tobytes()).digest()


def steps_needed(text: Sequence[Hashable]) -> int:
    """Return how many steps a text takes at least: one a symbol, and a blank between two equal ones."""
    return len(text) + sum(a == b for a, b in pairwise(text))
