"""Attention, against the same done sentence by sentence."""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from elman.nn.attention import Attention, places, spread

LENGTHS = (3, 7, 1, 5)


def sources(width: int = 6) -> tuple[list[torch.Tensor], PackedSequence]:
    generator = torch.Generator().manual_seed(0)
    sequences = [torch.randn(length, width, generator=generator) for length in LENGTHS]
    return sequences, pack_sequence(sequences, enforce_sorted=False)


def test_steps_are_spread_as_torch_pads_them() -> None:
    _, packed = sources()
    padded, _ = pad_packed_sequence(packed, batch_first=True)
    place, shape = places(packed)
    assert shape == padded.shape[:2]
    assert torch.equal(spread(packed.data, place, shape), padded)
    assert torch.equal(padded.flatten(0, 1)[place], packed.data)


def test_each_sequence_is_attended_to_by_itself() -> None:
    torch.manual_seed(0)
    attention = Attention(4, 6)
    sequences, packed = sources()
    queries = torch.randn(len(sequences), 2, 4)
    found, weights = attention(queries, attention.remember(packed))
    for i, source in enumerate(sequences):
        scores = queries[i] @ attention.key.weight @ source.T  # [T, S]
        expected = scores.softmax(1)
        assert torch.allclose(weights[i, :, : len(source)], expected, atol=1e-6)
        assert not weights[i, :, len(source) :].any()
        assert torch.allclose(found[i], expected @ source, atol=1e-6)


def test_no_gradient_comes_from_what_is_not_there() -> None:
    attention = Attention(4, 6)
    _, packed = sources()
    data = packed.data.clone().requires_grad_()
    memory = attention.remember(PackedSequence(data, *packed[1:]))
    found, _ = attention(torch.randn(len(LENGTHS), 2, 4), memory)
    found[2].sum().backward()  # of the source that is one step long
    assert data.grad is not None
    assert data.grad.any(1).sum() == 1
    assert torch.isfinite(data.grad).all()


def test_rows_of_a_memory() -> None:
    attention = Attention(4, 6)
    _, packed = sources()
    queries = torch.randn(len(LENGTHS), 1, 4)
    memory = attention.remember(packed)
    rows = torch.tensor([2, 0, 0])
    found, _ = attention(queries[rows], memory.rows(rows))
    assert torch.allclose(found, attention(queries, memory)[0][rows], atol=1e-6)
