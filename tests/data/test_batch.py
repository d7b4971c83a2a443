"""Ragged batches against torch's own packing, and the laws of filling batches."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, unpack_sequence

from elman.data.batch import fill, pack, unpack

sequences = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=7), min_size=1, max_size=8)


@given(sequences)
def test_pack_equals_torchs(given_sequences: list[list[int]]) -> None:
    ours = pack(given_sequences)
    theirs = pack_sequence([torch.tensor(s) for s in given_sequences], enforce_sorted=False)
    assert torch.equal(ours.batch_sizes, theirs.batch_sizes)
    assert ours.data.dtype == torch.int64
    for whole, padded in zip(pad_packed_sequence(ours), pad_packed_sequence(theirs), strict=True):
        assert torch.equal(whole, padded)
    assert [s.tolist() for s in unpack_sequence(ours)] == given_sequences
    if len({len(s) for s in given_sequences}) == len(given_sequences):  # no ties in torch's sorting
        assert all(map(torch.equal, ours, theirs))  # type: ignore[arg-type]


@given(sequences)
def test_pack_keeps_the_order_of_equally_long_sequences(given_sequences: list[list[int]]) -> None:
    order = pack(given_sequences).sorted_indices
    assert order is not None
    expected = sorted(range(len(given_sequences)), key=lambda i: -len(given_sequences[i]))
    assert order.tolist() == expected


@given(sequences)
def test_unpack_undoes_pack(given_sequences: list[list[int]]) -> None:
    packed = pack(given_sequences)
    assert [s.tolist() for s in unpack(packed.data, packed)] == given_sequences


@given(sequences, st.booleans())
def test_unpack_equals_torchs_for_rows_of_values(given_sequences: list[list[int]], in_order: bool) -> None:
    """Any values of the same steps, [N, 2], and batches that torch packed, which may have no order."""
    if in_order:
        given_sequences.sort(key=len, reverse=True)
    pairs = [torch.tensor([[n, -n] for n in s]) for s in given_sequences]
    packed = pack_sequence(pairs, enforce_sorted=in_order)
    found = unpack(packed.data, packed)
    assert len(found) == len(pairs)
    assert all(map(torch.equal, found, pairs))


def test_an_empty_sequence_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"^sequences must be at least one step long, got an empty one$"):
        pack([[1], []])


lengths = st.lists(st.integers(1, 30), max_size=40)
seeds = st.one_of(st.none(), st.integers(0, 1000))


@given(lengths, st.integers(1, 60), seeds)
def test_fill_holds_every_example_once_within_the_budget(
    given_lengths: list[int], steps: int, seed: int | None
) -> None:
    batches = fill(given_lengths, steps, seed)
    assert sorted(i for batch in batches for i in batch) == list(range(len(given_lengths)))
    for batch in batches:
        assert batch
        assert len(batch) == 1 or sum(given_lengths[i] for i in batch) <= steps
    assert fill(given_lengths, steps, seed) == batches


@given(lengths, st.integers(1, 60), seeds)
def test_fill_wastes_no_room(given_lengths: list[int], steps: int, seed: int | None) -> None:
    """In the order in which batches were filled, none could have held the next one's first example."""
    batches = fill(given_lengths, steps, seed)
    if seed is None:
        for batch, after in pairwise(batches):
            assert sum(given_lengths[i] for i in batch) + given_lengths[after[0]] > steps


@given(lengths, st.integers(1, 60))
def test_fill_without_a_seed_goes_from_short_to_long(given_lengths: list[int], steps: int) -> None:
    flat = [i for batch in fill(given_lengths, steps) for i in batch]
    assert flat == sorted(range(len(given_lengths)), key=lambda i: given_lengths[i])


def test_seeds_differ_in_the_batches_and_in_their_order() -> None:
    given_lengths = [1 + i % 23 for i in range(300)]
    first, second = fill(given_lengths, 50, 1), fill(given_lengths, 50, 2)
    assert first != second
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in second}
    longest = [max(given_lengths[i] for i in batch) for batch in first]
    half = len(longest) // 2
    assert max(longest[:half]) > 20
    assert min(longest[half:]) < 6  # not from short to long


def test_a_batch_holds_similar_lengths() -> None:
    given_lengths = [1 + i * 7 % 100 for i in range(300)]
    for batch in fill(given_lengths, 1000, 3):
        longest, shortest = max(given_lengths[i] for i in batch), min(given_lengths[i] for i in batch)
        assert longest <= 3 * shortest + 30
