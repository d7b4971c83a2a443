"""What a user may set for the tasks that tag words."""

from dataclasses import dataclass
from pathlib import Path

from elman.tasks.settings import Settings, language_model_files, option


@dataclass(frozen=True)
class WordSettings(Settings):
    """Settings of the tasks that tag words."""

    vectors: str | None = option(None, "text file of word vectors (GloVe, word2vec, fastText) to start from")
    init: str | None = option(None, "run of a language model of words to start from")
    min_count: int = option(1, "words seen less often in training are unknown")
    largest: int = option(50_000, "largest size of the dictionary")

    def files(self) -> dict[str, Path]:
        """Return the word vectors or the language model, if any."""
        return {"vectors": Path(self.vectors)} if self.vectors else language_model_files(self.init)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 3:
            raise ValueError(
                "min_count must be at least 1 and largest at least 3, "
                f"got {self.min_count} and {self.largest}"
            )
        if self.vectors and self.init:
            raise ValueError("vectors and init are both what the words start from; give one of them")
