"""1-D convolution over frequency with pooling: tolerant of pitch.

Letters: N steps, C frames of a step, D bands of a frame, O outputs.
"""

from torch import Tensor, nn

DETECTORS = 16
WIDTHS = 9, 5  # bands that a detector sees, in each layer
POOLS = 3, 2  # neighbours of which the largest goes on


class FrequencyConvolution(nn.Module):
    """Convolutions over frequency, then one linear layer; each step by itself.

    Source: Abdel-Hamid et al. 2014, "Convolutional neural networks for speech recognition".

    Args:
        frames: C.
        bands: D.
        outputs: O.
    """

    def __init__(self, frames: int, bands: int, outputs: int) -> None:
        super().__init__()
        self.frames, self.bands = frames, bands
        layers, channels, width = [], frames, bands
        for seen, pooled in zip(WIDTHS, POOLS, strict=True):
            layers += [
                nn.Conv1d(channels, DETECTORS, seen, padding=seen // 2),
                nn.ReLU(),
                nn.MaxPool1d(pooled),
            ]
            channels, width = DETECTORS, width // pooled
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * width, outputs), nn.ReLU())

    def forward(self, steps: Tensor) -> Tensor:
        """Return [N, O] for steps [N, C*D]."""
        return self.layers(steps.view(-1, self.frames, self.bands))
