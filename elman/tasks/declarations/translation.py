"""What the translation task is, and what a user may set for it."""

from dataclasses import dataclass
from pathlib import Path

from elman.tasks.settings import CELLS, Declaration, Settings, language_model_files, option

OTHER_SYMBOLS = 100  # of a dictionary besides single characters, at least


@dataclass(frozen=True)
class TranslationSettings(Settings):
    """Settings of the translation task."""

    source: str = option("source", "language to translate from: the suffix of its file, or its column")
    target: str = option("target", "language to translate into: the suffix of its file, or its column")
    largest: int = option(
        5000, "largest size of the dictionary of subwords; smaller where there is less text"
    )
    size: int = option(192, "size of a subword's embedding")
    beam: int = option(5, "translations that are followed side by side; 1 takes the best subword each time")
    init: str | None = option(
        None,
        "run of a language model of subwords that the decoder starts from, which has its units and sizes",
    )
    cell: str = option("gru", "recurrent cell", CELLS)
    hidden: int = option(384, "size of the decoder's hidden state; the encoder has half in each direction")
    layers: int = option(1, "recurrent layers of the encoder, and of the decoder below its last")
    dropout: float = option(0.25, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(18, "passes over the training data, at most")
    batch_steps: int = option(
        700, "subwords of the source in a batch, at most; fewer where the file is small"
    )
    learning_rate: float = option(0.002, "largest learning rate of AdamW")

    def files(self) -> dict[str, Path]:
        """Return the language model, if any."""
        return language_model_files(self.init)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.largest < OTHER_SYMBOLS or self.size < 1 or self.beam < 1:
            raise ValueError(
                f"size and beam must be at least 1 and largest at least {OTHER_SYMBOLS}, "
                f"got {self.size}, {self.beam} and {self.largest}"
            )


DECLARATION = Declaration(
    name="translation",
    summary="translation from one language into another",
    shape="many-to-many, T_x ≠ T_y",
    files="NAME.SOURCE and NAME.TARGET line by line, given as NAME, or TSV, CSV, JSON lines",
    metric_name="bleu",
    settings_type=TranslationSettings,
)
