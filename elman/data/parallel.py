"""Parallel text: sentences and their translations, as a pair of files line by line, or as a table.

A pair of files NAME.en and NAME.de is given as NAME, with the suffixes beside it; what ends as a table does
(.csv, .tsv, .jsonl) is one, whose columns have these names.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from elman.answers import Answer
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted, did_you_mean, quote, read_lines
from elman.data.tables import is_table, read_table

_TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
_FREQUENT = 200  # words that tell a language


@dataclass(frozen=True)
class Pair:
    """A sentence, its translation where there is one, and where it stands, as file:line."""

    source: str
    target: str | None
    place: str

    @property
    def asked(self) -> dict[str, Any]:
        """Its sentence."""
        return {"text": self.source}


@dataclass(frozen=True)
class Parallel:
    """What was read, and how many pairs were not."""

    path: str
    pairs: tuple[Pair, ...]
    blank: int  # on both sides
    skipped: int

    def describe(self) -> str:
        """One line for the user: what was read, and all that was not."""
        parts = [f"{self.path}: {counted(len(self.pairs), 'pair')}"]
        if self.blank:
            parts.append(f"{counted(self.blank, 'pair')} of blank lines passed over")
        if self.skipped:
            parts.append(f"{counted(self.skipped, 'bad pair')} skipped")
        return "; ".join(parts)


def paths(path: str, source: str, target: str) -> list[Path]:
    """Return the files that a path names: a table, or the two sides of a pair."""
    if Path(path).suffix.lower() in _TABLES:
        return [Path(path)]
    return [Path(f"{path}.{source}"), Path(f"{path}.{target}")]


def read_parallel(path: str, source: str, target: str, *, skip_bad: bool = False) -> Parallel:
    """Read sentences with their translations.

    Args:
        path: a table, or NAME of the files NAME.SOURCE and NAME.TARGET.
        source: the column or the suffix of the sentences.
        target: that of their translations.
        skip_bad: leave out pairs of which one side is empty, and count them.

    Raises:
        DataError: for files with unequal numbers of lines, a pair of which one side is empty, two sides that
            are one; and for all that `read_lines` and `read_table` refuse.
    """
    if source == target:
        raise DataError(
            path, f"{quote(source)} as source and as target", "two languages", "name them: --source, --target"
        )
    files = paths(path, source, target)
    if len(files) == 1:
        table = read_table(path, {"source": source, "target": target}, skip_bad=skip_bad)
        pairs = tuple(Pair(row["source"], row["target"], row.place) for row in table.rows)
        return Parallel(path, pairs, 0, table.skipped)
    for file in files:
        if not file.is_file():
            raise _no_side(path, file, source, target)
    pairs, blank, skipped = [], 0, 0
    for left, right in zip_longest(*map(read_lines, files)):
        if left is None or right is None:
            raise _unequal(files, right is None)
        (number, said), (_, translated) = left, right
        place = f"{files[0]}:{number}"
        if said.strip() and translated.strip():
            pairs.append(Pair(said.strip(), translated.strip(), place))
        elif not said.strip() and not translated.strip():
            blank += 1
        elif skip_bad:
            skipped += 1
        else:
            empty, full = files if not said.strip() else files[::-1]
            raise DataError(
                f"{empty}:{number}",
                f"an empty line, where {full} has {quote((said + translated).strip())}",
                "a sentence and its translation in the same line of both files",
                "fill it in, or leave the pair out with --skip-bad",
            )
    if not pairs:
        raise DataError(
            str(files[0]), "no pair", "a sentence a line", "check that this is the file you meant"
        )
    return Parallel(path, tuple(pairs), blank, skipped)


def _no_side(path: str, file: Path, source: str, target: str) -> DataError:
    """Return the error of a side that is not there; a user may have named a side where NAME was wanted."""
    whole = Path(path)
    if whole.is_file() and whole.suffix in (f".{source}", f".{target}"):
        remedy = f"give both at once, without the suffix: {whole.with_suffix('')}"
    else:
        folder = file.parent
        names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        sides = [name[len(file.stem) + 1 :] for name in names if name.startswith(f"{file.stem}.")]
        remedy = did_you_mean(file.name, names) or "check the spelling of the path"
        if len(sides) >= 2:
            remedy = f"there is {whole.name} in {', '.join(sides)}: name two with --source and --target"
    return DataError(
        str(file),
        "no such file",
        f"the lines of {file.stem} in {file.suffix[1:]}, or else a table that ends in .tsv or .jsonl",
        remedy,
    )


def _unequal(files: Sequence[Path], first_is_longer: bool) -> DataError:
    lengths = [sum(1 for _ in read_lines(file)) for file in files]
    short, long = (1, 0) if first_is_longer else (0, 1)
    return DataError(
        f"{files[short]}:{lengths[short]}",
        f"the end of the file, while {files[long]} goes on: {lengths[short]:,} lines, and {lengths[long]:,}",
        "as many lines in both files, each the translation of the other",
        "look for a line that was parted or lost in one of them",
    )


class Sides:
    """Tells the two sides of a parallel text by their frequent words.

    Args:
        pairs: of which each side is what it should be.
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        pairs = list(pairs)
        source = _frequent(pair.source for pair in pairs)
        target = _frequent(pair.target or "" for pair in pairs)
        self.source, self.target = source - target, target - source  # what both have tells nothing

    def check(self, pairs: Sequence[Pair]) -> None:
        """Raise DataError where the sides of other pairs are swapped."""
        said = [word for pair in pairs for word in pair.source.split()]
        translated = [word for pair in pairs for word in (pair.target or "").split()]
        straight = sum(word in self.source for word in said) + sum(word in self.target for word in translated)
        crossed = sum(word in self.target for word in said) + sum(word in self.source for word in translated)
        if crossed > 3 * straight and crossed > len(pairs) / 2:
            raise DataError(
                pairs[0].place,
                f"the languages swapped: {quote(pairs[0].source)} stands for a source",
                "the source on the side where the training file has it",
                "swap the two files, or the two columns",
            )


def _frequent(texts: Iterable[str]) -> set[str]:
    counts = Counter(word for text in texts for word in text.split())
    return {word for word, _ in counts.most_common(_FREQUENT)}


class ParallelReader(Reader[Pair]):
    """Reads sentences and their translations: two files line by line, or a table."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[Pair]:
        """Read sentences and their translations."""
        parallel = read_parallel(path, self.settings.source, self.settings.target, skip_bad=skip_bad)
        return Examples(path, parallel.pairs, parallel.describe())

    def files(self, path: str) -> list[Path]:
        """Return the table, or the files of both languages."""
        return paths(path, self.settings.source, self.settings.target)

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a table with the column of the source."""
        return is_table(path, self.settings.source)

    def read_unlabelled(self, path: str) -> list[Pair]:
        """Read a table, of which only the column of the source counts."""
        table = read_table(path, {"source": self.settings.source})
        return [Pair(row["source"], None, row.place) for row in table.rows]

    def parse(self, item: Any, place: str) -> Pair:
        """Return a sentence as it is."""
        if not str(item).strip():
            raise DataError(place, "an empty text", "a sentence", "type one in quotes")
        return Pair(str(item).strip(), None, place)

    def write(self, example: Pair, answer: Answer) -> str:
        """Return the translation, a line."""
        return answer.to_dict()["translation"]

    def key(self, example: Pair) -> Hashable:
        """Return the sentence."""
        return example.source
