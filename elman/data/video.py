"""Film clips as frames that are sampled evenly in time, decoded by PyAV.

A tick is a moment at which a frame is wanted: FRAMES_A_SECOND of them, from the first frame to the last. At
each, the frame that is then on the screen is taken, by its timestamp: films of other rates, and films of no
steady rate, give the same steps.

Decoders lose data in silence: a film cut in two plays to where it was cut. So the frames are counted, and
where the header promises more, that is an error with both numbers.

Letters: T ticks, S = SIDE.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.extras import need
from elman.data.source import DataError, counted

FRAMES_A_SECOND = 8
SIDE = 64  # pixels of a frame's height and width; its shape is lost, its motion is not
MOST_FRAMES = 1_000_000  # 35 hours; more of them come from damaged timestamps
SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")


def read_clip(path: str | Path, cache: Path | None = None) -> np.ndarray:
    """Return the frames of a clip, [T, S, S, 3] bytes of red, green and blue.

    Args:
        path: of the clip.
        cache: a folder that keeps the frames of a clip until its file changes; they are read from there page
            by page, so that memory is bounded for a film of any length. Without it, a temporary file.

    Raises:
        DataError: where there is no film, it has no picture, or fewer frames than its header promises.
        MissingError: where PyAV is not installed.
    """
    path = Path(path)
    if cache is None:
        with tempfile.TemporaryFile() as file:
            return _write(path, file)
    kept = cache / f"{_fingerprint(path)}.rgb"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=cache, delete=False) as file:
            try:
                _write(path, file)
            except BaseException:
                os.unlink(file.name)
                raise
        os.replace(file.name, kept)
    return _mapped(kept)


def ticks(path: str | Path) -> Iterator[np.ndarray]:
    """Yield the frame [S, S, 3] of each tick as it is decoded. Raises DataError, MissingError."""
    av = need("av", "video")
    path = Path(path)
    try:
        with av.open(str(path)) as film:
            if not film.streams.video:
                raise DataError(str(path), "a film without a picture", "a video stream", "name another file")
            _check_boxes(path)
            yield from _sampled(film, film.streams.video[0], path)
    except FileNotFoundError:
        raise DataError(str(path), "no such file", "a film", "check the spelling of the path") from None
    except IsADirectoryError:
        raise DataError(str(path), "a folder", "a film", "name a file in it") from None
    except av.error.FFmpegError as error:
        raise DataError(
            str(path),
            f"a file that does not play: {error.strerror}",
            "a film that ffmpeg decodes",
            "see whether it plays; it may have been cut off, or is no film",
        ) from None


def _check_boxes(path: Path) -> None:
    """Refuse an MP4 or MOV whose last box promises more bytes than there are; ffmpeg reads on in silence."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        while place < size:
            file.seek(place)
            head = file.read(16)
            if place == 0 and head[4:8] != b"ftyp":
                return
            length = int.from_bytes(head[:4])
            if length == 1:  # the size stands behind the name, in 8 bytes
                length = int.from_bytes(head[8:16])
            place = place + length if length else size  # 0: to the end
            if len(head) < 8 or place > size:
                raise DataError(
                    str(path),
                    f"{size:,} bytes",
                    f"{max(place, size + 1):,} bytes or more, as its boxes promise",
                    "get the file again: it was cut off",
                )


def _sampled(film: Any, stream: Any, path: Path) -> Iterator[np.ndarray]:
    decoded = damaged = given = 0
    first = time = 0.0
    shown: Any = None
    for frame in film.decode(stream):
        decoded += 1
        damaged += frame.is_corrupt
        time = frame.time if frame.time is not None else time
        first = first if shown else time
        # Up to the moment at which this frame comes, the one before it is on the screen.
        while shown is not None and first + given / FRAMES_A_SECOND < time - 1e-6:
            yield _small(shown)
            given += 1
            if given > MOST_FRAMES:
                raise DataError(
                    str(path), "a film that lasts for days", "timestamps in order", "write the film again"
                )
        shown = frame
    if shown is not None and first + given / FRAMES_A_SECOND <= time + 1e-6:
        yield _small(shown)
    promised = stream.frames  # 0 where the format does not say
    if not decoded or decoded < promised or damaged:
        found = counted(decoded - damaged, "whole frame")
        raise DataError(
            str(path),
            found,
            f"{counted(promised, 'frame')}, as its header promises" if promised else "whole frames only",
            "get the file again: it was cut off or damaged",
        )


def _small(frame: Any) -> np.ndarray:
    return frame.reformat(width=SIDE, height=SIDE, format="rgb24", interpolation="AREA").to_ndarray()


def _write(path: Path, file: Any) -> np.ndarray:
    """Write the frames of a film into a file, and return them as they lie there."""
    for frame in ticks(path):
        file.write(frame.tobytes())
    file.flush()
    return _mapped(file)


def _mapped(file: Any) -> np.ndarray:
    return np.memmap(file, np.uint8, "r").reshape(-1, SIDE, SIDE, 3)


def _fingerprint(path: Path) -> str:
    """Return what changes when the file does, or what is done with it."""
    try:
        facts = path.stat()
    except OSError:
        raise DataError(str(path), "no such file", "a film", "check the spelling of the path") from None
    made_of = (path.resolve(), facts.st_size, facts.st_mtime_ns, FRAMES_A_SECOND, SIDE)
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]
