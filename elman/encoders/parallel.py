"""Sentences and their translations as the subwords of one vocabulary. Imports no torch.

Source: Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units".

Letters: N real steps (subwords) of a batch of sources, M of their targets, B sentences.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic, NamedTuple, Self, TypeVar

from elman.data.parallel import Pair, Sides
from elman.data.ragged import Ragged
from elman.data.units import BEGIN, END, Units
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.pretrained import Pretrained

OTHER_SYMBOLS = 100  # besides single characters, at least

P = TypeVar("P")


class PairInputs(NamedTuple, Generic[P]):
    """Sentences, and in training their translations."""

    source: P  # [N], an end after each sentence
    target: P | None = None  # [M], each the subword before that of `targets`
    targets: P | None = None  # [M], an end after each sentence


class ParallelEncoder(Encoder[Pair]):
    """The vocabulary of both languages."""

    pretrained: Pretrained | None = None  # of a run that is about to train
    _sides: Sides | None = None  # of the training file; None in a loaded run

    def __init__(self, settings: Any, units: Units) -> None:
        self.settings, self.units = settings, units

    @classmethod
    def fit(cls, examples: Sequence[Pair], settings: Any) -> Self:
        """Make the vocabulary of both languages."""
        texts = [text for pair in examples for text in (pair.source, pair.target or "")]
        words = sum(len(text.split()) for text in texts)
        fewest = len({character for text in texts for character in text}) + OTHER_SYMBOLS
        # What is seen too seldom is not learned: fewer and shorter subwords for less text.
        largest = max(fewest, min(settings.largest, int(words**0.75 / 4)))
        pretrained = Pretrained.load(settings.init, "subword") if settings.init else None
        if pretrained:
            settings, units = replace(settings, **pretrained.sizes), pretrained.units
        else:
            units = Units.of(texts, "subword", largest=largest, lower=False, seed=settings.seed)
        encoder = cls(settings, units)
        encoder._sides, encoder.pretrained = Sides(examples), pretrained
        same = sum(pair.source == pair.target for pair in examples)
        encoder.notes = (f"{len(units):,} subwords, of both languages",)
        if 2 * same > len(examples):
            encoder.notes += (f"warning: in {same:,} of {len(examples):,} pairs both sides are the same",)
        return encoder

    def state(self) -> dict[str, Any]:
        """Return the vocabulary."""
        return {"units": self.units.facts()}

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore the vocabulary."""
        return cls(settings, Units.from_facts(state["units"]))

    def check(self, examples: Sequence[Pair]) -> None:
        """Raise DataError where the languages are swapped."""
        if self._sides:
            self._sides.check(examples)

    def numbers(self, text: str) -> list[int]:
        """Return the subwords of a text and the end."""
        return [*self.units.numbers(text), END]

    def length(self, example: Pair) -> int:
        """Return the number of subwords of the sentence, the end included."""
        return len(self.numbers(example.source))

    def inputs(self, examples: Sequence[Pair]) -> PairInputs[Ragged]:
        """Return the sentences."""
        return PairInputs(Ragged.of([self.numbers(example.source) for example in examples]))

    def with_targets(self, examples: Sequence[Pair]) -> PairInputs[Ragged]:
        """Return the sentences and their translations."""
        targets = [self.numbers(example.target or "") for example in examples]
        target = Ragged.of([[BEGIN, *numbers[:-1]] for numbers in targets])
        return PairInputs(self.inputs(examples).source, target, Ragged.of(targets))

    def epoch(self, examples: Sequence[Pair], steps: int, number: int) -> Epoch:
        """Batch sentences with their translations."""
        epoch = super().epoch(examples, steps, number)

        def batches() -> Iterator[Encoded]:
            for batch in epoch:
                yield batch._replace(inputs=self.with_targets(batch.examples))

        return Epoch(len(epoch), batches())
