"""What an n-gram says of the label: how much more often it was seen with each label than was to be expected.

Naive Bayes adds these numbers up (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and
topic classification"); here a network reads them, step by step, beside the step itself.

Letters: N real steps of a batch, S sequences of it, B examples to which these belong, K labels, P patterns, G
distinct n-grams of one pattern.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.nn.attention import places

MOST_COUNTS = 10_000_000  # of each pattern; where there are more, the rarest n-grams are left out


class Pattern(NamedTuple):
    """A kind of n-gram: what was found by an earlier pattern some steps back, and the step itself."""

    before: int  # which pattern; -1 for none
    back: int = 1


SINGLE = Pattern(-1)
WORDS = (SINGLE, Pattern(0), Pattern(0, back=2))  # a word, two words, two words with any between them
SPELLINGS = (SINGLE, Pattern(0), Pattern(1), Pattern(2), Pattern(3))  # one to five characters


class Evidence(nn.Module):
    """The evidence for each label of the n-grams that end at a step; the beginning is a symbol too.

    In training an example's own label must not be among its evidence, or the network would learn to read it
    there. It is taken from the counts; and since a network could learn what is missing from counts that are
    the same each time, they are drawn anew each time, as if another training file of the same kind had been
    counted (the Poisson bootstrap).

    Args:
        symbols: size of the dictionary.
        labels: K.
        patterns: of the n-grams, P.
        sizes: G of each pattern.
    """

    examples: Tensor  # [K], of each label

    def __init__(self, symbols: int, labels: int, patterns: Sequence[Pattern], sizes: Sequence[int]) -> None:
        super().__init__()
        self.symbols, self.patterns, self.sizes = symbols, tuple(patterns), tuple(sizes)
        self.output_size = len(patterns) * labels
        self.register_buffer("examples", torch.ones(labels))
        for p, size in enumerate(sizes):
            self.register_buffer(f"ngrams_{p}", torch.zeros(size, dtype=torch.int64))  # ascending
            self.register_buffer(f"counts_{p}", torch.zeros(size, labels))

    @classmethod
    def of(
        cls,
        numbers: PackedSequence,
        example: Tensor,
        targets: Tensor,
        symbols: int,
        labels: int,
        patterns: Sequence[Pattern],
    ) -> "Evidence":
        """Count in how many training examples of each label an n-gram stands.

        Args:
            numbers: of the sequences, [N], from 0 to `symbols` - 1.
            example: [S], to which of B a sequence belongs.
            targets: [B], numbers of their labels.
            symbols: size of the dictionary.
            labels: K.
            patterns: of the n-grams.
        """
        mine = example[_sequence_of_step(numbers)]
        found: list[Tensor] = []
        tables = []
        for pattern in patterns:
            keys = _keys(pattern, found, [len(ngrams) for ngrams, _ in tables], numbers, symbols)
            # An n-gram counts once in an example, however often it stands there.
            pairs = (keys * len(targets) + mine)[keys >= 0].unique()
            ngrams, number = (pairs // len(targets)).unique(return_inverse=True)
            counts = torch.zeros(len(ngrams), labels)
            counts.index_put_((number, targets[pairs % len(targets)]), torch.ones(()), accumulate=True)
            frequent = counts.sum(1).argsort(descending=True, stable=True)[: MOST_COUNTS // labels]
            kept = frequent.sort().values
            tables.append((ngrams[kept], counts[kept]))
            found.append(_find(ngrams[kept], keys))
        evidence = cls(symbols, labels, patterns, [len(ngrams) for ngrams, _ in tables])
        evidence.examples.copy_(targets.bincount(minlength=labels))
        for p, (ngrams, counts) in enumerate(tables):
            evidence.get_buffer(f"ngrams_{p}").copy_(ngrams)
            evidence.get_buffer(f"counts_{p}").copy_(counts)
        return evidence

    def forward(self, numbers: PackedSequence, own: Tensor | None = None) -> Tensor:
        """Return the evidence at each step in nats, [N, P*K]; 0 for an n-gram that was never seen.

        Args:
            numbers: [N].
            own: labels of the sequences [S], in training.
        """
        found: list[Tensor] = []
        seen = []
        for p, pattern in enumerate(self.patterns):
            keys = _keys(pattern, found, self.sizes, numbers, self.symbols)
            found.append(_find(self.get_buffer(f"ngrams_{p}"), keys))
            none = torch.zeros(1, len(self.examples))
            seen.append(torch.cat((self.get_buffer(f"counts_{p}"), none))[found[-1]])  # -1 is the last row
        counts = torch.stack(seen, 1)  # [N, P, K]
        if own is not None:
            itself = torch.zeros(len(own), len(self.examples)).scatter_(1, own[:, None], 1.0)  # [S, K]
            counts = torch.poisson((counts - itself[_sequence_of_step(numbers)][:, None]).clamp(min=0))
        share = self.examples / self.examples.sum()
        expected = (counts.sum(2, keepdim=True) + 1) * share
        return ((counts + share) / expected).log().flatten(1)


def mean(values: Tensor, like: PackedSequence) -> Tensor:
    """Return the mean over the steps of each sequence, [S, M], of values [N, M] packed as `like`."""
    sequence = _sequence_of_step(like)[:, None].expand_as(values)
    start = values.new_zeros(int(like.batch_sizes[0]), values.shape[1])
    return start.scatter_reduce(0, sequence, values, "mean", include_self=False)


def _keys(
    pattern: Pattern, found: Sequence[Tensor], sizes: Sequence[int], numbers: PackedSequence, symbols: int
) -> Tensor:
    """Return what tells n-grams of a pattern apart: the part before and the step; -1 behind none: [N].

    Args:
        pattern: of the n-grams.
        found: by the earlier patterns, the number of the n-gram at each step, [N] each.
        sizes: how many n-grams each of them has.
        numbers: [N].
        symbols: size of the dictionary.
    """
    if pattern.before < 0:
        return numbers.data
    before = found[pattern.before]
    for _ in range(pattern.back):
        before = _before(before, numbers, beginning=sizes[pattern.before])
    return torch.where(before >= 0, before * symbols + numbers.data, -1)


def _find(ngrams: Tensor, keys: Tensor) -> Tensor:
    """Return the place of each key among n-grams [G], -1 where it is not there: [N]."""
    number = torch.searchsorted(ngrams, keys)
    there = torch.cat((ngrams, ngrams.new_full((1,), -2)))[number] == keys
    return torch.where(there, number, -1)


def _before(number: Tensor, numbers: PackedSequence, beginning: int) -> Tensor:
    """Return, for each step, what the one before it in its sequence has; `beginning` for the first: [N]."""
    sizes = numbers.batch_sizes
    first = torch.arange(len(number)) < sizes[0]
    back = torch.cat((sizes[:1], sizes[:-1])).repeat_interleave(sizes)  # the sequences that had a step before
    return torch.where(first, beginning, number[(torch.arange(len(number)) - back).clamp(min=0)])


def _sequence_of_step(numbers: PackedSequence) -> Tensor:
    place, shape = places(numbers)
    return place // shape[1]
