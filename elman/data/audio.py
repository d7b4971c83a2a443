"""Sound: WAV and FLAC as samples of one channel at 16 kHz, read a block at a time; and `.npy` features.

Decoders lose data in silence: a file that was cut plays to where it was cut, and one that holds more than its
header promises plays no further. So the two are compared, and a difference is an error with both numbers.

Letters: S samples, T frames, F features of a frame.
"""

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from elman.data.arrays import open_array
from elman.data.extras import need
from elman.data.flac import end_of_flac
from elman.data.frames import RATE_HZ, WINDOW_SAMPLES
from elman.data.source import DataError, counted, missing_path

SUFFIXES = (".flac", ".wav")
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4_000, 384_000
MOST_CHANNELS = 64
BLOCK = 4096  # samples of each channel that are decoded at a time, a block of FLAC: a cut one is found there

MOST_FILLING = 1 << 20  # bytes of zeros behind the sound
AGAIN = "fetch or export the file again, or leave it out with --skip-bad"
_UNKNOWN = 1 << 62  # about what a decoder says where the header does not tell the length


@dataclass(frozen=True)
class Format:
    """How a file holds its sound, by its header."""

    rate_hz: int
    channels: int
    samples: int  # of each channel, as promised; where a FLAC promises nothing, as its last frame says


def read_samples(path: str | Path) -> tuple[np.ndarray, Format]:
    """Return all samples of a file, see `blocks`, and how the file holds them."""
    samples = np.concatenate(list(blocks(path)))
    return samples, read_format(path)


def blocks(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the samples of a file, [S] from -1 to 1, block by block: channels averaged, resampled to RATE_HZ.

    Raises:
        DataError: for a file that is no sound, holds less or more than its header promises, or less than a
            window; for samples that are no finite numbers. Blocks may have come before it is raised.
        MissingError: where soundfile or soxr is not installed.
    """
    soundfile, soxr = need("soundfile", "speech"), need("soxr", "speech")
    path, held = Path(path), read_format(path)
    convert = soxr.ResampleStream(held.rate_hz, RATE_HZ, 1, dtype="float32")
    read = given = bad = 0
    try:
        with _opened(path, held.samples) as sound:
            while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
                read += len(block)
                bad += int((~np.isfinite(block)).sum())
                if bad:
                    continue
                mono = block.mean(1)
                given += len(ready := convert.resample_chunk(mono) if held.rate_hz != RATE_HZ else mono)
                yield ready
    except soundfile.SoundFileError as error:
        if held.samples < _UNKNOWN:
            _check_length(path, held.samples, read)
        raise DataError(str(path), f"sound that does not decode: {error}", "WAV or FLAC", AGAIN) from None
    if held.samples < _UNKNOWN:
        _check_length(path, held.samples, read)
    if bad:
        raise DataError(str(path), f"{counted(bad, 'sample')} NaN or infinite", "finite numbers", AGAIN)
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


@contextmanager
def _opened(path: Path, samples: int) -> Iterator[Any]:
    """Open a file of sound; where a FLAC does not say how many samples it has, as if it did.

    Else soundfile takes its end for an error.
    """
    soundfile = need("soundfile", "speech")
    with soundfile.SoundFile(path) as sound:
        if sound.frames < _UNKNOWN or samples > _UNKNOWN:
            yield sound
            return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        data[21] |= samples >> 32  # the number has 36 bits
        data[22:26] = struct.pack(">I", samples & 0xFFFFFFFF)
        with soundfile.SoundFile(data) as sound:
            yield sound


def read_format(path: str | Path) -> Format:
    """Return how a file holds its sound. Raises DataError where its header does not promise what is there."""
    soundfile = need("soundfile", "speech")
    path = Path(path)
    try:
        with path.open("rb") as file:
            _check_wav(path, file)
            ends = end_of_flac(file)
        info = soundfile.info(str(path))
    except (FileNotFoundError, NotADirectoryError):
        raise missing_path(path) from None
    except IsADirectoryError:
        raise DataError(str(path), "a folder", "a file of sound", "name a file in it") from None
    except (OSError, soundfile.SoundFileError) as error:
        size = counted(path.stat().st_size, "byte")
        raise DataError(
            str(path), f"{size} that are no sound: {error}", "WAV or FLAC", "convert it: ffmpeg -i IN OUT.wav"
        ) from None
    _check_format(path, info.samplerate, info.channels)
    promised = ends if ends and info.frames > _UNKNOWN else info.frames
    if ends > promised:
        raise DataError(
            str(path),
            counted(ends, "sample"),
            f"{promised:,}, as its header promises",
            f"{AGAIN}; ffmpeg -i IN OUT.flac reads all of it",
        )
    return Format(info.samplerate, info.channels, promised)


def _check_wav(path: Path, file: BinaryIO) -> None:
    """Compare the header of a WAV file with the file itself; other files are passed over."""
    form, _, kind = struct.unpack("<4sI4s", file.read(12).ljust(12, b"\0"))
    if form not in (b"RIFF", b"RIFX", b"RF64") or kind != b"WAVE":
        return
    order = ">" if form == b"RIFX" else "<"
    end, long_size = os.fstat(file.fileno()).st_size, None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack(f"{order}4sI", head)
        start = file.tell()
        if name == b"ds64":
            _, long_size = struct.unpack("<QQ", file.read(16).ljust(16, b"\0"))
        elif name == b"fmt ":
            _, channels, rate_hz = struct.unpack(f"{order}HHI", file.read(8).ljust(8, b"\0"))
            _check_format(path, rate_hz, channels)
        elif name == b"data":
            promised = long_size if long_size is not None and size == 0xFFFFFFFF else size
            _check_data(path, file, promised, order)
            return
        file.seek(start + size + size % 2)
    raise DataError(
        str(path), f"a WAV header without sound behind it, in {counted(end, 'byte')}", "a data chunk", AGAIN
    )


def _check_data(path: Path, file: BinaryIO, promised: int, order: str) -> None:
    """Compare what a data chunk promises with what is behind its head: the sound, and maybe other chunks."""
    start, end = file.tell(), os.fstat(file.fileno()).st_size
    if promised > end - start:
        raise DataError(
            str(path),
            f"{counted(end - start, 'byte')} of sound",
            f"{promised:,}, as its header promises",
            f"{AGAIN}; ffmpeg -i IN OUT.wav writes a header that is true",
        )
    sound_ends = start + promised
    # Some writers leave out the byte that makes the size of a chunk even.
    starts = [sound_ends + pad for pad in {promised % 2, 0}]
    if not _is_filling(file, sound_ends) and not any(_holds_chunks(file, s, end, order) for s in starts):
        raise DataError(
            str(path),
            f"{counted(end - sound_ends, 'byte')} behind the sound that are no chunk",
            f"{counted(promised, 'byte')} of sound, as its header promises, and chunks at most",
            f"{AGAIN}; ffmpeg -ignore_length 1 -i IN OUT.wav reads all of it",
        )


def _is_filling(file: BinaryIO, place: int) -> bool:
    """Return whether nothing but zeros, or an ID3v1 tag, stands from a place of a file on."""
    file.seek(place)
    rest = file.read(MOST_FILLING + 1)
    return len(rest) <= MOST_FILLING and (rest.startswith(b"TAG") or not any(rest))


def _holds_chunks(file: BinaryIO, place: int, end: int, order: str) -> bool:
    """Return whether a part of a WAV file is chunks alone."""
    while end - place >= 8:
        file.seek(place)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        place += 8 + size
        if place > end or not all(0x20 <= c <= 0x7E for c in name):
            return False
        place += size % 2
    return True


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
