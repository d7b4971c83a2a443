"""What the music task is, and what a user may set for it."""

from dataclasses import dataclass

from elman.data.midi import TICKS
from elman.tasks.settings import Declaration, Settings, option


@dataclass(frozen=True)
class MusicSettings(Settings):
    """Settings of the music task."""

    grid: int = option(12, "steps of a quarter note on which the notes of MIDI files are put")
    transpose: int = option(5, "semitones, up or down, by which a piece is moved in training, at most")
    size: int = option(200, "size of the embedding")
    epoch_steps: int = option(60_000, "steps of an epoch, at most; of more pieces each epoch takes a part")
    hidden: int = option(250, "size of the hidden state")
    dropout: float = option(0.4, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(100, "passes over the training data, at most")
    patience: int = option(15, "epochs without as good a dev score before training stops")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid < 1 or TICKS % self.grid:
            raise ValueError(f"grid must divide {TICKS}, such as 4, 12 or 24, got {self.grid}")
        if not 0 <= self.transpose <= 12:
            raise ValueError(f"transpose must be from 0 to 12, got {self.transpose}")
        if self.size < 1 or self.epoch_steps < 1:
            raise ValueError(
                f"size and epoch_steps must be at least 1, got {self.size} and {self.epoch_steps}"
            )


DECLARATION = Declaration(
    name="music",
    summary="models of music, to generate tunes",
    shape="one-to-many",
    files="MIDI files or folders of them; JSON lists of steps of pitches",
    metric_name="nll",
    settings_type=MusicSettings,
)
