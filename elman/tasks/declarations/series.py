"""What the series task is, and what a user may set for it."""

from dataclasses import dataclass

from elman.data.series import POLICIES, Wanted
from elman.tasks.settings import CELLS, Declaration, Settings, option


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
    cell: str = option("gru", "recurrent cell", CELLS)
    epochs: int = option(40, "passes over the training data, at most")
    patience: int = option(20, "epochs without as good a dev score before training stops")

    @property
    def wanted(self) -> Wanted:
        """What to read of a file."""
        channels = tuple(name.strip() for name in self.channels.split(",")) if self.channels else None
        return Wanted(self.target or self.label, self.target is not None, self.series, channels)


DECLARATION = Declaration(
    name="series",
    summary="classification and regression of series of numbers",
    shape="many-to-one",
    files="UEA/UCR .ts; CSV with series, channels, label; .npy beside NAME.labels.csv; TSV with path, label",
    metric_name="accuracy",
    settings_type=SeriesSettings,
)
