"""What the speech task is, and what a user may set for it."""

from dataclasses import dataclass
from pathlib import Path

from elman.data.frames import HOP_MS
from elman.tasks.settings import Declaration, Settings, option


@dataclass(frozen=True)
class SpeechSettings(Settings):
    """Settings of the speech task."""

    text: str = option("text", "column of the manifest that holds what is said")
    label: str | None = option(None, "column whose values are words to be told apart, instead of a text")
    stack: int = option(3, f"frames of {HOP_MS} ms that make one step")
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    beam: int = option(8, "texts that the search keeps; 1 takes the most probable path")
    lm: str | None = option(None, "run of language with --unit character, to help the search")
    layers: int = option(2, "recurrent layers")
    dropout: float = option(0.3, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(150, "passes over the training data, at most")
    # As many: the last epochs, which learn slowly and vary most, may be the best after dozens that are not.
    patience: int = option(150, "epochs without as good a dev score before training stops")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack < 1 or self.beam < 1:
            raise ValueError(f"stack and beam must be at least 1, got {self.stack} and {self.beam}")
        if self.lm and (self.label or self.beam == 1):
            raise ValueError("lm helps the search for a text: it needs a beam of more than 1, and no label")

    def files(self) -> dict[str, Path]:
        """Return the weights of the language model, if any."""
        if not self.lm:
            return {}
        return {"lm": Path(self.lm) / "model.safetensors", "lm run.json": Path(self.lm) / "run.json"}


DECLARATION = Declaration(
    name="speech",
    summary="speech recognition: a text, or with --label a word",
    shape="many-to-many, T_x > T_y (CTC); many-to-one with --label",
    files="TSV manifest with path and text; WAV, FLAC, or .npy features [T, F]",
    metric_name="wer",
    settings_type=SpeechSettings,
)
