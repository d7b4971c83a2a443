"""The shapes, compared with the plainest way to say the same."""

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

from elman.nn.layers import LAYERS
from elman.nn.shapes import ManyToOne


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_many_to_one_pools_each_sequence_by_itself(cell: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    model = ManyToOne(LAYERS[cell](3, 4, bidirectional=bidirectional), 2, dropout=0.5).eval()
    sequences = [torch.randn(length, 3) for length in (2, 5, 1, 5, 3)]
    scores = model(pack_sequence(sequences, enforce_sorted=False))
    for sequence, score in zip(sequences, scores, strict=True):
        outputs, _ = model.layers(sequence[:, None])
        pooled = torch.cat((outputs[:, 0].amax(0), outputs[:, 0].mean(0)))
        assert torch.allclose(model.output(pooled), score, atol=1e-6)


def test_many_to_one_counts_real_steps_only() -> None:
    """Negative outputs would lose against padding, and a mean over padding would be smaller."""
    model = ManyToOne(LAYERS["rnn"](1, 1), 1, dropout=0.0).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0)
        model.layers.bias_ih_l0.fill_(-1)
        model.output.weight.fill_(1)
    scores = model(pack_sequence([torch.zeros(9, 1), torch.zeros(1, 1)]))
    assert torch.allclose(scores, torch.full((2, 1), 2 * torch.tensor(-1.0).tanh().item()))


def test_many_to_one_step_by_step() -> None:
    torch.manual_seed(0)
    model = ManyToOne(LAYERS["lstm"](3, 4), 2, dropout=0.5).eval()
    x = torch.randn(6, 2, 3)
    state = None
    with torch.no_grad():
        for t in range(6):
            scores, state = model.step(x[t], state)
            whole = model(pack_sequence([x[: t + 1, 0], x[: t + 1, 1]]))
            assert torch.allclose(scores, whole, atol=1e-6)


def test_many_to_one_drops_out_in_training_only() -> None:
    torch.manual_seed(0)
    model = ManyToOne(LAYERS["gru"](3, 4), 2, dropout=0.5)
    x = pack_sequence([torch.randn(4, 3)])
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
