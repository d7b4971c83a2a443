"""Transcription: a text from a longer recording, by connectionist temporal classification.

Source: Graves and Jaitly 2014, "Towards end-to-end speech recognition with recurrent neural networks".

Letters: N real steps of a batch, T steps of a recording, B recordings, K outputs, the blank first.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.answers import Transcript
from elman.data.frames import HOP_MS
from elman.data.recordings import Recording, frames_of, windows_of
from elman.data.units import END, Units
from elman.encoders.recordings import RecordingEncoder
from elman.heads.head import Head
from elman.heads.stream import Stream
from elman.learning.batch import Batch
from elman.learning.fit import Plan, fit
from elman.learning.metrics import transcript_scores
from elman.nn import ctc
from elman.nn.packing import pack, to_tensors, unpack
from elman.nn.shapes import OneToMany

WEIGHTS, BONUSES = (0.0, 0.25, 0.5, 0.75, 1.0), (0.0, 1.0, 2.0)  # of --lm, that are tried
WINDOW_S, MARGIN_S = 20.0, 3.0  # of long recordings, and what bidirectional layers read around a window
WINDOW, WINDOW_HIDDEN = 5, 100  # of the feed-forward baseline
BASELINE_EPOCHS, BASELINE_STEPS = 5, 800


class TranscriptionHead(Head):
    """The likelihood of a text in training; the best path, or a beam search, for the answer.

    `weight` and `bonus` say how much the language model helps the search (see `ctc.Search`).

    Args:
        encoder: which has the characters.
        language: the language model; it is not trained here.
    """

    metric = "wer"
    better = "lower"
    weight: Tensor
    bonus: Tensor

    def __init__(self, encoder: RecordingEncoder, language: OneToMany | None) -> None:
        super().__init__()
        self.encoder, self.language = encoder, language and language.requires_grad_(False)
        self.register_buffer("weight", torch.zeros(()))
        self.register_buffer("bonus", torch.zeros(()))

    def targets(self, examples: Sequence[Recording]) -> Any:
        """Return the numbers of the characters of each text."""
        return [self.encoder.numbers(one.answer or "") for one in examples]

    def loss(self, network: Any, inputs: Any, targets: Any, state: Any = None) -> tuple[Tensor, Any]:
        """Return the negative log-likelihood of the texts, for each character."""
        return ctc.nll(network(inputs)[0], inputs, targets).sum() / sum(map(len, targets)), None

    def answer(self, network: Any, inputs: Any, examples: Sequence[Recording]) -> list[Transcript]:
        """Return the text of each recording."""
        return self._search_texts(network, inputs, examples, self.encoder.settings.beam)

    def _search_texts(
        self, network: Any, inputs: Any, examples: Sequence[Recording], width: int
    ) -> list[Transcript]:
        search = self._search(width)
        scores = unpack(network(inputs)[0], inputs)
        return [
            Transcript(self.encoder.text(search(one)[0]), example.asked)
            for one, example in zip(scores, examples, strict=True)
        ]

    def _search(self, width: int) -> Any:
        """Return what finds the numbers of a text in scores [T, K]."""
        if width == 1:
            return ctc.greedy
        outputs = self.encoder.outputs
        if self.encoder.language is None or self.language is None:
            return ctc.Search(width, ctc.silent(len(outputs)))
        scorer = LanguageModelScorer(self.encoder.language[1], self.language, outputs)
        return ctc.Search(width, scorer, self.weight.item(), self.bonus.item())

    def answers(
        self, network: Any, encoder: Any, examples: Sequence[Recording], answer: Any = None
    ) -> list[Transcript]:
        """Return the text of each recording; long ones are read in windows."""
        whole = [one for one in examples if len(one.frames)]
        read = iter(super().answers(network, encoder, whole, answer))
        with torch.no_grad():
            return [
                next(read) if len(one.frames) else Transcript(self._long(network, one), one.asked)
                for one in examples
            ]

    def _long(self, network: Any, one: Recording) -> str:
        """Return the text of a recording of any length."""
        encoder = self.encoder
        if encoder.settings.one_way:
            stream = Stream(encoder, network, self)
            answer = None
            for frames in frames_of(one.path):
                answer = stream.step(frames)
            return answer.to_dict()["text"] if answer else ""
        text, last, size = "", ctc.BLANK, encoder.settings.stack
        search = self._search(encoder.settings.beam)
        window, margin = (round(s * 1000 / HOP_MS / size) * size for s in (WINDOW_S, MARGIN_S))
        # Beside its own loudest, a window in which nobody speaks would be all noise.
        loudest = max(frames.max(initial=-np.inf) for frames in frames_of(one.path))
        for frames, start, stop in windows_of(one.path, window, margin):
            scores, _ = network(to_tensors(encoder.steps([encoder.normalised(frames, loudest)])))
            numbers, last = search(scores[start // size : stop // size], last)
            text += encoder.text(numbers)
        return text

    def score(self, network: Any, encoder: Any, examples: Sequence[Recording]) -> float:
        """Return the WER of the most probable paths; a search takes longer."""
        greedy = partial(self._search_texts, width=1)
        return self.metrics(examples, self.answers(network, encoder, examples, greedy))["value"]

    def calibrate(self, network: Any, encoder: Any, examples: Sequence[Recording]) -> None:
        """Choose how much the language model helps: what has the fewest wrong words on dev."""
        if self.language is None:
            return
        tried = {}
        for weight, bonus in itertools.product(WEIGHTS, BONUSES):
            self.weight.fill_(weight)
            self.bonus.fill_(bonus)
            tried[weight, bonus] = self.metrics(examples, self.answers(network, encoder, examples))["value"]
        weight, bonus = min(tried, key=lambda pair: tried[pair])
        self.weight.fill_(weight)
        self.bonus.fill_(bonus)

    def metrics(self, examples: Sequence[Recording], answers: Sequence[Transcript]) -> dict[str, Any]:
        """Score texts: WER, CER."""
        return transcript_scores([one.answer or "" for one in examples], [a.transcript for a in answers])

    def advance(self, outputs: Tensor, inputs: Any, state: tuple[int, str] | None) -> tuple[int, str]:
        """Return the last symbol of the best path, and the text so far."""
        last, text = state or (ctc.BLANK, "")
        numbers, last = ctc.greedy(outputs, last)
        return last, text + self.encoder.text(numbers)

    def so_far(self, state: tuple[int, str] | None, asked: dict[str, Any]) -> Transcript:
        """Return the text so far."""
        return Transcript(state[1] if state else "", asked)


class LanguageModelScorer:
    """Shallow fusion: what a language model of characters says of the next output (see `ctc.Search`).

    Args:
        units: of the language model.
        model: the language model.
        outputs: the K characters, the first of them the blank.
    """

    def __init__(self, units: Units, model: OneToMany, outputs: Sequence[str]) -> None:
        self._model = model
        spelling = [units.numbers(character) for character in outputs[1:]]
        self._numbers = torch.tensor([END, *(numbers[0] for numbers in spelling)])

    def __call__(self, symbol: int | None, state: Any) -> tuple[Sequence[float], Any]:
        """Take one more output, and return the log-probabilities of the next, and the state."""
        number = torch.tensor([END]) if symbol is None else self._numbers[symbol : symbol + 1]
        with torch.no_grad():
            scores, state = self._model.step(number, state)
        return scores[0, self._numbers].tolist(), state


def window_transcriber(head: TranscriptionHead, train: Sequence[Recording]) -> Any:
    """Train the lecture's standard network: it sees some steps only; return what answers recordings."""
    encoder = head.encoder
    inputs = WINDOW * encoder.settings.stack * len(encoder.normal.mean)
    network = nn.Sequential(
        nn.Linear(inputs, WINDOW_HIDDEN), nn.Tanh(), nn.Linear(WINDOW_HIDDEN, len(encoder.outputs))
    )

    def windows(steps: PackedSequence) -> PackedSequence:
        side = WINDOW // 2
        sequences = unpack(steps.data, steps)
        wide = [F.pad(s, (0, 0, side, side)).unfold(0, WINDOW, 1).flatten(1) for s in sequences]
        return pack([each.numpy() for each in wide])

    class Batches:
        """The batches of an epoch, through windows."""

        def __init__(self, number: int) -> None:
            self.epoch = encoder.epoch(train, BASELINE_STEPS, number)

        def __len__(self) -> int:
            return len(self.epoch)

        def __iter__(self) -> Any:
            for batch in self.epoch:
                yield Batch(
                    windows(pack(batch.inputs)),
                    head.targets(batch.examples),
                    [example.place for example in batch.examples],
                    batch.steps,
                )

    def loss(batch: Batch, state: Any) -> tuple[Tensor, Any]:
        return ctc.nll(network(batch.inputs.data), batch.inputs, batch.targets).sum() / batch.steps, None

    for _ in fit(network, Batches, loss, lambda: 0.0, Plan(BASELINE_EPOCHS, 0.003, BASELINE_EPOCHS)):
        pass

    def answer(examples: Sequence[Recording]) -> list[Transcript]:
        with torch.no_grad():
            steps = [windows(pack(encoder.inputs([one]))).data for one in examples]
            texts = [encoder.text(ctc.greedy(network(each))[0]) for each in steps]
        return [Transcript(text, one.asked) for text, one in zip(texts, examples, strict=True)]

    return answer
