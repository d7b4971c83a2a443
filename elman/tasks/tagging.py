"""Tagging: a label for each word of a sentence, such as its part of speech; any column of CoNLL or CoNLL-U.

Many-to-many, T_x = T_y. Recurrent layers read the words in both directions, and a softmax chooses the label of each.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman.answers import TaggedWords
from elman.data.columns import Sentence
from elman.data.conllu import LABELS
from elman.data.sentences import LabelReader
from elman.data.source import did_you_mean
from elman.data.vocabulary import PADDING
from elman.encoders.words import LabelEncoder
from elman.samples import tagging as samples
from elman.tasks import words
from elman.tasks.declaration import Method, Task
from elman.tasks.task import option
from elman.tasks.words import WINDOW, WordSettings


@dataclass(frozen=True)
class TaggingSettings(WordSettings):
    """Settings of the tagging task."""

    column: str | None = option(
        None,
        f"column to learn: {', '.join(LABELS)} of CoNLL-U [upos], or its number, counted from 1 [the last]",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (
            self.column is None
            or self.column in LABELS
            or re.fullmatch("-1|[2-9]|[1-9][0-9]{1,5}", self.column)
        ):
            return
        reasons = {
            "1": "column 1 has the words",
            "form": "the column form has the words",
            "head": "head is a place in the sentence, not a label",
            "deps": "deps are places in the sentence, not labels",
            "id": "id is the place in the sentence",
        }
        hint = reasons.get(self.column) or did_you_mean(self.column, list(LABELS))
        raise ValueError(
            f"column must be one of {', '.join(LABELS)}, a number from 2 on, or -1 for the last, "
            f"got {self.column!r}; {hint or ''}".rstrip("; ")
        )


def head(encoder: LabelEncoder) -> Any:
    """Return a new head."""
    from elman.heads.tagging import SoftmaxTaggingHead

    return SoftmaxTaggingHead(encoder)


def baselines(encoder: LabelEncoder, head: Any, train: Sequence[Sentence]) -> dict[str, Method]:
    """Train two taggers that see no sequence: each word's most frequent label, and a window of words."""
    from elman.heads.baselines import window_network
    from elman.learning.baselines import MostFrequent

    frequent = MostFrequent(
        pair for sentence in train for pair in zip(sentence.words, sentence.tags or (), strict=True)
    )

    def most_frequent(examples: Sequence[Sentence]) -> list[TaggedWords]:
        return [
            TaggedWords(e.text, e.words, [*map(frequent, e.words)], [1.0] * len(e.words)) for e in examples
        ]

    standard = window_network(
        head, encoder.numbers, train, symbols=len(encoder.words), padding=PADDING, window=WINDOW
    )
    return {"most_frequent_label": most_frequent, "standard_network": standard}


TASK = Task(
    "tagging",
    summary="tagging",
    shape="many-to-many, T_x = T_y",
    files="CoNLL columns, token first, or CoNLL-U: any column",
    unit="words",
    settings=TaggingSettings,
    reader=LabelReader,
    encoder=LabelEncoder,
    network=words.network,
    initialize=words.initialize,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
