"""Reads DNA: FASTA, or a table with a column of sequences. Imports no torch."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from typing import Any

from elman.answers import Answer
from elman.data.fasta import DNASequence, check_bases, describe_bases, is_fasta
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted
from elman.data.strands import check_lengths, labels_bases, read_strands
from elman.data.tables import is_table

WIDTH = 60  # letters of a line of FASTA


class DNAReader(Reader[DNASequence]):
    """Reads and writes FASTA and tables."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[DNASequence]:
        """Read a FASTA file or a table."""
        sequences, skipped = read_strands(
            path, sequence=self.settings.sequence, label=self.settings.label, skip_bad=skip_bad
        )
        facts = [counted(len(sequences), "sequence"), *describe_bases(sequences)]
        ids = Counter(sequence.name for sequence in sequences if sequence.name)
        if several := sum(count > 1 for count in ids.values()):
            facts.append(f"{counted(several, 'id')} under several labels")
        if labels_bases(sequences):
            facts.append("a label for each base")
        if skipped:
            facts.append(f"{counted(skipped, 'bad record')} skipped")
        return Examples(path, sequences, f"{path}: {'; '.join(facts)}")

    def is_dataset(self, path: str) -> bool:
        """Return whether it is FASTA, or a table with a column of sequences."""
        return is_fasta(path) or is_table(path, self.settings.sequence)

    def read_unlabelled(self, path: str) -> list[DNASequence]:
        """Read sequences, without their labels."""
        return read_strands(path, sequence=self.settings.sequence, label=None)[0]

    def parse(self, item: Any, place: str) -> DNASequence:
        """Return bases; white space is ignored."""
        bases = "".join(str(item).split())
        if not bases:
            raise DataError(place, "a text without a base", "a sequence such as ACGTAC", "type one")
        check_bases(bases, place, "the sequence")
        return DNASequence(bases, None, None, place, 1)

    def header(self, example: DNASequence) -> str | None:
        """Return the columns of a row of CSV; FASTA has none."""
        columns = [self.settings.sequence, self.settings.label]
        columns += [] if self.encoder.per_base else ["confidence"]
        return None if example.name is not None else _row(columns)

    def write(self, example: DNASequence, answer: Answer) -> str:
        """Return a record of FASTA, or, where the sequence has no id, a row of CSV."""
        answered = answer.to_dict()
        bases, label = example.bases, answered["label"]
        confidence = [f"{answered['confidence']:.4f}"] if "confidence" in answered else []
        if example.name is None:
            return _row([bases, label, *confidence])
        lines = [bases[start : start + WIDTH] for start in range(0, len(bases), WIDTH)]
        words = [f">{example.name}", f"label={label}", *(f"confidence={c}" for c in confidence)]
        return "\n".join([" ".join(words), *lines])

    def labels(self, example: DNASequence) -> Collection[str]:
        """Return its label, or those of its bases."""
        label = example.label or ""
        return label if len(label) == len(example.bases) else [label]

    def key(self, example: DNASequence) -> Hashable:
        """Return the bases, in upper case, with T for U."""
        return example.bases.upper().replace("U", "T")


def base_labels(sequence: DNASequence, per_base: bool) -> Sequence[str]:
    """Return the label of each base, or that of the sequence as the only one. Raises DataError."""
    if not per_base:
        return [sequence.label or ""]
    check_lengths(sequence)
    return sequence.label or ""


def _row(fields: Sequence[str]) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(fields)
    return row.getvalue()
