"""Sound and features: what comes out of a file, and every way in which one can be wrong."""

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman.data import frames
from elman.data.audio import Format, blocks, read_features, read_samples
from elman.data.frames import (
    HOP_SAMPLES,
    RATE_HZ,
    WINDOW_SAMPLES,
    Framer,
    Normal,
    audible,
    log_mel,
    loudest_so_far,
    stack,
    varied,
)
from elman.data.recordings import frames_of, is_silent, media_in, read_recording, read_recordings, windows_of
from elman.data.source import DataError

soundfile: Any = pytest.importorskip("soundfile")
SECOND = np.sin(2 * np.pi * 440 / RATE_HZ * np.arange(RATE_HZ)).astype(np.float32) / 2


def sound(samples: np.ndarray = SECOND, rate_hz: int = RATE_HZ, kind: str = "WAV", **more: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=kind, **more)
    return file.getvalue()


def save(folder: Path, content: bytes, name: str = "a.wav") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "RF64", "WAVEX"])
def test_samples_come_out_as_they_went_in(kind: str, tmp_path: Path) -> None:
    samples, held = read_samples(save(tmp_path, sound(kind=kind)))
    assert held == Format(RATE_HZ, 1, RATE_HZ)
    assert np.abs(samples - SECOND).max() < 1 / 32_000
    assert samples.dtype == np.float32


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_other_rates_and_channels_are_converted(rate_hz: int, channels: int, tmp_path: Path) -> None:
    tone = np.sin(2 * np.pi * 440 / rate_hz * np.arange(rate_hz)) / 2
    columns = np.stack([tone * (channel == 0) * channels for channel in range(channels)], 1)
    samples, held = read_samples(save(tmp_path, sound(columns / 6, rate_hz, subtype="PCM_24")))
    assert held == Format(rate_hz, channels, rate_hz)
    assert abs(len(samples) - RATE_HZ) <= 1
    middle = slice(500, -500)  # the edges ring
    assert np.abs(samples[middle] - SECOND[: len(samples)][middle] / 6).max() < 1e-3


WAV = sound()
FLAC = sound(np.random.default_rng(0).normal(0, 0.1, 10 * RATE_HZ), kind="FLAC")
MORE = "bytes behind the sound that are no chunk"
LESS = "bytes of sound, as its header promises, and chunks at most"
RIFX = sound(endian="BIG")
NAN = np.where(np.arange(RATE_HZ) % 5000, SECOND, np.nan)


@pytest.mark.parametrize(
    ("content", "found", "expected"),
    [
        (b"", "0 bytes that are no sound", "WAV or FLAC"),
        (b"a text, and no sound", "20 bytes that are no sound", "WAV or FLAC"),
        (WAV[:40] + b"\xff" * 4 + WAV[44:], "32,000 bytes of sound", "4,294,967,295, as its header promises"),
        (WAV[:44], "0 bytes of sound", "32,000, as its header promises"),
        (WAV[:20_044], "20,000 bytes of sound", "32,000, as its header promises"),
        (WAV[:36], "a WAV header without sound behind it, in 36 bytes", "a data chunk"),
        (WAV[:14], "a WAV header without sound behind it, in 14 bytes", "a data chunk"),
        (WAV[:22] + b"\0\0" + WAV[24:], "0 channels", "1 to 64"),
        (WAV[:22] + b"\xff\xff" + WAV[24:], "65,535 channels", "1 to 64"),
        (WAV[:24] + b"\0" * 4 + WAV[28:], "a rate of 0 samples a second", "4,000 to 384,000"),
        (WAV[:24] + b"\xff" * 4 + WAV[28:], "a rate of 4,294,967,295 samples a second", "4,000 to 384,000"),
        (sound(SECOND[:0]), "0.000 s of sound (0 samples)", "at least 0.025 s, one window"),
        (sound(SECOND[:399]), "0.025 s of sound (399 samples)", "at least 0.025 s, one window"),
        (sound(NAN, subtype="FLOAT"), "4 samples NaN or infinite", "finite numbers"),
        (FLAC[: len(FLAC) // 2], "73,728 samples that decode", "160,000, as its header promises"),
        (FLAC[:100], "0 samples that decode", "160,000, as its header promises"),
        (RIFX[:20_044], "20,000 bytes of sound", "32,000, as its header promises"),
        (WAV[:40] + b"\0\x10\0\0" + WAV[44:], f"27,904 {MORE}", f"4,096 {LESS}"),
        (WAV[:40] + bytes(4) + WAV[44:], f"32,000 {MORE}", f"0 {LESS}"),
    ],
)
def test_a_bad_file(content: bytes, found: str, expected: str, tmp_path: Path) -> None:
    path = save(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_samples(path)
    assert str(caught.value).startswith(f"{path}: found {found}")
    assert f"\n  expected {expected}\n" in str(caught.value)


@pytest.mark.parametrize("promised", [100, 80_000, 159_999])
def test_a_flac_that_holds_more_than_its_header_promises(promised: int, tmp_path: Path) -> None:
    path = save(tmp_path, telling(FLAC, promised), "a.flac")
    with pytest.raises(DataError) as caught:
        read_samples(path)
    assert str(caught.value) == (
        f"{path}: found 160,000 samples\n  expected {promised:,}, as its header promises\n"
        "  fetch or export the file again, or leave it out with --skip-bad; "
        "ffmpeg -i IN OUT.flac reads all of it"
    )


def telling(flac: bytes, samples: int) -> bytes:
    """A FLAC whose header tells another number of samples, in the last 36 bits of 8 bytes."""
    told = int.from_bytes(flac[18:26]) >> 36 << 36 | samples
    return flac[:18] + told.to_bytes(8) + flac[26:]


@pytest.mark.parametrize("length", [400, 4_095, 4_096, 4_097, 100_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_flac_that_was_written_into_a_pipe_does_not_tell_its_length(
    length: int, channels: int, tmp_path: Path
) -> None:
    chance = np.random.default_rng(length)
    whole = sound(chance.normal(0, 0.1, (length, channels)), kind="FLAC")
    wanted, held = read_samples(save(tmp_path, whole, "a.flac"))
    assert held.samples == length
    path = save(tmp_path, telling(whole, 0), "pipe.flac")
    samples, told = read_samples(path)
    assert told == held
    assert np.array_equal(samples, wanted)
    save(tmp_path, telling(whole, 0)[:-3], "pipe.flac")
    with pytest.raises(DataError, match=f"samples that decode\n  expected {length:,}, as its"):
        read_samples(path)


@pytest.mark.parametrize("junk", [b"\xff", b"\xff\xf8", b"\xff\xf9\xc9\x18\x00"])
def test_the_end_of_a_flac_is_found_without_looking_at_every_byte(junk: bytes, tmp_path: Path) -> None:
    path = save(tmp_path, sound(kind="FLAC") + junk * (1_000_000 // len(junk)), "a.flac")
    calls = 0

    def count(*_: Any) -> None:
        nonlocal calls
        calls += 1

    sys.setprofile(count)
    try:
        samples, _ = read_samples(path)
    finally:
        sys.setprofile(None)
    assert len(samples) == RATE_HZ
    assert calls < 500_000


@pytest.mark.parametrize("endian", ["LITTLE", "BIG"])
@pytest.mark.parametrize("pad", [b"\0", b""])
def test_other_chunks_may_follow_the_sound(endian: str, pad: bytes, tmp_path: Path) -> None:
    """Some writers leave out the byte that makes the size of a chunk even."""
    whole = sound(SECOND[:999], subtype="PCM_U8", endian=endian)
    start = whole.index(b"data") + 8
    order = "little" if endian == "LITTLE" else "big"
    chunks = [
        name + len(data).to_bytes(4, order) + data for name, data in ((b"LIST", bytes(8)), (b"id3 ", b"ID3"))
    ]
    path = save(tmp_path, whole[: start + 999] + pad + b"".join(chunks))
    samples, _ = read_samples(path)
    assert np.array_equal(samples, read_samples(save(tmp_path, whole, "b.wav"))[0])


@pytest.mark.parametrize("rest", [bytes(5), bytes(4000), b"TAG".ljust(128, b"\x01")])
def test_zeros_and_an_old_tag_may_follow_the_sound(rest: bytes, tmp_path: Path) -> None:
    samples, _ = read_samples(save(tmp_path, WAV + rest))
    assert np.array_equal(samples, read_samples(save(tmp_path, WAV, "b.wav"))[0])


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, found in ((tmp_path / "no.wav", "No such file: "), (tmp_path, "found a folder")):
        with pytest.raises(DataError, match=found):
            list(blocks(path))


def test_no_cut_of_a_file_is_taken_for_a_whole_one(tmp_path: Path) -> None:
    for content in (WAV, FLAC):
        for stop in range(0, len(content), len(content) // 40):
            with pytest.raises(DataError):
                read_samples(save(tmp_path, content[:stop]))


# .npy


def npy(array: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **more)
    return file.getvalue()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f8", "int16", "uint8"])
def test_features_come_as_they_are(dtype: str, tmp_path: Path) -> None:
    array = np.arange(12).reshape(4, 3).astype(dtype)
    features = read_features(save(tmp_path, npy(array), "a.npy"))
    assert features.dtype == np.float32
    assert features.tolist() == array.tolist()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (npy(np.array([[{}]]), allow_pickle=True), "an array of Python objects, which could run code"),
        (npy(np.zeros((4, 3), complex)), "an array of complex128"),
        (npy(np.array([["a"]])), "an array of <U1"),
        (npy(np.zeros(4)), "an array of shape (4,)"),
        (npy(np.zeros((0, 3))), "an array of shape (0, 3)"),
        (npy(np.full((4, 3), np.nan)), "12 values NaN or infinite"),
        (npy(np.full((1, 1), 1e300)), "1 value NaN or infinite"),
        (npy(np.zeros((40, 30)))[:-1], "no whole array"),
        (b"", "no whole array"),
        (b"\x93NUMPY\x01\x00", "no whole array"),
    ],
)
def test_bad_features(content: bytes, found: str, tmp_path: Path) -> None:
    path = save(tmp_path, content, "a.npy")
    with pytest.raises(DataError) as caught:
        read_features(path)
    assert str(caught.value).startswith(f"{path}: found {found}")


# Frames


def test_a_tone_is_loudest_in_its_band() -> None:
    for hz in (200, 1_000, 3_000, 7_000):
        tone = np.sin(2 * np.pi * hz / RATE_HZ * np.arange(RATE_HZ))
        energies = log_mel(tone)
        assert energies.shape == (1 + (RATE_HZ - WINDOW_SAMPLES) // HOP_SAMPLES, frames.BANDS)
        mel = 2595 * np.log10(1 + np.array([frames.LOWEST_HZ, hz, frames.HIGHEST_HZ]) / 700)
        place = (mel[1] - mel[0]) / (mel[2] - mel[0]) * (frames.BANDS + 1) - 1
        assert np.abs(energies.argmax(1) - place).max() <= 1.5


def test_log_mel_is_the_definition() -> None:
    """Each frame, by the sums that define it."""
    samples = np.random.default_rng(0).normal(0, 0.1, 1000)
    steps = np.arange(WINDOW_SAMPLES)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * steps / WINDOW_SAMPLES)
    hz = np.arange(257) * RATE_HZ / 512
    mel = lambda f: 2595 * np.log10(1 + f / 700)  # noqa: E731
    edges = np.linspace(mel(20), mel(7600), 82)
    for t, row in enumerate(log_mel(samples)):
        part = samples[t * HOP_SAMPLES :][:WINDOW_SAMPLES] * window
        power = np.abs([(part * np.exp(-2j * np.pi * k * steps / 512)).sum() for k in range(257)]) ** 2
        f = 700 * (10 ** (edges / 2595) - 1)
        for band in (0, 30, 79):
            weights = np.interp(hz, f[band : band + 3], [0, 1, 0])
            assert row[band] == pytest.approx(np.log(max(1e-6, weights @ power)), rel=1e-4)


@pytest.mark.parametrize("size", [1, 159, 400, 1_000])
def test_pieces_give_the_frames_of_the_whole(size: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 3_000).astype(np.float32)
    framer = Framer()
    pieces = [framer(samples[i : i + size]) for i in range(0, len(samples), size)]
    assert np.allclose(np.concatenate(pieces), log_mel(samples), atol=1e-5)


def test_normal_frames_have_mean_0_and_variance_1() -> None:
    chance = np.random.default_rng(0)
    rows = [chance.normal([5, -3, 100], [2, 0.1, 30], (300, 3)) for _ in range(3)]
    normal = Normal.of(rows)
    assert np.allclose(normal.mean, np.concatenate(rows).mean(0))
    other = rows[0] * 3 + 7
    scaled = replace(normal, prior=0).whole(other)
    assert np.allclose(scaled.mean(0), 0, atol=1e-4)
    assert np.allclose(scaled.std(0), 1, atol=1e-4)
    assert np.isfinite(normal.whole(np.ones((5, 3)))).all()  # silence


def test_what_is_far_below_the_loudest_is_not_audible() -> None:
    rows = np.array([[-9.0, 0.0], [-30.0, 4.0], [-9.0, -40.0]], np.float32)
    heard = audible(rows, rows.max())
    assert heard.tolist() == [[-8, -4], [-8, 0], [-8, -8]]
    assert np.array_equal(audible(rows + 3, rows.max() + 3), heard)  # no loudness matters
    so_far = loudest_so_far(rows, -np.inf)
    assert so_far.tolist() == [[0], [4], [4]]
    assert audible(rows, so_far).tolist() == [[-8, 0], *heard[1:].tolist()]
    assert loudest_so_far(rows[1:], 5.0).tolist() == [[5], [5]]
    assert audible(rows[:0], loudest_so_far(rows[:0], 0.0)).shape == (0, 2)


@pytest.mark.parametrize("size", [1, 7, 50])
def test_running_normalisation_goes_on_where_it_was(size: int) -> None:
    chance = np.random.default_rng(0)
    rows = chance.normal(3, 2, (50, 4)).astype(np.float32)
    normal = Normal.of([rows + 1])
    whole, _ = normal.running(rows, normal.start(), 0)
    sums, pieces = normal.start(), []
    for i in range(0, 50, size):
        piece, sums = normal.running(rows[i : i + size], sums, i)
        pieces.append(piece)
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.allclose(whole[-1], normal.whole(rows)[-1], atol=1e-5)  # all is heard by then


def test_stacked_frames() -> None:
    rows = np.arange(14, dtype=np.float32).reshape(7, 2)
    assert stack(rows, 3).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert stack(rows[:1], 3).tolist() == [[0, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize(("bands", "coloured"), [(True, True), (True, False), (False, True)])
def test_varied_frames_keep_what_a_text_needs_and_stay_in_bounds(bands: bool, coloured: bool) -> None:
    rows = np.random.default_rng(0).normal(0, 1, (60, 80)).astype(np.float32)
    lengths, same = set(), 0
    for seed in range(50):
        other = varied(rows, 58, np.random.default_rng(seed), bands=bands, coloured=coloured)
        lengths.add(len(other))
        assert len(other) >= 58
        assert other.dtype == np.float32
        assert np.abs(other).max() <= np.abs(rows).max() + (5 * frames.COLOUR if bands and coloured else 0)
        assert np.array_equal(
            other, varied(rows, 58, np.random.default_rng(seed), bands=bands, coloured=coloured)
        )
        same += (other == 0).mean() < 0.9
        assert not np.array_equal(other, rows)
    assert len(lengths) > 5
    assert max(lengths) <= round(60 / frames.SLOWEST)
    assert same == 50


# Recordings


def manifest(folder: Path, rows: dict[str, bytes]) -> Path:
    for name, content in rows.items():
        save(folder, content, name)
    path = folder / "train.tsv"
    path.write_text("path\ttext\n" + "".join(f"{name}\thello  there\n" for name in rows), encoding="utf-8")
    return path


def accept(_: Any) -> None:
    """Find nothing wrong."""


def test_recordings_say_what_was_converted(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        {
            "a.wav": sound(),
            "b.wav": sound(np.stack([SECOND, SECOND], 1), 8_000),
            "c.FLAC": sound(SECOND * 0, kind="FLAC"),
        },
    )
    read = read_recordings(path, "text", accept)
    assert read.describe() == (
        f"{path}: 3 recordings, 0.1 minutes, 80 log-mel bands, 1 of 8,000 Hz resampled to 16,000, "
        f"1 of 2 channels averaged, 1 silent, the first in {path}:4"
    )
    assert [one.answer for one in read.recordings] == ["hello there"] * 3
    assert [one.seconds for one in read.recordings] == [1, 2, 1]
    assert [is_silent(one.frames) for one in read.recordings] == [False, False, True]


def test_a_bad_recording_is_named_by_its_line(tmp_path: Path) -> None:
    path = manifest(tmp_path, {"a.wav": sound(), "b.wav": WAV[:1000], "c.txt": b"", "d.wav": sound()})
    with pytest.raises(DataError, match=r"3: found in b\.wav: 956 bytes of sound\n  expected 32,000"):
        read_recordings(path, "text", accept)
    read = read_recordings(path, "text", accept, skip_bad=True)
    assert [one.path.name for one in read.recordings] == ["a.wav", "d.wav"]
    assert read.describe().endswith("2 bad skipped")


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (npy(np.zeros((9, 12))), "12 features a frame"),
        (sound(), "sound"),
    ],
)
def test_recordings_of_two_kinds(second: bytes, found: str, tmp_path: Path) -> None:
    name = "b.npy" if second.startswith(b"\x93") else "b.wav"
    path = manifest(tmp_path, {"a.npy": npy(np.zeros((9, 13))), name: second})
    with pytest.raises(DataError, match=rf"3: found {found}\n  expected 13 features a frame, as in"):
        read_recordings(path, "text", accept)


def test_a_long_recording_is_not_read_at_once(tmp_path: Path) -> None:
    path = save(tmp_path, sound())
    assert read_recording(path, 2.0).frames.shape == (98, 80)
    long = read_recording(path, 0.5)
    assert long.frames.shape == (0, 80)
    assert long.seconds == 1


@pytest.mark.parametrize(("window", "margin"), [(10, 3), (30, 9), (60, 40), (98, 5), (200, 10)])
def test_windows_cover_every_frame_once(window: int, margin: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    path = save(tmp_path, sound(chance.normal(0, 0.1, RATE_HZ)))
    whole = np.concatenate(list(frames_of(path)))
    middles = []
    for rows, start, stop in windows_of(path, window, margin):
        middles.append(rows[start:stop])
        assert start <= margin
        assert len(rows) <= window + 2 * margin
        done = sum(map(len, middles))
        assert start == min(margin, done - len(middles[-1]))
        assert len(rows) - stop == min(margin, len(whole) - done)
    assert np.array_equal(np.concatenate(middles), whole)


def test_a_folder_is_searched(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("b/x.WAV", "a.flac", "c.npy", "readme.txt"):
        save(tmp_path, b"", name)
    assert [path.name for path in media_in(tmp_path)] == ["a.flac", "x.WAV", "c.npy"]
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"a folder without recordings\n  expected files that end in \.flac"):
        media_in(tmp_path / "none")
