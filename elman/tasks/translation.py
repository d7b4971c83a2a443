"""Translation: a sentence in one language, the same in another.

Many-to-many, T_x ≠ T_y. Both languages are cut into the subwords of one dictionary (Sennrich, Haddow and
Birch 2016, "Neural machine translation of rare words with subword units"); an encoder reads the sentence in
both directions, a decoder with attention speaks its translation, and a beam searches for the best one.

Letters: N real steps (subwords) of a batch of sources, M of their targets, B sentences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import fill, pack
from elman.data.extras import need
from elman.data.facts import part
from elman.data.parallel import Pair, Sides, paths, read_parallel
from elman.data.rows import Row
from elman.data.source import DataError
from elman.data.tables import is_table, read_table
from elman.data.units import BEGIN, END, Units
from elman.data.written import PREDICTED, Answers
from elman.learning.lexicon import Lexicon
from elman.learning.metrics import translation_scores
from elman.nn.layers import LAYERS
from elman.nn.search import beam, speak
from elman.nn.shapes import EncoderDecoder
from elman.samples import translation as samples
from elman.tasks.declarations.translation import DECLARATION, OTHER_SYMBOLS, TranslationSettings
from elman.tasks.pretrained import Pretrained, depths
from elman.tasks.task import BATCH_STEPS, Heatmap, Reading, Task

SMOOTHING = 0.1  # share of a target that goes to all symbols alike


@dataclass(frozen=True)
class Batch:
    """Sentences, packed, with their translations where these are known."""

    source: PackedSequence  # [N] numbers, an end behind each sentence
    target: PackedSequence | None  # [M] numbers, each the one before that of its target
    targets: Tensor | None  # [M], an end behind each sentence
    longest: list[int]  # subwords after which a translation stops
    places: list[str]  # file:line of each sentence

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.source.data)


class Translation(Task):
    """The dictionary of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "subwords"

    def __init__(self, settings: TranslationSettings, units: Units) -> None:
        self.settings, self.units = settings, units
        self._sides: Sides | None = None  # of the training file; not in a loaded task
        self._pretrained: Pretrained | None = None  # nor is it

    @classmethod
    def read(cls, path: str, settings: TranslationSettings, *, skip_bad: bool = False) -> Reading:
        """Read sentences and their translations."""
        parallel = read_parallel(path, settings.source, settings.target, skip_bad=skip_bad)
        return Reading(path, parallel.pairs, parallel.describe())

    @classmethod
    def paths(cls, path: str, settings: TranslationSettings) -> list[Path]:
        """Return the table, or the files of both languages."""
        return paths(path, settings.source, settings.target)

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write numbers of things in words of three languages, and in digits."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Pair], settings: TranslationSettings) -> "Translation":
        """Make the dictionary of both languages."""
        texts = [text for pair in train for text in (pair.source, pair.target or "")]
        words = sum(len(text.split()) for text in texts)
        fewest = len({character for text in texts for character in text}) + OTHER_SYMBOLS
        # What is seen too seldom is not learned: fewer and shorter subwords for less text.
        largest = max(fewest, min(settings.largest, int(words**0.75 / 4)))
        pretrained = Pretrained.load(settings.init, "subword") if settings.init else None
        if pretrained:
            settings, units = replace(settings, **pretrained.sizes), pretrained.units
        else:
            units = Units.of(texts, "subword", largest=largest, lower=False, seed=settings.seed)
        task = cls(settings, units)
        task._sides, task._pretrained = Sides(train), pretrained
        same = sum(pair.source == pair.target for pair in train)
        task.remarks = (f"{len(task.units):,} subwords, of both languages",)
        if 2 * same > len(train):
            task.remarks += (f"warning: in {same:,} of {len(train):,} pairs both sides are the same",)
        return task

    def facts(self) -> dict[str, Any]:
        """Return the dictionary."""
        return {"units": self.units.facts()}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: TranslationSettings) -> "Translation":
        """Restore the dictionary."""
        return cls(settings, Units.from_facts(part(facts, "units")))

    def check(self, examples: Sequence[Pair]) -> None:
        """Raise DataError where the languages are swapped."""
        if self._sides:
            self._sides.check(examples)

    def key(self, example: Pair) -> str:
        """Return the sentence."""
        return example.source

    def question(self, text: str) -> Pair:
        """Take a sentence as it is."""
        if not text.strip():
            raise DataError("input", "an empty text", "a sentence", "type one in quotes")
        return Pair(text.strip(), None, "input:1")

    def has_records(self, path: str) -> bool:
        """Tell a table with the column of the source from lines of plain text."""
        return is_table(path, self.settings.source)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a table, of which only the column of the source counts."""
        table = read_table(path, {"source": self.settings.source}, skip_bad=skip_bad)
        return Reading(
            path, [Pair(row["source"], None, row.place, row) for row in table.rows], table.describe()
        )

    def tell(self, example: Pair, answer: str, text: str | None = None) -> dict[str, Any]:
        """Say the sentence and its translation."""
        return {"text": example.source if text is None else text, "translation": answer}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the translation."""
        return told["translation"]

    @classmethod
    def row(cls, example: Pair, settings: TranslationSettings) -> Row:
        """Return the row of a table, or one of both lines of a pair of files."""
        sides = {settings.source: example.source, settings.target: example.target or ""}
        return example.row or Row.of(sides, example.place)

    def added(self, example: Pair, answer: str) -> Answers:
        """Return the translation."""
        return {PREDICTED: answer}

    def model(self) -> EncoderDecoder:
        """Return a new network."""
        settings = self.settings
        layer, dropout = LAYERS[settings.cell], settings.dropout if settings.layers > 1 else 0.0
        half = (settings.hidden + 1) // 2
        encoder = layer(settings.size, half, num_layers=settings.layers, dropout=dropout, bidirectional=True)
        decoder = layer(settings.size, settings.hidden, num_layers=settings.layers, dropout=dropout)
        writer = layer(settings.hidden + 2 * half, settings.hidden)
        model = EncoderDecoder(len(self.units), encoder, decoder, writer, settings.dropout)
        if self._pretrained:
            with torch.no_grad():
                model.embedding.weight.copy_(self._pretrained.rows(self.units.symbols) / model.scale)
            self._pretrained.start_layers(decoder)
        return model

    def depths(self, model: EncoderDecoder) -> dict[str, int]:
        """Return those of the decoder where it starts from a language model."""
        return depths("embedding", "decoder", model.decoder) if self.settings.init else {}

    def numbers(self, text: str) -> list[int]:
        """Return the subwords of a text and the end."""
        return [*self.units.numbers(text), END]

    def length(self, example: Pair) -> int:
        """Return the number of subwords of the sentence, the end included."""
        return len(self.numbers(example.source))

    def batch(self, examples: Sequence[Pair], *, answers: bool = False) -> Batch:
        """Pack sentences, and with `answers` their translations."""
        sources = [self.numbers(example.source) for example in examples]
        target = targets = None
        if answers:
            translations = [self.numbers(example.target or "") for example in examples]
            target = pack([[BEGIN, *translation[:-1]] for translation in translations])
            targets = pack(translations).data
        return Batch(
            source=pack(sources),
            target=target,
            targets=targets,
            longest=[3 * len(source) + 10 for source in sources],
            places=[example.place for example in examples],
        )

    def loss(self, model: EncoderDecoder, batch: Batch) -> Tensor:
        """Return the mean cross-entropy of a subword of the targets, in nats; smoothed in training."""
        assert batch.target is not None
        assert batch.targets is not None
        return model.loss(batch.source, batch.target, batch.targets, SMOOTHING if model.training else 0.0)

    def answer(self, model: EncoderDecoder, batch: Batch) -> list[str]:
        """Return the best translation of each sentence that the beam finds."""
        return self._translate(model, batch, self.settings.beam)

    def score(self, model: EncoderDecoder, examples: Sequence[Pair]) -> float:
        """Return the BLEU of translations of which each subword is the most probable one."""
        answers = [""] * len(examples)
        with torch.no_grad():
            for chosen in fill([self.length(example) for example in examples], BATCH_STEPS):
                batch = self.batch([examples[i] for i in chosen])
                for i, answer in zip(chosen, self._translate(model, batch, 1), strict=True):
                    answers[i] = answer
        return self.metric(examples, answers)["value"]

    def _translate(self, model: EncoderDecoder, batch: Batch, width: int) -> list[str]:
        begin = torch.full((len(batch.longest),), BEGIN)
        search = speak if width == 1 else partial(beam, width=width)
        said = search(model.step, begin, model.encode(batch.source), END, batch.longest)
        return [self.units.text(numbers) for numbers in said]

    def metric(self, examples: Sequence[Pair], answers: Sequence[str]) -> dict[str, Any]:
        """Score translations as sacrebleu does. Raises MissingError where it is not installed."""
        gold = [example.target or "" for example in examples]
        return translation_scores(gold, answers, need("sacrebleu.metrics", "translation"))

    def baselines(self, train: Sequence[Pair]) -> dict[str, Callable[[Sequence[Pair]], list[str]]]:
        """Learn a dictionary, in which each word is by itself, as for a standard network; and copy."""
        lexicon = Lexicon([(pair.source, pair.target or "") for pair in train])

        def word_for_word(examples: Sequence[Pair]) -> list[str]:
            return [lexicon(example.source) for example in examples]

        def copy_of_the_source(examples: Sequence[Pair]) -> list[str]:
            return [example.source for example in examples]

        return {"word_for_word": word_for_word, "copy_of_the_source": copy_of_the_source}

    def picture(self, model: EncoderDecoder, example: Pair) -> Heatmap:
        """Return what the decoder looks at as it says each subword of its translation, or of one given."""
        with torch.no_grad():
            translation = example.target or self.answer(model, self.batch([example]))[0]
            pair = Pair(example.source, translation, example.place)
            batch = self.batch([pair], answers=True)
            assert batch.target is not None
            _, weights = model(batch.source, batch.target)
        rows, columns = ([*self.units.split(text), "(end)"] for text in (translation, example.source))
        return Heatmap(weights[0].numpy(), rows, columns, "What each subword of the translation looks at")


TASK = Translation
