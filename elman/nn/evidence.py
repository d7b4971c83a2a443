"""What an n-gram says of the label: how much more often it was seen with each label than was to be expected.

Naive Bayes adds these numbers up (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and
topic classification"); here a network reads them, step by step, beside the step itself.

Letters: N real steps of a batch, B sequences of it, K labels, n the length of an n-gram, G distinct n-grams.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.nn.attention import places

MOST_COUNTS = 10_000_000  # of each n; where there are more, the rarest n-grams are left out


class Evidence(nn.Module):
    """The evidence for each label of the n-grams that end at a step; the beginning is a symbol too.

    In training an example's own label must not be among its evidence, or the network would learn to read it
    there. It is taken from the counts; and since a network could learn what is missing from counts that are
    the same each time, they are drawn anew each time, as if another training file of the same kind had been
    counted (the Poisson bootstrap).

    Args:
        symbols: size of the dictionary.
        labels: K.
        sizes: G of each n, from 1 on.
    """

    examples: Tensor  # [K], of each label

    def __init__(self, symbols: int, labels: int, sizes: Sequence[int]) -> None:
        super().__init__()
        self.symbols, self.sizes = symbols, tuple(sizes)
        self.output_size = labels * len(sizes)
        self.register_buffer("examples", torch.ones(labels))
        for n, size in enumerate(sizes, 1):
            self.register_buffer(f"ngrams_{n}", torch.zeros(size, dtype=torch.int64))  # ascending
            self.register_buffer(f"counts_{n}", torch.zeros(size, labels))

    @classmethod
    def of(
        cls, numbers: PackedSequence, targets: Tensor, symbols: int, labels: int, longest: int
    ) -> "Evidence":
        """Count in how many training examples of each label an n-gram stands.

        Args:
            numbers: of the B examples, [N], from 0 to `symbols` - 1.
            targets: [B], numbers of their labels.
            symbols: size of the dictionary.
            labels: K.
            longest: the largest n.
        """
        example = _sequence_of_step(numbers)
        before = torch.zeros_like(numbers.data)
        tables = []
        for _ in range(longest):
            keys = _keys(before, numbers, symbols)
            # An n-gram counts once in an example, however often it stands there.
            pairs = (keys * len(targets) + example)[keys >= 0].unique()
            ngrams, number = (pairs // len(targets)).unique(return_inverse=True)
            counts = torch.zeros(len(ngrams), labels)
            counts.index_put_((number, targets[pairs % len(targets)]), torch.ones(()), accumulate=True)
            frequent = counts.sum(1).argsort(descending=True, stable=True)[: MOST_COUNTS // labels]
            kept = frequent.sort().values
            tables.append((ngrams[kept], counts[kept]))
            before = _before(_find(ngrams[kept], keys), numbers, beginning=len(kept))
        evidence = cls(symbols, labels, [len(ngrams) for ngrams, _ in tables])
        evidence.examples.copy_(targets.bincount(minlength=labels))
        for n, (ngrams, counts) in enumerate(tables, 1):
            evidence.get_buffer(f"ngrams_{n}").copy_(ngrams)
            evidence.get_buffer(f"counts_{n}").copy_(counts)
        return evidence

    def forward(self, numbers: PackedSequence, own: Tensor | None = None) -> Tensor:
        """Return the evidence at each step in nats, [N, n*K]; 0 for an n-gram that was never seen.

        Args:
            numbers: [N].
            own: labels of the sequences [B], in training.
        """
        before = torch.zeros_like(numbers.data)
        found = []
        for n in range(1, len(self.sizes) + 1):
            number = _find(self.get_buffer(f"ngrams_{n}"), _keys(before, numbers, self.symbols))
            none = torch.zeros(1, len(self.examples))
            found.append(torch.cat((self.get_buffer(f"counts_{n}"), none))[number])  # -1 is the last row
            before = _before(number, numbers, beginning=self.sizes[n - 1])
        counts = torch.stack(found, 1)  # [N, n, K]
        if own is not None:
            itself = torch.zeros(len(own), len(self.examples)).scatter_(1, own[:, None], 1.0)  # [B, K]
            counts = torch.poisson((counts - itself[_sequence_of_step(numbers)][:, None]).clamp(min=0))
        share = self.examples / self.examples.sum()
        expected = (counts.sum(2, keepdim=True) + 1) * share
        return ((counts + share) / expected).log().flatten(1)


def _keys(before: Tensor, numbers: PackedSequence, symbols: int) -> Tensor:
    """Return what tells n-grams apart: the (n-1)-gram before a step and the step; -1 behind none: [N]."""
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
