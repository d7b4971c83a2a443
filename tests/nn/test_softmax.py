"""The softmax in clusters is a softmax: it adds up to one, and in one cluster it is torch's."""

import pytest
import torch
from torch.nn import functional as F

from elman.nn import softmax
from elman.nn.softmax import ClusteredSoftmax

K, E, N = 23, 5, 40


@pytest.fixture(params=["one cluster", "three"])
def clustered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ClusteredSoftmax:
    monkeypatch.setattr(softmax, "SMALL", K if request.param == "one cluster" else K - 1)
    torch.manual_seed(0)
    module = ClusteredSoftmax(K, E).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module


def test_the_probabilities_add_up_to_one_and_are_those_of_the_loss(clustered: ClusteredSoftmax) -> None:
    x, weight = torch.randn(N, E).double(), torch.randn(K, E).double()
    scores = clustered.log_probabilities(x, weight)
    torch.testing.assert_close(scores.exp().sum(1), torch.ones(N).double())
    targets = torch.arange(N) % K
    nll = clustered.nll(x, weight, targets)
    torch.testing.assert_close(nll, -scores.gather(1, targets[:, None])[:, 0])


def test_the_gradient_is_right(clustered: ClusteredSoftmax) -> None:
    x = torch.randn(N, E, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(K, E, dtype=torch.float64, requires_grad=True)
    targets = torch.arange(N) % K
    assert torch.autograd.gradcheck(lambda x, w: clustered.nll(x, w, targets), (x, weight))


def test_a_small_dictionary_is_scored_at_once() -> None:
    module = ClusteredSoftmax(K, E)
    x, weight, targets = torch.randn(N, E), torch.randn(K, E), torch.arange(N) % K
    expected = F.cross_entropy(F.linear(x, weight, module.bias), targets, reduction="none")
    torch.testing.assert_close(module.nll(x, weight, targets), expected)


def test_a_batch_without_a_rare_symbol_has_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(softmax, "SMALL", 1)
    module = ClusteredSoftmax(K, E)
    assert module.ends == [2, 11, 23]
    nll = module.nll(torch.randn(3, E), torch.randn(K, E), torch.tensor([0, 1, 1]))
    assert torch.isfinite(nll).all()
