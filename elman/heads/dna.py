"""Labels of DNA: of a sequence, or of each of its bases.

Letters: B sequences, T bases of one, K labels.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from elman.answers import BaseLabels
from elman.data.dna import base_labels
from elman.data.fasta import DNASequence
from elman.heads.classification import ClassificationHead
from elman.learning.metrics import auroc, classification_scores, matthews
from elman.nn.packing import pack


class DNAHead(ClassificationHead):
    """A label for each sequence; scored by Matthews' correlation and, of two labels, AUROC besides."""

    def metrics(self, examples: Sequence[DNASequence], answers: Sequence[Any]) -> dict[str, Any]:
        """Score labels and their probabilities."""
        gold, given, rows = self.pairs(examples, answers)
        scores = classification_scores(gold, given, self.labels.names, rows)
        scores["mcc"] = matthews(gold, given)
        if len(self.labels) == 2 and set(gold) == set(self.labels):
            positive = [label == self.labels.names[1] for label in gold]
            scores["auroc"] = auroc(positive, [row[1] for row in rows])
        return scores


class BaseHead(DNAHead):
    """A label for each base."""

    def targets(self, examples: Sequence[DNASequence]) -> Tensor:
        """Return the numbers of the labels as the packed bases have them, [N]."""
        return pack([self.step_targets(example) for example in examples]).data

    def step_targets(self, example: DNASequence) -> list[int]:
        """Return the numbers of the labels of an example."""
        return self.labels.numbers(base_labels(example, True))

    def rows(self, examples: Sequence[DNASequence]) -> int:
        """Return the number of bases."""
        return sum(len(example.bases) for example in examples)

    def decode(self, scores: Tensor, examples: Sequence[DNASequence]) -> list[BaseLabels]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the answers that scores of all bases give, sequence after sequence."""
        return self.decode_probabilities((scores.double() / self.temperature).softmax(1), examples)

    def decode_probabilities(
        self, probabilities: Tensor, examples: Sequence[DNASequence]
    ) -> list[BaseLabels]:
        """Return the answers that probabilities of all bases give, sequence after sequence."""
        answers = []
        for rows, example in zip(
            probabilities.split([len(e.bases) for e in examples]), examples, strict=True
        ):
            labels = [self.labels.names[number] for number in rows.argmax(1).tolist()]
            answers.append(BaseLabels(labels, rows.tolist(), example.asked, example.title))
        return answers

    def pairs(
        self, examples: Sequence[DNASequence], answers: Sequence[BaseLabels]
    ) -> tuple[list[str], list[str], list[Sequence[float]]]:
        """Return the labels of all bases."""
        gold = [label for example in examples for label in base_labels(example, True)]
        given = [label for answer in answers for label in answer.labels]
        return gold, given, [row for answer in answers for row in answer.probabilities]

    def min_delta(self, examples: Sequence[Any]) -> float:
        """Return 0: there are many bases."""
        return 0.0
