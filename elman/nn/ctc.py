"""Connectionist temporal classification: a text from a longer sequence of steps, without an alignment.

At each step the network scores every symbol and the blank, which says nothing. A path of them stands for the
text that is left when repeated symbols are made one and blanks are taken out; a text is as probable as all of
its paths together (Graves et al. 2006, "Connectionist temporal classification").

Letters: N real steps of a batch, T steps of one sequence, B sequences, K symbols, the blank included.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

BLANK = 0
LEAST = -10.0  # log-probability of a symbol that is tried at a step


def steps_needed(text: Sequence[Hashable]) -> int:
    """Return how many steps a text takes at least: one a symbol, and a blank between two equal ones."""
    return len(text) + sum(a == b for a, b in pairwise(text))


def nll(scores: Tensor, like: PackedSequence, texts: Sequence[Sequence[int]]) -> Tensor:
    """Return the negative log-likelihood of each text, [B].

    Args:
        scores: [N, K], packed as `like`.
        like: the steps that were scored.
        texts: B of them, in the order given to `pack`.
    """
    padded, lengths = pad_packed_sequence(PackedSequence(scores.log_softmax(1), *like[1:]))  # [T, B, K]
    targets = torch.tensor([number for text in texts for number in text], device=scores.device)
    sizes = torch.tensor([len(text) for text in texts])
    return F.ctc_loss(padded, targets, lengths, sizes, blank=BLANK, reduction="none")


def greedy(scores: Tensor, before: int = BLANK) -> tuple[list[int], int]:
    """Return the text of the best path of steps [T, K], and the last symbol of the path.

    Args:
        scores: of the steps.
        before: the last symbol of the path that went before.
    """
    path = scores.argmax(1).tolist()
    said = [b for a, b in pairwise([before, *path]) if b not in (a, BLANK)]
    return said, path[-1] if path else before


class Speller(Protocol):
    """Says what is likely to be spelt next."""

    def __call__(self, symbol: int | None, state: Any) -> tuple[Sequence[float], Any]:
        """Take one more symbol, None at the beginning, and the state behind those before.

        Returns:
            The log-probability of each of the K symbols as the next, at the blank's place that of the end;
            and the state.
        """
        ...


def silent(symbols: int) -> Speller:
    """Return a speller that has no opinion on any of K symbols."""
    nothing = [0.0] * symbols
    return lambda symbol, state: (nothing, None)


@dataclass
class _Path:
    """All paths that spell one text so far."""

    last: int  # symbol of the text, or what went before it
    nats: float  # log-probability of the text under the speller
    state: Any  # of the speller, behind all but the last symbol
    blank: float = -math.inf  # log-probability of those that end in a blank
    symbol: float = -math.inf  # of those that end in the last symbol
    following: Sequence[float] | None = None  # what the speller says of the next symbol

    @property
    def total(self) -> float:
        return _sum(self.blank, self.symbol)


@dataclass(frozen=True)
class Search:
    """Prefix beam search: paths that spell the same are added up, and a speller may have its say.

    A text is ranked by its log-probability, plus `weight` times that under the speller, plus `bonus` for each
    symbol.

    Source: Hannun et al. 2014, "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs".

    Args:
        width: texts that are kept at each step.
        speller: such as a language model, or `silent`.
        weight: of its log-probability.
        bonus: for a symbol, without which a speller prefers short texts.
    """

    width: int
    speller: Speller
    weight: float = 0.0
    bonus: float = 0.0

    def __call__(self, scores: Tensor, before: int = BLANK) -> tuple[list[int], int]:
        """Return the best text of steps [T, K], and the last symbol of their best path; see `greedy`."""
        rows = scores.double().log_softmax(1)
        first = _Path(before, 0.0, None)
        if before == BLANK:
            first.blank = 0.0
        else:
            first.symbol = 0.0
        beam: dict[tuple[int, ...], _Path] = {(): first}
        for row, likely in zip(rows.tolist(), (rows > LEAST).tolist(), strict=True):
            symbols = [number for number, one in enumerate(likely) if one and number != BLANK]
            grown = self._grown(beam, row, symbols)
            kept = sorted(grown, key=lambda text: self._rank(text, grown[text]), reverse=True)[: self.width]
            beam = {text: grown[text] for text in kept}
        ends = {text: self._following(text, path)[BLANK] * self.weight for text, path in beam.items()}
        best = max(beam, key=lambda text: self._rank(text, beam[text]) + ends[text])
        return list(best), greedy(scores, before)[1]

    def _grown(
        self, beam: Mapping[tuple[int, ...], _Path], row: Sequence[float], symbols: Sequence[int]
    ) -> dict[tuple[int, ...], _Path]:
        """Go one step: each text as it is, and with each of the symbols behind it."""
        grown = {text: replace(path, blank=-math.inf, symbol=-math.inf) for text, path in beam.items()}
        for text, path in beam.items():
            same, total = grown[text], path.total
            same.blank = _sum(same.blank, total + row[BLANK])
            if path.last != BLANK:
                same.symbol = _sum(same.symbol, path.symbol + row[path.last])
            for symbol in symbols:
                begun = path.blank if symbol == path.last else total
                if begun == -math.inf:
                    continue
                longer = (*text, symbol)
                if longer not in grown:
                    nats = path.nats + self._following(text, path)[symbol]
                    grown[longer] = _Path(symbol, nats, path.state)
                grown[longer].symbol = _sum(grown[longer].symbol, begun + row[symbol])
            same.following, same.state = path.following, path.state
        return grown

    def _following(self, text: tuple[int, ...], path: _Path) -> Sequence[float]:
        """Return what the speller says of the next symbol; it is asked once for each text."""
        if path.following is None:
            path.following, path.state = self.speller(text[-1] if text else None, path.state)
        return path.following

    def _rank(self, text: tuple[int, ...], path: _Path) -> float:
        return path.total + self.weight * path.nats + self.bonus * len(text)


def _sum(a: float, b: float) -> float:
    """Return the logarithm of the sum of two numbers given by theirs."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))
