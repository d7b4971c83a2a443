"""Sequences of bases with their labels, from FASTA or from a table, and as numbers.

Letter: T bases of a sequence.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from elman.data.compression import plain_path
from elman.data.fasta import (
    BASES,
    SUFFIXES,
    Strand,
    check_bases,
    describe_bases,
    distributions,
    is_fasta,
    is_fastq,
    label_in,
    read_fasta,
)
from elman.data.rows import Row
from elman.data.source import DataError, counted
from elman.data.tables import is_table, read_table

WINDOW = 9  # bases of a frame
WAVES = 8.0 * 2 ** np.arange(7)  # in bases; the sine and cosine of each say how far something is
INPUTS = WINDOW * len(BASES) + 4 * len(WAVES)  # numbers of a frame


def read_strands(
    path: str, *, sequence: str = "sequence", label: str | None = "label", skip_bad: bool = False
) -> tuple[list[Strand], int]:
    """Read FASTA, a folder with a FASTA file for each label, or a table, whose suffix or first line tells it.

    Args:
        path: of the file.
        sequence: column of the sequences in a table.
        label: column of the labels; None where no labels are to be read, of FASTA neither.
        skip_bad: leave out bad records.

    Returns:
        The sequences, and how many bad ones were left out.

    Raises DataError for all that `read_fasta` and `read_table` refuse, for a letter that is no base, and,
    where most labels are as long as their sequences, for one that is not.
    """
    if Path(path).is_dir():
        strands, skipped = read_classes(class_files(path), skip_bad=skip_bad)
        return (strands if label else [replace(strand, label=None) for strand in strands]), skipped
    if is_fasta(path) or not is_table(path, sequence):
        fasta = read_fasta(path, labelled=label is not None, skip_bad=skip_bad)
        strands, skipped = list(fasta.strands), fasta.skipped
    else:
        columns = {"sequence": sequence} if label is None else {"sequence": sequence, "label": label}
        table = read_table(path, columns, skip_bad=skip_bad)
        strands, skipped = [_strand(row, path) for row in table.rows], table.skipped
    good = list(_good(strands, labels_bases(strands), skip_bad))
    if not good:
        raise DataError(
            path,
            f"{counted(len(strands), 'bad record')} and no good one",
            "sequences of bases",
            "correct them",
        )
    return good, skipped + len(strands) - len(good)


def describe(path: str, strands: Sequence[Strand], skipped: int) -> str:
    """One line for the user: what was read, and all that was not taken as it stands."""
    facts = [counted(len(strands), "sequence"), *describe_bases(strands)]
    ids = Counter(strand.name for strand in strands if strand.name)
    if several := sum(count > 1 for count in ids.values()):
        facts.append(f"{counted(several, 'id')} under several labels")
    if labels_bases(strands):
        facts.append("a label for each base")
    if strands[0].file == path and is_fastq(path):
        facts.append("qualities not used")
    if skipped:
        facts.append(f"{counted(skipped, 'bad record')} skipped")
    if Path(path).is_dir() and (others := len([*Path(path).iterdir()]) - len(class_files(path))):
        facts.append(f"{counted(others, 'other file')} left out")
    return f"{path}: {'; '.join(facts)}"


def class_files(folder: str | Path) -> list[str]:
    """Return the FASTA files of a folder, in order of their names. Raises DataError where there is none."""
    found = sorted(
        str(path) for path in Path(folder).iterdir() if plain_path(path).suffix.lower() in SUFFIXES
    )
    if not found:
        raise DataError(
            str(folder), "a folder without FASTA", f"files that end in {', '.join(SUFFIXES)}", "name another"
        )
    return found


def read_classes(paths: Sequence[str], *, skip_bad: bool = False) -> tuple[list[Strand], int]:
    """Read FASTA files of which each has the sequences of one label, its name without the suffix.

    Returns:
        The sequences, and how many bad ones were left out.

    Raises DataError for all that `read_fasta` refuses, and for a header with another label.
    """
    strands: list[Strand] = []
    skipped = 0
    for path in paths:
        label = plain_path(path).stem
        fasta = read_fasta(path, labelled=False, skip_bad=skip_bad)
        skipped += fasta.skipped
        for strand in fasta.strands:
            said = label_in(strand.header or "")
            if said not in (None, label):
                raise DataError(
                    strand.place,
                    f"label={said} in the header, in {Path(path).name}, one of several files",
                    "headers without a label, for the name of each file is that of its sequences",
                    "give one file, whose headers say the labels; another that decides when to stop as --dev",
                )
            header = strand.header if said else f"{strand.header} label={label.replace(' ', '_')}"
            strands.append(replace(strand, label=label, header=header))
    return strands, skipped


def _strand(row: Row, path: str) -> Strand:
    line = int(row.place.rpartition(":")[2])
    return Strand(row["sequence"], row.fields.get("label"), None, path, line, row=row)


def _good(strands: Sequence[Strand], per_base: bool, skip_bad: bool) -> Iterator[Strand]:
    """Yield the sequences that have nothing but bases and, where bases have labels, as many of these."""
    for strand in strands:
        try:
            check_bases(strand.bases, strand.place, "the sequence")
            if per_base:
                check_lengths(strand)
        except DataError:
            if not skip_bad:
                raise
        else:
            yield strand


def check_lengths(strand: Strand) -> None:
    """Raise DataError where there are not as many labels as bases."""
    labels, bases = len(strand.label or ""), len(strand.bases)
    if labels != bases:
        raise DataError(
            strand.place,
            f"{counted(labels, 'letter')} in the label of {counted(bases, 'base')}",
            "a letter for each base, as most sequences have",
            "correct the label, or leave the record out with --skip-bad",
        )


def labels_bases(strands: Sequence[Strand]) -> bool:
    """Tell whether labels are those of bases: most are as long as their sequences."""
    return 2 * sum(len(strand.label or "") == len(strand.bases) for strand in strands) > len(strands)


def frames(bases: np.ndarray) -> np.ndarray:
    """Return what the network reads at each base: those in a window around it, and how far the ends are.

    Args:
        bases: distributions, [T, 4]; outside the sequence all four are 0.

    Returns:
        [T, INPUTS]
    """
    outside = np.zeros((WINDOW // 2, len(BASES)), dtype=np.float32)
    padded = np.concatenate((outside, bases, outside))
    seen = padded[np.arange(len(bases))[:, None] + np.arange(WINDOW)]  # [T, WINDOW, 4]
    return np.concatenate((seen.reshape(len(bases), -1), _waves(len(bases))), 1)


@lru_cache(maxsize=128)  # sequences of one length come in droves
def _waves(length: int) -> np.ndarray:
    """Return the sines and cosines of the distance of each base from the begin and from the end."""
    place = np.arange(length)
    turns = 2 * np.pi * np.stack((place, place[::-1]))[..., None] / WAVES  # [2, T, waves]
    return np.concatenate((*np.sin(turns), *np.cos(turns)), 1, dtype=np.float32)


def numbered(strand: Strand) -> np.ndarray:
    """Return the number of each base in A C G T, -1 where it is ambiguous: [T]."""
    bases = distributions(strand.bases)
    return np.where(bases.max(1) == 1, bases.argmax(1), -1)
