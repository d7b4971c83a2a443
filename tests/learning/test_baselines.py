"""The plain methods: each does what it says, and learns where there is something to learn."""

import pytest
import torch
from torch import nn

from elman.learning.baselines import MostFrequent, train_classifier, windows


def test_most_frequent_label() -> None:
    answer = MostFrequent[str, int]([("a", 1), ("a", 2), ("a", 2), ("b", 3), ("c", 3), ("d", 3)])
    assert [answer(symbol) for symbol in "ab"] == [2, 3]
    assert answer("never seen") == 3


def test_of_equally_frequent_labels_the_first_wins() -> None:
    assert MostFrequent([("a", 2), ("a", 1), ("a", 1), ("a", 2)])("a") == 2


@pytest.mark.parametrize("width", [1, 3, 5])
def test_windows_are_the_neighbours_of_each_step(width: int) -> None:
    sequences = [[1, 2, 3, 4], [5], [6, 7]]
    side = width // 2
    expected = [
        [s[t + j] if 0 <= t + j < len(s) else 0 for j in range(-side, side + 1)]
        for s in sequences
        for t in range(len(s))
    ]
    assert windows(sequences, width, 0).tolist() == expected


def classes() -> tuple[torch.Tensor, torch.Tensor]:
    """Points on either side of a line."""
    inputs = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    return inputs, (inputs.sum(1) > 0).long()


def trained(seed: int) -> tuple[nn.Module, float]:
    """A network trained on these points, and its accuracy."""
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    inputs, labels = classes()
    train_classifier(model, inputs, labels, epochs=20, batch=50, learning_rate=0.05, seed=seed)
    return model, (model(inputs).argmax(1) == labels).float().mean().item()


def test_a_classifier_learns_what_can_be_learned() -> None:
    assert trained(0)[1] > 0.97


def test_the_seed_alone_decides_the_order() -> None:
    (one, _), (same, _), (other, _) = trained(1), trained(1), trained(2)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
