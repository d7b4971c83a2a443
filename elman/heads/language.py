"""Language models: the likelihood of a text, and texts that are generated.

Letters: N units, B sequences, K units in the vocabulary.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from elman.answers import GeneratedText, NextUnits, TextLikelihood
from elman.data.passages import Passage
from elman.data.ragged import length_batches
from elman.data.source import DataError, quote
from elman.data.units import BEGIN, END
from elman.data.vocabulary import PADDING, UNKNOWN
from elman.encoders.language import LINE_END, SPAN, TextEncoder
from elman.encoders.spans import pieces
from elman.heads.head import BATCH_STEPS
from elman.heads.likelihood import LikelihoodHead
from elman.learning.metrics import likelihood_scores
from elman.nn.search import draw

MAX_LENGTH = 400  # units of a generated text, unless another length is asked for
FOLLOWING = 5  # most probable units that a stream lists


class StreamedText(NamedTuple):
    """Where a stream of text stands."""

    log_probabilities: Tensor  # [K], of the next unit
    nll: float  # of the last piece
    piece: Any  # the last one, to tell when the next begins


class LanguageHead(LikelihoodHead):
    """The next unit of a text.

    Args:
        encoder: whose vocabulary is predicted.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def answer(self, network: Any, inputs: Any, examples: Sequence[Passage]) -> list[TextLikelihood]:
        """Return how likely each passage is."""
        (nll,) = self.step_nll(network, iter([inputs]))
        return [self._answer(example, one.tolist()) for example, one in zip(examples, nll, strict=True)]

    def _answer(self, example: Passage, nll: Sequence[float]) -> TextLikelihood:
        return TextLikelihood(nll, self.encoder.names(example), example.asked)

    def answers(self, network: Any, encoder: Any, examples: Sequence[Passage]) -> list[TextLikelihood]:
        """Return how likely each passage is; a long one is read piece by piece."""
        nll: list[list[float]] = [[] for _ in examples]
        sequences = [encoder.sequence(example) for example in examples]
        with torch.no_grad():
            for chosen in length_batches([len(targets) + 1 for _, targets in sequences], BATCH_STEPS):
                chosen.sort(key=lambda i: -len(sequences[i][1]))
                span = max(SPAN, BATCH_STEPS // len(chosen))
                for piece in self.step_nll(network, pieces([sequences[i] for i in chosen], span)):
                    for i, part in zip(chosen, piece, strict=False):
                        nll[i] += part.tolist()
        return [self._answer(example, one) for example, one in zip(examples, nll, strict=True)]

    def score(self, network: Any, encoder: Any, examples: Sequence[Passage]) -> float:
        """Return the nats a unit; of a long text, as of streams side by side, each from its own beginning."""
        if encoder.settings.lines:
            return super().score(network, encoder, examples)
        streams = [
            (np.concatenate(([END], stream[:-1])), stream)
            for example in examples
            for numbers in [encoder.numbers(example)]
            for stream in np.array_split(numbers, max(1, len(numbers) // (100 * SPAN)))
        ]
        with torch.no_grad():
            batches = self.step_nll(network, pieces(streams, SPAN))
            return torch.cat([nll for piece in batches for nll in piece]).mean().item()

    def metrics(self, examples: Sequence[Passage], answers: Sequence[TextLikelihood]) -> dict[str, Any]:
        """Score the nats a unit, a word and a character."""
        numbers = [self.encoder.numbers(example) for example in examples]
        return likelihood_scores(
            sum(sum(answer.nll) for answer in answers),
            units=sum(map(len, numbers)),
            unknown=sum(int(np.count_nonzero(n == UNKNOWN)) for n in numbers),
            words=sum(example.words for example in examples),
            characters=sum(example.characters for example in examples),
        )

    def generate(self, network: Any, count: int, sampling: Any, prompt: str | None) -> list[GeneratedText]:
        """Return texts. Each is drawn from a seed of its own, so it is the same however many are drawn.

        With `lines` a text ends with its line, otherwise when it is as long as was asked for.
        """
        encoder = self.encoder
        begun = encoder.spell(prompt or "")
        if encoder.settings.lines and END in begun:
            raise DataError("--prime", "a line end", "the beginning of a line", "leave out the line end")
        if begun and set(begun) == {UNKNOWN}:
            expected = "a beginning of which training showed something"
            raise DataError("--prime", quote(prompt or ""), expected, "prime it with something else")
        seeds = [(sampling.seed * 1_000_003 + i) % 2**63 for i in range(count)]
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def choose(scores: Tensor) -> Tensor:
            scores[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
            rows = zip(scores.split(1), generators, strict=True)
            return torch.cat(
                [draw(row, sampling.temperature, sampling.top_k, sampling.top_p, one) for row, one in rows]
            )

        with torch.no_grad():
            generated = network.generate(
                torch.tensor([END, *begun])[:, None].expand(-1, count).contiguous(),
                sampling.longest or MAX_LENGTH,
                choose,
                END if encoder.settings.lines else None,
            )
        return [GeneratedText(encoder.text([*begun, *numbers])) for numbers in generated]
