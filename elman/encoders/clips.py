"""Clips as frames and labels. Imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from elman.data.clips import VideoClip
from elman.data.labels import Labels
from elman.data.ragged import Ragged
from elman.data.video import SIDE
from elman.encoders.encoder import Encoder


class ClipEncoder(Encoder[VideoClip]):
    """The labels of the training clips."""

    def __init__(self, labels: Labels, settings: Any) -> None:
        self.labels, self.settings = labels, settings

    @classmethod
    def fit(cls, examples: Sequence[VideoClip], settings: Any) -> Self:
        """List the labels."""
        labels, notes = Labels.fit((str(clip.label) for clip in examples), examples[0].place)
        encoder = cls(labels, settings)
        encoder.notes = notes
        return encoder

    def state(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": self.labels.names}

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore the labels."""
        return cls(Labels(tuple(state["labels"])), settings)

    def check(self, examples: Sequence[VideoClip]) -> None:
        """Raise UnseenError at the first label that training never showed."""
        for clip in examples:
            self.labels.check(str(clip.label), clip.place)

    def length(self, example: VideoClip) -> int:
        """Return the number of frames."""
        return len(example.frames)

    def inputs(self, examples: Sequence[VideoClip]) -> Ragged:
        """Return the frames, bytes [N, S, S, 3]."""
        lengths = np.array([len(clip.frames) for clip in examples])
        return Ragged(np.concatenate([clip.frames for clip in examples]), lengths)

    def stream(self, item: Any, state: np.ndarray | None) -> tuple[Iterator[Any], Any]:
        """Return a frame beside the one before it, and the frame as the state."""
        frame = np.array(item)
        if frame.shape != (SIDE, SIDE, 3) or frame.dtype != np.uint8:
            expected = f"[{SIDE}, {SIDE}, 3] bytes"
            raise ValueError(f"a frame must be {expected}, got {list(frame.shape)} {frame.dtype}")
        return iter([(frame, frame if state is None else state)]), frame
