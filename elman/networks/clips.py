"""Video: a small convolutional network for each frame and its change, recurrent layers over the frames.

Letters: N frames of a batch, B clips of it, S side of a frame, F features of a frame, K labels.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from elman.nn.shapes import ManyToOne

CROP = 56  # pixels of the side that is read; in training, anywhere in the frame
CHANNELS = 5  # red, green, blue; brighter, darker than in the frame before
WIDTHS = (16, 32, 64, 64)  # channels behind each convolution, which halves the side
FEATURES = 2 * WIDTHS[-1]  # F
AT_ONCE = 256  # frames that the convolutions read together, so that memory is bounded


class ClipClassifier(nn.Module):
    """Scores of the labels of clips.

    In training each clip is augmented: mirrored, its brightness changed, a random part of the frame cropped.
    Otherwise the middle of the frame is cropped.

    Args:
        layers: recurrent layers, such as `elman.nn.GRU`, whose input is `FEATURES` wide.
        labels: K.
        dropout: probability with which inputs and what is pooled are zeroed in training.
    """

    def __init__(self, layers: Any, labels: int, dropout: float) -> None:
        super().__init__()
        self.frame_encoder = nn.Sequential()
        channels = CHANNELS
        for width in WIDTHS:
            # Not normalised: how much moves, and not only what, often decides.
            convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1)
            nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
            self.frame_encoder.extend((convolution, nn.ReLU()))
            channels = width
        self.whole = ManyToOne(layers, labels, dropout)

    def forward(self, frames: PackedSequence, state: Any = None) -> tuple[Tensor, Any]:
        """Return scores [B, K] of packed clips [N, S, S, 3], in the order in which they were packed; no state."""
        sizes = frames.batch_sizes
        row = torch.arange(int(sizes.sum())) - (sizes.cumsum(0) - sizes).repeat_interleave(sizes)  # [N]
        before = torch.arange(len(row)) - torch.cat((sizes[:1], sizes[:-1])).repeat_interleave(sizes)
        before = before.maximum(row)  # a first frame is its own
        crop = self._crop(int(sizes[0]), frames.data.shape[1])
        features = [
            self._encode_frames(frames.data, some, before, row, crop) for some in torch.arange(len(row)).split(AT_ONCE)
        ]
        return self.whole(PackedSequence(torch.cat(features), *frames[1:])), None

    def _crop(self, clips: int, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw top, left, turned and brightness of each clip, [B] each."""
        if not self.training:
            middle = torch.full((clips,), (side - CROP) // 2)
            return middle, middle, torch.zeros(clips, dtype=torch.bool), torch.ones(clips)
        room = side - CROP + 1
        return (
            torch.randint(room, (clips,)),
            torch.randint(room, (clips,)),
            torch.rand(clips) < 0.5,
            torch.empty(clips).uniform_(0.7, 1.3),
        )

    def _encode_frames(
        self, data: Tensor, some: Tensor, before: Tensor, row: Tensor, crop: tuple[Tensor, ...]
    ) -> Tensor:
        """Return what the eye finds in some of the frames, [n, F]."""
        top, left, turned, brightness = (drawn[row[some]] for drawn in crop)
        place = torch.arange(CROP)
        across = torch.where(turned[:, None], CROP - 1 - place, place) + left[:, None]  # [n, CROP]
        down = (top[:, None] + place)[:, :, None]

        def part(numbers: Tensor) -> Tensor:  # [n, 3, CROP, CROP]
            pixels = data[numbers[:, None, None], down, across[:, None]].permute(0, 3, 1, 2).float()
            return pixels * (brightness / 255)[:, None, None, None].to(pixels.device)

        now = part(some)
        change = 4 * (now - part(before[some])).mean(1, keepdim=True)
        found = self.frame_encoder(torch.cat((now - 0.5, change.relu(), (-change).relu()), 1))
        return torch.cat((found.mean((2, 3)), found.amax((2, 3))), 1)

    def step(self, frame: Tensor, before: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return scores [1, K] behind one more frame [S, S, 3], after the one before it, and the state."""
        clip = torch.zeros(2, dtype=torch.long)  # both are frames of the only clip
        found = self._encode_frames(torch.stack((before, frame)), clip[1:] + 1, clip, clip, self._crop(1, len(frame)))
        return self.whole.step(found, state)
