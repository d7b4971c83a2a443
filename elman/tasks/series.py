"""Series of numbers: what a ragged series of several channels is, or how much of something it measures.

Many-to-one. Each channel is standardised; recurrent layers read the steps; their outputs are pooled over time and
one linear layer answers.

Letters: B series, I inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.series import POLICIES, Series, Wanted
from elman.data.series_reader import SeriesReader
from elman.encoders.series import SeriesEncoder
from elman.nn.layers import LAYERS
from elman.samples import series as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option


@dataclass(frozen=True)
class SeriesSettings(Settings):
    """Settings of the series task."""

    label: str = option("label", "column of the labels, but in .ts")
    target: str | None = option(None, "column of numbers to predict instead of labels (any name for .ts)")
    series: str = option("series", "column that says to which series a row belongs, in CSV")
    channels: str | None = option(None, "columns that are channels, parted by commas [all others], in CSV")
    missing: str = option("stop", "what to do about missing and infinite values", POLICIES)
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    noise: float = option(0.3, "standard deviation of the noise in training, as a share of the channel's")
    hidden: int = option(100, "size of the hidden state, in each direction")
    cell: str = option("gru", "recurrent cell", tuple(LAYERS))
    epochs: int = option(40, "passes over the training data, at most")
    patience: int = option(20, "epochs without a better dev score before training stops")

    @property
    def wanted(self) -> Wanted:
        """What to read of a file."""
        channels = tuple(name.strip() for name in self.channels.split(",")) if self.channels else None
        return Wanted(self.target or self.label, self.target is not None, self.series, channels)


def network(encoder: SeriesEncoder) -> Any:
    """Return a new network."""
    from elman.networks.layers import recurrent_layers
    from elman.networks.series import SeriesNetwork

    settings = encoder.settings
    layers = recurrent_layers(settings, encoder.width, bidirectional=not settings.one_way)
    return SeriesNetwork(layers, len(encoder.labels or "1"), settings.dropout, settings.noise)


def head(encoder: SeriesEncoder) -> Any:
    """Return a head for labels, or for numbers."""
    from elman.heads.classification import ClassificationHead
    from elman.heads.regression import RegressionHead

    if encoder.target:
        return RegressionHead(encoder.target)
    assert encoder.labels
    return ClassificationHead(encoder.labels)


def baselines(encoder: SeriesEncoder, head: Any, train: Sequence[Series]) -> dict[str, Method]:
    """Train three that know no order: no input at all, averages over time, a fixed number of steps."""
    from elman.heads.baselines import feedforward, linear, majority, mean

    steps = int(np.median([len(series.values) for series in train]))

    def averages(series: Series) -> np.ndarray:  # [I]
        return encoder.features(series.values).mean(0)

    def first_steps(series: Series) -> np.ndarray:  # [steps * I]
        rows = np.zeros((steps, encoder.width), np.float32)
        values = encoder.features(series.values)[:steps]
        rows[: len(values)] = values
        return rows.ravel()

    names = ("mean", "linear_on_averages") if encoder.target else ("majority", "logistic_on_averages")
    return {
        names[0]: mean(head) if encoder.target else majority(head, train),
        names[1]: linear(head, averages, train),
        "standard_network": feedforward(head, first_steps, train, hidden=100, epochs=60, batch=50),
    }


TASK = Task(
    "series",
    summary="classification and regression of series of numbers",
    shape="many-to-one",
    files="UEA/UCR .ts; CSV with series, channels, label; .npy beside NAME.labels.csv; TSV with path, label",
    unit="steps",
    settings=SeriesSettings,
    reader=SeriesReader,
    encoder=SeriesEncoder,
    network=network,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
