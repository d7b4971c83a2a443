"""The detectors over bands: each step by itself, and a shift that moves what is found."""

import torch

from elman.nn.bands import Bands


def test_each_step_is_seen_by_itself() -> None:
    torch.manual_seed(0)
    bands = Bands(3, 80, 7)
    steps = torch.randn(5, 240)
    together = bands(steps)
    assert together.shape == (5, 7)
    for step, row in zip(steps, together, strict=True):
        assert torch.allclose(bands(step[None])[0], row, atol=1e-6)


def test_a_higher_voice_moves_what_is_found() -> None:
    """Shifted by as many bands as are pooled, the same is found one place on."""
    torch.manual_seed(0)
    bands = Bands(2, 80, 7)
    steps = torch.zeros(1, 2, 80)
    steps[..., 30:42] = torch.randn(2, 12)
    detectors = bands.layers[:6]
    low, high = detectors(steps.flatten(1).view(-1, 2, 80)), detectors(steps.roll(6, 2))
    assert torch.allclose(low[..., 2:-2], high[..., 3:-1], atol=1e-6)
    assert not torch.allclose(low, high, atol=1e-2)
