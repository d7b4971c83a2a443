"""Reads series of numbers with their labels or numbers. Imports no torch.

Letters: T steps of a series, C channels.
"""

import hashlib
from collections.abc import Collection, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.answers import Answer
from elman.data.reader import Examples, Reader
from elman.data.series import Series, SeriesFile, check_channels, handle_missing, numbered, values_of
from elman.data.series_formats import answers_beside, columns_of, format_of, read_one, read_series
from elman.data.source import DataError


class SeriesReader(Reader[Series]):
    """Reads `.ts`, CSV, `.npy` and manifests."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Series]:
        """Read a file, and handle what is missing in it."""
        file = read_series(path, self.settings.wanted, skip_bad=skip_bad)
        file = handle_missing(file, self.settings.missing)
        return Examples(path, file.series, file.describe())

    def files(self, path: str) -> list[Path]:
        """Return the file, and the answers that lie beside an array."""
        return [Path(path), answers_beside(path)] if path.endswith(".npy") else [Path(path)]

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a file of series: by its name, an @, or its columns."""
        if format_of(path) != "table":
            return True
        names = columns_of(path)
        channels = self.encoder.channels
        return self.settings.series in names or (self._named and not set(names).isdisjoint(channels))

    def read_unlabelled(self, path: str) -> list[Series]:
        """Read a file of series, or a table of one; a column of answers is ignored."""
        names = columns_of(path) if format_of(path) == "table" else []
        wanted = replace(self.settings.wanted, answer=None, channels=self._channels_among(names))
        if names and self.settings.series not in names:
            return self._usable([read_one(Path(path), wanted)], path)
        return self._usable(read_series(path, wanted).series, path)

    def parse(self, item: Any, place: str) -> Series:
        """Return values [T, C], or a text as a line of .ts has them: "1,2,3:4,5,6" is two channels."""
        if isinstance(item, str):
            if not item.strip():
                raise DataError(place, "a text without a value", "a series such as 1,2,3:4,5,6", "type one")
            return self._series(values_of(item, place), place, item)
        return self._series(np.asarray(item, np.float32), place, place)

    def _series(self, values: np.ndarray, place: str, name: str) -> Series:
        count = values.shape[1]
        channels = self.encoder.channels if count == len(self.encoder.channels) else numbered(count)
        return self._usable([Series(values, channels, None, name, place)], place)[0]

    @property
    def _named(self) -> bool:
        """Whether the channels have names in the files."""
        return self.encoder.channels != numbered(len(self.encoder.channels))

    def _channels_among(self, columns: Sequence[str]) -> tuple[str, ...] | None:
        """Return the columns to read: the channels by name; where they have none, all but the answer."""
        if self._named or set(self.encoder.channels) <= set(columns):
            return self.encoder.channels
        others = (self.settings.series, self.settings.wanted.answer)
        return tuple(name for name in columns if name not in others) or self.settings.wanted.channels

    def _usable(self, series: Sequence[Series], path: str) -> list[Series]:
        """Refuse what no answer could be given to."""
        policy = "mark" if self.settings.missing == "mark" else "stop"
        kept = handle_missing(SeriesFile(path, tuple(series)), policy).series
        for one in kept:
            check_channels(one, self.encoder.channels)
        return list(kept)

    def write(self, example: Series, answer: Answer) -> str:
        """Return the name of the series, a comma, and the answer."""
        answered = answer.to_dict()
        return f"{answered['series']},{answered['label'] if 'label' in answered else answered['value']}"

    def labels(self, example: Series) -> Collection[str]:
        """Return its label; a number is none."""
        return [example.answer] if isinstance(example.answer, str) else ()

    def key(self, example: Series) -> Hashable:
        """Return a hash of its values."""
        return hashlib.sha256(example.values.tobytes()).digest()
