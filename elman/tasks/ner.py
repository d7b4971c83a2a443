"""Named-entity recognition: which words of a sentence name something, and what kind of thing.

Many-to-many, T_x = T_y. Recurrent layers read the words in both directions (see `elman.tasks.words`), and a
conditional random field finds the best legal tags (Lample et al. 2016, "Neural architectures for named entity
recognition").

Letters: K tags.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elman.data.batch import unpack
from elman.data.columns import Sentence, check_types, read_columns
from elman.data.compression import plain_path
from elman.data.conllu import is_conllu, read_unlabelled_conllu
from elman.data.source import DataError, counted
from elman.data.tags import Span, encode, is_tag, may_follow, spans
from elman.data.text import places_of
from elman.data.token_lists import is_token_lists, read_entity_lists, read_unlabelled_lists
from elman.learning.baselines import MostFrequent
from elman.learning.metrics import confusion, entity_scores
from elman.nn.crf import CRF
from elman.samples import ner as samples
from elman.tasks.declarations.ner import DECLARATION, NERSettings
from elman.tasks.task import Reading, Settings
from elman.tasks.words import Batch, WordTagger, WordTask

EAGERNESS = [i / 4 for i in range(9)]  # those that are tried


class Entity(NamedTuple):
    """A recognised entity: words `start` to `stop` - 1, its type, and how sure its least sure tag is."""

    start: int
    stop: int
    type: str
    confidence: float


class Tagger(WordTagger):
    """The network: scores of all tags at every word, and which tags may follow which.

    `eagerness` is taken from the score of O when answering. The most probable tags are not those of the
    highest F1: where entities are rare or unsure, a network that dares more finds more than it gets wrong.

    Args:
        word_counts: [dictionary], sizes, characters: see `WordTagger`.
        legal: [K+1, K+1] which tag may follow which (see `CRF`).
        settings: the user's.
    """

    eagerness: Tensor

    def __init__(
        self,
        word_counts: Tensor,
        sizes: Mapping[str, Any],
        characters: int,
        legal: Tensor,
        settings: Settings,
    ) -> None:
        super().__init__(word_counts, sizes, characters, len(legal) - 1, settings)
        self.register_buffer("eagerness", torch.zeros(()))
        self.crf = CRF(legal)


class NER(WordTask):
    """The dictionary of words, the characters and the tags of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    labels_fact = "types"
    most_labels = 1000  # each pair of tags has a weight

    @classmethod
    def read(cls, path: str, settings: NERSettings, *, skip_bad: bool = False) -> Reading:
        """Read a CoNLL file, or JSON lines with tokens and ner_tags."""
        read = read_entity_lists if is_token_lists(path) else read_columns
        columns = read(path, skip_bad=skip_bad)
        return Reading(path, columns.sentences, columns.describe())

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write sentences of our own grammar, in which only context tells what a name names."""
        return samples.write(folder)

    @classmethod
    def shown(cls, example: Sentence, settings: Any) -> Collection[str]:
        """Return the types of its entities."""
        return {entity.type for entity in spans(example.tags or ())}

    @classmethod
    def labels_of(cls, train: Sequence[Sentence]) -> tuple[list[str], tuple[str, ...]]:
        """Return the types of the entities. Raises DataError where there are too many."""
        types = sorted({entity.type for sentence in train for entity in spans(sentence.tags or ())})
        if len(types) > cls.most_labels:
            raise DataError(
                train[0].file,
                counted(len(types), "type"),
                f"at most {cls.most_labels:,}",
                "check that the last column has the tags",
            )
        return types, () if types else (f"warning: no entity in the {counted(len(train), 'sentence')}",)

    @classmethod
    def tags_of(cls, labels: Sequence[str]) -> tuple[str, ...]:
        """Return O, and the four tags of each type."""
        return "O", *(f"{prefix}-{kind}" for kind in labels for prefix in "BIES")

    @classmethod
    def tags_in(cls, sentence: Sentence) -> list[str]:
        """Return a sentence's tags in IOBES; it marks both ends of an entity."""
        return encode(spans(sentence.tags or ()), len(sentence.words), "IOBES")

    def check(self, examples: Sequence[Sentence]) -> None:
        """Raise DataError at the first entity of a type that training never showed."""
        check_types(examples, self.labels)

    def has_records(self, path: str) -> bool:
        """Tell JSON lines, and columns by a tab, tags at the end of most rows, or a token a row (no .txt)."""
        if is_token_lists(path):
            return True
        rows = self.first_rows(path)
        if not rows or "\t" in rows[0]:
            return bool(rows)
        if len(rows[0].split()) == 1:
            return plain_path(path).suffix != ".txt"
        last = [row.split()[-1] for row in rows]
        if last == ["O"]:
            return len(rows[0].split()) == 2  # "My blood type is O" is prose
        return 2 * sum(map(is_tag, last)) > len(rows)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a CoNLL or CoNLL-U file or JSON lines, whose labels do not count."""
        if is_token_lists(path):
            read = read_unlabelled_lists(path, skip_bad=skip_bad)
            return Reading(path, read.sentences, read.describe())
        if is_conllu(path):
            read = read_unlabelled_conllu(path, self.name, skip_bad=skip_bad)
        else:
            read = read_columns(path, tagged=False, skip_bad=skip_bad)
        return Reading(path, read.sentences, read.describe())

    def tell(self, example: Sentence, answer: Sequence[Entity], text: str | None = None) -> dict[str, Any]:
        """Say the entities, their places in `text` counted in characters, and the words' tags in IOB2."""
        text = " ".join(example.words) if text is None else text
        places = places_of(example.words, text)
        entities = []
        for entity in answer:
            start, stop = places[entity.start][0], places[entity.stop - 1][1]
            entities.append(
                {
                    "text": text[start:stop],
                    "type": entity.type,
                    "start": start,
                    "stop": stop,
                    "confidence": round(entity.confidence, 4),
                }
            )
        return {
            "text": text,
            "entities": entities,
            "words": list(example.words),
            "tags": self.answered_tags(example, answer),
        }

    def show(self, told: Mapping[str, Any]) -> str:
        """Put each entity in brackets with its type and confidence."""
        shown, position = "", 0
        for entity in told["entities"]:
            shown += told["text"][position : entity["start"]]
            shown += f"[{entity['text']} | {entity['type']} {entity['confidence']:.2f}]"
            position = entity["stop"]
        return shown + told["text"][position:]

    def model(self) -> Tagger:
        """Return a new network, which starts from what --vectors or --init has of its words."""
        model = Tagger(self.word_counts(), self.sizes, len(self.characters), _legal(self.tags), self.settings)
        self.start(model.word)
        return model

    def loss(self, model: Tagger, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of a sentence's tags."""
        assert batch.tags is not None, "a batch without tags has no loss"
        return model.crf.nll(model(batch), batch.words.batch_sizes.tolist(), batch.tags).mean()

    def answer(self, model: Tagger, batch: Batch) -> list[list[Entity]]:
        """Return the entities of each sentence."""
        emissions, batch_sizes = model(batch), batch.words.batch_sizes.tolist()
        emissions[:, 0] -= model.eagerness
        tags = model.crf.decode(emissions, batch_sizes)
        sure = model.crf.marginals(emissions, batch_sizes).gather(1, tags[:, None]).squeeze(1)
        answers = []
        for numbers, confidence in zip(unpack(tags, batch.words), unpack(sure, batch.words), strict=True):
            found = spans(self.tags[number] for number in numbers.tolist())
            answers.append(
                [Entity(*span, confidence=confidence[span.start : span.stop].min().item()) for span in found]
            )
        return answers

    def calibrate(self, model: Tagger, examples: Sequence[Sentence]) -> None:
        """Choose the eagerness that scores best on dev, the smallest of equals."""

        def score(eagerness: float) -> float:
            model.eagerness.fill_(eagerness)
            return self.score(model, examples)

        model.eagerness.fill_(max(EAGERNESS, key=score))

    def metric(
        self, examples: Sequence[Sentence], answers: Sequence[Sequence[Span | Entity]]
    ) -> dict[str, Any]:
        """Score entities as conlleval does."""
        gold = (spans(example.tags or ()) for example in examples)
        return entity_scores(gold, ([entity[:3] for entity in answer] for answer in answers))

    def answered_tags(self, example: Sentence, answer: Sequence[Entity]) -> list[str]:
        """Return the tags in IOB2."""
        return encode([Span(*entity[:3]) for entity in answer], len(example.words), "IOB2")

    def confusion(
        self, examples: Sequence[Sentence], answers: Sequence[Sequence[Entity]]
    ) -> tuple[list[str], np.ndarray]:
        """Count words by the type of the entity that they belong to, O where they belong to none."""
        gold = [kind for e in examples for kind in _kinds(e, spans(e.tags or ()))]
        given = [kind for e, answer in zip(examples, answers, strict=True) for kind in _kinds(e, answer)]
        return confusion(gold, given, ["O", *self.labels])

    def baselines(
        self, train: Sequence[Sentence]
    ) -> dict[str, Callable[[Sequence[Sentence]], list[list[Span]]]]:
        """Train two taggers that see no sequence: each word's most frequent tag, and a window of words."""
        frequent = MostFrequent(
            pair for sentence in train for pair in zip(sentence.words, sentence.tags or (), strict=True)
        )

        def most_frequent(examples: Sequence[Sentence]) -> list[list[Span]]:
            return [spans(map(frequent, example.words)) for example in examples]

        standard = self.standard_network(train)

        def standard_network(examples: Sequence[Sentence]) -> list[list[Span]]:
            return [spans(tags) for tags in standard(examples)]

        return {"most_frequent_tag": most_frequent, "standard_network": standard_network}


def _kinds(sentence: Sentence, entities: Sequence[Span | Entity]) -> list[str]:
    kinds = ["O"] * len(sentence.words)
    for entity in entities:
        kinds[entity.start : entity.stop] = [entity.type] * (entity.stop - entity.start)
    return kinds


def _legal(tags: Sequence[str]) -> Tensor:
    """Return which tag may follow which (see `CRF`), [K+1, K+1].

    That depends on their prefixes, and on whether their types are the same; so few pairs are asked for.
    """
    kinds = {kind: number for number, kind in enumerate(dict.fromkeys(tag[2:] for tag in tags))}
    ends = [*tags, "O"]  # behind the last and before the first, as outside
    prefix = np.array(["OBIES".index(tag[0]) for tag in ends])
    kind = np.array([kinds[tag[2:]] for tag in ends])
    same, other = (
        np.array([[may_follow(a, b, "IOBES") for b in _forms(after)] for a in _forms("x")])
        for after in ("x", "y")
    )
    pair = prefix[:, None], prefix
    return torch.from_numpy(np.where(kind[:, None] == kind, same[pair], other[pair]))


def _forms(kind: str) -> list[str]:
    return ["O", *(f"{prefix}-{kind}" for prefix in "BIES")]


TASK = NER
