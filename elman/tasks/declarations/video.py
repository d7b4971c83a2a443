"""What the video task is, and what a user may set for it."""

from dataclasses import dataclass

from elman.tasks.settings import CELLS, Declaration, Settings, option


@dataclass(frozen=True)
class VideoSettings(Settings):
    """Settings of the video task."""

    label: str = option("label", "column of the manifest that holds the labels")
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    cell: str = option("gru", "recurrent cell", CELLS)
    hidden: int = option(64, "size of the hidden state, in each direction")
    dropout: float = option(0.2, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(60, "passes over the training data, at most")
    patience: int = option(60, "epochs without as good a dev score before training stops")
    batch_steps: int = option(200, "frames in a batch, at most; fewer where the training file is small")


DECLARATION = Declaration(
    name="video",
    summary="video activity recognition",
    shape="many-to-one",
    files="TSV manifest with path and label, or a folder with a folder of clips a label",
    metric_name="accuracy",
    settings_type=VideoSettings,
)
