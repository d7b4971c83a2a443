"""The evidence of n-grams, compared with counting by hand, and what training may see of it."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elman.nn import evidence as module
from elman.nn.evidence import Evidence

SYMBOLS = 7

texts = st.lists(st.lists(st.integers(1, SYMBOLS - 1), min_size=1, max_size=6), min_size=2, max_size=12)


def pack(sequences: Sequence[Sequence[int]]) -> PackedSequence:
    return pack_sequence([torch.tensor(s) for s in sequences], enforce_sorted=False)


def row_of(packed: PackedSequence, sequence: int, step: int) -> int:
    """Where a step stands in packed data."""
    assert packed.unsorted_indices is not None
    return int(packed.batch_sizes[:step].sum() + packed.unsorted_indices[sequence])


def by_hand(
    sequences: Sequence[Sequence[int]], labels: Sequence[int], seen: Sequence[int], n: int
) -> np.ndarray:
    """The evidence of the n-gram that ends `seen`; 0 stands before the beginning."""
    count = np.zeros(3)
    wanted = ([0] * n + list(seen))[-n:]
    for sequence, label in zip(sequences, labels, strict=True):
        padded = [0] * (n - 1) + list(sequence)
        count[label] += any(padded[i : i + n] == wanted for i in range(len(sequence)))
    share = np.bincount(labels, minlength=3) / len(labels)
    return np.log((count + share) / ((count.sum() + 1) * share))


@settings(max_examples=40, deadline=None)
@given(texts, texts, st.integers(0, 99))
def test_it_is_what_counting_gives(train: list[list[int]], asked: list[list[int]], seed: int) -> None:
    labels = [0, 1, 2, *np.random.default_rng(seed).integers(0, 3, len(train))][: len(train) + 3]
    train = [[1], [2], [1, 2], *train]
    evidence = Evidence.of(pack(train), torch.tensor(labels), SYMBOLS, 3, longest=3)
    packed = pack(asked)
    found = evidence(packed).reshape(-1, 3, 3)  # [N, n, K]
    for i, sequence in enumerate(asked):
        for step in range(len(sequence)):
            for n in (1, 2, 3):
                want = by_hand(train, labels, sequence[: step + 1], n)
                assert found[row_of(packed, i, step), n - 1].numpy() == pytest.approx(want, abs=1e-5)


def test_an_example_is_no_evidence_for_its_own_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left when its counts are taken out is what counting without it gives."""
    monkeypatch.setattr(torch, "poisson", lambda counts: counts)
    train, labels = [[1, 2], [2, 1], [1, 1, 2], [3]], [0, 1, 0, 2]
    evidence = Evidence.of(pack(train), torch.tensor(labels), SYMBOLS, 3, longest=2)
    found = evidence(pack(train), torch.tensor(labels))
    share = torch.tensor([0.5, 0.25, 0.25])
    for counts, sequence, step in [
        ([1, 1, 0], 0, 0),
        ([1, 1, 0], 0, 1),
        ([2, 0, 0], 1, 1),
        ([0, 0, 0], 3, 0),
    ]:
        want = ((torch.tensor(counts) + share) / ((sum(counts) + 1) * share)).log()
        assert torch.allclose(found[row_of(pack(train), sequence, step), :3], want)


def test_counts_are_drawn_anew_in_training_only() -> None:
    train, labels = pack([[1, 2], [1, 3], [1], [2]] * 50), torch.tensor([0, 1, 0, 1] * 50)
    evidence = Evidence.of(train, labels, SYMBOLS, 2, longest=1)
    assert torch.equal(evidence(train), evidence(train))
    torch.manual_seed(0)
    first, second = evidence(train, labels), evidence(train, labels)
    assert not torch.equal(first, second)
    drawn = torch.cat([evidence(train, labels) for _ in range(50)])
    assert (drawn.mean() - evidence(train).mean()).abs() < 0.1
    torch.manual_seed(0)
    assert torch.equal(evidence(train, labels), first)


def test_an_ngram_never_seen_says_nothing() -> None:
    evidence = Evidence.of(pack([[1, 2], [3]]), torch.tensor([0, 1]), SYMBOLS, 2, longest=2)
    assert evidence(pack([[5, 6, 5], [3, 1]]))[:, :2].abs().max() > 0
    assert torch.equal(evidence(pack([[5, 6, 5]])), torch.zeros(3, 4))


def test_where_there_are_too_many_the_rarest_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    train, labels = pack([[1, 2], [1, 2, 3], [4, 1]]), torch.tensor([0, 1, 0])
    whole = Evidence.of(train, labels, SYMBOLS, 2, longest=2)
    assert whole.sizes == (4, 5)
    monkeypatch.setattr(module, "MOST_COUNTS", 4)
    evidence = Evidence.of(train, labels, SYMBOLS, 2, longest=2)
    assert evidence.sizes == (2, 2)
    common, rare = pack([[1, 2]]), pack([[4]])
    assert torch.equal(evidence(common), whole(common))
    assert torch.equal(evidence(rare), torch.zeros(1, 4))


def test_it_is_restored_by_its_sizes() -> None:
    train, labels = pack([[1, 2], [1, 2, 3], [4, 1]]), torch.tensor([0, 1, 0])
    evidence = Evidence.of(train, labels, SYMBOLS, 2, longest=2)
    again = Evidence(SYMBOLS, 2, evidence.sizes)
    again.load_state_dict(evidence.state_dict())
    assert torch.equal(again(train), evidence(train))
    assert evidence.output_size == evidence(train).shape[1] == 4
