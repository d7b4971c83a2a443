"""What the sentiment task is, and what a user may set for it."""

from dataclasses import dataclass
from pathlib import Path

from elman.data.units import UNITS
from elman.tasks.settings import Declaration, Settings, language_model_files, option


@dataclass(frozen=True)
class SentimentSettings(Settings):
    """Settings of the sentiment task."""

    text: str = option("text", "column of the texts")
    label: str = option("label", "column of the labels")
    unit: str = option("word", "what a text is read in", UNITS)
    balance: bool = option(False, "weigh labels in training so that all count the same, rare ones too")
    init: str | None = option(None, "run of a language model to start from; its units are read")
    hidden: int = option(100, "size of the hidden state, in each direction")
    epochs: int = option(8, "passes over the training data, at most")

    def files(self) -> dict[str, Path]:
        """Return the language model, if any."""
        return language_model_files(self.init)


DECLARATION = Declaration(
    name="sentiment",
    summary="sentiment and other classification of text",
    shape="many-to-one",
    files="CSV, TSV or JSON lines with text, label",
    metric_name="accuracy",
    settings_type=SentimentSettings,
)
