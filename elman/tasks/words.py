"""What the tasks share that tag the words of a sentence: dictionaries, batches, and the network.

Many-to-many, T_x = T_y. Each word is its embedding beside what a recurrent network reads from its characters;
layers in both directions read the sentence, and a linear layer scores the tags of each word (Lample et al.
2016, "Neural architectures for named entity recognition").

Letters: N real steps (words) of a batch, M distinct words of it, K tags.
"""

import math
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import pack
from elman.data.columns import Sentence
from elman.data.facts import texts
from elman.data.source import DataError, read_lines
from elman.data.text import split_words
from elman.data.vectors import Vectors, read_vectors
from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from elman.data.written import PREDICTED, Answers
from elman.learning.baselines import train_classifier, windows
from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToMany, OneToOne
from elman.tasks.declarations.words import WordSettings
from elman.tasks.pretrained import Pretrained, Reader, sizes_of
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import Settings, Task

WORD_SIZE = 100  # of a word's embedding, unless --vectors brings another
CHARACTER_SIZE = 32
SPELLING_SIZE = 64  # hidden size of the character network, in each direction
LONGEST_SPELLING = 40  # characters of a word that are read; what is longer is an address, not a name
ROWS = 5  # by which columns parted by spaces are told from plain text
WINDOW, WINDOW_HIDDEN = 5, 100  # of the standard network


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


class WordTagger(nn.Module):
    """The network: scores of all tags at every word.

    Args:
        word_counts: [dictionary] how often each word was seen in training: a rare one is more often read as
            the unknown in training, so that the unknown is learned too.
        sizes: of what reads the words; see `Reader`.
        characters: size of the dictionary of characters.
        tags: K.
        settings: the user's.
    """

    word_counts: Tensor

    def __init__(
        self, word_counts: Tensor, sizes: Mapping[str, Any], characters: int, tags: int, settings: Settings
    ) -> None:
        super().__init__()
        layer = LAYERS[settings.cell]
        self.register_buffer("word_counts", word_counts)
        self.word = Reader(len(word_counts), sizes)
        self.character = nn.Embedding(characters, CHARACTER_SIZE, padding_idx=PADDING)
        self.speller = layer(CHARACTER_SIZE, SPELLING_SIZE, bidirectional=True)
        layers = layer(
            self.word.output_size + 2 * SPELLING_SIZE,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.tagger = ManyToMany(layers, tags, settings.dropout)

    def forward(self, batch: Batch) -> Tensor:
        """Return the scores of the tags, [N, K]."""
        numbers = batch.words.data
        if self.training:
            count = self.word_counts[numbers]
            numbers = numbers.masked_fill(torch.rand_like(count) < 0.5 / (0.5 + count), UNKNOWN)
        characters = PackedSequence(self.character(batch.characters.data), *batch.characters[1:])
        _, state = self.speller(characters)
        last = state[0] if isinstance(state, tuple) else state  # [2, M, SPELLING_SIZE]
        spelling = torch.cat((last[0], last[1]), 1)[batch.spelling]
        embedded = torch.cat((self.word(numbers, batch.words), spelling), 1)  # [N, I]
        return self.tagger(PackedSequence(embedded, *batch.words[1:]))


class WordTask(Task):
    """The dictionary of words, the characters and the labels of one training file.

    A label is what the file tells of a word, such as its part of speech or the type of its entity; a tag is
    what the network predicts, and may say more, such as where in the entity the word stands.
    """

    unit = "words"
    rare_labels = True
    labels_fact: ClassVar[str]  # what run.json calls the labels
    most_labels: ClassVar[int] = MOST_LABELS
    tags: tuple[str, ...]

    def __init__(
        self,
        settings: WordSettings,
        words: Vocabulary,
        characters: Vocabulary,
        labels: Sequence[str],
        sizes: Mapping[str, Any],
    ) -> None:
        self.settings, self.words, self.characters = settings, words, characters
        self.labels, self.sizes = tuple(labels), sizes
        self.tags = self.tags_of(labels)
        self._number_of_tag = {tag: number for number, tag in enumerate(self.tags)}
        self._seen: Counter[str] = Counter()  # words of the training file; empty in a loaded task
        self._vectors: Vectors | None = None
        self._pretrained: Pretrained | None = None

    @classmethod
    @abstractmethod
    def labels_of(cls, train: Sequence[Sentence]) -> tuple[list[str], tuple[str, ...]]:
        """Return the labels of the training sentences, in the order of their numbers, and remarks on them."""

    @classmethod
    @abstractmethod
    def tags_of(cls, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that the network predicts, in the order of their numbers."""

    @classmethod
    @abstractmethod
    def tags_in(cls, sentence: Sentence) -> Sequence[str]:
        """Return the tags that the network should predict for a tagged sentence."""

    @classmethod
    def learn(cls, train: Sequence[Sentence], settings: WordSettings) -> Self:
        """Make the dictionaries. Words of --vectors or --init join them: known though never trained."""
        seen = Counter(normal(word) for sentence in train for word in sentence.words)
        words = Vocabulary.of(seen.elements(), min_count=settings.min_count, largest=settings.largest)
        characters = Vocabulary.of(
            (character for sentence in train for word in sentence.words for character in word),
            min_count=2,
            largest=settings.largest,
        )
        vectors = pretrained = None
        sizes: Mapping[str, Any] = {"size": WORD_SIZE}
        labels, remarks = cls.labels_of(train)
        if settings.vectors:
            vectors = read_vectors(settings.vectors, lambda word: normal(word) in words, settings.largest)
            words = words.extended(map(normal, vectors.words), settings.largest)
            sizes = {"size": vectors.rows.shape[1]}
            remarks = (*remarks, vectors.describe())
        elif settings.init:
            pretrained = Pretrained.load(settings.init, "word")
            remarks = (*remarks, pretrained.describe(words.symbols, normal))
            words = words.extended(map(normal, pretrained.units.symbols), settings.largest)
            sizes = pretrained.sizes
        task = cls(settings, words, characters, labels, sizes)
        task._seen, task._vectors, task._pretrained = seen, vectors, pretrained
        task.remarks = remarks
        return task

    def facts(self) -> dict[str, Any]:
        """Return the dictionaries."""
        return {
            "words": self.words.symbols,
            "characters": self.characters.symbols,
            self.labels_fact: self.labels,
            "sizes": self.sizes,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: WordSettings) -> Self:
        """Restore the dictionaries."""
        words, characters = (Vocabulary.from_facts(facts, name) for name in ("words", "characters"))
        return cls(
            settings, words, characters, texts(facts, cls.labels_fact, cls.most_labels), sizes_of(facts)
        )

    def key(self, example: Sentence) -> tuple[str, ...]:
        """Return its words."""
        return example.words

    @staticmethod
    def first_rows(path: str) -> list[str]:
        """Return the rows by which columns are told from plain text: no comment, no mark of a document."""
        lines = (line.strip() for _, line in read_lines(path))
        return [*islice((line for line in lines if line and not line.startswith(("#", "-DOCSTART-"))), ROWS)]

    def question(self, text: str) -> Sentence:
        """Split a text into words, as the training data splits them."""
        words = tuple(word.word for word in split_words(text, lambda word: normal(word) in self.words))
        if not words:
            raise DataError("input", "a text without a word", "a sentence", "type one in quotes")
        return Sentence(words, None, "input", [1] * len(words))

    def header(self, example: Sentence, answer: Any) -> str | None:
        """Return the comment that names the columns where CoNLL-U gets one more."""
        return example.written and example.written.form.header

    @classmethod
    def row(cls, example: Sentence, settings: Any) -> None:
        """Return None: a sentence is lines of its file."""

    @abstractmethod
    def answered_tags(self, example: Sentence, answer: Any) -> Sequence[str]:
        """Return what is written of an answer for each word."""

    def added(self, example: Sentence, answer: Any) -> Answers:
        """Return the tags, of a sentence that is no row."""
        return {PREDICTED: " ".join(self.answered_tags(example, answer))}

    def write_answer(self, example: Sentence, answer: Any) -> str:
        """Return the lines of a sentence with an answer for each word."""
        tags = self.answered_tags(example, answer)
        if example.written:
            return "\n".join(example.written.answered(tags))
        return "".join(f"{word}\t{tag}\n" for word, tag in zip(example.words, tags, strict=True))

    def word_counts(self) -> Tensor:
        """Return how often each word of the dictionary was seen, [dictionary]; all 0 in a loaded task.

        What a language model knows is not rare, however rarely the training file has it.
        """
        known = {*map(normal, self._pretrained.units.symbols)} if self._pretrained else set()
        return torch.tensor(
            [math.inf if word in known else float(self._seen[word]) for word in self.words.symbols]
        )

    def start(self, reader: Reader) -> None:
        """Give each word of the dictionary what --vectors or --init has of it."""
        if self._pretrained:
            self._pretrained.start(reader, self.words.symbols, normal)
        if self._vectors is None:
            return
        vectors = zip(reversed([*map(normal, self._vectors.words)]), self._vectors.rows[::-1], strict=True)
        rows = dict(vectors)  # of a word that is written in several ways, the first
        with torch.no_grad():
            for number, word in enumerate(self.words.symbols):
                if word in rows:
                    reader.embedding.weight[number] = torch.from_numpy(rows[word].copy())

    def depths(self, model: WordTagger) -> dict[str, int]:
        """Return those of the language model, if any."""
        return model.word.depths("word")

    def length(self, example: Sentence) -> int:
        """Return the number of words."""
        return len(example.words)

    def batch(self, examples: Sequence[Sentence], *, answers: bool = False) -> Batch:
        """Pack sentences; each distinct word is spelt once."""
        distinct: dict[str, int] = {}
        spelling = [
            [distinct.setdefault(word, len(distinct)) for word in example.words] for example in examples
        ]
        return Batch(
            words=pack([self.words.numbers(map(normal, example.words)) for example in examples]),
            characters=pack([self.characters.numbers(word[:LONGEST_SPELLING]) for word in distinct]),
            spelling=pack(spelling).data,
            tags=pack([self._numbers(example) for example in examples]).data if answers else None,
            places=[example.place for example in examples],
        )

    def standard_network(self, train: Sequence[Sentence]) -> Callable[[Sequence[Sentence]], list[list[str]]]:
        """Train a network that sees each word through a window; it answers sentences with their tags."""

        def seen(examples: Sequence[Sentence]) -> Tensor:
            return windows([self.words.numbers(map(normal, e.words)) for e in examples], WINDOW, PADDING)

        standard = OneToOne(len(self.words), WINDOW, WINDOW_HIDDEN, len(self.tags))
        tags = torch.tensor([number for sentence in train for number in self._numbers(sentence)])
        train_classifier(standard, seen(train), tags)

        def answer(examples: Sequence[Sentence]) -> list[list[str]]:
            with torch.no_grad():
                best = standard(seen(examples)).argmax(1)
            parts = best.split([len(example.words) for example in examples])
            return [[self.tags[number] for number in part.tolist()] for part in parts]

        return answer

    def _numbers(self, sentence: Sentence) -> list[int]:
        return [self._number_of_tag[tag] for tag in self.tags_in(sentence)]


def normal(word: str) -> str:
    """Return a word as the dictionary has it: lower case, every digit 0. The characters keep the rest."""
    return re.sub(r"\d", "0", word.lower())
