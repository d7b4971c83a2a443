"""Speech: what is said in a recording, letter by letter; or, with --label, which word it is.

Many-to-many, T_x > T_y. At each step of some frames, recurrent layers and one linear layer score the
characters and the blank; connectionist temporal classification finds the text in them (Graves and Jaitly
2014, "Towards end-to-end speech recognition with recurrent neural networks").

Letters: S samples, T frames of a recording, F features of a frame, N real steps of a batch.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import pack, unpack
from elman.data.extras import need
from elman.data.facts import part
from elman.data.frames import HOP_MS, Normal, stack
from elman.data.recordings import Recording, frames_of, windows_of
from elman.data.written import PREDICTED, Answers
from elman.learning.fit import Plan, fit
from elman.learning.metrics import transcript_scores
from elman.nn import ctc
from elman.nn.shapes import OneToMany
from elman.samples import speech as samples
from elman.tasks.hearing import Batch, Hearing, Listener, SpeechSettings
from elman.tasks.language import Language
from elman.tasks.spelling import Spelling, facts_of, language_of, read_language
from elman.tasks.spoken_words import SpokenWords

WINDOW, WINDOW_HIDDEN = 5, 100  # of the standard network
BASELINE_EPOCHS, BASELINE_STEPS = 5, 800
BLANK_AT_FIRST = -4.0  # its score beside those of the characters, before training
WEIGHTS, BONUSES = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 1.0, 2.0)  # of --lm, that are tried
LONGEST_S = 60.0  # of a recording that is read whole; of a longer one WINDOW_S at a time
WINDOW_S, MARGIN_S = 20.0, 3.0  # what both-ways layers read around a window, so that it has a context


class Transcriber(nn.Module):
    """The network, and beside it the language model that helps its search, which is not trained here.

    `weight` and `bonus` say how much it helps (see `ctc.Search`).
    """

    weight: Tensor
    bonus: Tensor

    def __init__(self, listener: Listener, language: OneToMany | None) -> None:
        super().__init__()
        self.listener, self.language = listener, language and language.requires_grad_(False)
        # Where the blank is as likely as the rest, it soon explains every step, and training stays there.
        nn.init.constant_(listener.whole.output.bias[ctc.BLANK], BLANK_AT_FIRST)
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("bonus", torch.zeros(()))

    def forward(self, steps: PackedSequence) -> Tensor:
        """Return scores [N, K] of packed steps [N, I]."""
        return self.listener(steps)


class Speech(Hearing):
    """What the frames of one training file are, and its characters.

    Args:
        settings: the user's.
        symbols: the characters, or the labels.
        normal: mean and mean square of the frames.
        sound: whether the frames are those of sound, not features as a file had them.
    """

    metric_name = "wer"
    better = "lower"
    longest_s = LONGEST_S

    def __init__(
        self, settings: SpeechSettings, symbols: Sequence[str], normal: Normal, *, sound: bool
    ) -> None:
        super().__init__(settings, symbols, normal, sound=sound)
        self.beam = settings.beam
        self.language: Language | None = None  # the dictionary of --lm
        self._weights: OneToMany | None = None  # of --lm, as it was trained; none in a loaded task

    @property
    def outputs(self) -> tuple[str, ...]:
        """What each of the K outputs says; the blank says nothing."""
        return ("", *self.symbols)

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write Morse code of varying speed, in noise, with its text."""
        return samples.write(folder)

    @classmethod
    def learn(cls, train: Sequence[Recording], settings: SpeechSettings) -> Hearing:
        """Measure the frames, and collect the characters; or, with --label, the labels."""
        if settings.label:
            return SpokenWords.learn(train, settings)
        task = super().learn(train, settings)
        if settings.lm:
            task.language, task._weights = read_language(settings.lm)
        return task

    def facts(self) -> dict[str, Any]:
        """Return them, and what rebuilds the language model."""
        return {**super().facts(), "language": self.language and facts_of(self.language)}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: SpeechSettings) -> Hearing:
        """Restore them."""
        if settings.label:
            return SpokenWords.from_facts(facts, settings)
        task = super().from_facts(facts, settings)
        task.language = language_of(part(facts, "language")) if facts["language"] is not None else None
        return task

    def model(self) -> Transcriber:
        """Return a new network, beside the language model, if any."""
        language = self.language and (self._weights or self.language.model())
        return Transcriber(self.listener(), language)

    @staticmethod
    def symbols_of(answers: Sequence[str]) -> list[str]:
        """Return the characters, the most frequent first."""
        return [symbol for symbol, _ in Counter("".join(answers)).most_common()]

    @staticmethod
    def least_steps(answer: str) -> int:
        """Return how many steps a text needs."""
        return ctc.steps_needed(answer)

    def numbers(self, answer: str) -> list[int]:
        """Return the numbers of the outputs that say a text; a character never seen has none."""
        return [self._number[c] for c in answer if c in self._number]

    def said(self, answer: Any) -> dict[str, Any]:
        """Say the text."""
        return {"text": answer}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say the text."""
        return told["text"]

    def added(self, example: Recording, answer: str) -> Answers:
        """Return the text."""
        return {PREDICTED: answer}

    def loss(self, model: Transcriber, batch: Batch) -> Tensor:
        """Return the negative log-likelihood of the texts, for each character."""
        nll = ctc.nll(model(batch.steps), batch.steps, batch.answers)
        return nll.sum() / sum(map(len, batch.answers))

    def answer(self, model: Transcriber, batch: Batch) -> list[str]:
        """Return the text of each recording."""
        search = self._search(model)
        return [self.text(search(scores)[0]) for scores in unpack(model(batch.steps), batch.steps)]

    def _search(self, model: Transcriber) -> Callable[..., tuple[list[int], int]]:
        """Return what finds the numbers of a text in scores [T, K]."""
        if self.beam == 1:
            return ctc.greedy
        if self.language is None or model.language is None:
            return ctc.Search(self.beam, ctc.silent(len(self.outputs)))
        speller = Spelling(self.language, model.language, self.outputs)
        return ctc.Search(self.beam, speller, model.weight.item(), model.bonus.item())

    def calibrate(self, model: Transcriber, examples: Sequence[Recording]) -> None:
        """Choose how much the language model helps: what has the fewest wrong words on dev."""
        if self.language is None:
            return
        tried = {}
        for weight, bonus in itertools.product(WEIGHTS, BONUSES):
            model.weight.fill_(weight)
            model.bonus.fill_(bonus)
            tried[weight, bonus] = self.metric(examples, self.answers(model, examples))["value"]
        weight, bonus = min(tried, key=lambda pair: tried[pair])
        model.weight.fill_(weight)
        model.bonus.fill_(bonus)

    def score(self, model: Transcriber, examples: Sequence[Recording]) -> float:
        """Return the WER of the most probable paths; a search takes longer."""
        quick = copy(self)
        quick.beam = 1
        return quick.metric(examples, quick.answers(model, examples))["value"]

    def text(self, numbers: Sequence[int]) -> str:
        """Return the text that outputs say."""
        return "".join(self.outputs[n] for n in numbers)

    def answers(self, model: Transcriber, examples: Sequence[Recording]) -> list[Any]:
        """Return the answer to each recording; long ones are read piece by piece."""
        short = iter(super().answers(model, [one for one in examples if len(one.frames)]))
        with torch.no_grad():
            return [next(short) if len(one.frames) else self._long(model, one.path) for one in examples]

    def _long(self, model: Transcriber, path: Path) -> str:
        """Return the text of a recording of any length."""
        if self.settings.one_way:
            with self.stream(model) as stream:
                for frames in frames_of(path):
                    stream.step(frames)
                return stream.text
        text, last, count, search = "", ctc.BLANK, self.settings.stack, self._search(model)
        window, margin = (round(s * 1000 / HOP_MS / count) * count for s in (WINDOW_S, MARGIN_S))
        # Beside its own loudest, a window in which nobody speaks would be all noise.
        loudest = max(frames.max(initial=-np.inf) for frames in frames_of(path))
        for frames, start, stop in windows_of(path, window, margin):
            scores = model(pack([stack(self.normalised(frames, loudest), count)]))
            numbers, last = search(scores[start // count : stop // count], last)
            text += self.text(numbers)
        return text

    @contextmanager
    def stream(self, model: Transcriber) -> Iterator["Listening"]:
        """Open a stream of samples or frames. Raises CannotError where the layers read both ways."""
        yield Listening(self, model)

    def metric(self, examples: Sequence[Recording], answers: Sequence[Any]) -> dict[str, Any]:
        """Score texts: WER, CER."""
        return transcript_scores([one.answer or "" for one in examples], answers, need("jiwer", "speech"))

    def baselines(self, train: Sequence[Recording]) -> dict[str, Callable[[Sequence[Recording]], list[Any]]]:
        """Train what hears no sequence: the most frequent text, and a network that sees some steps only."""
        most = Counter(one.answer or "" for one in train).most_common(1)[0][0]
        standard = nn.Sequential(
            nn.Linear(WINDOW * self.settings.stack * len(self.normal.mean), WINDOW_HIDDEN),
            nn.Tanh(),
            nn.Linear(WINDOW_HIDDEN, len(self.outputs)),
        )

        def windows(batch: Batch) -> PackedSequence:
            side = WINDOW // 2
            sequences = unpack(batch.steps.data, batch.steps)
            wide = [F.pad(s, (0, 0, side, side)).unfold(0, WINDOW, 1).flatten(1) for s in sequences]
            return pack([each.numpy() for each in wide])

        def batches(epoch: int) -> list[Batch]:
            return [
                replace(batch, steps=windows(batch)) for batch in self.batches(train, BASELINE_STEPS, epoch)
            ]

        def loss(batch: Batch) -> Tensor:
            return ctc.nll(standard(batch.steps.data), batch.steps, batch.answers).sum() / batch.real_steps

        for _ in fit(standard, batches, loss, lambda: 0.0, Plan(BASELINE_EPOCHS, 0.003, BASELINE_EPOCHS)):
            pass

        def standard_network(examples: Sequence[Recording]) -> list[str]:
            with torch.no_grad():
                steps = [windows(self.batch([one])).data for one in examples]
                return [self.text(ctc.greedy(standard(each))[0]) for each in steps]

        return {
            "most_frequent_text": lambda examples: [most] * len(examples),
            "standard_network": standard_network,
        }


class Listening:
    """A stream into a network that reads from left to right."""

    def __init__(self, task: Speech, model: Transcriber) -> None:
        self._task, self._feed, self._bands = task, task.feed(), model.listener.bands
        self._model = model.listener.whole
        self._state, self._last, self.text = None, ctc.BLANK, ""

    def step(self, x: Any) -> dict[str, Any]:
        """Hear the next samples [S], from -1 to 1 at 16 kHz, or frames [T, F].

        Returns:
            {"text" so far, "seconds" heard}. Raises ValueError for another shape.
        """
        steps = self._feed(x)
        if len(steps):
            with torch.no_grad():
                outputs, self._state = self._model.layers(self._bands(steps), self._state)
                numbers, self._last = ctc.greedy(self._model.output(outputs), self._last)
            self.text += self._task.text(numbers)
        return {"text": self.text, "seconds": self._feed.seconds}


TASK = Speech
