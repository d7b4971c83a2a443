"""A tag for each word of a sentence.

Letters: N real steps (words) of a batch, B sentences, K tags.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.answers import Entities, Entity, TaggedWords
from elman.data.columns import Sentence
from elman.data.tags import may_follow, spans
from elman.data.vocabulary import UNKNOWN
from elman.encoders.words import WordEncoder
from elman.heads.head import Head
from elman.learning.metrics import confusion, entity_scores, label_scores
from elman.nn.crf import CRF
from elman.nn.packing import pack, unpack

OUTSIDE_BIASES = [i / 4 for i in range(9)]  # those that are tried
LISTED = 20  # labels in the confusion matrix; the others are taken together
OTHERS = "others"


class TaggingHead(Head):
    """What the heads of tagged words share.

    Args:
        encoder: which has the tags.
    """

    def __init__(self, encoder: WordEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.outputs = len(encoder.tags)

    def targets(self, examples: Sequence[Sentence]) -> Tensor:
        """Return the numbers of the tags, packed, [N]."""
        return pack([self.step_targets(example) for example in examples]).data

    def step_targets(self, example: Sentence) -> list[int]:
        """Return the numbers of the tags of a sentence."""
        return self.encoder.tags.numbers(self.encoder.tags_in(example))

    def layer_depths(self, network: Any) -> dict[str, int]:
        """Return those of the language model, if any."""
        return network.word.layer_depths("word")

    def split(self, values: Tensor, examples: Sequence[Sentence]) -> list[Any]:
        """Split values of all words, sentence after sentence, into those of each sentence."""
        return [part.tolist() for part in values.split([len(example.words) for example in examples])]


class SoftmaxTaggingHead(TaggingHead):
    """Chooses the most probable tag of each word by itself."""

    metric = "accuracy"

    def loss(self, network: Any, inputs: Any, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean negative log-likelihood of a word's tag."""
        return F.cross_entropy(network(inputs)[0], targets), None

    def answer(self, network: Any, inputs: Any, examples: Sequence[Sentence]) -> list[TaggedWords]:
        """Return the most probable tag of each word."""
        probabilities = network(inputs)[0].softmax(1)
        return self.decode_probabilities(torch.cat(unpack(probabilities, inputs.words)), examples)

    def decode_probabilities(
        self, probabilities: Tensor, examples: Sequence[Sentence]
    ) -> list[TaggedWords]:
        """Return the answers that probabilities of all words give, sentence after sentence."""
        confidence, best = probabilities.max(1)
        tags = self.encoder.tags.names
        return [
            TaggedWords(example.text, example.words, [tags[number] for number in numbers], sure)
            for numbers, sure, example in zip(
                self.split(best, examples), self.split(confidence, examples), examples, strict=True
            )
        ]

    def metrics(self, examples: Sequence[Sentence], answers: Sequence[TaggedWords]) -> dict[str, Any]:
        """Score labels word by word; besides, those of the words that are not in the vocabulary.

        A label that training never showed is always missed; "unseen_labels" counts them.
        """
        gold, given = self._flat(examples, answers)
        scores = label_scores(gold, given)
        unknown = [n == UNKNOWN for example in examples for n in self.encoder.numbers(example)]
        right = [a == b for a, b, new in zip(gold, given, unknown, strict=True) if new]
        if right:
            scores["unknown_accuracy"] = sum(right) / len(right)
        scores["unknown_words"] = len(right)
        seen = set(self.encoder.labels)
        scores["unseen_labels"] = sum(label not in seen for label in gold)
        return scores

    def confusion(
        self, examples: Sequence[Sentence], answers: Sequence[TaggedWords]
    ) -> tuple[list[str], np.ndarray]:
        """Count words by their label, the most frequent each for itself."""
        gold, given = self._flat(examples, answers)
        listed = sorted(label for label, _ in Counter(gold).most_common(LISTED))
        return confusion(*([la if la in listed else OTHERS for la in some] for some in (gold, given)), listed)

    @staticmethod
    def _flat(
        examples: Sequence[Sentence], answers: Sequence[TaggedWords]
    ) -> tuple[list[str], list[str]]:
        gold = [label for example in examples for label in example.tags or ()]
        return gold, [tag for answer in answers for tag in answer.tags]


class EntityHead(TaggingHead):
    """A conditional random field finds the best legal tags of a sentence, and so its entities.

    `outside_bias` is subtracted from the score of O when answering. The most probable tags are not those of the
    highest F1: where entities are rare or unsure, a lower threshold finds more than it gets wrong.
    """

    metric = "entity_f1"
    outside_bias: Tensor

    def __init__(self, encoder: WordEncoder) -> None:
        super().__init__(encoder)
        ends: list[str | None] = [*encoder.tags, None]
        legal = torch.tensor([[may_follow(before, after, "IOBES") for after in ends] for before in ends])
        self.register_buffer("outside_bias", torch.zeros(()))
        self.crf = CRF(legal)

    def loss(self, network: Any, inputs: Any, targets: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return the mean negative log-likelihood of a sentence's tags."""
        return self.crf.nll(network(inputs)[0], inputs.words.batch_sizes.tolist(), targets).mean(), None

    def answer(self, network: Any, inputs: Any, examples: Sequence[Sentence]) -> list[Entities]:
        """Return the entities of each sentence."""
        emissions, batch_sizes = network(inputs)[0], inputs.words.batch_sizes.tolist()
        emissions[:, 0] -= self.outside_bias
        tags = self.crf.decode(emissions, batch_sizes)
        confidence = self.crf.marginals(emissions, batch_sizes).gather(1, tags[:, None]).squeeze(1)
        names = self.encoder.tags.names
        answers = []
        for numbers, sure, example in zip(
            unpack(tags, inputs.words), unpack(confidence, inputs.words), examples, strict=True
        ):
            found = spans(names[number] for number in numbers.tolist())
            entities = [Entity(*span, sure[span.start : span.stop].min().item()) for span in found]
            answers.append(Entities(example.text, example.words, entities))
        return answers

    def decode_probabilities(self, probabilities: Tensor, examples: Sequence[Sentence]) -> list[Entities]:
        """Return the entities of the most probable tag of each word, sentence after sentence."""
        names = self.encoder.tags.names
        return [
            self.answer_tags([names[number] for number in numbers], example)
            for numbers, example in zip(self.split(probabilities.argmax(1), examples), examples, strict=True)
        ]

    @staticmethod
    def answer_tags(tags: Sequence[str], example: Sentence) -> Entities:
        """Return the entities that the tags of a plain method make, of confidence 1."""
        return Entities(example.text, example.words, [Entity(*span, 1.0) for span in spans(tags)])

    def calibrate(self, network: Any, encoder: Any, examples: Sequence[Sentence]) -> None:
        """Choose the outside bias that scores best on dev, the smallest of equals."""

        def score(bias: float) -> float:
            self.outside_bias.fill_(bias)
            return self.score(network, encoder, examples)

        self.outside_bias.fill_(max(OUTSIDE_BIASES, key=score))

    def metrics(self, examples: Sequence[Sentence], answers: Sequence[Entities]) -> dict[str, Any]:
        """Score entities as conlleval does."""
        gold = (spans(example.tags or ()) for example in examples)
        return entity_scores(gold, ([entity[:3] for entity in answer.entities] for answer in answers))

    def confusion(
        self, examples: Sequence[Sentence], answers: Sequence[Entities]
    ) -> tuple[list[str], np.ndarray]:
        """Count words by the type of the entity that they belong to, O where they belong to none."""
        gold = [kind for e in examples for kind in _types(e, spans(e.tags or ()))]
        pairs = zip(examples, answers, strict=True)
        given = [kind for e, answer in pairs for kind in _types(e, answer.entities)]
        return confusion(gold, given, ["O", *self.encoder.labels])


def _types(sentence: Sentence, entities: Sequence[Any]) -> list[str]:
    types = ["O"] * len(sentence.words)
    for entity in entities:
        types[entity.start : entity.stop] = [entity.type] * (entity.stop - entity.start)
    return types
