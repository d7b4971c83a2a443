"""Music: the likelihood of a piece, and tunes that are generated.

Letters: N steps of a piece, B sequences, K symbols or keys.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elman.answers import GeneratedTune, MusicLikelihood
from elman.data.events import END, KEYS, steps_of, tune_of
from elman.data.midi import Tune, pitch_name
from elman.data.music import Piece
from elman.data.source import DataError
from elman.encoders.music import EventEncoding, MusicEncoder, PianoRollEncoding
from elman.heads.head import Heatmap
from elman.heads.likelihood import LikelihoodHead
from elman.learning.metrics import music_scores
from elman.nn.packing import pack, unpack
from elman.nn.search import draw
from elman.tasks.task import CannotError

SCORED_STEPS = 20_000  # of the dev pieces, for early stopping
MAX_LENGTH = {"event": 512, "step": 64}  # quarter notes that are generated, where nothing else is asked
DENSEST = 50  # events of a quarter note, on average, after which a tune is cut off
MAX_LABELS = 100  # under a picture


class MusicHead(LikelihoodHead):
    """The next event of a tune, or the keys of the next step.

    Args:
        encoder: whose encoding is predicted.
    """

    def __init__(self, encoder: MusicEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def answer(self, network: Any, inputs: Any, examples: Sequence[Piece]) -> list[MusicLikelihood]:
        """Return how likely each piece is."""
        nll, _ = self.nll(network, inputs)
        return self.likelihoods([one.tolist() for one in unpack(nll, inputs.inputs)], examples)

    def likelihoods(
        self, nll: Sequence[Sequence[float]], examples: Sequence[Piece]
    ) -> list[MusicLikelihood]:
        """Return the answers that the nats of each step of each piece make."""
        return [
            MusicLikelihood(one, self.encoder.encoding.unit, e.asked, self.encoder.left_out([e]))
            for one, e in zip(nll, examples, strict=True)
        ]

    def score(self, network: Any, encoder: Any, examples: Sequence[Piece]) -> float:
        """Return the nats a step; of many pieces, those of a part that is the same each epoch."""
        steps = np.cumsum([encoder.length(example) for example in examples])
        return super().score(network, encoder, examples[:: 1 + int(steps[-1]) // SCORED_STEPS])

    def metrics(self, examples: Sequence[Piece], answers: Sequence[MusicLikelihood]) -> dict[str, Any]:
        """Score the nats a step; the signature tells of notes that were left out."""
        scores = music_scores([answer.nll for answer in answers], self.encoder.encoding.unit)
        if left_out := self.encoder.left_out(examples):
            scores |= {"left_out": left_out, "signature": f"{scores['signature']}|left_out:{left_out}"}
        return scores

    def generate(
        self, network: Any, count: int, sampling: Any, prompt: Piece | None = None
    ) -> list[GeneratedTune]:
        """Play on after a piece, or from nothing; the length counts quarter notes. Raises CannotError."""
        encoding = self.encoder.encoding
        max_length = sampling.longest or MAX_LENGTH[encoding.unit]
        generate = _generate_events if isinstance(encoding, EventEncoding) else _generate_rolls
        with torch.no_grad():
            tunes = generate(encoding, network, count, sampling, prompt, max_length)  # pyright: ignore[reportArgumentType]
        return [GeneratedTune(tune) for tune in tunes]

    def plot(self, network: Any, example: Piece) -> Heatmap:
        """Return a piano roll: which pitches sound in each half of a quarter note."""
        tune = example.music
        tune = tune if isinstance(tune, Tune) else tune_of(tune, self.encoder.settings.grid)
        if not tune.notes:
            raise DataError(example.place, "steps without a note", "at least one note to draw", "add it")
        pitches = range(max(n.pitch for n in tune.notes), min(n.pitch for n in tune.notes) - 1, -1)
        cells = max(1, tune.grid // 2)
        ends = [-(-(note.start + note.length) // cells) for note in tune.notes]
        values = np.zeros((len(pitches), max(ends)))
        for note, end in zip(tune.notes, ends, strict=True):
            values[pitches[0] - note.pitch, note.start // cells : end] = 1
        every = -(-max(ends) // MAX_LABELS) * tune.grid
        quarters = ["" if i * cells % every else str(i * cells // tune.grid) for i in range(max(ends))]
        return Heatmap(values, list(map(pitch_name, pitches)), quarters, "Piano roll, in quarter notes")


def _generate_events(
    encoding: EventEncoding, network: Any, count: int, sampling: Any, prompt: Piece | None, max_length: int
) -> list[Tune]:
    """Draw events, only those that may follow; to the end, or for as long as was asked."""
    events = encoding.events
    begin = 0 if prompt is None else _end(encoding.tune(prompt))
    end = begin + max_length * encoding.grid
    drawn = [[] if prompt is None else encoding.sequence(prompt)[1][:-1].tolist() for _ in range(count)]
    last, state = torch.tensor([events.begin()] * count), None
    if prompt is not None and drawn[0]:
        before = np.array([events.begin(), *drawn[0][:-1]])
        _, state = network(pack([before] * count))
        last = torch.tensor([drawn[0][-1]] * count)
    generator = torch.Generator().manual_seed(sampling.seed)
    now = [sum(map(events.waited, numbers)) for numbers in drawn]
    unfinished = set(range(count))
    for _ in range(max_length * DENSEST):
        scores, state = network.step(last, state)
        for row, numbers in enumerate(drawn):
            legal = events.legal(numbers[-1] if numbers else None)
            legal[END] &= sampling.longest is None and len(numbers) > 0
            scores[row, torch.from_numpy(~legal)] = -torch.inf
        last = draw(scores, sampling.temperature, sampling.top_k, sampling.top_p, generator)
        for row in list(unfinished):
            if last[row] == END:
                unfinished.remove(row)
            else:
                drawn[row].append(int(last[row]))
                now[row] += events.waited(drawn[row][-1])
                if now[row] >= end:
                    unfinished.remove(row)
        if not unfinished:
            break
    return [events.tune(numbers).until(end) for numbers in drawn]


def _end(tune: Tune) -> int:
    """Return the step at which the last note of a tune ends."""
    if not tune.notes:
        raise CannotError("there is no note to play on behind: give a prime with one, or none")
    return max(note.start + note.length for note in tune.notes)


def _generate_rolls(
    encoding: PianoRollEncoding,
    network: Any,
    count: int,
    sampling: Any,
    prompt: Piece | None,
    max_length: int,
) -> list[Tune]:
    """Draw each key independently; `top_k` keys at most."""
    if sampling.top_p is not None:
        raise CannotError("top_p is for one symbol at a time, and this run plays several keys; use top_k")
    state, before = None, np.zeros((0, KEYS), np.float32)
    if prompt is not None:
        inputs, before = encoding.sequence(prompt)
        _, state = network(pack([inputs] * count))
    drawn = [np.repeat(before[None], count, 0)]
    generator = torch.Generator().manual_seed(sampling.seed)
    for _ in range(max_length):
        played = np.concatenate(drawn, 1)[:, -1:]  # [B, 1 or 0, K]
        inputs = np.zeros((count, KEYS + encoding.others), np.float32)
        inputs[:, :KEYS] = played[:, 0] if played.shape[1] else 0
        inputs[:, KEYS] = not played.shape[1]
        inputs[:, KEYS + 1 + encoding.transpose] = 1
        scores, state = network.step(torch.from_numpy(inputs), state)
        drawn.append(_draw_keys(scores, sampling, generator).numpy()[:, None])
    return [tune_of(steps_of(keys), encoding.grid) for keys in np.concatenate(drawn, 1)]


def _draw_keys(scores: Tensor, sampling: Any, generator: torch.Generator) -> Tensor:
    """Draw keys [B, K] by their scores (logits)."""
    if sampling.top_k is not None and sampling.top_k < scores.shape[1]:
        least = scores.topk(sampling.top_k, 1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if sampling.temperature == 0:
        return (scores > 0).float()
    return torch.bernoulli((scores / sampling.temperature).sigmoid(), generator=generator).float()
