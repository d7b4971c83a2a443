"""Video activity recognition: what happens in a clip.

Many-to-one. Frames are sampled evenly in time. A small convolutional network reads each frame beside its change
from the frame before; recurrent layers read its features in order; their outputs are pooled over time and one
linear layer answers.

Letters: T frames of a clip, B clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.clips import ClipReader, VideoClip
from elman.data.video import SIDE
from elman.encoders.clips import ClipEncoder
from elman.nn.layers import LAYERS
from elman.samples import video as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option

COARSE, FEW = 8, 8  # side and number of the frames that the feed-forward baseline reads


@dataclass(frozen=True)
class VideoSettings(Settings):
    """Settings of the video task."""

    label: str = option("label", "column of the manifest that holds the labels")
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    cell: str = option("gru", "recurrent cell", tuple(LAYERS))
    hidden: int = option(64, "size of the hidden state, in each direction")
    dropout: float = option(0.2, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(60, "passes over the training data, at most")
    patience: int = option(60, "epochs without a better dev score before training stops")
    batch_steps: int = option(200, "frames in a batch, at most; fewer where the training file is small")


def network(encoder: ClipEncoder) -> Any:
    """Return a new network."""
    from elman.networks.clips import FEATURES, ClipClassifier
    from elman.networks.layers import recurrent_layers

    settings = encoder.settings
    layers = recurrent_layers(settings, FEATURES, bidirectional=not settings.one_way)
    return ClipClassifier(layers, len(encoder.labels), settings.dropout)


def head(encoder: ClipEncoder) -> Any:
    """Return a new head."""
    from elman.heads.classification import ClassificationHead

    return ClassificationHead(encoder.labels)


def baselines(encoder: ClipEncoder, head: Any, train: Sequence[VideoClip]) -> dict[str, Method]:
    """Train three: no input at all, the average frame and change, a fixed number of coarse frames."""
    from elman.heads.baselines import feedforward, linear, majority

    return {
        "majority": majority(head, train),
        "averages_logistic_regression": linear(head, _average, train),
        "standard_network": feedforward(
            head, _few, train, hidden=64, epochs=60, batch=16, learning_rate=0.001
        ),
    }


def _average(clip: VideoClip) -> np.ndarray:
    """Return the coarse frame and the coarse change, averaged over time."""
    coarse = _coarse(clip.frames)
    change = np.abs(np.diff(coarse, axis=0)).mean(0) if len(coarse) > 1 else np.zeros_like(coarse[0])
    return np.concatenate((coarse.mean(0).ravel(), 10 * change.ravel()))


def _few(clip: VideoClip) -> np.ndarray:
    """Return `FEW` coarse frames spread evenly over the clip, side by side."""
    chosen = np.linspace(0, len(clip.frames) - 1, FEW).round().astype(int)
    return _coarse(clip.frames[chosen]).ravel().astype(np.float32) - 0.5


def _coarse(frames: np.ndarray) -> np.ndarray:
    """Return grey frames of `COARSE` pixels a side, [T, COARSE, COARSE]."""
    tile = SIDE // COARSE
    return frames.reshape(-1, COARSE, tile, COARSE, tile, 3).mean((2, 4, 5)) / 255


TASK = Task(
    "video",
    summary="video activity recognition",
    shape="many-to-one",
    files="TSV manifest with path and label, or a folder with a folder of clips a label",
    unit="frames",
    settings=VideoSettings,
    reader=ClipReader,
    encoder=ClipEncoder,
    network=network,
    head=head,
    baselines=baselines,
    sample=samples.write,
    min_batch_size=8,
)
