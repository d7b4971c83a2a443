"""Frames of sound: log-mel energies, their normalisation, their stacking, and how training varies them.

Letters: S samples, T frames, F features of a frame, K steps of the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

RATE_HZ = 16_000
WINDOW_MS, HOP_MS = 25, 10
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 20.0, 7_600.0
SPECTRUM_SAMPLES = 512  # of the Fourier transform: the window, and zeros
FLOOR = 1e-6  # of a band's energy: about that of the rounding to 16 bits
RANGE = 8.0  # nats below the loudest energy: what is lower counts as that
WINDOW_SAMPLES, HOP_SAMPLES = RATE_HZ * WINDOW_MS // 1000, RATE_HZ * HOP_MS // 1000

# Frames that the training file's mean and variance weigh beside a recording's own. Of sound, whose loudness
# is known, they weigh more: a short word's own mean is that of its vowel, and tells it from other words.
PRIOR_FRAMES, PRIOR_FRAMES_OF_SOUND = 5, 50
LEAST_DEVIATION = 1e-5
SLOWEST, FASTEST = 0.85, 1.15  # speed in training
LARGEST_WARP = 0.12  # by this share the frequencies move in training, as a longer or shorter vocal tract does
COLOUR, COLOURS = 0.5, 6  # deviation of what is added to bands, drawn at so many places of the spectrum
MASKS, WIDEST_MASK_S = 2, 0.3  # in time
BAND_MASKS, WIDEST_BAND_MASK = 2, 0.2  # in frequency, as a share of all bands


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Return the log-mel energies [T, BANDS] of samples [S] at RATE_HZ; T = 1 + (S - window) // hop.

    Source: Davis and Mermelstein 1980, "Comparison of parametric representations for monosyllabic word
    recognition in continuously spoken sentences", without the cosine transform.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    spectrum = np.fft.rfft(windows * np.hanning(WINDOW_SAMPLES + 1)[:-1], SPECTRUM_SAMPLES)
    power = spectrum.real**2 + spectrum.imag**2  # [T, SPECTRUM_SAMPLES / 2 + 1]
    return np.log(np.maximum(power @ _mel_bands(), FLOOR)).astype(np.float32)


class Framer:
    """Turns sound that comes in pieces into frames: those of `log_mel` on all of it."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Return the frames [T, BANDS] that the next samples [S] at RATE_HZ complete; maybe none."""
        heard = np.concatenate((self._rest, samples))
        count = max(0, 1 + (len(heard) - WINDOW_SAMPLES) // HOP_SAMPLES)
        self._rest = heard[count * HOP_SAMPLES :]
        return log_mel(heard) if count else np.zeros((0, BANDS), np.float32)


@cache
def _mel_bands() -> np.ndarray:
    """Weights [SPECTRUM_SAMPLES / 2 + 1, BANDS]: triangles, evenly spaced on the mel scale."""
    lowest, highest = (2595 * np.log10(1 + hz / 700) for hz in (LOWEST_HZ, HIGHEST_HZ))
    corners = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)  # Hz
    hz = np.fft.rfftfreq(SPECTRUM_SAMPLES, 1 / RATE_HZ)[:, None]
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (hz - left) / (middle - left), (right - hz) / (right - middle)
    return np.maximum(0, np.minimum(rising, falling))


def audible(energies: np.ndarray, loudest: float | np.ndarray) -> np.ndarray:
    """Return log-mel energies [T, BANDS] beside the loudest; what is RANGE below it is as low as any can be.

    What a silence sounds like tells of the room and the machine, and nothing of what is said.

    Args:
        energies: of a recording, or of a part of it.
        loudest: of the whole recording; or [T, 1], of what came up to each frame.
    """
    return np.maximum(energies - loudest, -RANGE).astype(np.float32)


def loudest_so_far(energies: np.ndarray, before: float) -> np.ndarray:
    """Return the largest of energies [T, BANDS] up to each frame and of those `before`, [T, 1]."""
    return np.maximum.accumulate(np.maximum(energies.max(1, keepdims=True), before), 0)


@dataclass(frozen=True)
class Normal:
    """Brings features to mean 0 and variance 1: those of a recording, with some weight of training's.

    Args:
        mean: [F], of the training file.
        square: [F], the mean square there.
        prior: frames that these weigh beside a recording's own.
    """

    mean: tuple[float, ...]
    square: tuple[float, ...]
    prior: int

    @classmethod
    def of(cls, recordings: Sequence[np.ndarray], prior: int = PRIOR_FRAMES) -> "Normal":
        """Measure recordings, each [T, F]."""
        total = sum(len(frames) for frames in recordings)
        mean = np.sum([frames.sum(0, dtype=np.float64) for frames in recordings], 0) / total
        square = np.sum([np.square(f, dtype=np.float64).sum(0) for f in recordings], 0) / total
        return cls(tuple(mean.tolist()), tuple(square.tolist()), prior)

    def whole(self, frames: np.ndarray) -> np.ndarray:
        """Normalise a recording [T, F] by the mean and variance of all of it."""
        sums = self.start() + np.stack((frames, np.square(frames, dtype=np.float64))).sum(1)
        return self._scaled(frames, sums[:, None], self.prior + len(frames))

    def running(self, frames: np.ndarray, sums: np.ndarray, before: int) -> tuple[np.ndarray, np.ndarray]:
        """Normalise each frame by the mean and variance up to it.

        Args:
            frames: [T, F], the next of a recording.
            sums: [2, F], those behind the frames before, at first those of `start`.
            before: how many frames came before.

        Returns:
            The frames, and the sums behind them.
        """
        squares = np.square(frames, dtype=np.float64)
        steps = np.concatenate((sums[:, None], np.stack((frames, squares))), 1).cumsum(1)  # [2, 1+T, F]
        counts = self.prior + before + np.arange(1, len(frames) + 1)[:, None]
        return self._scaled(frames, steps[:, 1:], counts), steps[:, -1]

    def start(self) -> np.ndarray:
        """Return the sums [2, F] before a recording."""
        return self.prior * np.array([self.mean, self.square])

    def _scaled(self, frames: np.ndarray, sums: np.ndarray, count: int | np.ndarray) -> np.ndarray:
        mean, square = sums / count
        deviation = np.sqrt(np.maximum(square - mean**2, LEAST_DEVIATION**2))
        return ((frames - mean) / deviation).astype(np.float32)


def stack(frames: np.ndarray, count: int) -> np.ndarray:
    """Put `count` frames [T, F] side by side to make a step of the network, [K, count * F].

    Frames that fill no step are left out, where there is at least one step; so does a stream wait for them.
    """
    missing = max(0, count - len(frames))
    filled = np.pad(frames, ((0, missing), (0, 0)))  # zero is the mean
    steps = len(filled) // count
    return filled[: steps * count].reshape(steps, count * frames.shape[1])


def spread(frames: np.ndarray, length: int) -> np.ndarray:
    """Stretch or squeeze frames [T, F] to another length, [length, F]."""
    return _at(frames, np.linspace(0, len(frames) - 1, length))


def varied(
    frames: np.ndarray, least: int, chance: np.random.Generator, *, bands: bool, coloured: bool
) -> np.ndarray:
    """Return a recording as it might have been: faster or slower, of another voice or colour, with gaps.

    Args:
        frames: [T, F], normalised.
        least: frames that must be left.
        chance: where the randomness comes from.
        bands: whether the features are bands of frequency, which a voice can move.
        coloured: whether bands become duller or sharper too, which helps where few voices are to be learned.

    Source: Ko et al. 2015, "Audio augmentation for speech recognition" (speed); Jaitly and Hinton 2013,
    "Vocal tract length perturbation improves speech recognition"; Park et al. 2019, "SpecAugment".
    """
    length = max(least, round(len(frames) / chance.uniform(SLOWEST, FASTEST)))
    frames = spread(frames, length)
    if bands:
        if coloured:
            colour = chance.normal(0, COLOUR, COLOURS)
            frames = frames + np.interp(np.linspace(0, COLOURS - 1, frames.shape[1]), range(COLOURS), colour)
        places = np.arange(frames.shape[1]) * (1 + chance.uniform(-LARGEST_WARP, LARGEST_WARP))
        warped = _at(frames.T.astype(np.float32), np.minimum(places, frames.shape[1] - 1))
        frames = np.ascontiguousarray(warped.T)
    for _ in range(MASKS):
        width = chance.integers(0, min(int(WIDEST_MASK_S * 1000 / HOP_MS), length // 5) + 1)
        start = chance.integers(0, length - width + 1)
        frames[start : start + width] = 0
    for _ in range(BAND_MASKS):
        width = chance.integers(0, int(WIDEST_BAND_MASK * frames.shape[1]) + 1)
        start = chance.integers(0, frames.shape[1] - width + 1)
        frames[:, start : start + width] = 0
    return frames


def _at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return rows between rows [R, ...], by linear interpolation."""
    before = np.minimum(places.astype(np.int64), len(rows) - 1)
    share = (places - before).astype(np.float32)[:, None]
    return rows[before] * (1 - share) + rows[np.minimum(before + 1, len(rows) - 1)] * share
