"""How many bytes a film must have, by what stands in it: ffmpeg plays a file that was cut off without a word.

MP4 and MOV are boxes, MKV and WebM have a segment, GIF and Ogg have a last block or page, ASF (WMV) and FLV
tell their size, MPEG streams come in packets. A cut that falls between two packets of MPEG, or of an ASF or
FLV that was written into a pipe, leaves no sign here.

Sources: ISO/IEC 14496-12 (MP4), RFC 9559 (MKV), GIF89a, RFC 3533 (Ogg), ISO/IEC 13818-1 (MPEG), "Advanced
Systems Format (ASF) Specification" 1.20 and "Adobe Flash Video File Format Specification" 10.1 (FLV).
"""

import mmap
import struct
from pathlib import Path

from elman.data.source import DataError

_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_DATA_HEAD = 50  # bytes in front of the packets
_FLV_SIZE = b"\0\x08filesize\0"  # a name and the type of what follows: a float of 64 bits
_FLV_HEAD = 1 << 16
_PACKETS = ((188, 0), (192, 4), (204, 0))  # of MPEG-TS: their size, and where in them 0x47 stands
_PACKETS_SEEN = 5  # that have their 0x47, or all of fewer: then it is MPEG-TS

Data = mmap.mmap


def check_size(path: Path) -> None:
    """Refuse a film that has fewer bytes than what stands in it promises. Raises DataError, OSError."""
    size = path.stat().st_size
    if not size:
        return  # which cannot be mapped, and is no film
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        promised, by = _promised(data)
    if promised > size:
        raise DataError(
            str(path),
            f"{size:,} bytes",
            f"{promised:,} bytes or more, as its {by} promise{'s' * (by == 'header')}",
            "get the file again: it was cut off",
        )


def _promised(data: Data) -> tuple[int, str]:
    """Return how many bytes a film must have at least, and what says so; 0 where nothing does."""
    if data[4:8] == b"ftyp":
        return _end_of_boxes(data), "boxes"
    if data[:4] == b"\x1a\x45\xdf\xa3":
        return _end_of_segment(data), "boxes"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return _end_of_blocks(data), "blocks"
    if data[:16] == _ASF:
        return _end_of_asf(data), "header"
    if data[:3] == b"FLV":
        return _end_of_flv(data), "header"
    if data[:4] == b"OggS":
        return _end_of_pages(data), "pages"
    if data[:4] == b"\0\0\1\xba":
        return _end_of_packs(data), "packets"
    return _end_of_packets(data), "packets"


def _end_of_boxes(data: Data) -> int:
    """Return where the last box of an MP4 or MOV ends."""
    place, size = 0, len(data)
    while place < size:
        head = data[place : place + 16]
        if len(head) < 8:
            return size + 1
        length = int.from_bytes(head[:4])
        if length == 1:  # the size stands behind the name, in 8 bytes
            length = int.from_bytes(head[8:16])
        if 0 < length < 8:
            return 0  # damaged: the decoder has the word
        place = place + length if length else size  # 0: to the end
    return place


def _end_of_segment(data: Data) -> int:
    """Return where the segment of an MKV or WebM ends, in which all of it lies; 0 where it does not say."""
    size, place = _element_size(data, 4)
    place += size
    if data[place : place + 4] != b"\x18\x53\x80\x67":
        return 0
    size, place = _element_size(data, place + 4)
    return size + place if size else 0


def _element_size(data: Data, place: int) -> tuple[int, int]:
    """Read the size of an MKV's element: as many more bytes as there are zeros in front of the first one.

    Returns it, 0 where it is unknown, and the place behind it.
    """
    first = data[place] if place < len(data) else 0
    end = place + 9 - first.bit_length()
    most = (1 << 7 * (end - place)) - 1
    size = int.from_bytes(data[place:end]) & most
    return 0 if size == most else size, end  # all ones: written into a pipe, of unknown size


def _end_of_blocks(data: Data) -> int:
    """Return where a GIF ends, or one byte more than there is where its last block is missing."""
    place = 13 + _color_table(data[10:11])
    while kind := data[place : place + 1]:
        if kind == b"\x3b":
            return place + 1
        if kind == b"\x21":  # an extension, whose name is a byte
            place += 2
        elif kind == b"\x2c":  # a picture: its place, colours, and the size of its codes
            place += 11 + _color_table(data[place + 9 : place + 10])
        else:
            return 0  # damaged
        while length := data[place : place + 1]:
            place += 1 + length[0]
            if length == b"\0":
                break
    return len(data) + 1


def _color_table(flags: bytes) -> int:
    """Return how many bytes of colours a GIF has behind a head with these flags."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _end_of_asf(data: Data) -> int:
    """Return where an ASF ends by its header; of one that was sent as it was made, in whole packets."""
    (header,) = struct.unpack("<Q", data[16:24].ljust(8, b"\0"))
    place = 30
    while place < min(header, len(data)):
        kind, length = data[place : place + 16], int.from_bytes(data[place + 16 : place + 24], "little")
        if kind == _ASF_PROPERTIES and len(data) >= place + 104:
            told, flags, packet = struct.unpack("<Q40xI4xI", data[place + 40 : place + 100])
            (of_data,) = struct.unpack("<Q", data[header + 16 : header + 24].ljust(8, b"\0"))
            if not flags & 1:
                return max(told, header + of_data)
            first = header + _ASF_DATA_HEAD
            return max(header + of_data, first + _rounded_up(len(data) - first, packet) if not of_data else 0)
        place += max(length, 24)
    return header


def _end_of_flv(data: Data) -> int:
    """Return where an FLV ends, as it tells in its first tag; 0 where it does not."""
    place = data.find(_FLV_SIZE, 0, _FLV_HEAD)
    start = place + len(_FLV_SIZE)
    told = data[start : start + 8] if place >= 0 else b""
    size = struct.unpack(">d", told)[0] if len(told) == 8 else 0.0
    return int(size) if 0 < size < 1 << 53 else 0


def _end_of_pages(data: Data) -> int:
    """Return where an Ogg ends, or one byte more than there is where a stream's last page is missing."""
    place, open_streams = 0, set()
    while place < len(data):
        head = data[place : place + 27]
        sizes = data[place + 27 : place + 27 + head[26]] if len(head) == 27 else b""
        if head[:4] != b"OggS"[: len(head)]:
            return 0  # damaged
        if len(head) < 27 or len(sizes) < head[26]:
            return len(data) + 1
        stream = head[14:18]
        (open_streams.discard if head[5] & 4 else open_streams.add)(stream)
        place += 27 + len(sizes) + sum(sizes)
    return max(place, len(data) + bool(open_streams))


def _end_of_packs(data: Data) -> int:
    """Return where the last packet of an MPEG program stream ends; 0 where something else stands in it."""
    place = 0
    while place + 4 <= len(data):
        if data[place : place + 3] != b"\0\0\1":
            return 0
        kind = data[place + 3]
        if kind == 0xB9:  # the end; another stream may follow
            place += 4
        elif kind == 0xBA:
            head = data[place + 4 : place + 14]
            stuffing = head[9] & 7 if len(head) == 10 else 0
            place += 14 + stuffing if head[:1] and head[0] >> 6 == 1 else 12  # MPEG-2, MPEG-1
        elif kind < 0xBB:
            return 0
        else:
            place += 6 + int.from_bytes(data[place + 4 : place + 6])
    return place if place >= len(data) else place + 4


def _end_of_packets(data: Data) -> int:
    """Return where an MPEG transport stream ends, in whole packets; 0 for another file."""
    for packet, sync in _PACKETS:
        starts = range(sync, min(len(data), _PACKETS_SEEN * packet), packet)
        if len(starts) > 1 and all(data[start] == 0x47 for start in starts):
            return _rounded_up(len(data), packet)
    return 0


def _rounded_up(size: int, unit: int) -> int:
    return -(-size // unit) * unit if unit else size
