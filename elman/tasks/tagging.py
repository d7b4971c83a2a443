"""Tagging: a label for each word of a sentence, such as its part of speech; any column of CoNLL or CoNLL-U.

Many-to-many, T_x = T_y. Recurrent layers read the words in both directions (see `elman.tasks.words`), and a
softmax chooses the label of each.

Letters: N real steps (words) of a batch, K labels.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from elman.data.batch import unpack
from elman.data.columns import Sentence, read_labels, read_unlabelled
from elman.data.compression import plain_path
from elman.data.conllu import COLUMNS, LABELS, is_conllu, read_conllu, read_unlabelled_conllu
from elman.data.source import DataError
from elman.data.text import places_of
from elman.data.token_lists import is_token_lists, read_label_lists, read_unlabelled_lists
from elman.data.vocabulary import UNKNOWN
from elman.learning.baselines import MostFrequent
from elman.learning.metrics import confusion, label_scores
from elman.samples import tagging as samples
from elman.tasks import labels
from elman.tasks.declarations.tagging import DECLARATION, TaggingSettings
from elman.tasks.task import Reading
from elman.tasks.words import Batch, WordTagger, WordTask, normal

RARE = 0.01  # share of words below which a label may be one that the training file happens not to have
SHOWN = 20  # labels in the picture of the confusion; the others are taken together
OTHERS = "others"


class Tag(NamedTuple):
    """A word's label, and how probable it is; 1 where a plain method does not say."""

    label: str
    confidence: float = 1.0


class Tagging(WordTask):
    """The dictionary of words, the characters and the labels of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    labels_fact = "labels"

    @property
    def _column(self) -> str | None:
        assert isinstance(self.settings, TaggingSettings)
        return self.settings.column

    @classmethod
    def read(cls, path: str, settings: TaggingSettings, *, skip_bad: bool = False) -> Reading:
        """Read a CoNLL or CoNLL-U file, or JSON lines."""
        if is_token_lists(path):
            read = read_label_lists(path, _list(settings.column, path), skip_bad=skip_bad)
        elif is_conllu(path):
            read = read_conllu(path, _name(settings.column, path), skip_bad=skip_bad)
        elif _is_name(settings.column):
            raise DataError(
                path,
                f"no CoNLL-U, but --column {settings.column}",
                f"rows of the {len(COLUMNS)} columns of CoNLL-U",
                "give the number of the column that has the labels, counted from 1",
            )
        else:
            read = read_labels(path, _index(settings.column), skip_bad=skip_bad)
        return Reading(path, read.sentences, read.describe())

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write sentences of our own grammar, in which a word's neighbours tell its part of speech."""
        return samples.write(folder)

    @classmethod
    def labels_of(cls, train: Sequence[Sentence]) -> tuple[list[str], tuple[str, ...]]:
        """Return the labels, and a warning of those seen once. Raises DataError where there is one alone."""
        return labels.learn(_flat(train), train[0].file)

    @classmethod
    def tags_of(cls, labels: Sequence[str]) -> tuple[str, ...]:
        """Return the labels as they are."""
        return tuple(labels)

    @classmethod
    def tags_in(cls, sentence: Sentence) -> Sequence[str]:
        """Return a sentence's labels as they are."""
        return sentence.tags or ()

    @classmethod
    def shown(cls, example: Sentence, settings: Any) -> Collection[str]:
        """Return a sentence's labels."""
        return example.tags or ()

    def check(self, examples: Sequence[Sentence]) -> None:
        """Raise DataError for a label that training never showed, unless it is so rare as may happen."""
        counts = Counter(_flat(examples))
        frequent = {label for label, count in counts.items() if count >= RARE * counts.total()}
        unseen = frequent - {*self.labels}
        for sentence in examples:
            for index, label in enumerate(sentence.tags or ()):
                if label in unseen:
                    labels.check(label, sentence.place_of(index), self.labels)

    def has_records(self, path: str) -> bool:
        """Tell columns by a tab, by known labels in their column, or by one token a row (not in a .txt)."""
        if is_token_lists(path) or is_conllu(path):
            return True
        head = self.first_rows(path)
        if not head or "\t" in head[0]:
            return bool(head)
        fields = [row.split() for row in head]
        if len(fields[0]) == 1:
            return plain_path(path).suffix != ".txt"
        column = _index(self._column)
        return all(
            len(row) == len(fields[0]) > column and row[column] in self._number_of_tag for row in fields
        )

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a CoNLL or CoNLL-U file or JSON lines, whose labels do not count."""
        if is_token_lists(path):
            read = read_unlabelled_lists(path, skip_bad=skip_bad)
            return Reading(path, read.sentences, read.describe())
        if is_conllu(path):
            read = read_unlabelled_conllu(path, _name(self._column, path), skip_bad=skip_bad)
        else:
            read = read_unlabelled(path, _index(self._column), skip_bad=skip_bad)
        return Reading(path, read.sentences, read.describe())

    def tell(self, example: Sentence, answer: Sequence[Tag], text: str | None = None) -> dict[str, Any]:
        """Say each word, its label, and its place in `text` counted in characters."""
        text = " ".join(example.words) if text is None else text
        places = places_of(example.words, text)
        return {
            "text": text,
            "words": [
                {
                    "text": word,
                    "tag": tag.label,
                    "start": start,
                    "stop": stop,
                    "confidence": round(tag.confidence, 4),
                }
                for word, tag, (start, stop) in zip(example.words, answer, places, strict=True)
            ],
        }

    def show(self, told: Mapping[str, Any]) -> str:
        """Put its label behind each word."""
        return " ".join(f"{word['text']}/{word['tag']}" for word in told["words"])

    def answered_tags(self, example: Sentence, answer: Sequence[Tag]) -> list[str]:
        """Return the labels."""
        return [tag.label for tag in answer]

    def model(self) -> WordTagger:
        """Return a new network, which starts from what --vectors or --init has of its words."""
        model = WordTagger(
            self.word_counts(), self.sizes, len(self.characters), len(self.tags), self.settings
        )
        self.start(model.word)
        return model

    def loss(self, model: WordTagger, batch: Batch) -> Tensor:
        """Return the mean negative log-likelihood of a word's label."""
        assert batch.tags is not None, "a batch without labels has no loss"
        return F.cross_entropy(model(batch), batch.tags)

    def answer(self, model: WordTagger, batch: Batch) -> list[list[Tag]]:
        """Return the most probable label of each word."""
        confidence, best = model(batch).softmax(1).max(1)  # [N]
        return [
            [
                Tag(self.tags[number], sure)
                for number, sure in zip(numbers.tolist(), sures.tolist(), strict=True)
            ]
            for numbers, sures in zip(unpack(best, batch.words), unpack(confidence, batch.words), strict=True)
        ]

    def metric(self, examples: Sequence[Sentence], answers: Sequence[Sequence[Tag]]) -> dict[str, Any]:
        """Score labels word by word; beside, those of the words that are not in the dictionary.

        A label that training never showed is always missed; how many there are is said.
        """
        gold, given = _flat(examples), [tag.label for answer in answers for tag in answer]
        scores = label_scores(gold, given)
        unknown = [
            number == UNKNOWN
            for example in examples
            for number in self.words.numbers(map(normal, example.words))
        ]
        right = [a == b for a, b, new in zip(gold, given, unknown, strict=True) if new]
        if right:
            scores["unknown_accuracy"] = sum(right) / len(right)
        scores["unknown_words"] = len(right)
        scores["unseen_labels"] = sum(label not in self._number_of_tag for label in gold)
        return scores

    def pooled(
        self, examples: Sequence[Sentence], answers: Sequence[Any], figures: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Score labels; what a run's own dictionary and labels decide is counted run by run."""
        unknown = [fold["unknown_words"] for fold in figures]
        right = sum(fold.get("unknown_accuracy", 0) * fold["unknown_words"] for fold in figures)
        return {
            **self.metric(examples, answers),
            "unknown_accuracy": right / max(1, sum(unknown)),
            "unknown_words": sum(unknown),
            "unseen_labels": sum(fold["unseen_labels"] for fold in figures),
        }

    def confusion(
        self, examples: Sequence[Sentence], answers: Sequence[Sequence[Tag]]
    ) -> tuple[list[str], np.ndarray]:
        """Count words by their label, the most frequent each for itself."""
        gold, given = _flat(examples), [tag.label for answer in answers for tag in answer]
        shown = sorted(label for label, _ in Counter(gold).most_common(SHOWN))
        return confusion(
            [label if label in shown else OTHERS for label in gold],
            [label if label in shown else OTHERS for label in given],
            shown,
        )

    def baselines(
        self, train: Sequence[Sentence]
    ) -> dict[str, Callable[[Sequence[Sentence]], list[list[Tag]]]]:
        """Train two taggers that see no sequence: each word's most frequent label, and a window of words."""
        frequent = MostFrequent(
            pair for sentence in train for pair in zip(sentence.words, sentence.tags or (), strict=True)
        )

        def most_frequent(examples: Sequence[Sentence]) -> list[list[Tag]]:
            return [[Tag(frequent(word)) for word in example.words] for example in examples]

        standard = self.standard_network(train)

        def standard_network(examples: Sequence[Sentence]) -> list[list[Tag]]:
            return [[Tag(label) for label in labels] for labels in standard(examples)]

        return {"most_frequent_label": most_frequent, "standard_network": standard_network}


def _name(column: str | None, path: str) -> str:
    """Return the column of a CoNLL-U file that a setting names, or counts."""
    if column is None or column in LABELS:
        return column or "upos"
    if not _is_name(column) and int(column) <= len(COLUMNS):
        name = COLUMNS[int(column) - 1 if column != "-1" else -1]
        if name in LABELS:
            return name
    raise DataError(
        path, f"CoNLL-U, and --column {column}", f"one of its columns {', '.join(LABELS)}", "give its name"
    )


def _index(column: str | None) -> int:
    """Return which column of a CoNLL file a setting counts, from 0; without a number, -1 for the last."""
    return -1 if column in (None, "-1") or _is_name(column) else int(column) - 1


def _list(column: str | None, path: str) -> str | None:
    """Return the list of JSON lines that a setting names, if it does."""
    if column is None or _is_name(column):
        return column
    raise DataError(
        path, f"JSON lines, and --column {column}", "the name of their list of labels", "give its name"
    )


def _is_name(column: str | None) -> bool:
    return column is not None and re.fullmatch("-?[0-9]+", column) is None


def _flat(examples: Sequence[Sentence]) -> list[str]:
    return [label for example in examples for label in example.tags or ()]


TASK = Tagging
