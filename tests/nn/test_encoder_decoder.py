"""The encoder and decoder: all steps at once as step by step, and the loss as torch has it."""

import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elman.nn.attention import places, spread
from elman.nn.layers import LAYERS
from elman.nn.shapes import EncoderDecoder

SOURCES = ([5, 6, 7, 3], [9, 3], [4, 8, 8, 8, 10, 3])
TARGETS = ([2, 7, 7], [2, 5, 6, 4, 9], [2])


def packed(sequences: tuple[list[int], ...]) -> PackedSequence:
    return pack_sequence([torch.tensor(s) for s in sequences], enforce_sorted=False)


def network(cell: str = "gru", layers: int = 1, dropout: float = 0.0) -> EncoderDecoder:
    torch.manual_seed(0)
    layer = LAYERS[cell]
    return EncoderDecoder(
        12,
        layer(8, 5, num_layers=layers, bidirectional=True),
        layer(8, 9, num_layers=layers),
        layer(19, 9),
        dropout,
    )


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("layers", [1, 2])
def test_step_by_step_it_says_what_it_says_at_once(cell: str, layers: int) -> None:
    model = network(cell, layers).eval()
    target = packed(TARGETS)
    with torch.no_grad():
        outputs, _ = model(packed(SOURCES), target)
        scores = F.linear(outputs, model.embedding.weight, model.bias).log_softmax(1)
        at_once = spread(scores, *places(target))
        for i, (source, symbols) in enumerate(zip(SOURCES, TARGETS, strict=True)):
            state = model.encode(packed((source,)))
            for t, symbol in enumerate(symbols):
                stepped, state = model.step(torch.tensor([symbol]), state)
                assert torch.allclose(stepped[0], at_once[i, t], atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_the_smoothed_cross_entropy(smoothing: float) -> None:
    model = network()
    torch.nn.init.normal_(model.bias)
    targets = torch.randint(12, (sum(map(len, TARGETS)),))
    loss = model.loss(packed(SOURCES), packed(TARGETS), targets, smoothing)
    outputs, _ = model(packed(SOURCES), packed(TARGETS))
    scores = F.linear(outputs, model.embedding.weight, model.bias)
    assert torch.allclose(loss, F.cross_entropy(scores, targets, label_smoothing=smoothing), atol=1e-6)


def test_rows_of_a_state() -> None:
    model = network("lstm", 2).eval()
    rows = torch.tensor([2, 0, 0])
    with torch.no_grad():
        _, state = model.step(torch.tensor([2, 2, 2]), model.encode(packed(SOURCES)))
        everything, _ = model.step(torch.tensor([4, 5, 6]), state)
        some, _ = model.step(torch.tensor([6, 4, 4]), state[rows])
    assert torch.allclose(some, everything[rows], atol=1e-6)


def test_dropout_zeroes_the_same_units_at_all_steps() -> None:
    model = network(dropout=0.5).train()
    ones = PackedSequence(torch.ones(sum(map(len, SOURCES)), 40), *packed(SOURCES)[1:])
    dropped = spread(model._dropped(ones).data, *places(ones))
    for row, source in zip(dropped, SOURCES, strict=True):
        assert (row[: len(source)] == row[0]).all()
        assert set(row[0].tolist()) == {0.0, 2.0}
    assert (dropped[0, 0] != dropped[1, 0]).any()


def test_two_threads_find_the_same_gradient_each_time() -> None:
    """Torch's threads sum the gradient of an index in any order, where it is large."""
    torch.manual_seed(0)
    gru, size = LAYERS["gru"], 320
    model = EncoderDecoder(5, gru(size, 4, bidirectional=True), gru(size, 4), gru(12, 4), 0.0)
    source, target = packed(([1, 2, 3],)), packed(([i % 5 for i in range(600)],))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = [
            torch.autograd.grad(
                model.loss(source, target, target.data, 0.1), [model.embedding.weight, model.bias]
            )
            for _ in range(10)
        ]
    finally:
        torch.set_num_threads(before)
    for gradients in found[1:]:
        assert all(map(torch.equal, gradients, found[0]))
