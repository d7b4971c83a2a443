"""Language models: how likely is a text, and what comes next?

One-to-many. Each unit of a text, a character, a word or a subword, is predicted from all before it. The end of a
line is a unit too, and the input before the first. The hidden state is carried from line to line, also over the
pieces into which a long text is cut (truncated backpropagation through time); with `lines` each line begins anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman.answers import TextLikelihood
from elman.data.passages import Passage, TextReader
from elman.data.units import UNITS
from elman.encoders.language import TextEncoder
from elman.samples import language as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option


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


def network(encoder: TextEncoder) -> Any:
    """Return a new network."""
    from elman.networks.layers import recurrent_layers
    from elman.nn.shapes import OneToMany

    settings = encoder.settings
    return OneToMany(len(encoder.units), recurrent_layers(settings, settings.size), settings.dropout)


def head(encoder: TextEncoder) -> Any:
    """Return a new head."""
    from elman.heads.language import LanguageHead

    return LanguageHead(encoder)


def baselines(encoder: TextEncoder, head: Any, train: Sequence[Passage]) -> dict[str, Method]:
    """Count units, and n-grams of the order that predicts a held-out tenth of the training text best."""
    from elman.learning.ngrams import NGrams, best_order
    from elman.learning.split import hold_out

    def numbers(passages: Sequence[Passage]) -> list[Any]:
        return [encoder.numbers(passage) for passage in passages]

    def ngrams(order: int) -> Method:
        model = NGrams(numbers(train), len(encoder.units), order)
        return lambda examples: [
            TextLikelihood(nll.tolist(), encoder.names(example), example.asked)
            for example, nll in zip(examples, model.nll(numbers(examples)), strict=True)
        ]

    rest, dev = hold_out(TextReader(encoder.settings), train)
    best = best_order(numbers(rest), numbers(dev), len(encoder.units))
    return {"unigram": ngrams(1), f"{best}-gram": ngrams(best)}


TASK = Task(
    "language",
    summary="language models, to generate text and to start other tasks from",
    shape="one-to-many",
    files="plain text; with --lines each line is a sequence",
    unit="units",
    settings=LanguageSettings,
    reader=TextReader,
    encoder=TextEncoder,
    network=network,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
