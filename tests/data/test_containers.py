"""Films of every format that were cut off, or whose header promises too much."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from elman.data.source import DataError
from elman.data.video import SUFFIXES, read_clip, ticks

FRAMES, FPS = 20, 8  # so that each frame is one that is read
CODECS = {  # of a film of each suffix, and the format where the suffix does not tell
    ".avi": ("mpeg4", None),
    ".flv": ("flv", None),
    ".gif": ("gif", None),
    ".m2ts": ("libx264", None),
    ".m4v": ("mpeg4", "mp4"),
    ".mkv": ("libx264", None),
    ".mov": ("libx264", None),
    ".mp4": ("libx264", None),
    ".mpeg": ("mpeg2video", "vob"),
    ".mpg": ("mpeg2video", "mpeg"),
    ".mts": ("mpeg2video", None),
    ".ogv": ("libvpx", "ogg"),
    ".ts": ("libx264", None),
    ".webm": ("libvpx", None),
    ".wmv": ("wmv2", None),
    ".3gp": ("libx264", None),
}
PACKETS = {".ts": 188, ".mts": 188, ".m2ts": 192, ".mpeg": 2048, ".mpg": 2048}
NO_SIGN = "a cut between two frames of these leaves no sign"


def film(path: Path, *, grey: bool = False, **coding: str) -> Path:
    """Write a film of noise, whose frames are large; or of shades of grey, whose frames are small."""
    codec, kind = CODECS[path.suffix]
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=FPS, options={"threads": "1", "bf": "0", **coding})
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.time_base = Fraction(1, FPS)
        for number in range(FRAMES):
            picture = np.full((64, 64, 3), 10 * number) if grey else rng.integers(0, 256, (64, 64, 3))
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def survivors(whole: Path, cuts: Sequence[int]) -> dict[int, np.ndarray]:
    """Return the frames of those cuts of a film that are no error, by where they were made."""
    content, cut, read = whole.read_bytes(), whole.with_stem("cut"), {}
    for size in sorted({size for size in cuts if 0 <= size < len(content)}):
        cut.write_bytes(content[:size])
        try:
            read[size] = read_clip(cut)
        except DataError as error:
            assert str(error).startswith(f"{cut}: found ")  # noqa: PT017 - what no error is, is judged below
    return read


def evenly(size: int, cuts: int = 60) -> list[int]:
    """Places spread over a file, and those close to its end."""
    return [*(size * part // cuts for part in range(cuts)), *(size - rest for rest in (1, 2, 8, 100))]


def test_every_suffix_is_tested() -> None:
    assert set(CODECS) == set(SUFFIXES)


@pytest.mark.parametrize("grey", [False, True], ids=["noise", "grey"])
@pytest.mark.parametrize("suffix", CODECS)
def test_no_cut_of_a_film_loses_a_frame_in_silence(suffix: str, grey: bool, tmp_path: Path) -> None:
    path = film(tmp_path / f"whole{suffix}", grey=grey)
    frames = read_clip(path)
    assert len(frames) == FRAMES
    for size, read in survivors(path, evenly(path.stat().st_size)).items():
        if suffix in PACKETS:
            assert size % PACKETS[suffix] == 0, NO_SIGN
            assert np.array_equal(read, frames[: len(read)])
        else:
            assert np.array_equal(read, frames)


@pytest.mark.parametrize("suffix", [".ts", ".mts", ".m2ts"])
def test_a_cut_between_packets_is_found_where_it_tears_a_frame(suffix: str, tmp_path: Path) -> None:
    path, packet = film(tmp_path / f"whole{suffix}", slices="4"), PACKETS[suffix]
    frames, packets = read_clip(path), path.stat().st_size // packet
    read = survivors(path, range(0, packets * packet, 3 * packet))
    assert all(np.array_equal(some, frames[: len(some)]) for some in read.values()), NO_SIGN
    assert packets > 5 * FRAMES
    assert len(read) < packets / 3 / 2  # behind each frame, and behind the tables that follow it


def streamed(content: bytes) -> bytes:
    """Mark an ASF as one that was sent as it was made: its header does not tell how long it is."""
    place = content.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    told = bytearray(content)
    told[place + 40 : place + 48] = bytes(8)
    told[place + 88] |= 1
    data = content.index(bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c"))
    told[data + 16 : data + 24] = bytes(8)
    return bytes(told)


def test_a_wmv_that_does_not_tell_its_size_has_whole_packets(tmp_path: Path) -> None:
    path = film(tmp_path / "whole.wmv")
    content = streamed(path.read_bytes())
    path.write_bytes(content[: content.index(bytes.fromhex("90080033b1e5cf1189f400a0c90349cb"))])  # the index
    frames, size = read_clip(path), path.stat().st_size
    assert len(frames) == FRAMES
    assert survivors(path, [size - rest for rest in range(1, 1000, 7)]) == {}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".wmv", ".ogv"])
def test_a_title_need_not_be_utf_8(suffix: str, tmp_path: Path) -> None:
    path = film(tmp_path / f"a{suffix}")
    titled = path.with_stem("titled")
    with av.open(str(path)) as old, av.open(str(titled), "w", format=CODECS[suffix][1]) as new:
        new.metadata["title"] = "Gruesse aus Zuerich"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    content, written = titled.read_bytes(), 0
    for text in ("Gruesse aus Zuerich".encode(encoding) for encoding in ("utf-8", "utf-16le")):
        written += content.count(text)
        content = content.replace(text, text.replace(b"u", b"\xfc"))
    assert written
    titled.write_bytes(content)
    if suffix == ".ogv":  # its pages have checksums
        with av.open(str(titled), metadata_errors="replace"):
            return
    assert np.array_equal(read_clip(titled), read_clip(path))


# What a header promises


def rewritten(content: bytes, name: bytes, offset: int, number: int, form: str) -> bytes:
    """Put a number behind the name of a part of a film."""
    place = content.index(name) + len(name) + offset
    return content[:place] + struct.pack(form, number) + content[place + 4 :]


@pytest.mark.parametrize(
    ("suffix", "part", "found", "expected"),
    [
        (".mp4", (b"stts", 8, 542_314, ">I"), "{size:,} bytes", "542,314 frames, as its header promises"),
        (".avi", (b"strh", 36, 542_314, "<I"), "{size:,} bytes", "542,314 frames, as its header promises"),
        (
            ".avi",
            (b"strh", 24, 60_000, "<I"),
            "a film of {size:,} bytes that lasts 150,000 s",
            "at most 3,600 s: its header or its timestamps are damaged",
        ),
    ],
    ids=["frames of an mp4", "frames of an avi", "seconds of an avi"],
)
def test_a_small_film_that_promises_hours_is_refused_before_it_is_decoded(
    suffix: str, part: Any, found: str, expected: str, tmp_path: Path
) -> None:
    path = film(tmp_path / f"a{suffix}", grey=True)
    path.write_bytes(rewritten(path.read_bytes(), *part))
    with pytest.raises(DataError) as caught:
        next(ticks(path))
    assert caught.value.found == found.format(size=path.stat().st_size)
    assert caught.value.expected == expected


def test_a_frame_that_stays_for_hours_is_refused(tmp_path: Path) -> None:
    """No header tells of it: the second half of a stream has timestamps of another day."""
    path = tmp_path / "a.ts"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"threads": "1", "bf": "0"})
        stream.width = stream.height = 64
        stream.time_base = Fraction(1, FPS)
        for time in (0, 1, 2, 67_789 * FPS):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    stream = ticks(path)
    with pytest.raises(DataError, match=r"a film of [\d,]+ bytes that lasts 67,\d{3} s\n  expected at most"):
        assert len(list(zip(stream, range(100), strict=False))) < 100
