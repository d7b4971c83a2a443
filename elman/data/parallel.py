"""Parallel text: sentences and their translations, as a pair of files line by line, or as a table.

A pair of files NAME.en and NAME.de is given as NAME, with the suffixes beside it; what ends as a table does
(.csv, .tsv, .jsonl) is one, whose columns have these names. Behind either, .gz, .bz2 or .xz may follow.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from elman.data.compression import SUFFIXES, plain_path
from elman.data.rows import Row
from elman.data.source import DataError, MissingPathError, counted, quote, read_lines, similar_path
from elman.data.tables import is_number, read_table

_TABLES = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson")
_FREQUENT = 200  # words that tell a language


@dataclass(frozen=True)
class Pair:
    """A sentence, its translation where there is one, and where it stands, as file:line."""

    source: str
    target: str | None
    place: str
    row: Row | None = field(default=None, compare=False)  # of a table


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
    """Return the files that a path names: a table, or the two sides of a pair.

    Numbers are those of columns of a table without names, as no language has a number for its name.
    """
    if plain_path(path).suffix.lower() in _TABLES or (is_number(source) and is_number(target)):
        return [Path(path)]
    return [_side(path, source), _side(path, target)]


def _side(path: str, language: str) -> Path:
    """Return the file of a language, which may be compressed."""
    plain = f"{path}.{language}"
    return next((Path(plain + s) for s in ("", *SUFFIXES) if Path(plain + s).exists()), Path(plain))


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
        pairs = tuple(Pair(row["source"], row["target"], row.place, row) for row in table.rows)
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
    whole, side = Path(path), file.suffix
    inside = sorted({plain_path(p).name for p in file.parent.iterdir()}) if file.parent.is_dir() else []
    sides = [name[len(file.stem) + 1 :] for name in inside if name.startswith(f"{file.stem}.")]
    similar = similar_path(file)
    if whole.is_file() and plain_path(whole).suffix in (f".{source}", f".{target}"):
        remedy = f"Give both sides at once, without the suffix: {plain_path(whole).with_suffix('')}"
    elif len(sides) >= 2:
        remedy = f"There is {whole.name} in {', '.join(sides)}: name two with --source and --target."
    elif sides:
        remedy = f"It should hold the lines of {whole.name}.{sides[0]} in {side[1:]}."
    elif similar and plain_path(similar).suffix == side:
        remedy = f"Did you mean {plain_path(similar).with_suffix('')}?"
    else:
        remedy = f"Give NAME of NAME.{source} and NAME.{target}, or a table that ends in .tsv or .jsonl."
    return MissingPathError(str(file), "no such file", "a file", remedy)


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
