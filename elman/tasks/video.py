"""Video activity recognition: what happens in a clip.

Many-to-one. Frames are taken evenly in time; a small convolutional network, learnt together with the rest,
reads what changed since the frame before, beside the frame itself; recurrent layers read its findings in
order; what they say is pooled over time and one linear layer answers.

Letters: T frames of a clip, N frames of a batch, B clips of it, S side of a frame, F features, K labels.
"""

import hashlib
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from elman.data.batch import pack
from elman.data.facts import texts
from elman.data.manifest import Clip, Manifest, files_of, is_manifest, read_manifest, reading
from elman.data.rows import Row
from elman.data.source import DataError, counted
from elman.data.video import FRAMES_A_SECOND, SIDE, SUFFIXES, frame_cache, read_clip
from elman.data.written import Answers
from elman.learning.baselines import train_classifier, train_linear
from elman.learning.metrics import confusion
from elman.nn.layers import LAYERS
from elman.nn.watcher import FEATURES, Watcher
from elman.samples import video as samples
from elman.tasks import labels
from elman.tasks.declarations.video import DECLARATION, VideoSettings
from elman.tasks.labels import Verdict
from elman.tasks.settings import MOST_LABELS
from elman.tasks.task import CannotError, Reading, Stream, Task

COARSE, FEW = 8, 8  # side and number of the frames that the standard network sees


@dataclass(frozen=True, eq=False)
class Film:
    """A clip: its frames [T, S, S, 3], its label if that was read, and the row that names it."""

    frames: np.ndarray
    label: str | None
    clip: Clip

    @property
    def place(self) -> str:
        """Where its row stands."""
        return self.clip.place

    @property
    def row(self) -> Row:
        """Its row."""
        return Row.of(self.clip.columns, self.place)


@dataclass(frozen=True)
class Batch:
    """Clips, packed."""

    frames: PackedSequence  # [N, S, S, 3] bytes
    labels: Tensor | None  # [B]
    places: list[str]

    @property
    def real_steps(self) -> int:
        """N."""
        return len(self.frames.data)


class Video(Task):
    """The labels of one training file."""

    name, summary, shape, files, metric_name, settings_type = DECLARATION
    unit = "frames"
    fewest = 8

    def __init__(self, settings: VideoSettings, names: Sequence[str]) -> None:
        self.settings, self.labels = settings, tuple(names)

    @classmethod
    def read(cls, path: str, settings: VideoSettings, *, skip_bad: bool = False) -> Reading:
        """Read a manifest, or a folder that has a folder of clips for each label."""
        if Path(path).is_dir():
            manifest, others = _read_folder(Path(path), settings.label, skip_bad=skip_bad)
        else:
            manifest, others = read_manifest(path, [settings.label], skip_bad=skip_bad), 0
        read = _films(path, manifest.clips, settings.label, manifest.skipped, skip_bad=skip_bad)
        left = f"; {counted(others, 'other file')} left out" if others else ""
        return replace(read, description=read.description + left)

    @classmethod
    def paths(cls, path: str, settings: VideoSettings) -> list[Path]:
        """Return the manifest and its clips, or all clips of a folder."""
        if Path(path).is_dir():
            return [clip.path for clip in _clips_by_folder(Path(path), settings.label)]
        return files_of(path)

    @classmethod
    def sample(cls, folder: Path) -> list[Path]:
        """Write clips of moving shapes, whose label is the way that they move."""
        return samples.write(folder)

    @classmethod
    def shown(cls, example: Film, settings: Any) -> Collection[str]:
        """Return its label."""
        return [str(example.label)]

    @classmethod
    def learn(cls, train: Sequence[Film], settings: VideoSettings) -> "Video":
        """List the labels."""
        names, remarks = labels.learn((str(film.label) for film in train), train[0].clip.place)
        task = cls(settings, names)
        task.remarks = remarks
        return task

    def facts(self) -> dict[str, Any]:
        """Return the labels."""
        return {"labels": self.labels}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], settings: VideoSettings) -> "Video":
        """Restore the labels."""
        return cls(settings, texts(facts, "labels", MOST_LABELS))

    def check(self, examples: Sequence[Film]) -> None:
        """Raise DataError at the first label that training never showed."""
        for film in examples:
            labels.check(str(film.label), film.clip.place, self.labels)

    def key(self, example: Film) -> Hashable:
        """Return what tells its frames from others."""
        return hashlib.sha256(example.frames.data).digest()

    def question(self, text: str) -> Film:
        """Read the clip whose path was typed."""
        if not text.strip():
            raise DataError("input", "a text without a path", "the path of a clip", "type one")
        return _film(Clip(Path(text), {"path": text}, text), None)

    def has_records(self, path: str) -> bool:
        """Tell a clip, a folder or a manifest from lines of paths."""
        where = Path(path)
        return where.is_dir() or _is_clip(where) or is_manifest(where)

    def questions(self, path: str, *, skip_bad: bool = False) -> Reading:
        """Read a clip, the clips of a folder and of those below it, or those of a manifest."""
        where, skipped = Path(path), 0
        if where.is_dir():
            clips = [Clip(one, {"path": str(one)}, str(one)) for one in _clips_in(where)]
        elif _is_clip(where):
            clips = [Clip(where, {"path": path}, path)]
        else:
            manifest = read_manifest(where, skip_bad=skip_bad)
            clips, skipped = manifest.clips, manifest.skipped
        return _films(path, clips, None, skipped, skip_bad=skip_bad)

    def tell(self, example: Film, answer: Verdict, text: str | None = None) -> dict[str, Any]:
        """Say the clip's path, its label and the probability of each label."""
        return {"path": text or example.clip.columns["path"], **labels.told(self.labels, answer)}

    def show(self, told: Mapping[str, Any]) -> str:
        """Say path, label and confidence."""
        return f"{told['path']}  {labels.show(told)}"

    def added(self, example: Film, answer: Verdict) -> Answers:
        """Return the label and its probability."""
        return labels.added(answer)

    def model(self) -> Watcher:
        """Return a new network."""
        settings = self.settings
        layers = LAYERS[settings.cell](
            FEATURES,
            settings.hidden,
            num_layers=settings.layers,
            dropout=settings.dropout if settings.layers > 1 else 0.0,
            bidirectional=not settings.one_way,
        )
        return Watcher(layers, len(self.labels), settings.dropout)

    def length(self, example: Film) -> int:
        """Return the number of frames."""
        return len(example.frames)

    def batch(self, examples: Sequence[Film], *, answers: bool = False) -> Batch:
        """Pack clips."""
        start = np.cumsum([0, *(len(film.frames) for film in examples)])[:-1]
        frames = torch.from_numpy(np.concatenate([film.frames for film in examples]))
        packed = pack([np.arange(s, s + len(f.frames)) for s, f in zip(start, examples, strict=True)])
        places = [film.clip.place for film in examples]
        return Batch(
            PackedSequence(frames[packed.data], *packed[1:]),
            self._targets(examples) if answers else None,
            places,
        )

    def _targets(self, examples: Sequence[Film]) -> Tensor:
        return torch.tensor([self.labels.index(str(film.label)) for film in examples])

    def loss(self, model: Watcher, batch: Batch) -> Tensor:
        """Return the mean cross-entropy."""
        assert batch.labels is not None, "a batch without labels has no loss"
        return F.cross_entropy(model(batch.frames), batch.labels)

    def answer(self, model: Watcher, batch: Batch) -> list[Verdict]:
        """Return the label of each clip, with all probabilities."""
        return self._verdicts(model(batch.frames) / model.temperature)

    def _verdicts(self, scores: Tensor) -> list[Verdict]:
        return labels.verdicts(self.labels, scores.double().softmax(1))

    def calibrate(self, model: Watcher, examples: Sequence[Film]) -> str:
        """Choose the temperature under which dev is most likely; say what it did."""
        return labels.calibrate(self, model, examples, self._targets(examples))

    def metric(self, examples: Sequence[Film], answers: Sequence[Verdict]) -> dict[str, Any]:
        """Score labels by accuracy."""
        gold = [str(film.label) for film in examples]
        return labels.scores(gold, answers, self.labels)

    def grain(self, examples: Sequence[Film]) -> float:
        """Return the worth of an answer."""
        return labels.grain(examples)

    def confusion(self, examples: Sequence[Film], answers: Sequence[Verdict]) -> tuple[list[str], np.ndarray]:
        """Count which label was taken for which."""
        gold = [str(film.label) for film in examples]
        return confusion(gold, [answer.label for answer in answers], self.labels)

    def baselines(self, train: Sequence[Film]) -> dict[str, Callable[[Sequence[Film]], list[Verdict]]]:
        """Train three: no input at all, the average frame and change, a fixed number of coarse frames."""
        targets = self._targets(train)
        shares = targets.bincount(minlength=len(self.labels)).double() / len(targets)

        def majority(examples: Sequence[Film]) -> list[Verdict]:
            return labels.verdicts(self.labels, shares.expand(len(examples), -1))

        linear = train_linear(np.stack([_average(film) for film in train]), targets)

        def averages(examples: Sequence[Film]) -> list[Verdict]:
            return self._verdicts(linear(np.stack([_average(film) for film in examples])))

        standard = nn.Sequential(
            nn.Linear(FEW * COARSE * COARSE, 64), nn.Tanh(), nn.Linear(64, len(self.labels))
        )
        few = torch.stack([_few(film) for film in train])
        train_classifier(standard, few, targets, epochs=60, batch=16, learning_rate=0.001)

        def standard_network(examples: Sequence[Film]) -> list[Verdict]:
            with torch.no_grad():
                return self._verdicts(standard(torch.stack([_few(film) for film in examples])))

        return {
            "majority": majority,
            "averages_logistic_regression": averages,
            "standard_network": standard_network,
        }

    @contextmanager
    def stream(self, model: Watcher) -> Iterator[Stream]:
        """Open a stream of frames, [S, S, 3] bytes each, `FRAMES_A_SECOND` of them."""
        if not self.settings.one_way:
            raise CannotError("the run reads clips both ways; train one with --one-way to stream")
        yield _Watching(self, model)


class _Watching:
    """A stream of frames."""

    def __init__(self, task: Video, model: Watcher) -> None:
        self._task, self._model = task, model
        self._before: Tensor | None = None
        self._state: Any = None

    def step(self, x: np.ndarray) -> dict[str, Any]:
        """Take one more frame [S, S, 3] of bytes, and say what the clip so far shows."""
        pixels = np.array(x)
        if pixels.shape != (SIDE, SIDE, 3) or pixels.dtype != np.uint8:
            expected = f"a frame must be [{SIDE}, {SIDE}, 3] bytes"
            raise ValueError(f"{expected}, got {list(pixels.shape)} {pixels.dtype} in a {type(x).__name__}")
        frame = torch.from_numpy(pixels)
        with torch.no_grad():
            before = frame if self._before is None else self._before
            scores, self._state = self._model.step(frame, before, self._state)
            self._before = frame
            verdict = self._task._verdicts(scores / self._model.temperature)[0]
        return labels.told(self._task.labels, verdict)


def _films(path: str, clips: Sequence[Clip], label: str | None, skipped: int, *, skip_bad: bool) -> Reading:
    """Read clips, with their labels where a column of these is named; see `Video.read`."""
    films: list[Film] = []
    for clip in clips:
        try:
            films.append(_film(clip, clip.columns[label] if label else None))
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
    if not films:
        raise DataError(path, "no good clip", "clips that play", "see the first error without --skip-bad")
    frames = sum(len(film.frames) for film in films)
    said = f"{path}: {counted(len(films), 'clip')}, {counted(frames, 'frame')} at {FRAMES_A_SECOND} a second"
    said += f", {counted(len({film.label for film in films}), 'label')}" if label else ""
    return Reading(path, films, said + (f"; {counted(skipped, 'bad clip')} skipped" if skipped else ""))


def _film(clip: Clip, label: str | None) -> Film:
    with reading(clip):
        return Film(read_clip(clip.path, frame_cache()), label, clip)


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


def _coarse(frames: np.ndarray) -> np.ndarray:
    """Return grey frames of `COARSE` pixels a side, [T, COARSE, COARSE]."""
    tile = SIDE // COARSE
    return frames.reshape(-1, COARSE, tile, COARSE, tile, 3).mean((2, 4, 5)) / 255


def _average(film: Film) -> np.ndarray:
    """Return the coarse frame and the coarse change, averaged over time."""
    coarse = _coarse(film.frames)
    change = np.abs(np.diff(coarse, axis=0)).mean(0) if len(coarse) > 1 else np.zeros_like(coarse[0])
    return np.concatenate((coarse.mean(0).ravel(), 10 * change.ravel()))


def _few(film: Film) -> Tensor:
    """Return `FEW` coarse frames spread evenly over the clip, side by side."""
    chosen = np.linspace(0, len(film.frames) - 1, FEW).round().astype(int)
    return torch.from_numpy(_coarse(film.frames[chosen]).ravel()).float() - 0.5


TASK = Video
