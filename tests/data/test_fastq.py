"""FASTQ: the same records as FASTA has, four lines each, with qualities that are checked."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.data.fasta import Strand, is_fasta, is_fastq, read_fasta
from elman.data.source import DataError
from elman.data.strands import read_strands
from elman.tasks.dna import DNA, DNASettings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reads.fastq"


GOOD = "@a label=yes of mouse\nACGTN\n+\nII!~@\n\n@b label=no\nac\n+b label=no\n+@\n"


def test_records_with_their_labels_names_and_lines(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    assert is_fasta(path)
    assert is_fastq(path)
    assert read_fasta(path).strands == (
        Strand("ACGTN", "yes", "a", str(path), 1),
        Strand("ac", "no", "b", str(path), 6),
    )
    path.write_text(GOOD.replace("\n", "\r\n").rstrip(), encoding="utf-8")
    assert [strand.bases for strand in read_strands(str(path), label=None)[0]] == ["ACGTN", "ac"]


def test_that_qualities_are_not_used_is_said(path: Path) -> None:
    path.write_text(GOOD, encoding="utf-8")
    said = DNA.read(str(path), DNASettings()).description
    assert said.endswith(
        "7 bases; 1 ambiguous, read as distributions; 2 in lower case, read as upper; qualities not used"
    )


FOUR = "a record has four lines: @id label=name, its bases, + and their qualities"


@pytest.mark.parametrize(
    ("text", "place", "found", "rest"),
    [
        ("@a\nAC\n+\nI\n", ":4", "1 qualities of 2 bases", "one for each base"),
        ("@a\nAC\n+\nIII\n", ":4", "3 qualities of 2 bases", "one for each base"),
        ("@a\nAC\n+b\nII\n", ":3", "the header '+b'", "+ or '+a'"),
        ("@a\nAC\n+\nI\x7f\n", ":4", r"the quality '\x7f'", "printable ASCII"),
        ("@a\nAJ\n+\nII\n", ":2:2", "'J' in record 'a', which stands for no base", "A C G T U"),
        ("@a\n\n+\n\n", ":1", "record 'a' without a base", "add its sequence"),
        ("@\nAC\n+\nII\n", ":1", "a header without an id", "correct the header"),
        ("@a\nAC\n+\nII\n@a\nAC\n+\nII\n", ":5", "the id 'a' a second time; it stands in line 1", "rename"),
        ("@a\nAC\nGT\n+\nIIII\n", ":3", "'GT' where a record's line 3 should be", "seqtk seq FILE > NEW"),
        ("@a\nAC\n+\nII\nb\nAC\n+\nII\n", ":5", "'b' where a record's line 1 should be", f"@, for {FOUR}"),
        ("@a\nAC\n+\nII\n@b\nAC\n+\n", ":5", "a record of 3 lines at the end of the file", "cut off"),
        ("@a\n", ":1", "a record of 1 line at the end of the file", "four lines"),
        ("@a\nAC\n+\nI\0\n", ":4:2", "a NUL byte", "UTF-8 text"),
    ],
)  # fmt: skip
def test_errors_with_their_places(path: Path, text: str, place: str, found: str, rest: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_fasta(path, labelled=False)
    assert str(caught.value).startswith(f"{path}{place}: found {found}")
    assert rest in str(caught.value)


def test_bad_records_are_left_out_and_counted(path: Path) -> None:
    path.write_text("@a\nAC\n+\nI\n@b\nAC\n+\nII\n@c\nA!\n+\nII\n@d\nAC\n+x\nII\n", encoding="utf-8")
    fasta = read_fasta(path, labelled=False, skip_bad=True)
    assert ([strand.name for strand in fasta.strands], fasta.skipped) == (["b"], 3)
    path.write_text("@a\nAC\n+\nII\n@b\nAC\nGT\n+\nIIII\n", encoding="utf-8")
    with pytest.raises(DataError, match="'GT' where"):
        read_fasta(path, labelled=False, skip_bad=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ACGTNacgtn", min_size=1, max_size=50), min_size=1, max_size=8), st.booleans())
def test_good_files_are_read_as_dnaio_reads_them(path: Path, sequences: list[str], twice: bool) -> None:
    dnaio = pytest.importorskip("dnaio")
    with path.open("w", encoding="utf-8") as file:
        for i, bases in enumerate(sequences):
            file.write(f"@s{i}\n{bases}\n+{f's{i}' if twice else ''}\n{'@' * len(bases)}\n")
    with dnaio.open(str(path)) as records:
        theirs = [(record.name, record.sequence) for record in records]
    strands = read_fasta(path, labelled=False).strands
    assert [(strand.name, strand.bases) for strand in strands] == theirs
