"""Naive Bayes features: the log-count ratio of each n-gram and label.

Naive Bayes adds these ratios up (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic
classification"); here a network reads them, step by step, beside the step itself.

Letters: N real steps of a batch, S sequences of it, K labels, P patterns, G distinct n-grams of one pattern.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.encoders.ngrams import NgramCounts, Pattern
from elman.nn.attention import places


class LogCountRatios(nn.Module):
    """The log-count ratios of the n-grams that end at a step; the beginning of a sequence is a symbol too.

    In training an example's own label must not be in its counts, or the network would learn to read it there. It
    is subtracted; and since a network could learn what is missing from counts that are the same each time, counts
    are resampled each time, as if another training file of the same kind had been counted (Poisson bootstrap).

    Args:
        symbols: size of the vocabulary.
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

    def set_counts(self, tables: Sequence[NgramCounts], examples: Sequence[int]) -> None:
        """Take the counts of the training examples, and how many of these each label has, [K]."""
        self.examples.copy_(torch.tensor(examples))
        for p, (ngrams, counts) in enumerate(tables):
            self.get_buffer(f"ngrams_{p}").copy_(torch.from_numpy(ngrams))
            self.get_buffer(f"counts_{p}").copy_(torch.from_numpy(counts))

    def forward(self, numbers: PackedSequence, own: Tensor | None = None) -> Tensor:
        """Return the ratios at each step in nats, [N, P*K]; 0 for an n-gram that was never seen.

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
        symbols: size of the vocabulary.
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
