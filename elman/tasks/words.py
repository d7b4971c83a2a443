"""What the tasks share that tag words: their settings and their network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.data.columns import Sentence
from elman.encoders.pretrained import pretrained_files
from elman.encoders.words import WordEncoder
from elman.tasks.task import Settings, option

WINDOW = 5  # words that the standard network sees


@dataclass(frozen=True)
class WordSettings(Settings):
    """Settings of the tasks that tag words."""

    vectors: str | None = option(None, "text file of word vectors (GloVe, word2vec, fastText) to start from")
    init: str | None = option(None, "run of a language model of words to start from")
    min_count: int = option(1, "words seen less often in training are unknown")
    largest: int = option(50_000, "largest size of the dictionary")

    def files(self) -> dict[str, Path]:
        """Return the word vectors or the language model, if any."""
        return {"vectors": Path(self.vectors)} if self.vectors else pretrained_files(self.init)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 3:
            raise ValueError(
                "min_count must be at least 1 and largest at least 3, "
                f"got {self.min_count} and {self.largest}"
            )
        if self.vectors and self.init:
            raise ValueError("vectors and init are both what the words start from; give one of them")


def network(encoder: WordEncoder) -> Any:
    """Return a new network."""
    from elman.networks.words import WordTagger

    e = encoder
    return WordTagger(len(e.words), e.sizes, len(e.characters), len(e.tags), e.settings)


def initialize(encoder: WordEncoder, network: Any, train: Sequence[Sentence]) -> None:
    """Start from word vectors or a language model, if there are any."""
    network.initialize(encoder)
