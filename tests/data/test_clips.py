"""Clips: frames taken evenly in time, whatever the film's own rate; films cut off; the cache."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest

from elman.data.source import DataError
from elman.data.video import FRAMES_A_SECOND, SIDE, read_clip, ticks


def film(
    path: Path,
    times: Sequence[float],
    flags: str = "",
    *,
    fps: int = 100,
    codec: Literal["libx264", "mpeg4"] = "libx264",
) -> Path:
    """Write a film whose frame at time t, in hundredths of a second, is a shade of grey that tells t."""
    coding, options = {"threads": "1", "crf": "1", "bf": "0"}, {"movflags": flags} if flags else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps, options=coding)
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
    flags = "faststart" if faststart else ""
    whole = film(tmp_path / "whole.mp4", [n / 25 for n in range(50)], flags).read_bytes()
    assert (whole.find(b"moov") < whole.find(b"mdat")) is faststart
    cut = tmp_path / "cut.mp4"
    for part in range(50):
        cut.write_bytes(whole[: len(whole) * part // 50])
        with pytest.raises(DataError) as caught:
            read_clip(cut)
        assert str(caught.value).startswith(f"{cut}: found ")


def test_an_mkv_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mkv", [n / 25 for n in range(50)]).read_bytes()
    cut = tmp_path / "cut.mkv"
    for part in range(50):
        cut.write_bytes(whole[: len(whole) * part // 50])
        with pytest.raises(DataError, match="found "):
            read_clip(cut)
    cut.write_bytes(whole[:-1])
    with pytest.raises(DataError) as caught:
        read_clip(cut)
    assert str(caught.value) == (
        f"{cut}: found {len(whole) - 1:,} bytes\n"
        f"  expected {len(whole):,} bytes or more, as its boxes promise\n  get the file again: it was cut off"
    )


def test_seconds_that_are_missing_are_an_error(tmp_path: Path) -> None:
    """No size is promised, and all that is there is whole; but the header says how long it lasts."""
    path = film(tmp_path / "a.mkv", [n / 25 for n in range(50)])
    whole, unknown = path.read_bytes(), b"\x01" + b"\xff" * 7
    segment = whole.index(b"\x18\x53\x80\x67") + 4
    whole = whole[:segment] + unknown + whole[segment + 8 :]
    path.write_bytes(whole)
    assert read_clip(path).shape[0] == 16
    path.write_bytes(whole[: places(path)[25]])
    with pytest.raises(DataError) as caught:
        read_clip(path)
    assert str(caught.value) == (
        f"{path}: found 0.97 s of film (25 whole frames)\n  expected 1.97 s, as its header promises\n"
        "  get the file again: it was cut off or damaged"
    )


def test_fragments_that_are_missing_are_an_error_where_the_index_tells_of_them(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [n / 25 for n in range(75)], "dash+empty_moov+frag_keyframe+global_sidx")
    whole = path.read_bytes()
    assert read_clip(path).shape[0] == 24
    path.write_bytes(whole[: whole.index(b"moof", len(whole) // 2) - 4])
    with pytest.raises(DataError, match=r"s of film \(\d+ whole frames\)\n  expected 2\.97 s, as its header"):
        read_clip(path)


def places(path: Path) -> list[int]:
    """Where each frame begins in a file."""
    with av.open(str(path)) as container:
        return [packet.pos or 0 for packet in container.demux() if packet.size]


def test_a_last_frame_that_is_torn_is_an_error_where_nothing_is_promised(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", [n / 25 for n in range(50)], fps=25, codec="mpeg4")
    whole = bytearray(path.read_bytes())
    head = whole.index(b"strh") + 8
    whole[head + 32 : head + 36] = bytes(4)  # the number of frames
    path.write_bytes(whole[: places(path)[30] + 4])
    with pytest.raises(DataError, match=r"found 30 whole frames\n  expected whole frames only\n"):
        read_clip(path)


def trimmed(path: Path, seconds: float) -> Path:
    """Leave the beginning out without decoding: an edit list says from where on a film is shown."""
    out = path.with_stem("trimmed")
    with av.open(str(path)) as old, av.open(str(out), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= round(seconds / packet.time_base)
                packet.dts -= round(seconds / packet.time_base)
                packet.stream = stream
                new.mux(packet)
    return out


def test_frames_that_an_edit_list_hides_are_not_missing(tmp_path: Path) -> None:
    path = trimmed(film(tmp_path / "a.mp4", [n / 25 for n in range(50)]), 0.5)
    frames = read_clip(path)
    assert times_in(frames)[0] == pytest.approx(0.52, abs=0.03)
    content = bytearray(path.read_bytes())
    where = content.index(b"elst") + 12
    content[where : where + 4] = (500).to_bytes(4)  # ms that are shown: the end is left out too
    path.write_bytes(content)
    assert np.array_equal(read_clip(path), frames[:4])


def test_frames_that_an_avi_leaves_out_are_not_missing(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", [0, 0.04, 0.4, 0.8, 1.0], fps=25)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 26
    assert len(read_clip(path)) == 9
    path.write_bytes(path.read_bytes()[: places(path)[4]])
    with pytest.raises(
        DataError, match=r"found 4 whole frames\n  expected \d+ frames, as its header promises"
    ):
        read_clip(path)


def test_films_put_end_to_end_are_all_read(tmp_path: Path) -> None:
    """Their timestamps begin anew with each."""
    path = film(tmp_path / "a.ts", [n / 25 for n in range(50)])
    once = read_clip(path)
    path.write_bytes(path.read_bytes() * 2)
    twice = read_clip(path)
    assert np.array_equal(twice[: len(once)], once)
    assert len(twice) == 2 * len(once) + 1
    assert times_in(twice)[len(once) + 1 :] == pytest.approx(times_in(once), abs=0.1)


def test_frames_that_were_overwritten_are_an_error(tmp_path: Path) -> None:
    """The boxes are whole, but what lies in them is not: zeros in place of the last frames."""
    path = film(tmp_path / "a.mp4", [n / 25 for n in range(50)], "faststart")
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
        ("no.mp4", None, "No such file: {path}. Check the spelling."),
        ("empty.mp4", b"", "{path}: found a file that does not play"),
        ("text.mp4", b"I am no film.\n" * 50, "{path}: found a file that does not play"),
    ],
)
def test_what_is_no_film_is_an_error(name: str, content: bytes | None, found: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_clip(path)
    assert str(caught.value).startswith(found.format(path=path))


def test_ticks_come_one_by_one(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [n / 25 for n in range(50)])
    stream = ticks(path)
    assert next(stream).shape == (SIDE, SIDE, 3)
    assert len(list(stream)) + 1 == len(read_clip(path))
