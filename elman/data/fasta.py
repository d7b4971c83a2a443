"""FASTA: records of nucleotides, each a header line that begins with > and the lines of its sequence.

The label stands in the header, as label=NAME among its words: ">FP000336 label=promoter". A letter is a base
or one of the codes for several bases that it may be (NC-IUB 1985, "Nomenclature for incompletely specified
bases in nucleic acid sequences"); U is T, and lower case, which marks repeats, is as good as upper.

Libraries that read FASTA pass over what must be an error here (spaces, NUL bytes, empty records, any letter)
and cannot say in which line and column it stands, so this reader is our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.source import DataError, counted, did_you_mean, quote, read_lines

BASES = "ACGT"
CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T",
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_LETTERS = "".join(CODES) + "".join(CODES).lower()
_NO_LETTER = re.compile(f"[^{_LETTERS}]")
_LABEL = re.compile(r"(?:^|\s)label=(\S*)")
_KEY = re.compile(r"(\w+)[=:]")

_COMPLEMENT = str.maketrans("ACGTURYKMBVDHacgturykmbvdh", "TGCAAYRMKVBHDtgcaayrmkvbhd")  # S, W and N are their own

_DISTRIBUTION = np.zeros((128, len(BASES)), dtype=np.float32)  # of each letter
for _code, _bases in CODES.items():
    for _letter in (_code, _code.lower()):
        _DISTRIBUTION[ord(_letter), [BASES.index(base) for base in _bases]] = 1 / len(_bases)


@dataclass(frozen=True)
class DNASequence:
    """A sequence of bases as the file has it, its name and label (None where it has none), and its line."""

    bases: str
    label: str | None
    name: str | None
    file: str
    line: int

    @property
    def place(self) -> str:
        """Where the record begins, as "file:line"."""
        return f"{self.file}:{self.line}"

    @property
    def asked(self) -> dict[str, Any]:
        """Its id, if it has one, and its bases."""
        return ({} if self.name is None else {"id": self.name}) | {"sequence": self.bases}

    @property
    def title(self) -> str:
        """Its id, which an answer for people begins with."""
        return f"{self.name} " if self.name else ""

    def reverse_complement(self) -> "DNASequence":
        """Return the other strand, read in its own direction; labels of bases are turned with it."""
        label = self.label
        if label is not None and len(label) == len(self.bases):
            label = label[::-1]
        return replace(self, bases=self.bases[::-1].translate(_COMPLEMENT), label=label)


@dataclass(frozen=True)
class Fasta:
    """What a file holds, and how many bad records were left out of it."""

    path: str
    strands: tuple[DNASequence, ...]
    skipped: int


def is_fasta(path: str | Path) -> bool:
    """Tell a FASTA file by its first line. Raises DataError."""
    return next((text for _, text in read_lines(path) if text.strip()), "").startswith(">")


def distributions(bases: str) -> np.ndarray:
    """Return for each letter how likely it is to be A, C, G or T: [T, 4].

    >>> distributions("cR").tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.5, 0.0]]
    """
    return _DISTRIBUTION[np.frombuffer(bases.encode("ascii"), dtype=np.uint8)]


def check_bases(text: str, place: str, whose: str, *, line: bool = False) -> None:
    """Raise DataError at the first letter that is no base and no code of bases.

    Args:
        text: a sequence, or a line of it.
        place: where it stands.
        whose: says in the message whose letter it is.
        line: whether the text is the whole line at that place, so that the error can tell the column.
    """
    if wrong := _NO_LETTER.search(text):
        at = wrong.start() + 1
        raise DataError(
            f"{place}:{at}" if line else place,
            f"{quote(wrong[0])} in {whose}{'' if line else f', letter {at}'}, which stands for no base",
            "A C G T U, or an IUPAC code of several: R Y S W K M B D H V N",
            _way_out(wrong[0]),
        )


def _way_out(letter: str) -> str:
    if letter.upper() in tuple("EFIJLOPQXZ"):
        return "if these are proteins, the task cannot read them; else correct the letter (N is any base)"
    if letter in "-.~":
        return "take the gaps of the alignment out of the sequences"
    return "correct it (N is any base), or leave the record out with --skip-bad"


def describe_bases(strands: Iterable[DNASequence]) -> list[str]:
    """Count all bases, then those that were not taken as they stand."""
    counts = np.zeros(128, dtype=np.int64)
    for strand in strands:
        letters = np.frombuffer(strand.bases.encode("ascii"), dtype=np.uint8)
        counts += np.bincount(letters, minlength=len(counts))

    def count(letters: str) -> int:
        return int(counts[[ord(letter) for letter in letters]].sum())

    codes = "".join(code for code, bases in CODES.items() if len(bases) > 1)
    said = [counted(int(counts.sum()), "base")]
    if ambiguous := count(codes + codes.lower()):
        said.append(f"{ambiguous:,} ambiguous, read as distributions")
    if lower := count("".join(CODES).lower()):
        said.append(f"{lower:,} in lower case, read as upper")
    if uracil := count("Uu"):
        said.append(f"{uracil:,} U, read as T")
    return said


def read_fasta(path: str | Path, *, labelled: bool = True, skip_bad: bool = False) -> Fasta:
    r"""Read a FASTA file; with `labelled=False` a record needs no label, and one that is there is not read.

    Raises DataError with file, line and, at a letter, column for text before the first header, a header
    without an id, an id that another record of the same label has, a label that is missing, empty or there
    twice, a record without a base, a letter that is no nucleotide, a file without a record, and for all that
    `read_lines` refuses. With `skip_bad`, records that are at fault are left out and counted; the errors of
    the file as such stand.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w") as file:
    ...     _ = file.write(">a label=yes\nACG\nTT\n>b label=no\nNNa\n")
    ...     file.flush()
    ...     [(strand.name, strand.label, strand.bases) for strand in read_fasta(file.name).strands]
    [('a', 'yes', 'ACGTT'), ('b', 'no', 'NNa')]
    """
    strands: list[DNASequence] = []
    line_of: dict[tuple[str | None, str], int] = {}
    skipped = 0
    for line, header, rows in _records(str(path)):
        try:
            strand = _strand(str(path), line, header, rows, labelled)
            # A gene's promoter and another part of it may go by one id, each with its own label.
            if (first := line_of.setdefault((strand.name, strand.label or header), line)) != line:
                raise DataError(
                    strand.place,
                    f"the id {quote(strand.name or '')} a second time; it stands in line {first} already",
                    "an id of its own for each record",
                    "rename one of the two, or leave the later one out with --skip-bad",
                )
        except DataError:
            if not skip_bad:
                raise
            skipped += 1
        else:
            strands.append(strand)
    if not strands:
        found = f"{counted(skipped, 'bad record')} and no good one" if skipped else "no record"
        raise DataError(
            str(path),
            found,
            "a header for each, such as >id label=name",
            "check that this is the file you meant",
        )
    return Fasta(str(path), tuple(strands), skipped)


_Row = tuple[int, str]


def _records(path: str) -> Iterator[tuple[int, str, list[_Row]]]:
    """Yield each record: the line of its header, the header without its >, and the lines of its sequence."""
    line, header = 0, ""
    rows: list[_Row] = []
    for number, text in read_lines(path):
        text = text.rstrip()
        if text.startswith(">"):
            if line:
                yield line, header, rows
            line, header, rows = number, text[1:], []
        elif text and not line:
            raise DataError(
                f"{path}:{number}",
                f"{quote(text)} before any header",
                "a header, such as >id label=name, and then the sequence",
                "write a header over each sequence, or give a table with columns sequence and label",
            )
        elif text:
            rows.append((number, text))
    if line:
        yield line, header, rows


def _strand(path: str, line: int, header: str, rows: list[_Row], labelled: bool) -> DNASequence:
    place, way_out = f"{path}:{line}", "correct the header, or leave its record out with --skip-bad"
    name = header.split(maxsplit=1)[0] if header[:1].strip() else ""
    if not name:
        raise DataError(place, f"a header without an id: {quote('>' + header)}", ">id label=name", way_out)
    label = _label(place, header, way_out) if labelled else None
    for number, text in rows:
        check_bases(text, f"{path}:{number}", f"record {quote(name)}", line=True)
    if not rows:
        raise DataError(
            place,
            f"record {quote(name)} without a base",
            "lines of its sequence below its header",
            "add its sequence, or leave it out with --skip-bad",
        )
    return DNASequence("".join(text for _, text in rows), label, name, path, line)


def _label(place: str, header: str, way_out: str) -> str:
    labels = _LABEL.findall(header)
    if len(labels) != 1 or not labels[0]:
        found = "two labels" if len(labels) > 1 else "an empty label" if labels else "no label"
        keys = [key for key in _KEY.findall(header) if did_you_mean(key, ["label"])]
        raise DataError(
            place,
            f"{found} in the header {quote('>' + header)}",
            "one word label=NAME in it",
            f"write label= for {quote(keys[0])}" if keys and not labels else way_out,
        )
    return labels[0]
