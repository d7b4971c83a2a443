"""Named-entity recognition: which words of a sentence name something, and what kind of thing.

Many-to-many, T_x = T_y. Recurrent layers read the words in both directions, and a conditional random field finds
the best legal tags (Lample et al. 2016, "Neural architectures for named entity recognition").
"""

from collections.abc import Sequence
from typing import Any

from elman.data.columns import Sentence
from elman.data.sentences import EntityReader
from elman.data.vocabulary import PADDING
from elman.encoders.words import EntityEncoder
from elman.samples import ner as samples
from elman.tasks import words
from elman.tasks.declaration import Method, Task
from elman.tasks.words import WINDOW, WordSettings


class NERSettings(WordSettings):
    """Settings of the ner task."""


def head(encoder: EntityEncoder) -> Any:
    """Return a new head."""
    from elman.heads.tagging import EntityHead

    return EntityHead(encoder)


def baselines(encoder: EntityEncoder, head: Any, train: Sequence[Sentence]) -> dict[str, Method]:
    """Train two taggers that see no sequence: each word's most frequent tag, and a window of words."""
    from elman.heads.baselines import window_network
    from elman.learning.baselines import MostFrequent

    frequent = MostFrequent(
        pair for sentence in train for pair in zip(sentence.words, sentence.tags or (), strict=True)
    )

    def most_frequent(examples: Sequence[Sentence]) -> list[Any]:
        return [head.answer_tags([*map(frequent, example.words)], example) for example in examples]

    standard = window_network(
        head, encoder.numbers, train, symbols=len(encoder.words), padding=PADDING, window=WINDOW
    )
    return {"most_frequent_tag": most_frequent, "standard_network": standard}


TASK = Task(
    "ner",
    summary="named-entity recognition",
    shape="many-to-many, T_x = T_y",
    files="CoNLL columns: token first, tag last; IOB1, IOB2 or IOBES",
    unit="words",
    settings=NERSettings,
    reader=EntityReader,
    encoder=EntityEncoder,
    network=words.network,
    initialize=words.initialize,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
