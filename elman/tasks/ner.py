"""Named-entity recognition: which words of a sentence name something, and what kind of thing.

Many-to-many, T_x = T_y. Each word is its embedding beside what a recurrent network reads from its characters;
layers in both directions read the sentence; a conditional random field finds the best legal tags (Lample et
al. 2016, "Neural architectures for named entity recognition").

Letters: N real steps (words) of a batch, M distinct words of it, K tags.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import pack, unpack
from elman.data.columns import Sentence, check_types, read_columns
from elman.data.source import DataError, read_lines
from elman.data.tags import Span, encode, is_tag, may_follow, spans
from elman.data.text import places_of, split_words
from elman.data.vectors import Vectors, read_vectors
from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from elman.learning.baselines import MostFrequent, train_classifier, windows
from elman.learning.metrics import confusion, entity_scores
from elman.nn.crf import CRF
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany, OneToOne
from elman.samples import ner as samples
from elman.tasks.task import Reading, Settings, Task, option

WORD_SIZE = 100  # of a word's embedding, unless --vectors brings another
CHARACTER_SIZE = 32
SPELLING_SIZE = 64  # hidden size of the character network, in each direction
LONGEST_SPELLING = 40  # characters of a word that are read; what is longer is an address, not a name
EAGERNESS = [i / 4 for i in range(9)]  # those that are tried
WINDOW, WINDOW_HIDDEN = 5, 100  # of the standard network


@dataclass(frozen=True)
class NERSettings(Settings):
    """Settings of the ner task."""

    vectors: str | None = option(None, "text file of word vectors (GloVe, word2vec, fastText) to start from")
    min_count: int = option(1, "words seen less often in training are unknown")
    largest: int = option(50_000, "largest size of the dictionary")

    def files(self) -> dict[str, Path]:
        """Return the word vectors, if any."""
        return {"vectors": Path(self.vectors)} if self.vectors else {}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_count < 1 or self.largest < 3:
            raise ValueError(
                "min_count must be at least 1 and largest at least 3, "
                f"got {self.min_count} and {self.largest}"
            )


class Entity(NamedTuple):
    """A recognised entity: words `start` to `stop` - 1, its type, and how sure its least sure tag is."""

    start: int
    stop: int
    type: str
    confidence: float


@dataclass(frozen=True)
class Batch:
    """Sentences, packed."""

    words: PackedSequence  # [N] numbers
    characters: PackedSequence  # of the M distinct words
    spelling: Tensor  # [N] which of the M distinct words stands here
    tags: Tensor | None  # [N]
    places: list[str]  # file:line of each sentence

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.spelling)


class Tagger(nn.Module):
    """The network: scores of all tags at every word.

    `eagerness` is taken from the score of O when answering. The most probable tags are not those of the
    highest F1: where entities are rare or unsure, a network that dares more finds more than it gets wrong.

    Args:
        word_counts: [dictionary] how often each word was seen in training: a rare one is more often read as
            the unknown in training, so that the unknown is learned too.
        word_size: width of a word's embedding.
        characters: size of the dictionary of characters.
        legal: [K+1, K+1] which tag may follow which (see `CRF`).
        settings: the user's.
    """

    word_counts: Tensor
    eagerness: Tensor

    def __init__(
        self, word_counts: Tensor, word_size: int, characters: int, legal: Tensor, settings: Settings
    ) -> None:
        super().__init__()
        layer = LAYERS[settings.cell]
        self.register_buffer("word_counts", word_counts)
        self.register_buffer("eagerness", torch.zeros(()))
        self.word = nn.Embedding(len(word_counts), word_size, padding_idx=PADDING)
        nn.init.normal_(self.word.weight, std=0.3)
        self.character = nn.Embedding(characters, CHARACTER_SIZE, padding_idx=PADDING)
        self.speller = layer(CHARACTER_SIZE, SPELLING_SIZE, bidirectional=True)
        layers = layer(
            word_size + 2 * SPELLING_SIZE,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.tagger = ManyToMany(layers, len(legal) - 1, settings.dropout)
        self.crf = CRF(legal)

    def forward(self, batch: Batch) -> Tensor:
        """Return the emission scores, [N, K]."""
        numbers = batch.words.data
        if self.training:
            count = self.word_counts[numbers]
            numbers = numbers.masked_fill(torch.rand_like(count) < 0.5 / (0.5 + count), UNKNOWN)
        characters = PackedSequence(self.character(batch.characters.data), *batch.characters[1:])
        _, state = self.speller(characters)
        last = state[0] if isinstance(state, tuple) else state  # [2, M, SPELLING_SIZE]
        spelling = torch.cat((last[0], last[1]), 1)[batch.spelling]
        embedded = torch.cat((self.word(numbers), spelling), 1)  # [N, I]
        return self.tagger(PackedSequence(embedded, *batch.words[1:]))


class NER(Task):
    """The dictionary of words, the characters and the tags of one training file."""

    name = "ner"
    summary = "named-entity recognition"
    shape = "many-to-many, T_x = T_y"
    files = "CoNLL columns: token first, tag last; IOB1, IOB2 or IOBES"
    metric_name = "entity_f1"
    unit = "words"
    settings_type = NERSettings

    def __init__(
        self,
        settings: NERSettings,
        words: Vocabulary,
        characters: Vocabulary,
        types: Sequence[str],
        word_size: int,
    ) -> None:
        self.settings, self.words, self.characters = settings, words, characters
        self.types, self.word_size = tuple(types), word_size
        self.tags = ("O", *(f"{prefix}-{kind}" for kind in types for prefix in "BIES"))
        self._number_of_tag = {tag: number for number, tag in enumerate(self.tags)}
        self._seen: Counter[str] = Counter()  # words of the training file; empty in a loaded task
        self._vectors: Vectors | None = None

    @classmethod
    def read(cls, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a CoNLL file."""
        columns = read_columns(path, skip_bad=skip_bad)
        return Reading(path, columns.sentences, columns.describe())

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write sentences of our own grammar, in which only context tells what a name names."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Sentence], settings: NERSettings) -> "NER":
        """Make the dictionaries. Words of --vectors join them: a word may be known though never trained."""
        seen = Counter(normal(word) for sentence in train for word in sentence.words)
        words = Vocabulary.of(seen.elements(), min_count=settings.min_count, largest=settings.largest)
        characters = Vocabulary.of(
            (character for sentence in train for word in sentence.words for character in word),
            min_count=2,
            largest=settings.largest,
        )
        types = sorted({entity.type for sentence in train for entity in spans(sentence.tags or ())})
        vectors = None
        if settings.vectors:
            vectors = read_vectors(settings.vectors, lambda word: normal(word) in words, settings.largest)
            words = words.extended(map(normal, vectors.words), settings.largest)
        word_size = vectors.rows.shape[1] if vectors else WORD_SIZE
        task = cls(settings, words, characters, types, word_size)
        task._seen, task._vectors = seen, vectors
        task.remarks = (vectors.describe(),) if vectors else ()
        return task

    def facts(self) -> dict[str, Any]:
        """Return the dictionaries."""
        return {
            "words": self.words.symbols,
            "characters": self.characters.symbols,
            "types": self.types,
            "word_size": self.word_size,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: NERSettings) -> "NER":
        """Restore the dictionaries."""
        words, characters = Vocabulary(tuple(facts["words"])), Vocabulary(tuple(facts["characters"]))
        return cls(settings, words, characters, facts["types"], facts["word_size"])

    def check(self, examples: Sequence[Sentence]) -> None:
        """Raise DataError at the first entity of a type that training never showed."""
        check_types(examples, self.types)

    def question(self, text: str) -> Sentence:
        """Split a text into words, as the training data splits them."""
        words = tuple(word.word for word in split_words(text, lambda word: normal(word) in self.words))
        if not words:
            raise DataError("input", "a text without a word", "a sentence", "type one in quotes")
        return Sentence(words, None, "input", 1)

    def has_records(self, path: str) -> bool:
        """Tell columns by their first row: it has a tab, ends in a tag, or is one token (not in a .txt)."""
        lines = (line.strip() for _, line in read_lines(path))
        first = next((line for line in lines if line and not line.startswith("#")), "")  # no comment
        if len(first.split()) == 1:
            return not path.endswith(".txt")
        return "\t" in first or is_tag(first.split(" ")[-1])

    def questions(self, path: str) -> list[Sentence]:
        """Read a CoNLL file, of which only the first column counts."""
        return list(read_columns(path, tagged=False).sentences)

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
        tags = encode([Span(*entity[:3]) for entity in answer], len(example.words), "IOB2")
        return {"text": text, "entities": entities, "words": list(example.words), "tags": tags}

    def show(self, told: Mapping[str, Any]) -> str:
        """Put each entity in brackets with its type and confidence."""
        shown, position = "", 0
        for entity in told["entities"]:
            shown += told["text"][position : entity["start"]]
            shown += f"[{entity['text']} | {entity['type']} {entity['confidence']:.2f}]"
            position = entity["stop"]
        return shown + told["text"][position:]

    def model(self) -> Tagger:
        """Return a new network; its word embedding starts from --vectors where these have the word."""
        ends: list[str | None] = [*self.tags, None]
        legal = torch.tensor([[may_follow(before, after, "IOBES") for after in ends] for before in ends])
        counts = torch.tensor([float(self._seen[word]) for word in self.words.symbols])
        model = Tagger(counts, self.word_size, len(self.characters), legal, self.settings)
        if self._vectors:
            rows = dict(
                zip(reversed([*map(normal, self._vectors.words)]), self._vectors.rows[::-1], strict=True)
            )
            with torch.no_grad():
                for number, word in enumerate(self.words.symbols):
                    if word in rows:
                        model.word.weight[number] = torch.from_numpy(rows[word].copy())
        return model

    def length(self, example: Sentence) -> int:
        """Return the number of words."""
        return len(example.words)

    def batch(self, examples: Sequence[Sentence], *, answers: bool = False) -> Batch:
        """Pack sentences; each distinct word is spelt once."""
        distinct: dict[str, int] = {}
        spelling = [
            [distinct.setdefault(word, len(distinct)) for word in example.words] for example in examples
        ]
        tags = None
        if answers:
            tags = pack(
                [[self._number_of_tag[tag] for tag in _in_iobes(example)] for example in examples]
            ).data
        return Batch(
            words=pack([self.words.numbers(map(normal, example.words)) for example in examples]),
            characters=pack([self.characters.numbers(word[:LONGEST_SPELLING]) for word in distinct]),
            spelling=pack(spelling).data,
            tags=tags,
            places=[example.place for example in examples],
        )

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

    def calibrate(self, model: Tagger, judge: Callable[[], float]) -> None:
        """Choose the eagerness that scores best on dev, the smallest of equals."""

        def score(eagerness: float) -> float:
            model.eagerness.fill_(eagerness)
            return judge()

        model.eagerness.fill_(max(EAGERNESS, key=score))

    def metric(
        self, examples: Sequence[Sentence], answers: Sequence[Sequence[Span | Entity]]
    ) -> dict[str, Any]:
        """Score entities as conlleval does."""
        gold = (spans(example.tags or ()) for example in examples)
        return entity_scores(gold, ([entity[:3] for entity in answer] for answer in answers))

    def record(self, told: Mapping[str, Any]) -> str:
        """Write a row a word, token and tag, and the blank line behind a sentence."""
        return "".join(f"{word}\t{tag}\n" for word, tag in zip(told["words"], told["tags"], strict=True))

    def confusion(
        self, examples: Sequence[Sentence], answers: Sequence[Sequence[Entity]]
    ) -> tuple[list[str], np.ndarray]:
        """Count words by the type of the entity that they belong to, O where they belong to none."""
        gold = [kind for e in examples for kind in _kinds(e, spans(e.tags or ()))]
        given = [kind for e, answer in zip(examples, answers, strict=True) for kind in _kinds(e, answer)]
        return confusion(gold, given, ["O", *self.types])

    def baselines(
        self, train: Sequence[Sentence]
    ) -> dict[str, Callable[[Sequence[Sentence]], list[list[Span]]]]:
        """Train two taggers that see no sequence: each word's most frequent tag, and a window of words."""
        frequent = MostFrequent(
            pair for sentence in train for pair in zip(sentence.words, sentence.tags or (), strict=True)
        )

        def most_frequent(examples: Sequence[Sentence]) -> list[list[Span]]:
            return [spans(map(frequent, example.words)) for example in examples]

        def numbers(examples: Sequence[Sentence]) -> Tensor:
            return windows([self.words.numbers(map(normal, e.words)) for e in examples], WINDOW, PADDING)

        standard = OneToOne(len(self.words), WINDOW, WINDOW_HIDDEN, len(self.tags))
        labels = [self._number_of_tag[tag] for sentence in train for tag in _in_iobes(sentence)]
        train_classifier(standard, numbers(train), torch.tensor(labels))

        def standard_network(examples: Sequence[Sentence]) -> list[list[Span]]:
            with torch.no_grad():
                best = standard(numbers(examples)).argmax(1)
            parts = best.split([len(example.words) for example in examples])
            return [spans(self.tags[number] for number in part.tolist()) for part in parts]

        return {"most_frequent_tag": most_frequent, "standard_network": standard_network}


def normal(word: str) -> str:
    """Return a word as the dictionary has it: lower case, every digit 0. The characters keep the rest."""
    return re.sub(r"\d", "0", word.lower())


def _kinds(sentence: Sentence, entities: Sequence[Span | Entity]) -> list[str]:
    kinds = ["O"] * len(sentence.words)
    for entity in entities:
        kinds[entity.start : entity.stop] = [entity.type] * (entity.stop - entity.start)
    return kinds


def _in_iobes(sentence: Sentence) -> list[str]:
    """Return a sentence's tags in the scheme that the network predicts; it marks both ends of an entity."""
    return encode(spans(sentence.tags or ()), len(sentence.words), "IOBES")


TASK = NER
