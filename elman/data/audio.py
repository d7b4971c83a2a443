"""Sound: WAV and FLAC as samples of one channel at 16 kHz, read a block at a time; and `.npy` features.

Decoders lose data in silence: a file that was cut plays to where it was cut. So what the header promises is
compared with what is there, and a shortfall is an error with both numbers.

Letters: S samples, T frames, F features of a frame.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from elman.data.arrays import open_array
from elman.data.extras import need
from elman.data.frames import RATE_HZ, WINDOW_SAMPLES
from elman.data.source import DataError, counted

SUFFIXES = (".flac", ".wav")
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
MOST_CHANNELS = 64
BLOCK = 4096  # samples of each channel that are decoded at a time, a block of FLAC: a cut one is found there

AGAIN = "fetch or export the file again, or leave it out with --skip-bad"
_UNKNOWN = 1 << 62  # about what a decoder says where the header does not tell the length


@dataclass(frozen=True)
class Format:
    """How a file holds its sound, by its header."""

    rate_hz: int
    channels: int
    samples: int  # of each channel, as promised


def read_samples(path: str | Path) -> tuple[np.ndarray, Format]:
    """Return all samples of a file, see `blocks`, and how the file holds them."""
    samples = np.concatenate(list(blocks(path)))
    return samples, read_format(path)


def blocks(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the samples of a file, [S] from -1 to 1, block by block: channels averaged, resampled to RATE_HZ.

    Raises:
        DataError: for a file that is no sound, holds less than its header promises, or not even one window;
            for a sample that is not a finite number. The last blocks may have come before it is raised.
        MissingError: where soundfile or soxr is not installed.
    """
    soundfile, soxr = need("soundfile", "speech"), need("soxr", "speech")
    path, held = Path(path), read_format(path)
    convert = soxr.ResampleStream(held.rate_hz, RATE_HZ, 1, dtype="float32")
    read, given = 0, 0
    try:
        with soundfile.SoundFile(path) as sound:
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                read += len(block)
                if not np.isfinite(block).all():
                    bad = counted(int((~np.isfinite(block)).sum()), "sample")
                    raise DataError(str(path), f"{bad} NaN or infinite", "finite numbers", AGAIN)
                mono = block.mean(1)
                given += len(ready := convert.resample_chunk(mono) if held.rate_hz != RATE_HZ else mono)
                yield ready
    except soundfile.SoundFileError as error:
        _check_length(path, held.samples, read)
        raise DataError(str(path), f"sound that does not decode: {error}", "WAV or FLAC", AGAIN) from None
    if held.samples < _UNKNOWN:
        _check_length(path, held.samples, read)
    if held.rate_hz != RATE_HZ:
        given += len(ready := convert.resample_chunk(np.zeros(0, np.float32), last=True))
        yield ready
    if given < WINDOW_SAMPLES:
        raise DataError(
            str(path),
            f"{read / held.rate_hz:.3f} s of sound ({counted(read, 'sample')})",
            f"at least {WINDOW_SAMPLES / RATE_HZ:.3f} s, one window",
            "leave it out with --skip-bad",
        )


def read_format(path: str | Path) -> Format:
    """Return how a file holds its sound. Raises DataError where its header promises what is not there."""
    soundfile = need("soundfile", "speech")
    path = Path(path)
    try:
        with path.open("rb") as file:
            _check_wav(path, file)
        info = soundfile.info(str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(str(path), "no such file", "WAV or FLAC", "check the spelling of the path") from None
    except IsADirectoryError:
        raise DataError(str(path), "a folder", "a file of sound", "name a file in it") from None
    except (OSError, soundfile.SoundFileError) as error:
        size = counted(path.stat().st_size, "byte")
        raise DataError(
            str(path), f"{size} that are no sound: {error}", "WAV or FLAC", "convert it: ffmpeg -i IN OUT.wav"
        ) from None
    _check_format(path, info.samplerate, info.channels)
    return Format(info.samplerate, info.channels, info.frames)


def _check_wav(path: Path, file: BinaryIO) -> None:
    """Compare the header of a WAV file with the file itself; other files are passed over."""
    form, _, kind = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
    if form not in (b"RIFF", b"RF64") or kind != b"WAVE":
        return
    end, long_size = os.fstat(file.fileno()).st_size, None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        start = file.tell()
        if name == b"ds64":
            _, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        elif name == b"fmt ":
            _, channels, rate_hz = struct.unpack("<HHI", file.read(8).ljust(8, b"\0"))
            _check_format(path, rate_hz, channels)
        elif name == b"data":
            promised = long_size if long_size is not None and size == 0xFFFFFFFF else size
            if promised > end - start:
                raise DataError(
                    str(path),
                    f"{counted(end - start, 'byte')} of sound",
                    f"{promised:,}, as its header promises",
                    f"{AGAIN}; ffmpeg -i IN OUT.wav writes a header that is true",
                )
            return
        file.seek(start + size + size % 2)
    raise DataError(
        str(path), f"a WAV header without sound behind it, in {counted(end, 'byte')}", "a data chunk", AGAIN
    )


def _check_format(path: Path, rate_hz: int, channels: int) -> None:
    if not 1 <= channels <= MOST_CHANNELS:
        raise DataError(str(path), counted(channels, "channel"), f"1 to {MOST_CHANNELS}", AGAIN)
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise DataError(
            str(path),
            f"a rate of {counted(rate_hz, 'sample')} a second",
            f"{LOWEST_RATE_HZ:,} to {HIGHEST_RATE_HZ:,}",
            AGAIN,
        )


def _check_length(path: Path, promised: int, read: int) -> None:
    if read != promised:
        raise DataError(
            str(path),
            f"{counted(read, 'sample')} that decode",
            f"{promised:,}, as its header promises",
            AGAIN,
        )


def read_features(path: str | Path) -> np.ndarray:
    """Return the features [T, F] of a `.npy` file as float32. Raises DataError."""
    array = open_array(path, ("frames", "features"))
    with np.errstate(over="ignore"):
        features = np.array(array, np.float32)
    if bad := int((~np.isfinite(features)).sum()):
        raise DataError(str(path), f"{counted(bad, 'value')} NaN or infinite", "finite numbers", AGAIN)
    return features
