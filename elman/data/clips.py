"""Reads clips with their labels: a manifest, or a folder that has a folder of clips for each label. No torch."""

import hashlib
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.answers import Answer
from elman.data.manifest import Clip, Manifest, is_manifest, read_manifest, reading
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted
from elman.data.video import FRAMES_A_SECOND, SIDE, SUFFIXES, read_clip

CACHE = Path.home() / ".cache" / "elman" / "frames"


@dataclass(frozen=True, eq=False)
class VideoClip:
    """A clip: its frames, its label if that was read, and the row of the manifest that names it."""

    frames: np.ndarray  # [T, S, S, 3]
    label: str | None
    row: Clip

    @property
    def place(self) -> str:
        """Where its row stands, as file:line."""
        return self.row.place

    @property
    def asked(self) -> dict[str, Any]:
        """Its path."""
        return {"path": self.row.columns["path"]}

    @property
    def title(self) -> str:
        """Its path, which an answer for people begins with."""
        return f"{self.row.columns['path']}  "


class ClipReader(Reader[VideoClip]):
    """Reads and writes manifests of clips."""

    media = True

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[VideoClip]:
        """Read a manifest, or a folder that has a folder of clips for each label."""
        label = self.settings.label
        if Path(path).is_dir():
            manifest, others = _read_folder(Path(path), label, skip_bad=skip_bad)
        else:
            manifest, others = read_manifest(path, [label], skip_bad=skip_bad), 0
        clips: list[VideoClip] = []
        skipped = manifest.skipped
        for row in manifest.clips:
            try:
                clips.append(_read(row, row.columns[label]))
            except DataError:
                if not skip_bad:
                    raise
                skipped += 1
        if not clips:
            raise DataError(path, "no good clip", "clips that play", "see the first error without --skip-bad")
        facts = [
            counted(len(clips), "clip"),
            f"{counted(sum(len(clip.frames) for clip in clips), 'frame')} at {FRAMES_A_SECOND} a second",
            counted(len({clip.label for clip in clips}), "label"),
        ]
        skips = [f"{counted(skipped, 'bad clip')} skipped"] if skipped else []
        skips += [f"{counted(others, 'other file')} left out"] if others else []
        return Examples(path, clips, f"{path}: {'; '.join([', '.join(facts), *skips])}")

    def files(self, path: str) -> list[Path]:
        """Return the manifest, or all clips of a folder."""
        if Path(path).is_dir():
            return [row.path for row in _clips_by_folder(Path(path), self.settings.label)]
        return [Path(path)]

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a clip, a folder or a manifest."""
        where = Path(path)
        return where.is_dir() or _is_clip(where) or is_manifest(where)

    def read_unlabelled(self, path: str) -> list[VideoClip]:
        """Read a clip, the clips of a folder and of those below it, or those of a manifest."""
        where = Path(path)
        if where.is_dir():
            rows = [Clip(one, {"path": str(one)}, str(one)) for one in _clips_in(where)]
        elif _is_clip(where):
            rows = [Clip(where, {"path": path}, path)]
        else:
            rows = list(read_manifest(where).clips)
        return [_read(row, None) for row in rows]

    def parse(self, item: Any, place: str) -> VideoClip:
        """Return a clip of frames [T, S, S, 3] of bytes."""
        frames = np.asarray(item)
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[1:] != (SIDE, SIDE, 3):
            found = f"{frames.dtype} {list(frames.shape)}"
            raise DataError(place, found, f"frames, bytes [T, {SIDE}, {SIDE}, 3]", "give the path of a clip")
        return VideoClip(frames, None, Clip(Path(place), {"path": place}, place))

    def write(self, example: VideoClip, answer: Answer) -> str:
        """Return a row of a manifest."""
        return f"{example.row.columns['path']}\t{answer.to_dict()['label']}"

    def labels(self, example: VideoClip) -> Collection[str]:
        """Return its label."""
        return [str(example.label)]

    def key(self, example: VideoClip) -> Hashable:
        """Return a hash of its frames."""
        return hashlib.sha256(example.frames.data).digest()


def _read(row: Clip, label: str | None) -> VideoClip:
    with reading(row):
        return VideoClip(read_clip(row.path, CACHE), label, row)


def _read_folder(folder: Path, label: str, *, skip_bad: bool) -> tuple[Manifest, int]:
    """Return the clips in the folders of a folder as a manifest has them, and how many files are no clip."""
    clips, bare = _clips_by_folder(folder, label), sorted(filter(_is_clip, folder.iterdir()))
    if bare and not skip_bad:
        raise DataError(
            str(bare[0]),
            f"{counted(len(bare), 'clip')} beside the folders of clips",
            "each clip in the folder of its label",
            "move it there, or leave it out with --skip-bad",
        )
    files = sum(not path.is_dir() for path in folder.rglob("*"))
    return Manifest(str(folder), tuple(clips), len(bare)), files - len(clips) - len(bare)


def _clips_by_folder(folder: Path, label: str) -> list[Clip]:
    """Return the clips in the folders of a folder, however deep they lie in one; its name is their label."""
    clips = [
        Clip(path, {"path": str(path), label: below.name}, str(path))
        for below in sorted(folder.iterdir())
        if below.is_dir()
        for path in _clips_in(below)
    ]
    if not clips:
        raise DataError(
            str(folder),
            "a folder without folders of clips",
            "a folder for each label",
            "name a manifest instead",
        )
    return clips


def _clips_in(folder: Path) -> list[Path]:
    found = sorted(filter(_is_clip, folder.rglob("*")))
    if not found:
        raise DataError(
            str(folder), "a folder without clips", f"files that end in {', '.join(SUFFIXES)}", "name another"
        )
    return found


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()
