"""What the language task is, and what a user may set for it.

Some settings depend on the size of the training text.

A network learns a small text by heart unless dropout is high, and with high dropout it needs more epochs.
Dropout is 0.2 for 150,000 units and more. Below, it grows with one over the square root of the size, to 0.5.
Training reads 2.6 million units in all, but takes no fewer than 16 epochs and no more than 40.
"""

from dataclasses import dataclass, replace

from elman.data.units import UNITS
from elman.tasks.settings import Declaration, Settings, option

LARGE_TEXT = 150_000  # units for which the least dropout is enough
UNITS_READ = 2_600_000  # in all epochs together
DROPOUT = 0.2, 0.5  # least and most
EPOCHS = 16, 40


@dataclass(frozen=True)
class LanguageSettings(Settings):
    """Settings of the language task; those that are None are chosen by `for_size`."""

    unit: str = option("character", "what a text is made of", UNITS)
    lines: bool = option(False, "each line is a sequence by itself")
    lower: bool = option(False, "read letters in lower case")
    largest: int = option(8000, "largest size of the dictionary")
    min_count: int = option(2, "words and characters seen less often in training are unknown")
    size: int = option(300, "size of a unit's embedding")
    hidden: int = option(400, "size of the hidden state")
    dropout: float = option(
        None,
        "probability of zeroing an input or output of the layers in training "
        "[0.2; up to 0.5 for a small text]",
        kind=float,
    )
    epochs: int = option(
        None, "passes over the training data, at most [16; up to 40 for a small text]", kind=int
    )
    batch_steps: int = option(1400, "real steps in a batch, at most; fewer where the training file is small")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 5 or self.size < 1:
            raise ValueError(
                "min_count and size must be at least 1 and largest at least 5, "
                f"got {self.min_count}, {self.size} and {self.largest}"
            )

    def for_size(self, units: int) -> "LanguageSettings":
        """Return the settings with those that are None chosen for a training text of so many units."""
        dropout = round(_within(DROPOUT, DROPOUT[0] * (LARGE_TEXT / units) ** 0.5), 1)
        epochs = int(_within(EPOCHS, UNITS_READ / units))
        return replace(
            self,
            dropout=dropout if self.dropout is None else self.dropout,
            epochs=epochs if self.epochs is None else self.epochs,
        )


def _within(limits: tuple[float, float], value: float) -> float:
    return min(max(value, limits[0]), limits[1])


DECLARATION = Declaration(
    name="language",
    summary="language models, to generate text and to start other tasks from",
    shape="one-to-many",
    files="plain text; with --lines each line is a sequence",
    metric_name="nll",
    settings_type=LanguageSettings,
)
