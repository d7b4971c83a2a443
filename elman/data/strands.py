"""Sequences of bases with their labels, from FASTA or from a table, and as numbers.

Letter: T bases of a sequence.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from elman.data.fasta import BASES, DNASequence, check_bases, distributions, is_fasta, read_fasta
from elman.data.source import DataError, counted
from elman.data.tables import Row, is_table, read_table

WINDOW = 9  # bases of a frame
WAVES = 8.0 * 2 ** np.arange(7)  # in bases; the sine and cosine of each say how far something is
INPUTS = WINDOW * len(BASES) + 4 * len(WAVES)  # numbers of a frame


def read_strands(
    path: str, *, sequence: str = "sequence", label: str | None = "label", skip_bad: bool = False
) -> tuple[list[DNASequence], int]:
    """Read FASTA, or a table, whose suffix or first line tells it.

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


def _strand(row: Row, path: str) -> DNASequence:
    line = int(row.place.rpartition(":")[2])
    return DNASequence(row["sequence"], row.fields.get("label"), None, path, line)


def _good(strands: Sequence[DNASequence], per_base: bool, skip_bad: bool) -> Iterator[DNASequence]:
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


def check_lengths(strand: DNASequence) -> None:
    """Raise DataError where there are not as many labels as bases."""
    labels, bases = len(strand.label or ""), len(strand.bases)
    if labels != bases:
        raise DataError(
            strand.place,
            f"{counted(labels, 'letter')} in the label of {counted(bases, 'base')}",
            "a letter for each base, as most sequences have",
            "correct the label, or leave the record out with --skip-bad",
        )


def labels_bases(strands: Sequence[DNASequence]) -> bool:
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


def numbered(strand: DNASequence) -> np.ndarray:
    """Return the number of each base in A C G T, -1 where it is ambiguous: [T]."""
    bases = distributions(strand.bases)
    return np.where(bases.max(1) == 1, bases.argmax(1), -1)
