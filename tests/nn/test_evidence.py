"""The evidence of n-grams, compared with counting by hand, and what training may see of it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elman.nn import evidence as module
from elman.nn.evidence import SINGLE, SPELLINGS, WORDS, Evidence, Pattern, mean

SYMBOLS = 7

texts = st.lists(st.lists(st.integers(1, SYMBOLS - 1), min_size=1, max_size=6), min_size=2, max_size=12)


def pack(sequences: Sequence[Sequence[int]]) -> PackedSequence:
    return pack_sequence([torch.tensor(s) for s in sequences], enforce_sorted=False)


def count(
    sequences: Sequence[Sequence[int]], labels: Sequence[int], kinds: int, patterns: Sequence[Pattern]
) -> Evidence:
    """Evidence of sequences that are an example each."""
    every = torch.arange(len(sequences))
    return Evidence.of(pack(sequences), every, torch.tensor(labels), SYMBOLS, kinds, patterns)


def row_of(packed: PackedSequence, sequence: int, step: int) -> int:
    """Where a step stands in packed data."""
    assert packed.unsorted_indices is not None
    return int(packed.batch_sizes[:step].sum() + packed.unsorted_indices[sequence])


def part(sequence: Sequence[int], step: int, pattern: str) -> tuple[int, ...]:
    """The n-gram that ends at a step, by a pattern such as 101; 0 stands before the beginning."""
    return tuple(
        ([0] * 9 + list(sequence))[9 + step - back] for back, there in enumerate(pattern[::-1]) if int(there)
    )


def by_hand(
    sequences: Sequence[Sequence[int]], labels: Sequence[int], wanted: tuple[int, ...], pattern: str
) -> np.ndarray:
    """The evidence of an n-gram."""
    counts = np.zeros(3)
    for sequence, label in zip(sequences, labels, strict=True):
        counts[label] += wanted in {part(sequence, i, pattern) for i in range(len(sequence))}
    share = np.bincount(labels, minlength=3) / len(labels)
    return np.log((counts + share) / ((counts.sum() + 1) * share))


@pytest.mark.parametrize(
    ("patterns", "written"),
    [(WORDS, ["1", "11", "101"]), (SPELLINGS, ["1", "11", "111", "1111", "11111"])],
)
@settings(max_examples=20, deadline=None)
@given(train=texts, asked=texts, seed=st.integers(0, 99))
def test_it_is_what_counting_gives(
    patterns: Sequence[Pattern],
    written: list[str],
    train: list[list[int]],
    asked: list[list[int]],
    seed: int,
) -> None:
    labels = [0, 1, 2, *np.random.default_rng(seed).integers(0, 3, len(train)).tolist()]
    train = [[1], [2], [1, 2], *train]
    found = count(train, labels, 3, patterns)(pack(asked)).reshape(-1, len(patterns), 3)  # [N, P, K]
    for i, sequence in enumerate(asked):
        for step in range(len(sequence)):
            for p, pattern in enumerate(written):
                want = by_hand(train, labels, part(sequence, step, pattern), pattern)
                assert found[row_of(pack(asked), i, step), p].numpy() == pytest.approx(want, abs=1e-5)


def test_sequences_of_one_example_count_together() -> None:
    """An n-gram counts once in an example; what stands in two sequences follows upon neither."""
    train, example = pack([[1], [1, 2], [2]]), torch.tensor([0, 0, 1])
    evidence = Evidence.of(train, example, torch.tensor([0, 1]), SYMBOLS, 2, WORDS[:2])
    assert evidence.get_buffer("counts_0").tolist() == [[1, 0], [1, 1]]  # of 1, and of 2
    assert evidence.get_buffer("counts_1").tolist() == [[1, 0], [1, 0], [0, 1]]  # 1 2; begin 1; begin 2


def test_an_example_is_no_evidence_for_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left when its counts are taken out is what counting without it gives."""
    monkeypatch.setattr(torch, "poisson", lambda counts: counts)
    train, labels = [[1, 2], [2, 1], [1, 1, 2], [3]], [0, 1, 0, 2]
    found = count(train, labels, 3, [SINGLE])(pack(train), torch.tensor(labels))
    share = torch.tensor([0.5, 0.25, 0.25])
    for counts, sequence, step in [
        ([1, 1, 0], 0, 0),
        ([1, 1, 0], 0, 1),
        ([2, 0, 0], 1, 1),
        ([0, 0, 0], 3, 0),
    ]:
        want = ((torch.tensor(counts) + share) / ((sum(counts) + 1) * share)).log()
        assert torch.allclose(found[row_of(pack(train), sequence, step)], want)


def test_counts_are_drawn_anew_in_training_only() -> None:
    sequences, labels = [[1, 2], [1, 3], [1], [2]] * 50, [0, 1, 0, 1] * 50
    train, own, evidence = pack(sequences), torch.tensor(labels), count(sequences, labels, 2, [SINGLE])
    assert torch.equal(evidence(train), evidence(train))
    torch.manual_seed(0)
    first, second = evidence(train, own), evidence(train, own)
    assert not torch.equal(first, second)
    drawn = torch.cat([evidence(train, own) for _ in range(50)])
    assert (drawn.mean() - evidence(train).mean()).abs() < 0.1
    torch.manual_seed(0)
    assert torch.equal(evidence(train, own), first)


def test_an_ngram_never_seen_says_nothing() -> None:
    evidence = count([[1, 2], [3]], [0, 1], 2, WORDS[:2])
    assert evidence(pack([[5, 6, 5], [3, 1]]))[:, :2].abs().max() > 0
    assert torch.equal(evidence(pack([[5, 6, 5]])), torch.zeros(3, 4))


def test_where_there_are_too_many_the_rarest_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    train, labels = [[1, 2], [1, 2, 3], [4, 1]], [0, 1, 0]
    whole = count(train, labels, 2, WORDS[:2])
    assert whole.sizes == (4, 5)
    monkeypatch.setattr(module, "MOST_COUNTS", 4)
    evidence = count(train, labels, 2, WORDS[:2])
    assert evidence.sizes == (2, 2)
    common, rare = pack([[1, 2]]), pack([[4]])
    assert torch.equal(evidence(common), whole(common))
    assert torch.equal(evidence(rare), torch.zeros(1, 4))


def test_it_is_restored_by_its_sizes() -> None:
    train, labels = [[1, 2], [1, 2, 3], [4, 1]], [0, 1, 0]
    evidence = count(train, labels, 2, WORDS)
    again = Evidence(SYMBOLS, 2, WORDS, evidence.sizes)
    again.load_state_dict(evidence.state_dict())
    assert torch.equal(again(pack(train)), evidence(pack(train)))
    assert evidence.output_size == evidence(pack(train)).shape[1] == 6


def test_the_mean_of_each_sequence() -> None:
    sequences = [torch.tensor([1, 2]), torch.tensor([5]), torch.tensor([1, 3, 8])]
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert mean(packed.data[:, None].float(), packed).tolist() == [[1.5], [5], [4]]
