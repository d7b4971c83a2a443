"""Where the sound of a FLAC file ends, which its header may not tell, or tell wrongly.

Source: RFC 9639, "Free Lossless Audio Codec".
"""

import mmap
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

_SYNC_CODES = (b"\xff\xf8", b"\xff\xf9")  # with which frames begin: all of one size, or not
# Chance makes a sync code in 32 KB of other bytes. Only a file that was made to take long has more of them.
_MOST_HEADS = 10_000


class _Frame(NamedTuple):
    """Where a frame of FLAC begins and ends, in samples."""

    start: int
    end: int


def end_of_flac(file: BinaryIO) -> int:
    """Return where the last frame of a FLAC file ends, in samples; 0 for another file, or without a frame."""
    file.seek(0)
    if file.read(4) != b"fLaC":
        return 0
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        steady = int.from_bytes(data[10:12])
        later = _Frame(0, 0)
        for place in islice(_sync_codes(data), _MOST_HEADS):
            frame = _frame(data[place : place + 16].ljust(16, b"\0"), steady)
            # What looks like the head of a frame, and is none, does not end where the next one begins.
            if frame and later.start == frame.end:
                return later.end
            later = frame or later
    return 0 if later.start else later.end


def _sync_codes(data: mmap.mmap) -> Iterator[int]:
    """Yield where the sync codes in a file stand, the last one first."""
    places = [data.rfind(code) for code in _SYNC_CODES]
    while (place := max(places)) >= 0:
        yield place
        which = places.index(place)
        places[which] = data.rfind(_SYNC_CODES[which], 0, place)


def _frame(head: bytes, steady: int) -> _Frame | None:
    """Read the head of a frame of FLAC, whose frames have `steady` samples or say where they begin.

    Returns None where there is none. Source: RFC 9639, section 9.1.
    """
    size, rate, ones = head[2] >> 4, head[2] & 15, 8 - (head[4] ^ 0xFF).bit_length()
    if size == 0 or ones in (1, 8):
        return None
    behind = 4 + max(1, ones)  # a number that is written as UTF-8 writes a character
    number = head[4] & 0x7F >> ones
    for byte in head[5:behind]:
        number = number << 6 | byte & 0x3F
    wide = {6: 1, 7: 2}.get(size, 0)  # bytes that hold the number of samples
    check = behind + wide + {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if _crc8(head[:check]) != head[check]:
        return None
    start = number if head[1] == 0xF9 else number * steady
    return _Frame(start, start + _samples_of(size, head[behind : behind + wide]))


def _samples_of(code: int, more: bytes) -> int:
    """Return how many samples a frame of FLAC has, by a code of 4 bits and the bytes that may follow."""
    if more:
        return int.from_bytes(more) + 1
    if code == 1:
        return 192
    return 256 << code - 8 if code >= 8 else 576 << code - 2


def _crc8(data: bytes) -> int:
    """Return the remainder of data by x^8 + x^2 + x + 1."""
    rest = 0
    for byte in data:
        rest ^= byte
        for _ in range(8):
            rest = (rest << 1 ^ (0x107 if rest & 0x80 else 0)) & 0xFF
    return rest
