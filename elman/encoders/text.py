"""Texts as units and, where these are words, the characters that spell them. Imports no torch.

Letters: N real steps (units) of a batch, B texts, M words of it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from elman.data.labelled_texts import LabelledText
from elman.data.labels import Labels
from elman.data.ragged import Ragged
from elman.data.units import Units
from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.ngrams import CHARACTERS, WORDS, NgramCounts, Pattern, count_ngrams
from elman.encoders.pretrained import Pretrained

SIZE = 100  # of a unit's embedding
MAX_SPELLING = 40  # characters of a word that are read; what is longer is an address, not a word
MAX_VOCABULARY, MAX_SUBWORDS = 50_000, 8_000

P = TypeVar("P")
A = TypeVar("A")


class TextInputs(NamedTuple, Generic[P, A]):
    """Texts as numbers."""

    units: P  # [N]
    spelling: P | None  # the characters of M words, text after text, where units are words
    word_of_unit: P | None  # [N] which of these words stands here
    text_of_word: A | None  # [M] in which of the B texts each of these words stands
    own_labels: A | None  # [B] in training


class LabelledTextEncoder(Encoder[LabelledText]):
    """The vocabulary and the labels of the training file, and how many n-grams it has.

    Args:
        settings: of the task.
        units: the vocabulary.
        characters: of words that are spelt.
        counts: of each label in the training file.
        sizes: of what reads the units; see `Pretrained`.
        ngrams: how many there are of each pattern: of units and, where these are words, of characters.
    """

    pretrained: Pretrained | None = None  # of a run that is about to train, as what follows
    unit_counts: Counter[int]
    tables: Sequence[Sequence[NgramCounts]]

    def __init__(
        self,
        settings: Any,
        units: Units,
        characters: Vocabulary,
        counts: Mapping[str, int],
        sizes: Mapping[str, Any],
        ngrams: Sequence[Sequence[int]] = (),
    ) -> None:
        self.settings, self.units, self.characters = settings, units, characters
        self.counts, self.labels = dict(counts), Labels(tuple(counts))
        self.sizes, self.ngrams = sizes, ngrams

    @classmethod
    def fit(cls, examples: Sequence[LabelledText], settings: Any) -> Self:
        """Make the vocabulary, and count which n-grams come with which label."""
        given = [example.label or "" for example in examples]
        labels, notes = Labels.fit(given, examples[0].place.rpartition(":")[0])
        counts = Counter(given)
        texts = [example.text for example in examples]
        pretrained = Pretrained.load(settings.init) if settings.init else None
        if pretrained:
            settings = replace(settings, unit=pretrained.units.kind)
            units, sizes = pretrained.units_for(texts, MAX_VOCABULARY), pretrained.sizes
            notes += (pretrained.describe(units.symbols),)
        else:
            largest = MAX_SUBWORDS if settings.unit == "subword" else MAX_VOCABULARY
            units = Units.of(texts, settings.unit, largest=largest)
            sizes = {"size": SIZE}
        characters = Vocabulary.of(character for text in texts for character in text.lower())
        encoder = cls(settings, units, characters, {name: counts[name] for name in labels}, sizes)
        encoder.pretrained, encoder.notes = pretrained, notes
        encoder._count(examples)
        return encoder

    def _count(self, examples: Sequence[LabelledText]) -> None:
        inputs = self.inputs(examples)
        targets = np.array(self.labels.numbers(example.label or "" for example in examples))
        sequences = [(inputs.units, np.arange(len(examples)))]
        if inputs.spelling is not None and inputs.text_of_word is not None:
            sequences.append((inputs.spelling, inputs.text_of_word))
        self.unit_counts = Counter(inputs.units.values.tolist())
        self.tables = [
            count_ngrams(numbers, example, targets, symbols, len(self.labels), patterns)
            for (numbers, example), (symbols, patterns) in zip(sequences, self.patterns, strict=True)
        ]
        self.ngrams = [[len(table.ngrams) for table in tables] for tables in self.tables]

    @property
    def patterns(self) -> list[tuple[int, Sequence[Pattern]]]:
        """The size of the vocabulary and the patterns of n-grams, of units and of characters."""
        units, spelling = (len(self.units), WORDS), (len(self.characters), CHARACTERS)
        if self.units.kind == "word":
            return [units, spelling]
        return [units] if self.units.kind == "subword" else [(len(self.units), CHARACTERS)]

    def state(self) -> dict[str, Any]:
        """Return the vocabulary, the labels' counts, how many n-grams there are, and what reads units."""
        return {
            "units": self.units.facts(),
            "characters": self.characters.symbols,
            "labels": self.counts,
            "sizes": self.sizes,
            "ngrams": self.ngrams,
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore them."""
        units, characters = Units.from_facts(state["units"]), Vocabulary(tuple(state["characters"]))
        return cls(settings, units, characters, state["labels"], state["sizes"], state["ngrams"])

    def check(self, examples: Sequence[LabelledText]) -> None:
        """Raise UnseenError at a label that training never showed."""
        for example in examples:
            self.labels.check(example.label or "", example.place)

    def numbers(self, example: LabelledText) -> list[int]:
        """Return the units of a text, where white space is one space; at least one, the unknown."""
        return self.units.numbers(" ".join(example.text.split())) or [UNKNOWN]

    def length(self, example: LabelledText) -> int:
        """Return the number of units."""
        return len(self.numbers(example))

    def inputs(self, examples: Sequence[LabelledText]) -> TextInputs[Ragged, np.ndarray]:
        """Return units, and the spelling of words."""
        units = Ragged.of([self.numbers(example) for example in examples])
        if self.units.kind != "word":
            return TextInputs(units, None, None, None, None)
        words = [word for example in examples for word in self.units.split(example.text) or [""]]
        spelling = [[*self.characters.numbers(word[:MAX_SPELLING]), PADDING] for word in words]
        place = Ragged(np.arange(len(units.values)), units.lengths)
        text = np.repeat(np.arange(len(examples)), units.lengths)
        return TextInputs(units, Ragged.of(spelling), place, text, None)

    def epoch(self, examples: Sequence[LabelledText], steps: int, number: int) -> Epoch:
        """Batch texts beside their own labels, which are taken out of the counts of n-grams."""
        epoch = super().epoch(examples, steps, number)

        def batches() -> Iterator[Encoded]:
            for batch in epoch:
                own = np.array(self.labels.numbers(example.label or "" for example in batch.examples))
                yield batch._replace(inputs=batch.inputs._replace(own_labels=own))

        return Epoch(len(epoch), batches())
