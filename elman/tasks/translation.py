"""Translation: a sentence in one language, the same in another.

Many-to-many, T_x ≠ T_y. Both languages are cut into the subwords of one vocabulary; an encoder reads the sentence in
both directions, a decoder with attention generates its translation, and a beam searches for the best one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.answers import Translated
from elman.data.parallel import Pair, ParallelReader
from elman.encoders.parallel import OTHER_SYMBOLS, ParallelEncoder
from elman.encoders.pretrained import pretrained_files
from elman.samples import translation as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option


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
    cell: str = option("gru", "recurrent cell", ("rnn", "gru", "lstm"))
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
        return pretrained_files(self.init)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.largest < OTHER_SYMBOLS or self.size < 1 or self.beam < 1:
            raise ValueError(
                f"size and beam must be at least 1 and largest at least {OTHER_SYMBOLS}, "
                f"got {self.size}, {self.beam} and {self.largest}"
            )


def network(encoder: ParallelEncoder) -> Any:
    """Return a new network."""
    from elman.networks.layers import recurrent_layers
    from elman.nn.layers import LAYERS
    from elman.nn.shapes import EncoderDecoder

    settings = encoder.settings
    half = (settings.hidden + 1) // 2
    reads = recurrent_layers(settings, settings.size, bidirectional=True, hidden=half)
    decoder = recurrent_layers(settings, settings.size)
    writer = LAYERS[settings.cell](settings.hidden + 2 * half, settings.hidden)
    return EncoderDecoder(len(encoder.units), reads, decoder, writer, settings.dropout)


def initialize(encoder: ParallelEncoder, network: Any, train: Sequence[Pair]) -> None:
    """Start the decoder from the language model, if there is one."""
    import torch

    from elman.networks.pretrained import start_layers

    if encoder.pretrained:
        rows = torch.from_numpy(encoder.pretrained.embeddings(encoder.units.symbols))
        with torch.no_grad():
            network.embedding.weight.copy_(rows / network.scale)
        start_layers(network.decoder, encoder.pretrained)


def head(encoder: ParallelEncoder) -> Any:
    """Return a new head."""
    from elman.heads.translation import TranslationHead

    return TranslationHead(encoder)


def baselines(encoder: ParallelEncoder, head: Any, train: Sequence[Pair]) -> dict[str, Method]:
    """Learn a lexicon, in which each word is by itself, as for a standard network; and copy."""
    from elman.learning.lexicon import Lexicon

    lexicon = Lexicon([(pair.source, pair.target or "") for pair in train])
    return {
        "word_for_word": lambda examples: [Translated(lexicon(e.source), e.asked) for e in examples],
        "copy_of_the_source": lambda examples: [Translated(e.source, e.asked) for e in examples],
    }


TASK = Task(
    "translation",
    summary="translation from one language into another",
    shape="many-to-many, T_x ≠ T_y",
    files="NAME.SOURCE and NAME.TARGET line by line, given as NAME, or TSV, CSV, JSON lines",
    unit="subwords",
    settings=TranslationSettings,
    reader=ParallelReader,
    encoder=ParallelEncoder,
    network=network,
    initialize=initialize,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
