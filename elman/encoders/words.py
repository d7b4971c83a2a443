"""Sentences as words and the characters that spell them. Imports no torch.

Letters: N real steps (words) of a batch, M distinct words of it.
"""

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, Self, TypeVar

from elman.data.columns import Sentence, check_types
from elman.data.labels import Labels
from elman.data.ragged import Ragged
from elman.data.source import counted
from elman.data.tags import encode, spans
from elman.data.vectors import Vectors, read_vectors
from elman.data.vocabulary import Vocabulary
from elman.encoders.encoder import Encoder
from elman.encoders.pretrained import Pretrained

WORD_SIZE = 100  # of a word's embedding, unless --vectors brings another
MAX_SPELLING = 40  # characters of a word that are read; what is longer is an address, not a name
RARE = 0.01  # share of words below which a label may be one that the training file happens not to have

P = TypeVar("P")


class WordInputs(NamedTuple, Generic[P]):
    """Sentences as numbers; each distinct word is spelt once."""

    words: P  # [N]
    characters: P  # of the M distinct words
    spelling: P  # [N] which of the M distinct words stands here


class WordEncoder(Encoder[Sentence]):
    """The vocabulary of words, the characters and the labels of the training file.

    A label is what the file says of a word, such as its part of speech or the type of its entity; a tag is what the
    network predicts, and may say more, such as where in the entity the word stands.

    Args:
        settings: of the task.
        words: the vocabulary.
        characters: of the words.
        labels: in the order of their numbers.
        sizes: of what reads the words; see `Pretrained`.
    """

    word_counts: Counter[str]  # of a run that is about to train, as what follows
    vectors: Vectors | None = None
    pretrained: Pretrained | None = None

    def __init__(
        self,
        settings: Any,
        words: Vocabulary,
        characters: Vocabulary,
        labels: Sequence[str],
        sizes: Mapping[str, Any],
    ) -> None:
        self.settings, self.words, self.characters = settings, words, characters
        self.labels, self.sizes = tuple(labels), sizes
        self.tags = Labels(self.tags_of(self.labels))

    @classmethod
    @abstractmethod
    def labels_of(cls, examples: Sequence[Sentence]) -> tuple[Sequence[str], tuple[str, ...]]:
        """Return the labels of the training sentences, in the order of their numbers, and notes on them."""

    @staticmethod
    @abstractmethod
    def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that the network predicts, in the order of their numbers."""

    @staticmethod
    @abstractmethod
    def tags_in(sentence: Sentence) -> Sequence[str]:
        """Return the tags that the network should predict for a tagged sentence."""

    @classmethod
    def fit(cls, examples: Sequence[Sentence], settings: Any) -> Self:
        """Make the vocabularies. Words of --vectors or --init join them: known though never trained."""
        seen = Counter(normal(word) for sentence in examples for word in sentence.words)
        words = Vocabulary.of(seen.elements(), min_count=settings.min_count, largest=settings.largest)
        characters = Vocabulary.of(
            (character for sentence in examples for word in sentence.words for character in word),
            min_count=2,
            largest=settings.largest,
        )
        vectors = pretrained = None
        sizes: Mapping[str, Any] = {"size": WORD_SIZE}
        labels, notes = cls.labels_of(examples)
        if settings.vectors:
            vectors = read_vectors(settings.vectors, lambda word: normal(word) in words, settings.largest)
            words = words.extended(map(normal, vectors.words), settings.largest)
            sizes = {"size": vectors.rows.shape[1]}
            notes = (*notes, vectors.describe())
        elif settings.init:
            pretrained = Pretrained.load(settings.init, "word")
            notes = (*notes, pretrained.describe(words.symbols, normal))
            words = words.extended(map(normal, pretrained.units.symbols), settings.largest)
            sizes = pretrained.sizes
        encoder = cls(settings, words, characters, labels, sizes)
        encoder.word_counts, encoder.vectors, encoder.pretrained = seen, vectors, pretrained
        encoder.notes = notes
        return encoder

    def state(self) -> dict[str, Any]:
        """Return the vocabularies and the labels."""
        return {
            "words": self.words.symbols,
            "characters": self.characters.symbols,
            "labels": self.labels,
            "sizes": self.sizes,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore them."""
        words, characters = Vocabulary(tuple(state["words"])), Vocabulary(tuple(state["characters"]))
        return cls(settings, words, characters, state["labels"], state["sizes"])

    def knows(self, word: str) -> bool:
        """Return whether a word is in the vocabulary."""
        return normal(word) in self.words

    def numbers(self, sentence: Sentence) -> list[int]:
        """Return the numbers of a sentence's words."""
        return self.words.numbers(map(normal, sentence.words))

    def length(self, example: Sentence) -> int:
        """Return the number of words."""
        return len(example.words)

    def inputs(self, examples: Sequence[Sentence]) -> WordInputs[Ragged]:
        """Return words and spellings."""
        distinct: dict[str, int] = {}
        spelling = [
            [distinct.setdefault(word, len(distinct)) for word in example.words] for example in examples
        ]
        return WordInputs(
            words=Ragged.of([self.numbers(example) for example in examples]),
            characters=Ragged.of([self.characters.numbers(word[:MAX_SPELLING]) for word in distinct]),
            spelling=Ragged.of(spelling),
        )


class EntityEncoder(WordEncoder):
    """Tags of entities, in IOBES: it marks both ends."""

    @classmethod
    def labels_of(cls, examples: Sequence[Sentence]) -> tuple[Sequence[str], tuple[str, ...]]:
        """Return the types of the entities."""
        types = sorted({entity.type for sentence in examples for entity in spans(sentence.tags or ())})
        return types, () if types else (f"warning: no entity in the {counted(len(examples), 'sentence')}",)

    @staticmethod
    def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
        """Return O, and the four tags of each type."""
        return "O", *(f"{prefix}-{kind}" for kind in labels for prefix in "BIES")

    @staticmethod
    def tags_in(sentence: Sentence) -> Sequence[str]:
        """Return a sentence's tags in IOBES."""
        return encode(spans(sentence.tags or ()), len(sentence.words), "IOBES")

    def check(self, examples: Sequence[Sentence]) -> None:
        """Raise UnseenError at the first entity of a type that training never showed."""
        check_types(examples, self.labels)


class LabelEncoder(WordEncoder):
    """Labels of any kind, one a word."""

    @classmethod
    def labels_of(cls, examples: Sequence[Sentence]) -> tuple[Sequence[str], tuple[str, ...]]:
        """Return the labels, and a warning of those seen once. Raises DataError where there is one alone."""
        labels, notes = Labels.fit(
            (label for sentence in examples for label in sentence.tags or ()), examples[0].file
        )
        return labels.names, notes

    @staticmethod
    def tags_of(labels: Sequence[str]) -> tuple[str, ...]:
        """Return the labels as they are."""
        return tuple(labels)

    @staticmethod
    def tags_in(sentence: Sentence) -> Sequence[str]:
        """Return a sentence's labels as they are."""
        return sentence.tags or ()

    def check(self, examples: Sequence[Sentence]) -> None:
        """Raise UnseenError for a label that training never showed, unless it is as rare as may happen."""
        counts = Counter(label for sentence in examples for label in sentence.tags or ())
        frequent = {label for label, count in counts.items() if count >= RARE * counts.total()}
        unseen = frequent - {*self.labels}
        for sentence in examples:
            for index, label in enumerate(sentence.tags or ()):
                if label in unseen:
                    self.tags.check(label, sentence.place_of(index))


def normal(word: str) -> str:
    """Return a word as the vocabulary has it: lower case, every digit 0. The characters keep the rest."""
    return re.sub(r"\d", "0", word.lower())
