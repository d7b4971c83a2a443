"""Film clips as frames that are sampled evenly in time, decoded by PyAV.

A tick is a moment at which a frame is wanted: FRAMES_A_SECOND of them, from the first frame to the last. At
each, the frame that is then on the screen is taken, by its timestamp: films of other rates, and films of no
steady rate, give the same steps.

Decoders lose data in silence: a film cut in two plays to where it was cut. So what there is, in bytes, frames
and seconds, is compared with what the file promises, and a shortfall is an error with both numbers. MPEG
streams and MP4s in fragments promise whole packets alone: of them a frame that is torn is found, and a cut
between two frames is not.

Letters: T ticks, S = SIDE.
"""

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.cache import cache_folder
from elman.data.containers import check_size
from elman.data.extras import need
from elman.data.fingerprint import Fingerprint, fingerprint
from elman.data.frame_cache import FrameCache, in_temporary_file
from elman.data.source import DataError, counted, missing_path

FRAMES_A_SECOND = 8
SIDE = 64  # pixels of a frame's height and width; its shape is lost, its motion is not
SHAPE = (SIDE, SIDE, 3)
# Frames of a film: an hour of them, and of more no more than it has bytes. More come from a damaged header.
HOUR, MOST_FRAMES = 3600 * FRAMES_A_SECOND, 1_000_000
RESTART_S = (
    1.0  # timestamps that fall by more begin anew; in an AVI with frames out of order they fall by less
)
PROMISE_S = 0.5  # a header may say so much more than there is: it is seldom exact
UNTIMED = ("mpeg", "mpegts")  # no header tells how long these last
TIMED = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "flv")  # others measure their length by what is there
SUFFIXES = (
    *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"),
    *(".ogv", ".ts", ".webm", ".wmv"),
)


def read_clip(path: str | Path, cache: FrameCache | None = None) -> np.ndarray:
    """Return the frames of a clip, [T, S, S, 3] bytes of red, green and blue.

    They lie in a file and are read page by page, so that memory is bounded for a film of any length.

    Args:
        path: of the clip.
        cache: keeps the frames until the file changes. Without it, they lie in a temporary file.

    Raises:
        DataError: where there is no film, it has no picture, or fewer frames than its header promises.
        MissingError: where PyAV is not installed.
    """
    if cache is None:
        return in_temporary_file(ticks(path), SHAPE)
    path = Path(path)
    try:
        clip = fingerprint(path)
    except OSError:
        return in_temporary_file(ticks(path), SHAPE)  # which says what is wrong with the file

    def decode() -> Iterator[np.ndarray]:
        yield from ticks(path)
        clip.check()

    return cache.frames(_key(clip), decode)


def frame_cache() -> FrameCache:
    """Return the cache of frames in elman's folder for such."""
    return _frame_cache(cache_folder() / "frames")


@functools.cache
def _frame_cache(folder: Path) -> FrameCache:
    return FrameCache(folder, SHAPE)  # one for a folder: it knows what this process has in use


def _key(clip: Fingerprint) -> str:
    """Return what changes when the clip does, or what is done with it."""
    version = need("av", "video").__version__
    made_of = (clip.sha256, clip.path.suffix, version, FRAMES_A_SECOND, SIDE, RESTART_S, PROMISE_S)
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]


def ticks(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the frame [S, S, 3] of each tick as it is decoded. Raises DataError, MissingError."""
    av = need("av", "video")
    path = Path(path)
    try:
        with av.open(str(path), metadata_errors="replace") as film:
            if not film.streams.video:
                raise DataError(str(path), "a film without a picture", "a video stream", "name another file")
            check_size(path)
            _check_promise(film, film.streams.video[0], path)
            yield from _sampled(_frames(film, film.streams.video[0], path), path)
    except FileNotFoundError:
        raise missing_path(path) from None
    except IsADirectoryError:
        raise DataError(str(path), "a folder", "a film", "name a file in it") from None
    except av.error.FFmpegError as error:
        raise DataError(
            str(path),
            f"a file that does not play: {error.strerror}",
            "a film that ffmpeg decodes",
            "see whether it plays; it may have been cut off, or is no film",
        ) from None


def _check_promise(film: Any, stream: Any, path: Path) -> None:
    """Refuse, before it is decoded, a film whose header promises more than its bytes can hold."""
    size = path.stat().st_size
    if stream.frames > size:
        raise DataError(
            str(path),
            f"{size:,} bytes",
            f"{stream.frames:,} frames, as its header promises",
            "get the file again: it was cut off or damaged",
        )
    if film.format.name not in UNTIMED:
        _check_seconds((film.duration or 0) / 1_000_000, path)


def _check_seconds(seconds: float, path: Path) -> None:
    """Refuse a film that lasts so long that its bytes cannot hold it."""
    size = path.stat().st_size
    most = min(MOST_FRAMES, max(HOUR, size)) // FRAMES_A_SECOND
    if seconds > most:
        raise DataError(
            str(path),
            f"a film of {size:,} bytes that lasts {seconds:,.0f} s",
            f"at most {most:,} s: its header or its timestamps are damaged",
            "write it again, at a rate of its own: ffmpeg -r 25 -i IN OUT.mp4",
        )


def _frames(film: Any, stream: Any, path: Path) -> Iterator[Any]:
    """Yield the frames of a film as they are decoded. Raises DataError behind the last where some miss."""
    stream.thread_type = "NONE"  # with threads, a frame that is torn below its middle is not marked as such
    decoded = damaged = shown = 0
    end, torn = 0.0, False
    for packet in film.demux():  # of the sound too: a film may last as long as that
        if packet.pts is not None:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if packet.stream.index != stream.index:
            continue
        if packet.size:
            shown += not packet.is_discard
            torn = packet.is_corrupt
        for frame in packet.decode():
            decoded += 1
            damaged += frame.is_corrupt
            yield frame
    damaged = max(damaged, torn)  # a decoder may say nothing of a packet that was cut off
    promised = stream.frames  # 0 where the format does not say
    if decoded < promised:
        promised -= _hidden(path, shown)
    found, remedy = counted(decoded - damaged, "whole frame"), "get the file again: it was cut off or damaged"
    if not decoded or decoded < promised or damaged:
        expected = (
            f"{counted(promised, 'frame')}, as its header promises" if promised else "whole frames only"
        )
        raise DataError(str(path), found, expected, remedy)
    lasts = (film.duration or 0) / 1_000_000
    if film.format.name in TIMED and not promised and end + PROMISE_S < lasts:
        raise DataError(
            str(path), f"{end:.2f} s of film ({found})", f"{lasts:.2f} s, as its header promises", remedy
        )


def _hidden(path: Path, shown: int) -> int:
    """Return how many frames are not shown though nothing is missing.

    The edit list of an MP4 leaves out those that were trimmed off; an AVI counts those that it does not hold,
    for the one before them stays.
    """
    with need("av", "video").open(
        str(path), options={"ignore_editlist": "1"}, metadata_errors="replace"
    ) as film:
        held = 0
        for packet in film.demux(film.streams.video[0]):
            if packet.size:
                held = packet.dts + 1 if film.format.name == "avi" else held + 1
    return held - shown


def _sampled(frames: Iterator[Any], path: Path) -> Iterator[np.ndarray]:
    given = 0
    first = time = moved = 0.0
    shown: Any = None
    for frame in frames:
        at = frame.time + moved if frame.time is not None else time
        if shown is not None and at < time - RESTART_S:  # films put end to end: the next one goes on
            moved += (restarted := time + 1 / FRAMES_A_SECOND) - at
            at = restarted
        time = at
        first = first if shown else time
        _check_seconds(time - first, path)
        # Up to the moment at which this frame comes, the one before it is on the screen.
        while shown is not None and first + given / FRAMES_A_SECOND < time - 1e-6:
            yield _small(shown)
            given += 1
        shown = frame
    if shown is not None and first + given / FRAMES_A_SECOND <= time + 1e-6:
        yield _small(shown)


def _small(frame: Any) -> np.ndarray:
    return frame.reformat(width=SIDE, height=SIDE, format="rgb24", interpolation="AREA").to_ndarray()
