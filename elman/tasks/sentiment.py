"""Sentiment: which of some labels a text has, whatever these are.

Many-to-one. See `elman.tasks.texts` for the network.

Letters: N real steps (units) of a batch, B texts of it, K labels.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.data.batch import pack
from elman.data.facts import items, part, whole, wholes
from elman.data.rows import Row
from elman.data.source import DataError, counted
from elman.data.tables import is_table, read_table
from elman.data.units import Units
from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary
from elman.data.written import Answers
from elman.learning.baselines import NGramRegression, train_classifier
from elman.learning.metrics import confusion
from elman.nn.evidence import SPELLINGS, WORDS, Evidence, Pattern
from elman.nn.shapes import OneToOne
from elman.samples import sentiment as samples
from elman.tasks import labels
from elman.tasks.declarations.sentiment import DECLARATION, SentimentSettings
from elman.tasks.labels import Verdict
from elman.tasks.pretrained import Pretrained, sizes_of
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import Reading, Task
from elman.tasks.texts import Batch, Classifier

SIZE = 100  # of a unit's embedding
LONGEST_SPELLING = 40  # characters of a word that are read; what is longer is an address, not a word
LARGEST, SUBWORDS = 50_000, 8_000  # sizes of the dictionary
WINDOW, WINDOW_HIDDEN = 25, 20  # of the standard network, which sees so many units from the beginning


@dataclass(frozen=True)
class Text:
    """A text, its label where there is one, and where it stands, as file:line."""

    text: str
    label: str | None
    place: str
    row: Row | None = field(default=None, compare=False)  # of a table


class Sentiment(Task):
    """The dictionary and the labels of one training file, and the evidence that its n-grams gave for them."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "units"

    def __init__(
        self,
        settings: SentimentSettings,
        units: Units,
        characters: Vocabulary,
        counts: Mapping[str, int],
        sizes: Mapping[str, Any],
        ngrams: Sequence[Sequence[int]] = (),
    ) -> None:
        self.settings, self.units, self.characters = settings, units, characters
        self.ngrams = ngrams  # how many there are of each pattern: of units, and of characters
        self.counts, self.labels = dict(counts), tuple(counts)  # of each label, and these
        self._number_of_label = {label: number for number, label in enumerate(self.labels)}
        self._seen: Counter[int] = Counter()  # units of the training file; empty in a loaded task
        self._evidence: list[Evidence] = []  # that it gave; none in a loaded task
        self.sizes = sizes
        self._pretrained: Pretrained | None = None  # to start from; none in a loaded task

    @classmethod
    def read(cls, path: str, settings: SentimentSettings, *, skip_bad: bool = False) -> Reading:
        """Read a table of texts and labels."""
        table = read_table(path, {"text": settings.text, "label": settings.label}, skip_bad=skip_bad)
        texts = [Text(row["text"], row["label"], row.place, row) for row in table.rows]
        distinct = len({text.label for text in texts})
        return Reading(path, texts, f"{table.describe()}; {counted(distinct, 'label')}")

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write reviews of our own grammar, in which a word far before or behind turns praise into blame."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Text], settings: SentimentSettings) -> "Sentiment":
        """Make the dictionary, and count which n-grams come with which label."""
        given = [example.label or "" for example in train]
        names, remarks = labels.learn(given, train[0].place.rpartition(":")[0])
        counts = Counter(given)
        texts = [example.text for example in train]
        pretrained = Pretrained.load(settings.init) if settings.init else None
        if pretrained:
            settings = replace(settings, unit=pretrained.units.kind)
            units, sizes = pretrained.units_for(texts, LARGEST), pretrained.sizes
        else:
            largest = SUBWORDS if settings.unit == "subword" else LARGEST
            units = Units.of(texts, settings.unit, largest=largest)  # type: ignore[arg-type]
            sizes = {"size": SIZE}
        characters = Vocabulary.of(character for text in texts for character in text.lower())
        task = cls(settings, units, characters, {name: counts[name] for name in names}, sizes)
        task._pretrained, task.remarks = pretrained, remarks
        if pretrained:
            task.remarks += (pretrained.describe(units.symbols),)
        batch = task.batch(train, answers=True)
        task._seen = Counter(batch.units.data.tolist())
        task._evidence = task._count(batch)
        task.ngrams = [evidence.sizes for evidence in task._evidence]
        return task

    def facts(self) -> dict[str, Any]:
        """Return the dictionary, the labels' counts, how many n-grams there are, and what reads units."""
        return {
            "units": self.units.facts(),
            "characters": self.characters.symbols,
            "labels": self.counts,
            "sizes": self.sizes,
            "ngrams": self.ngrams,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: SentimentSettings) -> "Sentiment":
        """Restore them."""
        units, characters = Units.from_facts(part(facts, "units")), Vocabulary.from_facts(facts, "characters")
        given = part(facts, "labels")
        if len(given) > MOST_LABELS:
            raise ValueError(f"{len(given):,} labels, and {MOST_LABELS:,} at most")
        counts = {label: whole(count, label) for label, count in given.items()}
        task = cls(settings, units, characters, counts, sizes_of(facts))
        task.ngrams = [wholes(sizes, "ngrams") for sizes in items(facts, "ngrams")]
        if [len(one) for one in task.ngrams] != [len(patterns) for _, patterns in task._kinds()]:
            raise ValueError("'ngrams' must have a number for each pattern")
        return task

    @classmethod
    def shown(cls, example: Text, settings: Any) -> Collection[str]:
        """Return its label."""
        return [example.label or ""]

    def check(self, examples: Sequence[Text]) -> None:
        """Raise DataError at a label that training never showed."""
        for example in examples:
            labels.check(example.label or "", example.place, self.labels)

    def key(self, example: Text) -> str:
        """Return its text."""
        return example.text

    def question(self, text: str) -> Text:
        """Take a text as it was typed."""
        if not text.strip():
            raise DataError("input", "a text without a word", "a text", "type one in quotes")
        return Text(text, None, "input")

    def has_records(self, path: str) -> bool:
        """Tell a table, by its suffix or its first line, from lines of plain text."""
        return is_table(path, self.settings.text)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read the texts of a table; other columns are kept as they are."""
        table = read_table(path, {"text": self.settings.text}, skip_bad=skip_bad)
        return Reading(
            path, [Text(row["text"], None, row.place, row) for row in table.rows], table.describe()
        )

    def tell(self, example: Text, answer: Verdict, text: str | None = None) -> dict[str, Any]:
        """Say the label, and the probability of each."""
        return {"text": example.text if text is None else text, **labels.told(self.labels, answer)}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the label and its probability."""
        return labels.show(told)

    @property
    def label_column(self) -> str:
        """That of the settings."""
        return self.settings.label

    def added(self, example: Text, answer: Verdict) -> Answers:
        """Return the label and its probability."""
        return labels.added(answer)

    def model(self) -> Classifier:
        """Return a new network."""
        seen = torch.tensor([float(self._seen[number]) for number in range(len(self.units))])
        evidence = self._evidence or [
            Evidence(symbols, len(self.labels), patterns, sizes)
            for (symbols, patterns), sizes in zip(self._kinds(), self.ngrams, strict=True)
        ]
        model = Classifier(seen, evidence, len(self.labels), self.sizes, self.settings)
        if self._pretrained:
            seen[: len(self._pretrained.units)] = torch.inf  # none of what it knows is rare
            self._pretrained.start(model.unit, self.units.symbols)
        return model

    def depths(self, model: Classifier) -> dict[str, int]:
        """Return those of the language model, if any."""
        return model.unit.depths("unit")

    def _kinds(self) -> list[tuple[int, Sequence[Pattern]]]:
        """Return the size of the dictionary and the patterns of each kind of evidence."""
        units, spellings = (len(self.units), WORDS), (len(self.characters), SPELLINGS)
        if self.units.kind == "word":
            return [units, spellings]
        return [units] if self.units.kind == "subword" else [(len(self.units), SPELLINGS)]

    def _count(self, batch: Batch) -> list[Evidence]:
        """Return the evidence that the training texts, as one batch, give."""
        assert batch.targets is not None
        read = [(batch.units, torch.arange(len(batch.targets)))]
        if batch.spelt is not None:
            read.append((batch.spelt, batch.text))
        return [
            Evidence.of(numbers, example, batch.targets, symbols, len(self.labels), patterns)
            for (numbers, example), (symbols, patterns) in zip(read, self._kinds(), strict=True)
        ]

    def length(self, example: Text) -> int:
        """Return the number of units."""
        return len(self._read(example))

    def batch(self, examples: Sequence[Text], *, answers: bool = False) -> Batch:
        """Pack texts."""
        read = [self._read(example) for example in examples]
        place = pack(np.split(np.arange(sum(map(len, read))), np.cumsum([*map(len, read)])[:-1]))
        words = [word for example in examples for word in self.units.split(example.text) or [""]]
        spelt = [[*self.characters.numbers(word[:LONGEST_SPELLING]), PADDING] for word in words]
        return Batch(
            units=pack(read),
            spelt=pack(spelt) if self.units.kind == "word" else None,
            place=place.data,
            text=torch.arange(len(read)).repeat_interleave(torch.tensor([*map(len, read)])),
            targets=self._targets(examples) if answers else None,
            places=[example.place for example in examples],
        )

    def _read(self, example: Text) -> list[int]:
        """Return the units of a text, where white space is one space and what has no unit is the unknown."""
        return self.units.numbers(" ".join(example.text.split())) or [UNKNOWN]

    def _targets(self, examples: Sequence[Text]) -> Tensor:
        return torch.tensor([self._number_of_label[example.label or ""] for example in examples])

    def loss(self, model: Classifier, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the labels; with `balance`, all labels weigh the same."""
        assert batch.targets is not None, "a batch without labels has no loss"
        weight = 1 / torch.tensor(list(self.counts.values())) if self.settings.balance else None
        return F.cross_entropy(model(batch), batch.targets, weight)

    def answer(self, model: Classifier, batch: Batch) -> list[Verdict]:
        """Return the most probable label of each text, with the probabilities of all."""
        return labels.verdicts(self.labels, (model(batch).double() / model.temperature).softmax(1))

    def calibrate(self, model: Classifier, examples: Sequence[Text]) -> str:
        """Choose the temperature under which dev is most likely; say what it did."""
        return labels.calibrate(self, model, examples, self._targets(examples))

    def metric(self, examples: Sequence[Text], answers: Sequence[Verdict]) -> dict[str, Any]:
        """Score labels and their probabilities."""
        return labels.scores([example.label or "" for example in examples], answers, self.labels)

    def grain(self, examples: Sequence[Text]) -> float:
        """Return the worth of an answer."""
        return labels.grain(examples)

    def confusion(self, examples: Sequence[Text], answers: Sequence[Verdict]) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold = [example.label or "" for example in examples]
        return confusion(gold, [answer.label for answer in answers], self.labels)

    def baselines(self, train: Sequence[Text]) -> dict[str, Callable[[Sequence[Text]], list[Verdict]]]:
        """Train methods without recurrence: the most frequent label, n-grams, the first units in place."""
        shares = np.array(list(self.counts.values())) / len(train)
        regression = NGramRegression(
            [self.units.split(example.text) for example in train],
            [example.label or "" for example in train],
            orders=(1, 5) if self.units.kind == "character" else (1, 2),
        )
        standard = OneToOne(len(self.units), WINDOW, WINDOW_HIDDEN, len(self.labels))
        train_classifier(standard, self._beginnings(train), self._targets(train))

        def majority(examples: Sequence[Text]) -> list[Verdict]:
            return labels.verdicts(self.labels, np.tile(shares, (len(examples), 1)))

        def ngram_regression(examples: Sequence[Text]) -> list[Verdict]:
            split = [self.units.split(example.text) for example in examples]
            return labels.verdicts(self.labels, regression(split))

        def standard_network(examples: Sequence[Text]) -> list[Verdict]:
            with torch.no_grad():
                scores = standard(self._beginnings(examples)).double()
            return labels.verdicts(self.labels, scores.softmax(1))

        return {
            "majority": majority,
            "n-gram_regression": ngram_regression,
            "standard_network": standard_network,
        }

    def _beginnings(self, examples: Sequence[Text]) -> Tensor:
        """Return the first units of each text, [B, WINDOW], padded."""
        rows = [self._read(example)[:WINDOW] for example in examples]
        return torch.tensor([[*row, *[PADDING] * (WINDOW - len(row))] for row in rows])


TASK = Sentiment
