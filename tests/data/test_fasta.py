"""The reader of FASTA: what it takes as it stands, what it counts, and each error with its place."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from elman.data.fasta import (
    BASES,
    CODES,
    Strand,
    check_bases,
    describe_bases,
    distributions,
    read_fasta,
)
from elman.data.source import DataError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "genes.fa"


def error(path: Path, content: bytes | str, **options: bool) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as caught:
        read_fasta(path, **options)
    return str(caught.value).replace(f"{path}", "genes.fa")


def test_records_with_their_labels_names_and_lines(path: Path) -> None:
    path.write_text("\n>a label=yes of mouse\nACG\n\nTT \r\n>b length=3 label=no\nacN\n", encoding="utf-8")
    fasta = read_fasta(path)
    assert fasta.strands == (
        Strand("ACGTT", "yes", "a", str(path), 2),
        Strand("acN", "no", "b", str(path), 6),
    )
    assert [strand.place for strand in fasta.strands] == [f"{path}:2", f"{path}:6"]
    assert fasta.skipped == 0


def test_without_labels_none_is_needed_and_none_is_read(path: Path) -> None:
    path.write_text(">a\nACG\n>b label=\nACG\n>c label=x label=y\nA\n", encoding="utf-8")
    assert [strand.label for strand in read_fasta(path, labelled=False).strands] == [None] * 3


def test_one_id_may_stand_under_two_labels(path: Path) -> None:
    path.write_text(">gene label=yes\nACG\n>gene label=no\nCCC\n", encoding="utf-8")
    assert [strand.name for strand in read_fasta(path).strands] == ["gene", "gene"]


NUCLEOTIDES = "A C G T U, or an IUPAC code of several: R Y S W K M B D H V N"
CORRECT = "correct it (N is any base), or leave the record out with --skip-bad"
HEADER = "correct the header, or leave its record out with --skip-bad"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "genes.fa: found no record|a header for each, such as >id label=name|check that this"),
        ("\n \n", "genes.fa: found no record|a header for each, such as >id label=name|check that this"),
        (
            "\nACGT\n>a label=x\nA\n",
            "genes.fa:2: found 'ACGT' before any header|a header, such as >id label=name, and then the"
            "|write a header over each sequence, or give a table with columns sequence and label",
        ),
        (
            ">a label=x\n>b label=y\nA\n",
            "genes.fa:1: found record 'a' without a base|lines of its sequence below its header"
            "|add its sequence, or leave it out with --skip-bad",
        ),
        (">a label=x\nA\n>b label=y\n\n", "genes.fa:3: found record 'b' without a base|lines of its|add its"),
        ("> label=x\nA\n", f"genes.fa:1: found a header without an id: '> label=x'|>id label=name|{HEADER}"),
        (">\nA\n", f"genes.fa:1: found a header without an id: '>'|>id label=name|{HEADER}"),
        (
            ">a label=x\nA\n>b label=x\nA\n>a label=x\nC\n",
            "genes.fa:5: found the id 'a' a second time; it stands in line 1 already"
            "|an id of its own for each record"
            "|rename one of the two, or leave the later one out with --skip-bad",
        ),
        (">a of mouse\nA\n", f"genes.fa:1: found no label in the header '>a of mouse'|one word|{HEADER}"),
        (
            ">a lable=x\nA\n",
            "genes.fa:1: found no label in the header '>a lable=x'|one word|write label= for 'lable'",
        ),
        (">a label= x\nA\n", "genes.fa:1: found an empty label in the header '>a label= x'|one word|corr"),
        (">a label=x label=y\nA\n", "genes.fa:1: found two labels in the header '>a label=x label=y'|one"),
        (
            ">a label=x\nACGT\nMKVLA\n",
            f"genes.fa:3:4: found 'L' in record 'a', which stands for no base|{NUCLEOTIDES}"
            "|if these are proteins, the task cannot read them; else correct the letter (N is any base)",
        ),
        (
            ">a label=x\nAC--GT\n",
            "genes.fa:2:3: found '-' in record 'a', which stands for no base|A C G T"
            "|take the gaps of the alignment out of the sequences",
        ),
        (">a label=x\nAC GT\n", f"genes.fa:2:3: found ' ' in record 'a', which|{NUCLEOTIDES}|{CORRECT}"),
        (">a label=x\nACé\n", f"genes.fa:2:3: found 'é' in record 'a', which|{NUCLEOTIDES}|{CORRECT}"),
        (
            b">a label=x\nAC\0GT\n",
            "genes.fa:2:3: found a NUL byte: UTF-16 without a byte order mark, or a binary file|UTF-8 text",
        ),
        (b">a label=x\nAC\xff\n", "genes.fa:2:3: found the byte 0xff, which is not UTF-8|UTF-8 text|if"),
        (b">a\xe9 label=x\nAC\n", "genes.fa:1:3: found the byte 0xe9, which is not UTF-8|UTF-8 text|if"),
        (">a label=x\rACGT\r", "genes.fa:1:11: found a carriage return within a line, the line end of"),
        (
            ">a label=x\n" + "ACGT" * 250_001,
            "genes.fa:2: found a line of more than 1,000,000 bytes, which begins with 'ACGTACGT",
        ),
    ],
)  # fmt: skip
def test_every_error_has_its_place_and_a_way_out(content: bytes | str, message: str, path: Path) -> None:
    found = error(path, content).split("\n")
    for line, expected, beginning in zip(found, message.split("|"), ("", "  expected ", "  "), strict=False):
        assert line.startswith(beginning + expected)


def test_a_line_of_100_mb_is_never_read_whole(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b">a label=x\n")
        file.truncate(100_000_000)
        file.seek(11)
        file.write(b"A" * 2_000_000)
    with pytest.raises(DataError, match=r"genes.fa:2: found a line of more than 1,000,000 bytes"):
        read_fasta(path)


def test_bad_records_are_left_out_and_counted(path: Path) -> None:
    bad = ">b label=x\nAZ\n>c\nA\n>d label=x\n>a label=x\nA\n> label=x\nA\n"
    path.write_text(f">a label=x\nAC\n{bad}>e label=y\nG\n", encoding="utf-8")
    fasta = read_fasta(path, skip_bad=True)
    assert ([strand.name for strand in fasta.strands], fasta.skipped) == (["a", "e"], 5)
    assert error(path, bad.replace(">a label=x\nA\n", ""), skip_bad=True).startswith(
        "genes.fa: found 4 bad records and no good one"
    )
    assert error(path, "AC\n>a label=x\nA\n", skip_bad=True).startswith("genes.fa:1: found 'AC' before any")


def test_a_code_is_the_distribution_of_its_bases() -> None:
    """As the Nomenclature Committee of the IUB gives them, each code beside that of the complement."""
    complements = ("AT", "CG", "RY", "KM", "SS", "WW", "BV", "DH", "NN")
    for one, other in complements:
        there, back = distributions(one)[0], distributions(other)[0]
        np.testing.assert_array_equal(there, back[::-1])  # A C G T turned round is T G C A
    assert {letter for pair in complements for letter in pair} | {"U"} == set(CODES)
    assert distributions("U").tolist() == distributions("t").tolist() == [[0, 0, 0, 1]]
    assert distributions("b").tolist() == [pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])]
    for code, bases in CODES.items():
        row = distributions(code)[0]
        assert row.sum() == pytest.approx(1)
        assert {base for base, share in zip(BASES, row, strict=True) if share > 0} == set(bases)


def test_what_is_not_taken_as_it_stands_is_counted() -> None:
    strands = [Strand("ACGTNNr", None, None, "", 1), Strand("acgu" + "G" * 1000, None, None, "", 2)]
    assert describe_bases(strands) == [
        "1,011 bases",
        "3 ambiguous, read as distributions",
        "5 in lower case, read as upper",
        "1 U, read as T",
    ]
    assert describe_bases([Strand("A", None, None, "", 1)]) == ["1 base"]


def test_every_letter_is_checked() -> None:
    check_bases("".join(CODES) + "".join(CODES).lower(), "f:1", "it")
    for letter in set(map(chr, range(33, 127))) - set(CODES) - {code.lower() for code in CODES}:
        with pytest.raises(DataError, match=r"^f:1:3: found '?.*'? in it, which stands for no base\n"):
            check_bases(f"AC{letter}", "f:1", "it", line=True)
        with pytest.raises(
            DataError, match=r"^f:1: found '?.*'? in it, letter 3, which stands for no base\n"
        ):
            check_bases(f"AC{letter}", "f:1", "it")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("ACGTUNacgtn", min_size=1, max_size=50), min_size=1, max_size=8), st.integers(1, 60))
def test_good_files_are_read_as_dnaio_reads_them(path: Path, sequences: list[str], width: int) -> None:
    dnaio = pytest.importorskip("dnaio")
    with path.open("w", encoding="utf-8") as file:
        for i, bases in enumerate(sequences):
            rows = [bases[start : start + width] for start in range(0, len(bases), width)]
            file.write(f">s{i} label={i % 2}\n" + "\n".join(rows) + "\n")
    with dnaio.open(str(path)) as records:
        theirs = [(record.name.split()[0], record.sequence) for record in records]
    assert [(strand.name, strand.bases) for strand in read_fasta(path).strands] == theirs
