"""Sentiment: which of some labels a text has, whatever these are.

Many-to-one. Recurrent layers read units beside naive Bayes features; their outputs are pooled over the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.data.labelled_texts import LabelledText, LabelledTextReader
from elman.data.units import UNITS
from elman.encoders.pretrained import pretrained_files
from elman.encoders.text import LabelledTextEncoder
from elman.samples import sentiment as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option


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
        return pretrained_files(self.init)


def network(encoder: LabelledTextEncoder) -> Any:
    """Return a new network."""
    from elman.networks.text import TextClassifier

    e = encoder
    return TextClassifier(len(e.units), e.patterns, e.ngrams, len(e.labels), e.sizes, e.settings)


def initialize(encoder: LabelledTextEncoder, network: Any, train: Sequence[LabelledText]) -> None:
    """Set the counts of the training file, and start from the language model, if there is one."""
    import torch

    from elman.networks.pretrained import start

    for number, count in encoder.unit_counts.items():
        network.unit_counts[number] = count
    for ratios, tables in zip(network.ratios, encoder.tables, strict=True):
        ratios.set_counts(tables, list(encoder.counts.values()))
    if encoder.pretrained:
        network.unit_counts[: len(encoder.pretrained.units)] = torch.inf  # none of what it knows is rare
        start(network.unit, encoder.pretrained, encoder.units.symbols)


def head(encoder: LabelledTextEncoder) -> Any:
    """Return a new head; with `balance`, all labels weigh the same in the loss."""
    import torch

    from elman.heads.classification import ClassificationHead

    weights = 1 / torch.tensor(list(encoder.counts.values())) if encoder.settings.balance else None
    return ClassificationHead(encoder.labels, weights, layer_depths=lambda n: n.unit.layer_depths("unit"))


def baselines(encoder: LabelledTextEncoder, head: Any, train: Sequence[LabelledText]) -> dict[str, Method]:
    """Train methods without recurrence: the most frequent label, n-grams, the first units in place."""
    from elman.heads.baselines import first_units_network, majority, ngram_regression

    orders = (1, 5) if encoder.units.kind == "character" else (1, 2)
    return {
        "majority": majority(head, train),
        "n-gram_regression": ngram_regression(
            head, lambda example: encoder.units.split(example.text), train, orders
        ),
        "standard_network": first_units_network(head, encoder.numbers, train, symbols=len(encoder.units)),
    }


TASK = Task(
    "sentiment",
    summary="sentiment and other classification of text",
    shape="many-to-one",
    files="CSV, TSV or JSON lines with text, label",
    unit="units",
    settings=SentimentSettings,
    reader=LabelledTextReader,
    encoder=LabelledTextEncoder,
    network=network,
    initialize=initialize,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
