"""Speech: recurrent layers over steps of frames, which may be convolved over frequency first.

Letters: F features of a frame, N real steps of a batch, B recordings, I inputs of a step, K outputs.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.networks.frequency_convolution import FrequencyConvolution
from elman.networks.layers import recurrent_layers
from elman.nn.shapes import ManyToMany, ManyToOne


class AcousticModel(nn.Module):
    """Scores [N, K] of characters at each step, or [B, K] of labels.

    Args:
        features: F.
        outputs: K.
        settings: of the task.
        sound: whether the features are bands of frequency. Where words are told apart, which a few voices may
            have said, convolutions slide over them: they are tolerant of pitch. A text is learned sooner
            without them.
    """

    def __init__(self, features: int, outputs: int, settings: Any, *, sound: bool) -> None:
        super().__init__()
        words = settings.label is not None
        convolve = sound and words
        self.bands = (
            FrequencyConvolution(settings.stack, features, settings.hidden) if convolve else nn.Identity()
        )
        width = settings.hidden if convolve else settings.stack * features
        layers = recurrent_layers(settings, width, bidirectional=not settings.one_way)
        self.whole = (ManyToOne if words else ManyToMany)(layers, outputs, settings.dropout)

    def forward(self, steps: PackedSequence, state: Any = None) -> tuple[Tensor, Any]:
        """Return the scores of packed steps [N, I]; no state."""
        return self.whole(PackedSequence(self.bands(steps.data), *steps[1:])), None

    def step(self, step: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] after one more step [B, I] of each recording, and the state."""
        return self.whole.step(self.bands(step), state)
