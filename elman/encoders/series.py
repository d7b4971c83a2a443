"""Series of numbers, each channel standardised. Imports no torch.

A missing value is shown as such: the last one of its channel is held, and a channel beside it is 1 where that was
so (Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values").

Letters: T steps of a series, C channels, I inputs of a step.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from elman.data.labels import Labels
from elman.data.ragged import Ragged
from elman.data.scale import StandardScaler
from elman.data.series import Series, check_channels, forward_fill
from elman.encoders.encoder import Encoder


class SeriesEncoder(Encoder[Series]):
    """The channels of the training file, their scale, and the labels or the scale of its numbers.

    Args:
        settings: of the task.
        channels: C names.
        scaler: of the channels.
        labels: where labels are predicted.
        target: scale of the numbers, where numbers are predicted.
        masked: whether a value was missing in training.
    """

    def __init__(
        self,
        settings: Any,
        channels: Sequence[str],
        scaler: StandardScaler,
        labels: Labels | None,
        target: StandardScaler | None,
        *,
        masked: bool,
    ) -> None:
        self.settings, self.channels, self.scaler = settings, tuple(channels), scaler
        self.labels, self.target, self.masked = labels, target, masked

    @classmethod
    def fit(cls, examples: Sequence[Series], settings: Any) -> Self:
        """Measure the channels, and see whether any value is missing."""
        rows = np.concatenate([series.values for series in examples])
        labels = target = None
        notes: tuple[str, ...] = ()
        if settings.target is None:
            labels, notes = Labels.fit((series.label for series in examples), examples[0].place)
        else:
            target = StandardScaler.fit(np.array([[series.number] for series in examples]))
        masked = bool(np.isnan(rows).any())
        if settings.missing == "mark" and not masked:
            notes += ("no value is missing in the training file: where one is, the last one is held",)
        scaler = StandardScaler.fit(rows)
        encoder = cls(settings, examples[0].channels, scaler, labels, target, masked=masked)
        encoder.notes = notes
        return encoder

    def state(self) -> dict[str, Any]:
        """Return the channels, their scale, and the labels or the scale of the target."""
        return {
            "channels": self.channels,
            "scale": [self.scaler.mean, self.scaler.deviation],
            "labels": self.labels.names if self.labels else (),
            "target": self.target and [self.target.mean, self.target.deviation],
            "marked": self.masked,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore them."""
        scaler, target = (
            state[name] and StandardScaler(*map(tuple, state[name])) for name in ("scale", "target")
        )
        labels = Labels(tuple(state["labels"])) if state["labels"] else None
        return cls(settings, state["channels"], scaler, labels, target, masked=state["marked"])

    def check(self, examples: Sequence[Series]) -> None:
        """Raise DataError at other channels than those of the training file, UnseenError at a label."""
        for series in examples:
            check_channels(series, self.channels)
            if self.labels:
                self.labels.check(series.label, series.place)

    def length(self, example: Series) -> int:
        """Return the number of steps."""
        return len(example.values)

    @property
    def width(self) -> int:
        """I: each channel, and whether it is missing, where any value was in training."""
        return len(self.channels) * (2 if self.masked else 1)

    def features(self, values: np.ndarray, before: np.ndarray | None = None) -> np.ndarray:
        """Return what the network reads of values [T, C]: [T, I].

        Args:
            values: as the file has them.
            before: [C], the standardised values that are held at first; by default 0, their mean.
        """
        scaled = self.scaler(values)
        held = forward_fill(scaled, np.zeros(len(self.channels), np.float32) if before is None else before)
        return np.concatenate((held, np.isnan(scaled)), 1, dtype=np.float32) if self.masked else held

    def inputs(self, examples: Sequence[Series]) -> Ragged:
        """Return the steps [N, I]."""
        return Ragged.of([self.features(example.values) for example in examples])

    def stream(self, item: Series, state: np.ndarray | None) -> tuple[list[np.ndarray], np.ndarray]:
        """Return the steps of a series that goes on, and the values that are held after them."""
        rows = self.features(item.values, state)
        return list(rows[:, None]), rows[-1, : len(self.channels)]
