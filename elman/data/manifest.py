"""Manifests: tables that say which media file shows what.

The first row names the columns, parted by tabs; one is `path`, relative to the manifest's folder. A row is a
clip, and its other columns are kept as they stand.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from elman.data.source import DataError, counted, did_you_mean, quote, read_lines, similar_path

PATH = "path"
SKIP = "correct the row, or leave it out with --skip-bad"


@dataclass(frozen=True)
class Clip:
    """One row of a manifest.

    Args:
        path: of its file.
        columns: all of the row, by column.
        place: "file:line".
    """

    path: Path
    columns: Mapping[str, str]
    place: str


@dataclass(frozen=True)
class Manifest:
    """The rows of a manifest, and how many bad ones were left out."""

    path: str
    clips: tuple[Clip, ...]
    skipped: int


def read_manifest(path: str | Path, wanted: Sequence[str] = (), *, skip_bad: bool = False) -> Manifest:
    """Read a manifest.

    Args:
        path: of the manifest.
        wanted: columns that must be there, and must not be empty in any row.
        skip_bad: leave out bad rows instead of stopping at the first.

    Raises:
        DataError: for a column that is not there; for a row with other columns than the first, an empty
            wanted one, a path that leads out of the manifest's folder, also by a link, or that cannot be
            opened, or that of an earlier row; for missing files, all of them at once; where no row is left.
    """
    path = Path(path)
    lines = ((number, text) for number, text in read_lines(path) if text.strip())
    number, head = next(lines, (1, ""))
    names = [name.strip() for name in head.split("\t")]
    _check_head(names, [PATH, *wanted], f"{path}:{number}")
    clips: list[Clip] = []
    missing: list[Clip] = []
    line_of: dict[str, int] = {}
    skipped = 0
    for number, text in lines:
        try:
            clip = _clip(text, names, [PATH, *wanted], path, number)
            where = os.path.normpath(clip.path)
            if where in line_of:
                raise DataError(
                    clip.place,
                    f"the clip {quote(clip.columns[PATH])} a second time, first in line {line_of[where]}",
                    "each clip once",
                    SKIP,
                )
            line_of[where] = number
            there = _is_there(clip, path.parent)
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
            continue
        (clips if there else missing).append(clip)
    if missing and not skip_bad:
        raise _missing(path, missing, len(clips) + len(missing))
    skipped += len(missing)
    if not clips:
        found = f"{counted(skipped, 'bad row')} and no good one" if skipped else "no row under the first"
        raise DataError(str(path), found, "a row for each clip", "check that this is the file you meant")
    return Manifest(str(path), tuple(clips), skipped)


def files_of(path: str | Path) -> list[Path]:
    """Return a manifest and the files that it names; what is wrong with it, `read_manifest` says."""
    try:
        return [Path(path), *(clip.path for clip in read_manifest(path, skip_bad=True).clips)]
    except DataError:
        return [Path(path)]


@contextmanager
def reading(clip: Clip) -> Iterator[None]:
    """Let an error in a clip's file say in which row the file is named."""
    try:
        yield
    except DataError as error:
        if clip.place == str(clip.path):
            raise
        found = f"in {clip.path.name}: {error.found}"
        raise DataError(clip.place, found, error.expected, error.remedy) from None


def is_manifest(path: str | Path) -> bool:
    """Tell a manifest from other text by its first row: a column is called path."""
    head = next((text for _, text in read_lines(path) if text.strip()), "")
    return PATH in [name.strip() for name in head.split("\t")]


def _check_head(names: Sequence[str], wanted: Sequence[str], place: str) -> None:
    for name in wanted:
        if name not in names:
            there = ", ".join(map(quote, names)) if any(names) else "nothing"
            raise DataError(
                place,
                f"a first row without a column {quote(name)}: {there}",
                "names of columns parted by tabs: " + ", ".join(wanted),
                did_you_mean(name, list(names)) or "give the file a first row that names its columns",
            )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            place, f"the column {quote(twice[0])} more than once", "each column once", "rename one"
        )


def _clip(text: str, names: Sequence[str], wanted: Sequence[str], path: Path, number: int) -> Clip:
    place, values = f"{path}:{number}", [value.strip() for value in text.split("\t")]
    if len(values) != len(names):
        raise DataError(
            place,
            f"{counted(len(values), 'column')} in {quote(text)}",
            f"{len(names):,} parted by tabs, as in the first row: {', '.join(names)}",
            SKIP,
        )
    columns = dict(zip(names, values, strict=True))
    for name in wanted:
        if not columns[name]:
            raise DataError(place, f"nothing in the column {quote(name)}", "a value", SKIP)
    folder = path.parent
    where = os.path.relpath(os.path.normpath(folder / columns[PATH]), os.path.normpath(folder))
    if os.path.isabs(where) or where.split(os.sep)[0] == os.pardir:
        raise DataError(
            place,
            f"the path {quote(columns[PATH])}, which leads out of the manifest's folder",
            f"a path in {quote(str(folder))}, relative to it",
            "put the manifest into the folder of its clips",
        )
    return Clip(folder / where, columns, place)


def _is_there(clip: Clip, folder: Path) -> bool:
    """Return whether a clip's path is that of a file. Raises DataError where it is not to be opened."""
    named = f"the path {quote(clip.columns[PATH])}"
    try:
        if not clip.path.is_file():
            return False
        target = Path(os.path.realpath(clip.path))
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        found = f"{named}, which does not open: {error.strerror}"
        raise DataError(clip.place, found, "a file in the manifest's folder", SKIP) from None
    if not target.is_relative_to(os.path.realpath(folder)):
        raise DataError(
            clip.place,
            f"{named}, a link that leads out of the manifest's folder",
            f"a file that lies in {quote(str(folder))}",
            f"put the file itself there: cp -L; it lies in {quote(str(target.parent))}",
        )
    return True


class _MissingError(DataError):
    """It names all files that are missing."""

    longest = 1_000_000


def _missing(manifest: Path, missing: Sequence[Clip], rows: int) -> DataError:
    """Return the error that names the missing files."""
    named = ", ".join(
        f"{quote(clip.columns[PATH])} (line {clip.place.rpartition(':')[2]})" for clip in missing
    )
    similar = similar_path(missing[0].path)
    hint = f" (did you mean {quote(os.path.relpath(similar, manifest.parent))}?)" if similar else ""
    return _MissingError(
        missing[0].place,
        f"{len(missing):,} of {counted(rows, 'file')} missing: {named}",
        "files in the manifest's folder",
        f"put them there, correct the paths{hint}, or leave their rows out with --skip-bad",
    )
