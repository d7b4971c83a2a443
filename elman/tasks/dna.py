"""DNA: what a sequence of bases is, or what each of its bases is.

Many-to-one for a label a sequence; many-to-many (T_x = T_y) where each label is a string as long as its
sequence. A base is a distribution over A C G T. A step of the network is a frame: what stands in a window of
bases, and how far that is from either end. Recurrent layers read the frames both ways. For a label a sequence
the frames are three bases apart, a third of the steps; the sequence is then read in each of the three phases,
and if so asked on both strands, and the answer is the mean of the readings' probabilities.

Letters: T bases of a sequence, F frames of it, N frames of a batch, B sequences, V ways to read each, K
labels.
"""

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elman.data.batch import fill, pack, unpack
from elman.data.facts import flag, texts
from elman.data.fasta import BASES, Strand, check_bases, distributions, is_fasta
from elman.data.source import DataError
from elman.data.strands import (
    WINDOW,
    check_lengths,
    class_files,
    describe,
    frames,
    labels_bases,
    numbered,
    read_classes,
    read_strands,
)
from elman.data.tables import is_table
from elman.data.written import PREDICTED, Answers
from elman.learning.baselines import train_classifier, windows
from elman.learning.kmers import kmer_counts, logistic_regression, symbols_in_place
from elman.learning.metrics import auroc, classification_scores, confusion, matthews
from elman.nn.shapes import OneToOne
from elman.samples import dna as samples
from elman.tasks import labels
from elman.tasks.bases import Batch, Reader, View
from elman.tasks.declarations.dna import DECLARATION, DNASettings
from elman.tasks.pretrained import Pretrained, sizes_of
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import Reading, Task

APART = 3  # bases from a frame to the next, where the whole sequence has the label
WINDOW_HIDDEN = 100  # of the standard network
LONGEST_KMER = 6
REACH = 500  # places from either end that the baseline of positions sees


class Verdict(NamedTuple):
    """The answer: the label of each base, or of all of them as one, and the probabilities of all labels."""

    labels: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]  # [T or 1, K]


class DNA(Task):
    """The labels of one training file, and whether they are those of sequences or of bases."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "bases"

    def __init__(
        self,
        settings: DNASettings,
        names: Sequence[str],
        per_base: bool,
        sizes: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings, self.labels, self.per_base = settings, tuple(names), per_base
        self.sizes = sizes or {}
        self._pretrained: Pretrained | None = None  # none in a loaded task
        self.apart = 1 if per_base else APART
        self.strands = 2 if settings.reverse_complement else 1

    @classmethod
    def read(cls, path: str, settings: DNASettings, *, skip_bad: bool = False) -> Reading:
        """Read a FASTA or FASTQ file or a table."""
        strands, skipped = read_strands(
            path, sequence=settings.sequence, label=settings.label, skip_bad=skip_bad
        )
        return Reading(path, strands, describe(path, strands, skipped))

    @classmethod
    def read_files(cls, paths: Sequence[str], settings: DNASettings, *, skip_bad: bool = False) -> Reading:
        """Read several FASTA files, of which each is named after the label of its sequences."""
        if len(paths) < 2 or not all(map(is_fasta, paths)):
            return super().read_files(paths, settings, skip_bad=skip_bad)
        strands, skipped = read_classes(paths, skip_bad=skip_bad)
        return Reading(paths[0], strands, describe(f"{', '.join(paths)}, a label each", strands, skipped))

    @classmethod
    def paths(cls, path: str, settings: DNASettings) -> list[Path]:
        """Return the file, or those of a folder with one for each label."""
        return [*map(Path, class_files(path))] if Path(path).is_dir() else [Path(path)]

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write sequences in which the order and distance of two motifs decide."""
        return samples.write(folder)

    @classmethod
    def shown(cls, example: Strand, settings: Any) -> Collection[str]:
        """Return its label, or those of its bases."""
        label = example.label or ""
        return label if len(label) == len(example.bases) else [label]

    @classmethod
    def learn(cls, train: Sequence[Strand], settings: DNASettings) -> "DNA":
        """Find out the labels, and whether each is a string as long as its sequence."""
        per_base = labels_bases(train)
        names, remarks = labels.learn(
            (label for strand in train for label in _labels(strand, per_base)), train[0].file
        )
        language = Pretrained.load(settings.init, "character") if settings.init else None
        task = cls(settings, names, per_base, language.sizes if language else None)
        task._pretrained = language
        task.remarks = (*remarks, language.describe(BASES, str.upper)) if language else remarks
        return task

    def facts(self) -> dict[str, Any]:
        """Return the labels, what they are labels of, and the sizes of the language model below, if any."""
        return {"labels": self.labels, "per_base": self.per_base, "sizes": self.sizes}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: DNASettings) -> "DNA":
        """Restore them."""
        return cls(settings, texts(facts, "labels", MOST_LABELS), flag(facts, "per_base"), sizes_of(facts))

    def check(self, examples: Sequence[Strand]) -> None:
        """Raise DataError at a label that training never showed."""
        for strand in examples:
            for label in _labels(strand, self.per_base):
                labels.check(label, strand.place, self.labels)

    def key(self, example: Strand) -> Hashable:
        """Return the bases, in upper case, with T for U."""
        return example.bases.upper().replace("U", "T")

    def question(self, text: str) -> Strand:
        """Read bases; white space is no part of them."""
        bases = "".join(text.split())
        if not bases:
            raise DataError("input", "a text without a base", "a sequence such as ACGTAC", "type one")
        check_bases(bases, "input", "the sequence")
        return Strand(bases, None, None, "input", 1)

    def has_records(self, path: str) -> bool:
        """Tell FASTA, FASTQ, a folder of these, and a table with a column of sequences, from typed lines."""
        return Path(path).is_dir() or is_fasta(path) or is_table(path, self.settings.sequence)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read sequences, without their labels."""
        strands, skipped = read_strands(path, sequence=self.settings.sequence, label=None, skip_bad=skip_bad)
        return Reading(path, strands, describe(path, strands, skipped))

    def tell(self, example: Strand, answer: Verdict, text: str | None = None) -> dict[str, Any]:
        """Say the label with the probabilities of all; of each base, its label and that one's probability."""
        told: dict[str, Any] = {} if example.name is None else {"id": example.name}
        told["sequence"] = example.bases if text is None or self.per_base else text
        if self.per_base:
            sure = [round(max(row), 4) for row in answer.probabilities]
            return {**told, "label": "".join(answer.labels), "probabilities": sure}
        return {
            **told,
            **labels.told(self.labels, labels.Verdict(answer.labels[0], answer.probabilities[0])),
        }

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the label and its probability; of bases, their labels, below them."""
        name = f"{told['id']} " if "id" in told else ""
        if self.per_base:
            return f"{name}{told['sequence']}\n{' ' * len(name)}{told['label']}"
        return name + labels.show(told)

    @property
    def label_column(self) -> str:
        """That of the settings."""
        return self.settings.label

    def added(self, example: Strand, answer: Verdict) -> Answers:
        """Return the label and its probability, or the labels of the bases."""
        if self.per_base:
            return {PREDICTED: "".join(answer.labels)}
        return labels.added(labels.Verdict(answer.labels[0], answer.probabilities[0]))

    def write_answer(self, example: Strand, answer: Verdict) -> str:
        """Return the row of a table, or the record of FASTA, with what the answer adds."""
        return (
            super().write_answer(example, answer)
            if example.row
            else example.answered(self.added(example, answer))
        )

    def model(self) -> Reader:
        """Return a new network."""
        model = Reader(len(self.labels), self.per_base, self.apart, self.sizes, self.settings)
        if self._pretrained and model.language:
            self._pretrained.start(model.language, BASES, str.upper)
        return model

    def depths(self, model: Reader) -> dict[str, int]:
        """Return those of the language model, if any."""
        return model.language.depths("language") if model.language else {}

    def length(self, example: Strand) -> int:
        """Return the number of steps of all views: that of the bases, on as many strands as are read."""
        return len(example.bases) * self.strands

    def batch(self, examples: Sequence[Strand], *, answers: bool = False) -> Batch:
        """Pack all views of each sequence."""
        return _pack([(example, self._views(example, answers)) for example in examples])

    def batches(self, examples: Sequence[Strand], steps: int, epoch: int) -> list[Batch]:
        """Return the batches of an epoch; of each sequence it has one view, which chance decides."""
        seed = self.seed(epoch)
        random = Random(seed)
        drawn = [(example, [random.choice(self._views(example, True))]) for example in examples]
        chosen = fill([len(views[0].frames) for _, views in drawn], steps, seed)
        return [_pack([drawn[i] for i in some]) for some in chosen]

    def _views(self, strand: Strand, answers: bool = False) -> list[View]:
        """Return the ways to read a sequence: in each phase, and in each of these on each strand."""
        there = frames(distributions(strand.bases))
        numbers = self._numbers(strand) if answers else []
        ways = [(there, numbers)]
        if self.settings.reverse_complement:
            # A C G T from right to left is T G C A: each base's complement.
            ways.append((frames(distributions(strand.bases)[::-1, ::-1]), numbers[::-1]))
        phases = range(min(self.apart, len(strand.bases)))
        return [View(rows[phase :: self.apart], labels) for phase in phases for rows, labels in ways]

    def _numbers(self, strand: Strand) -> list[int]:
        return [self.labels.index(label) for label in _labels(strand, self.per_base)]

    def loss(self, model: Reader, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of the labels."""
        assert batch.targets is not None, "a batch without answers has no loss"
        return F.cross_entropy(model(batch.frames), batch.targets)

    def answer(self, model: Reader, batch: Batch) -> list[Verdict]:
        """Return the labels of each sequence, with the probabilities of all."""
        return [
            self._verdict((scores / model.temperature).softmax(1)) for scores in self._scores(model, batch)
        ]

    def _scores(self, model: Reader, batch: Batch) -> list[Tensor]:
        """Return the logarithm of the views' mean probabilities, of each sequence [T or 1, K]."""
        scores = model(batch.frames).double().log_softmax(1)
        views = unpack(scores, batch.frames) if self.per_base else list(scores.split(1))
        means = []
        for last, number in zip(np.cumsum(batch.views), batch.views, strict=True):
            # Each second view is of the other strand, where there are two.
            turned = [
                view.flip(0) if i % self.strands else view
                for i, view in enumerate(views[last - number : last])
            ]
            means.append(torch.stack(turned).logsumexp(0) - math.log(number))
        return means

    def _verdict(self, probabilities: Tensor | np.ndarray) -> Verdict:
        labels = (self.labels[number] for number in probabilities.argmax(1).tolist())
        return Verdict(tuple(labels), tuple(map(tuple, probabilities.tolist())))

    def calibrate(self, model: Reader, examples: Sequence[Strand]) -> str:
        """Choose the temperature under which dev is most likely; say what it did."""
        targets = torch.tensor([number for example in examples for number in self._numbers(example)])
        return labels.calibrate(self, model, examples, targets, lambda answer: answer.probabilities)

    def metric(self, examples: Sequence[Strand], answers: Sequence[Verdict]) -> dict[str, Any]:
        """Score labels, of sequences or of bases."""
        gold = [label for example in examples for label in _labels(example, self.per_base)]
        given = [label for answer in answers for label in answer.labels]
        rows = [row for answer in answers for row in answer.probabilities]
        scores = classification_scores(gold, given, self.labels, rows)
        scores["mcc"] = matthews(gold, given)
        if len(self.labels) == 2 and set(gold) == set(self.labels):
            positive = [label == self.labels[1] for label in gold]
            scores["auroc"] = auroc(positive, [row[1] for row in rows])
        return scores

    def grain(self, examples: Sequence[Strand]) -> float:
        """Return the worth of an answer."""
        return 0.0 if self.per_base else labels.grain(examples)

    def confusion(
        self, examples: Sequence[Strand], answers: Sequence[Verdict]
    ) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold = [label for example in examples for label in _labels(example, self.per_base)]
        return confusion(gold, [label for answer in answers for label in answer.labels], self.labels)

    def baselines(self, train: Sequence[Strand]) -> dict[str, Callable[[Sequence[Strand]], list[Verdict]]]:
        """Train methods that know nothing of order, or nothing but places."""
        targets = [number for strand in train for number in self._numbers(strand)]
        share = np.bincount(targets, minlength=len(self.labels)) / len(targets)

        def majority(examples: Sequence[Strand]) -> list[Verdict]:
            return [
                self._verdict(np.tile(share, (len(e.bases) if self.per_base else 1, 1))) for e in examples
            ]

        if self.per_base:
            return {"majority": majority, "standard_network": self._standard_network(train, targets)}
        return {
            "majority": majority,
            "k-mers": self._regression(train, targets, lambda n: kmer_counts(n, len(BASES), LONGEST_KMER)),
            "positions": self._regression(train, targets, lambda n: symbols_in_place(n, len(BASES), REACH)),
        }

    def _regression(
        self, train: Sequence[Strand], targets: Sequence[int], features: Callable[[list[np.ndarray]], Any]
    ) -> Callable[[Sequence[Strand]], list[Verdict]]:
        predict = logistic_regression(features([numbered(strand) for strand in train]), targets)

        def answer(examples: Sequence[Strand]) -> list[Verdict]:
            rows = predict(features([numbered(strand) for strand in examples]))
            return [self._verdict(row[None]) for row in rows]

        return answer

    def _standard_network(
        self, train: Sequence[Strand], targets: Sequence[int]
    ) -> Callable[[Sequence[Strand]], list[Verdict]]:
        unknown, outside = len(BASES), len(BASES) + 1

        def seen(examples: Sequence[Strand]) -> Tensor:
            return windows([(numbered(e) % (unknown + 1)).tolist() for e in examples], WINDOW, outside)

        network = OneToOne(outside + 1, WINDOW, WINDOW_HIDDEN, len(self.labels))
        train_classifier(network, seen(train), torch.tensor(targets))

        def answer(examples: Sequence[Strand]) -> list[Verdict]:
            with torch.no_grad():
                rows = network(seen(examples)).softmax(1)
            return [self._verdict(part) for part in rows.split([len(e.bases) for e in examples])]

        return answer


def _pack(examples: Sequence[tuple[Strand, Sequence[View]]]) -> Batch:
    views = [view for _, some in examples for view in some]
    numbers = [view.numbers for view in views]
    return Batch(
        frames=pack([view.frames for view in views]),
        views=[len(some) for _, some in examples],
        targets=pack(numbers).data if numbers[0] else None,
        places=[example.place for example, _ in examples],
    )


def _labels(strand: Strand, per_base: bool) -> Sequence[str]:
    """Return the label of each base, or that of the sequence as the only one. Raises DataError."""
    if not per_base:
        return [strand.label or ""]
    check_lengths(strand)
    return strand.label or ""


TASK = DNA
