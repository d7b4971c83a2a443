"""The cache of frames: what it keeps, what it finds damaged, what it sweeps, and its limit."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from elman.data import video
from elman.data.frame_cache import FrameCache
from elman.data.source import DataError
from elman.data.video import SHAPE, read_clip

FRAME = int(np.prod(SHAPE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "frames"


def frames(number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (number, *SHAPE), np.uint8)


def film(path: Path, seed: int) -> Path:
    """Write a clip of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=8, options={"threads": "1"})
        stream.width = stream.height = SHAPE[0]
        stream.pix_fmt = "yuv420p"
        for picture in frames(9, seed):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def never() -> Iterator[np.ndarray]:
    raise AssertionError("decoded again")
    yield  # pyright: ignore[reportUnreachable]


def kept(folder: Path) -> list[Path]:
    """The files of the cache, the one used first in front."""
    return sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_frames_are_decoded_once(folder: Path) -> None:
    some = frames(5)
    for decode in (lambda: iter(some), never, never):
        assert np.array_equal(FrameCache(folder, SHAPE).frames("a", decode), some)
    assert len(kept(folder)) == 1


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "one byte less": lambda content: content[:-1],
    "one frame less": lambda content: content[:-FRAME],
    "cut at a frame": lambda content: content[: 2 * FRAME],
    "only frames": lambda content: content[: 5 * FRAME],
    "a byte more": lambda content: content + b"\0",
    "a frame more": lambda content: content + bytes(FRAME),
    "a bit flipped in front": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "a bit flipped behind": lambda content: content[:-1] + bytes([content[-1] ^ 128]),
    "zeros": lambda content: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_made_anew(damage: Callable[[bytes], bytes], folder: Path) -> None:
    some = frames(5)
    FrameCache(folder, SHAPE).frames("a", lambda: some)
    (path,) = kept(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert np.array_equal(FrameCache(folder, SHAPE).frames("a", lambda: some), some)
    assert path.read_bytes() == whole


def test_a_file_in_the_place_of_another_is_found(folder: Path) -> None:
    one, other = frames(5, 1), frames(5, 2)
    cache = FrameCache(folder, SHAPE)
    cache.frames("a", lambda: one)
    cache.frames("b", lambda: other)
    (folder / "b.frames").write_bytes((folder / "a.frames").read_bytes())
    assert np.array_equal(cache.frames("b", lambda: other), other)


def test_what_fails_leaves_nothing(folder: Path) -> None:
    def decode() -> Iterator[np.ndarray]:
        yield from frames(3)
        raise DataError("a", "b", "c", "d")

    with pytest.raises(DataError):
        FrameCache(folder, SHAPE).frames("a", decode)
    assert kept(folder) == []


def test_what_a_killed_process_left_is_swept_but_not_what_another_is_writing(folder: Path) -> None:
    some = frames(2)
    folder.mkdir(parents=True)
    (folder / "x.part").write_bytes(b"left")

    def decode() -> Iterator[np.ndarray]:
        assert not (folder / "x.part").exists()
        yield some[0]
        (writing,) = folder.glob("*.part")
        FrameCache(folder, SHAPE).frames("b", lambda: some)  # as another process does
        assert writing.exists()
        yield some[1]

    assert np.array_equal(FrameCache(folder, SHAPE).frames("a", decode), some)
    assert [path.suffix for path in kept(folder)] == [".frames"] * 2


def test_the_longest_unused_make_room_and_it_is_said(folder: Path) -> None:
    for number in range(10):
        FrameCache(folder, SHAPE).frames(str(number), lambda: frames(2))
    for number, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, (number, number))
    limit = sum(path.stat().st_size for path in kept(folder))
    FrameCache(folder, SHAPE).frames("0", never)  # used: 1 and 2 are the oldest now
    cache = FrameCache(folder, SHAPE, limit)
    with pytest.warns(UserWarning, match="those of 2 clips, not used for longest, were removed"):
        cache.frames("new", lambda: frames(2))
    assert {path.stem for path in kept(folder)} == {"0", "3", "4", "5", "6", "7", "8", "9", "new"}
    assert sum(path.stat().st_size for path in kept(folder)) <= limit


def test_clips_in_use_are_not_removed_for_others_of_the_same_process(folder: Path) -> None:
    cache = FrameCache(folder, SHAPE, 10 * FRAME)
    clips = [frames(3, number) for number in range(9)]
    with pytest.warns(UserWarning, match="the frames of further clips are not kept, and decoded again each"):
        read = [cache.frames(str(number), lambda some=some: some) for number, some in enumerate(clips)]
    assert np.array_equal(read, clips)
    assert len(kept(folder)) == 3
    for number in range(3):
        cache.frames(str(number), never)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o500)
    with pytest.warns(UserWarning, match="frames cannot be kept in .*: Permission denied"):
        assert np.array_equal(FrameCache(folder, SHAPE).frames("a", lambda: frames(3)), frames(3))


def test_a_file_in_the_place_of_the_folder(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()
    with pytest.warns(UserWarning, match="frames cannot be kept in .*: File exists"):
        assert np.array_equal(FrameCache(folder, SHAPE).frames("a", lambda: frames(3)), frames(3))


def test_more_clips_than_a_process_may_at_first_open(folder: Path) -> None:
    code = """if True:
        import resource, sys, numpy as np
        from pathlib import Path
        from elman.data.frame_cache import FrameCache
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
        cache = FrameCache(Path(sys.argv[1]), (2, 2, 3))
        clips = [cache.frames(str(n), lambda: [np.full((2, 2, 3), n, np.uint8)]) for n in range(200)]
        assert all((clip == n).all() for n, clip in enumerate(clips))
    """
    subprocess.run([sys.executable, "-c", code, folder], check=True)


# Of clips


def test_a_clip_is_decoded_anew_when_it_changes_and_not_when_it_moves(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, cache = tmp_path / "a.mp4", FrameCache(folder, SHAPE)
    film(path, 1)
    first = np.array(read_clip(path, cache))
    path = path.rename(tmp_path / "b.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(video, "ticks", lambda _: never())
        assert np.array_equal(read_clip(path, cache), first)
    film(path, 2)
    second = read_clip(path, cache)
    assert np.array_equal(second, read_clip(path))
    assert not np.array_equal(second, first)


def test_a_clip_that_changes_while_it_is_decoded_is_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mp4"
    film(path, 1)
    ticks = video.ticks

    def disturbed(path: Path) -> Iterator[np.ndarray]:
        yield from ticks(path)
        film(path, 2)

    monkeypatch.setattr(video, "ticks", disturbed)
    with pytest.raises(DataError, match=r"a\.mp4: found a file that changed while it was read"):
        read_clip(path, FrameCache(folder, SHAPE))
    assert kept(folder) == []


FILL = """if True:
    import sys
    from pathlib import Path
    from elman.data.frame_cache import FrameCache
    from elman.data.video import SHAPE, read_clip
    cache = FrameCache(Path(sys.argv[1]), SHAPE, int(sys.argv[3]))
    print("ready", flush=True)
    while True:
        for path in sorted(Path(sys.argv[2]).iterdir()):
            read_clip(path, cache)
        for path in Path(sys.argv[1]).glob("*.frames"):
            path.unlink(missing_ok=True)
"""
KILLS = 20


@pytest.mark.slow
def test_kills_leave_no_wrong_frame(folder: Path, tmp_path: Path) -> None:
    """Two processes fill the cache and empty it again; one of them is killed, at a moment drawn at random."""
    clips, rng = tmp_path / "clips", random.Random(0)
    clips.mkdir()
    for number in range(5):
        film(clips / f"{number}.mp4", number)
    right = {path: np.array(read_clip(path)) for path in sorted(clips.iterdir())}

    def start() -> subprocess.Popen[bytes]:
        call = [sys.executable, "-c", FILL, str(folder), str(clips), str(1 << 30)]
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        return process

    strays, other = 0, start()
    for _ in range(KILLS):
        process = start()
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        _, said = process.communicate()
        assert said == b""
        strays += len(list(folder.glob("*.part")))
        cache = FrameCache(folder, SHAPE)
        assert all(np.array_equal(read_clip(path, cache), some) for path, some in right.items())
    assert other.poll() is None
    other.kill()
    assert other.communicate()[1] == b""
    FrameCache(folder, SHAPE).frames("last", lambda: frames(1))
    assert strays
    assert list(folder.glob("*.part")) == []
