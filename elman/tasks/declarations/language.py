"""What the language task is, and what a user may set for it."""

from dataclasses import dataclass

from elman.data.units import UNITS
from elman.tasks.settings import Declaration, Settings, option


@dataclass(frozen=True)
class LanguageSettings(Settings):
    """Settings of the language task."""

    unit: str = option("character", "what a text is made of", UNITS)
    lines: bool = option(False, "each line is a sequence by itself")
    lower: bool = option(False, "read letters in lower case")
    largest: int = option(8000, "largest size of the dictionary")
    min_count: int = option(2, "words and characters seen less often in training are unknown")
    size: int = option(300, "size of a unit's embedding")
    hidden: int = option(400, "size of the hidden state")
    dropout: float = option(0.2, "probability of zeroing an input or output of the layers in training")
    batch_steps: int = option(1400, "real steps in a batch, at most; fewer where the training file is small")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 5 or self.size < 1:
            raise ValueError(
                "min_count and size must be at least 1 and largest at least 5, "
                f"got {self.min_count}, {self.size} and {self.largest}"
            )


DECLARATION = Declaration(
    name="language",
    summary="language models, to generate text and to start other tasks from",
    shape="one-to-many",
    files="plain text; with --lines each line is a sequence",
    metric_name="nll",
    settings_type=LanguageSettings,
)
