"""Clips: frames taken evenly in time, whatever the film's own rate; films cut off; the cache."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from elman.data.source import DataError
from elman.data.video import FRAMES_A_SECOND, SIDE, read_clip, ticks


def film(path: Path, times: Sequence[float], *, faststart: bool = False, fps: int = 100) -> Path:
    """Write a film whose frame at time t, in hundredths of a second, is a shade of grey that tells t."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps, options={"threads": "1", "crf": "1", "bf": "0"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, fps)
        for time in times:
            shade = np.full((SIDE, SIDE, 3), shade_of(time), np.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts, frame.time_base = round(time * fps), Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def shade_of(time: float) -> int:
    return 20 + round(40 * time)


def times_in(frames: np.ndarray) -> list[float]:
    return [(frame.mean() - 20) / 40 for frame in frames]


@pytest.mark.parametrize("fps", [4, 10, 25, 50])
def test_frames_are_taken_evenly_in_time_at_any_rate(fps: int, tmp_path: Path) -> None:
    times = [n / fps for n in range(2 * fps + 1)]
    frames = read_clip(film(tmp_path / "a.mp4", times))
    assert frames.shape == (2 * FRAMES_A_SECOND + 1, SIDE, SIDE, 3)
    wanted = [max(t for t in times if t <= n / FRAMES_A_SECOND + 1e-6) for n in range(len(frames))]
    np.testing.assert_allclose(times_in(frames), wanted, atol=0.06)


def test_a_film_of_no_steady_rate_shows_what_is_on_the_screen_at_each_tick(tmp_path: Path) -> None:
    times = [0, 0.02, 0.04, 0.06, 0.5, 1.2, 1.24, 2.0]
    frames = read_clip(film(tmp_path / "a.mp4", times))
    wanted = [
        max(t for t in times if t <= n / FRAMES_A_SECOND + 1e-6) for n in range(2 * FRAMES_A_SECOND + 1)
    ]
    np.testing.assert_allclose(times_in(frames), wanted, atol=0.06)


def test_one_frame_is_a_clip(tmp_path: Path) -> None:
    assert read_clip(film(tmp_path / "a.mp4", [0])).shape == (1, SIDE, SIDE, 3)


@pytest.mark.parametrize("faststart", [True, False])
def test_a_film_that_was_cut_off_is_an_error(faststart: bool, tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", [n / 25 for n in range(50)], faststart=faststart).read_bytes()
    assert (whole.find(b"moov") < whole.find(b"mdat")) is faststart
    cut = tmp_path / "cut.mp4"
    for part in range(50):
        cut.write_bytes(whole[: len(whole) * part // 50])
        with pytest.raises(DataError) as caught:
            read_clip(cut)
        assert str(caught.value).startswith(f"{cut}: found ")


def test_frames_that_were_overwritten_are_an_error(tmp_path: Path) -> None:
    """The boxes are whole, but what lies in them is not: zeros in place of the last frames."""
    path = film(tmp_path / "a.mp4", [n / 25 for n in range(50)], faststart=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4] + bytes(len(whole) - len(whole) * 3 // 4))
    with pytest.raises(DataError, match=r"a\.mp4: found "):
        read_clip(path)


def test_sound_without_a_picture_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DataError, match=r"a\.mp4: found a film without a picture\n  expected a video stream"):
        read_clip(path)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("no.mp4", None, "no such file"),
        ("empty.mp4", b"", "a file that does not play"),
        ("text.mp4", b"I am no film.\n" * 50, "a file that does not play"),
    ],
)
def test_what_is_no_film_is_an_error(name: str, content: bytes | None, found: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_clip(path)
    assert str(caught.value).startswith(f"{path}: found {found}")


def test_the_cache_keeps_frames_until_the_file_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.mp4", tmp_path / "deep" / "cache"
    film(path, [0, 0.5, 1])
    frames = read_clip(path, cache)
    assert np.array_equal(frames, read_clip(path))
    (kept,) = cache.iterdir()
    kept.write_bytes(bytes(len(kept.read_bytes())))
    assert not read_clip(path, cache).any()  # so it was read from there
    film(path, [1, 1.5, 2, 3])
    assert np.array_equal(read_clip(path, cache), read_clip(path))
    assert len(list(cache.iterdir())) == 2


def test_a_film_that_fails_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", [n / 25 for n in range(50)], faststart=True).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError):
        read_clip(cut, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_ticks_come_one_by_one(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [n / 25 for n in range(50)])
    stream = ticks(path)
    assert next(stream).shape == (SIDE, SIDE, 3)
    assert len(list(stream)) + 1 == len(read_clip(path))
