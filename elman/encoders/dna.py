"""DNA as frames: what stands in a window of bases, and how far that is from either end. Imports no torch.

A base is a distribution over A C G T. For a label a sequence the frames are three bases apart, a third of the
steps; the sequence is read in each of the three phases and, if asked, on both strands. These are its views.

Letters: T bases of a sequence, N frames of a batch, B sequences, V views of each.
"""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from elman.data.dna import base_labels
from elman.data.fasta import BASES, DNASequence, distributions
from elman.data.labels import Labels
from elman.data.ragged import Ragged, length_batches
from elman.data.strands import frames, labels_bases
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.pretrained import Pretrained

STRIDE = 3  # bases from a frame to the next, where the whole sequence has the label

P = TypeVar("P")


class Views(NamedTuple, Generic[P]):
    """All views of some sequences; those of a sequence follow each other."""

    frames: P  # [N, inputs]
    counts: Sequence[int]  # [B], V of each sequence


class DNAEncoder(Encoder[DNASequence]):
    """The labels of the training file, and whether they are labels of sequences or of bases.

    Args:
        settings: of the task.
        labels: in the order of their numbers.
        per_base: whether each base has a label.
        sizes: of the language model that reads the bases too, if any.
    """

    pretrained: Pretrained | None = None  # of a run that is about to train

    def __init__(
        self, settings: Any, labels: Labels, per_base: bool, sizes: Mapping[str, Any] | None = None
    ) -> None:
        self.settings, self.labels, self.per_base, self.sizes = settings, labels, per_base, sizes or {}
        self.stride = 1 if per_base else STRIDE
        self.strands = 2 if settings.reverse_complement else 1

    @classmethod
    def fit(cls, examples: Sequence[DNASequence], settings: Any) -> Self:
        """Find out the labels, and whether each is a string as long as its sequence."""
        per_base = labels_bases(examples)
        labels, notes = Labels.fit(
            (label for sequence in examples for label in base_labels(sequence, per_base)), examples[0].file
        )
        pretrained = Pretrained.load(settings.init, "character") if settings.init else None
        encoder = cls(settings, labels, per_base, pretrained and pretrained.sizes)
        encoder.notes, encoder.pretrained = notes, pretrained
        if pretrained:
            encoder.notes += (pretrained.describe(BASES, str.upper),)
        return encoder

    def state(self) -> dict[str, Any]:
        """Return the labels, what they are labels of, and the sizes of the language model, if any."""
        return {"labels": self.labels.names, "per_base": self.per_base, "sizes": self.sizes}

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore them."""
        return cls(settings, Labels(tuple(state["labels"])), state["per_base"], state["sizes"])

    def check(self, examples: Sequence[DNASequence]) -> None:
        """Raise UnseenError at a label that training never showed."""
        for sequence in examples:
            for label in base_labels(sequence, self.per_base):
                self.labels.check(label, sequence.place)

    def length(self, example: DNASequence) -> int:
        """Return the number of steps of all views: that of the bases, on as many strands as are read."""
        return len(example.bases) * self.strands

    def inputs(self, examples: Sequence[DNASequence]) -> Views[Ragged]:
        """Return all views of each sequence: each phase, and in each phase each strand."""
        views = [self._views(example) for example in examples]
        return Views(Ragged.of([view for some in views for view in some]), [len(some) for some in views])

    def _views(self, example: DNASequence) -> list[np.ndarray]:
        strands = [example, example.reverse_complement()][: self.strands]
        rows = [frames(distributions(strand.bases)) for strand in strands]
        return [strand[phase :: self.stride] for phase in range(self._phases(example)) for strand in rows]

    def _phases(self, example: DNASequence) -> int:
        return min(self.stride, len(example.bases))

    def epoch(self, examples: Sequence[DNASequence], steps: int, number: int) -> Epoch:
        """Batch one view of each sequence, drawn at random."""
        seed = self.seed(number)
        rng = Random(seed)
        drawn = []
        for example in examples:
            phase, strand = divmod(rng.choice(range(self._phases(example) * self.strands)), self.strands)
            drawn.append((example.reverse_complement() if strand else example, phase))
        lengths = [-(-(len(example.bases) - phase) // self.stride) for example, phase in drawn]
        groups = length_batches(lengths, steps, seed)

        def batches() -> Iterator[Encoded]:
            for chosen in groups:
                some = [drawn[i] for i in chosen]
                rows = [frames(distributions(example.bases))[phase :: self.stride] for example, phase in some]
                inputs = Views(Ragged.of(rows), [1] * len(some))
                yield Encoded([example for example, _ in some], inputs, len(inputs.frames.values))

        return Epoch(len(groups), batches())
