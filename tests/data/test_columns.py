"""The CoNLL reader: its dialects, its round trip, and one error for each way in which a file can be wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.columns import Columns, check_types, read_columns, read_labels, read_unlabelled
from elman.data.source import DataError
from elman.data.tags import Scheme, Span, encode, spans

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "ner"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real data is not here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "train.conll"


def read(file: Path, text: str, **options: bool) -> Columns:
    file.write_bytes(text.encode())
    return read_columns(file, **options)


def words(columns: Columns) -> list[str]:
    return [" ".join(sentence.words) for sentence in columns.sentences]


def tags(columns: Columns) -> list[str]:
    return [" ".join(sentence.tags or ()) for sentence in columns.sentences]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a O\nb B-x\n\nc O\n", ["a b", "c"]),
        ("a O\nb B-x\n\n\n \n\t\n\nc O", ["a b", "c"]),
        ("a\tO\r\nb\tB-x\r\n\r\nc\tO\r\n", ["a b", "c"]),
        ("\ufeffa O\n", ["a"]),
        ("a   NN  O\n b NN O  \n", ["a b"]),
        ("New York\tB-x\nis \tO \n", ["New York is"]),
        ("a\u00a0b O\nc\u2028d\x85 O\n", ["a\u00a0b c\u2028d\x85"]),
        ("#photography\tO\n#2 \tO\n", ["#photography #2"]),
        ("# id = 1\na\tO\n\n# id 2\n#b\tO\n", ["a", "#b"]),
        ("# O\n# O\n", ["# #"]),
        ("-DOCSTART- -X- O\n\na NN O\n-DOCSTART-\nb NN O\n", ["a", "b"]),
    ],
)
def test_dialects(file: Path, text: str, expected: list[str]):
    assert words(read(file, text)) == expected


def test_places(file: Path):
    columns = read(file, "# 1\n# 2\na\tO\nb\tO\n\n-DOCSTART-\nc\tO\n")
    assert [sentence.place for sentence in columns.sentences] == [f"{file}:3", f"{file}:7"]
    assert columns.sentences[0].place_of(1) == f"{file}:4"


@pytest.mark.parametrize(
    ("text", "scheme", "expected", "repaired"),
    [
        ("a I-x\nb I-x\nc B-x\nd O\ne I-y\n", "IOB1", "B-x I-x B-x O B-y", 0),
        ("a B-x\nb I-x\nc B-x\nd O\ne I-y\n", "IOB2", "B-x I-x B-x O B-y", 1),
        ("a B-x\nb E-x\nc S-x\nd O\ne S-y\n", "IOBES", "B-x I-x B-x O B-y", 0),
        ("a B-x\nb L-x\nc U-x\nd O\ne U-y\n", "IOBES", "B-x I-x B-x O B-y", 0),
        ("a B-x\nb I-y\nc O\nd I-x\ne I-x\n", "IOB2", "B-x B-y O B-x I-x", 2),
    ],
)
def test_tags_become_iob2(file: Path, text: str, scheme: Scheme, expected: str, repaired: int):
    columns = read(file, text)
    assert (columns.scheme, tags(columns), columns.repaired) == (scheme, [expected], repaired)
    assert columns.types == ("x", "y")


def test_untagged(file: Path):
    columns = read(file, "a\nb\n\nc\n", tagged=False)
    assert words(columns) == ["a b", "c"]
    assert columns.scheme is columns.sentences[0].tags is None
    assert words(read(file, "a not-a-tag\n", tagged=False)) == ["a"]
    assert columns.describe() == f"{file}: 2 sentences, 3 tokens"


def test_describe(file: Path):
    columns = read(file, "# 1\n-DOCSTART-\na\tB-x\nb\tO\nc\tI-x\n\nd\n", skip_bad=True)
    assert columns.describe() == (
        f"{file}: 1 sentence, 3 tokens, 1 document, IOB2, 1 type;"
        " 1 I- tag after O or another type read as B-;"
        " 1 comment passed over; 1 bad sentence skipped"
    )


BAD_ROWS = {
    "another number of columns": (
        "a O\nb NN O\n",
        2,
        "found 3 columns in 'b NN O'",
        "expected 2 columns parted by spaces, as in line 1",
        "correct the row, or leave its sentence out with --skip-bad",
    ),
    "tabs after spaces": (
        "a O\nb\tO\n",
        2,
        r"found a missing tag: 1 column in 'b\tO'",
        "parted by spaces",
        "correct",
    ),
    "a missing tag": (
        "# 1\na\tO\nb\n",
        3,
        "a missing tag: 1 column in 'b'",
        "parted by tabs, as in line 2",
        "correct",
    ),
    "an empty tag": ("a\tO\nb\t\n", 2, r"a missing tag in 'b\t'", "a tag in the last column", "correct"),
    "an empty token": (
        "a\tO\n \tO\n",
        2,
        r"an empty token in ' \tO'",
        "a token in the first column",
        "correct",
    ),
    "a comment within": ("a\tO\n# 1\nb\tO\n", 2, "1 column in '# 1'", "2 columns", "correct"),
    "unknown tag prefix": (
        "a O\nb X-Disease\n",
        2,
        "found the unknown tag 'X-Disease'\n",
        "expected O, or PREFIX-TYPE with one of the prefixes B, I, E, S, L, U",
        "did you mean 'B-Disease'?",
    ),
    "a tag without a prefix": (
        "a O\nb Disease\n",
        2,
        "tag 'Disease'",
        "PREFIX-TYPE",
        "did you mean 'B-Disease'?",
    ),
    "a lower-case prefix": (
        "a O\nb b-Disease\n",
        2,
        "tag 'b-Disease'",
        "PREFIX-TYPE",
        "did you mean 'B-Disease'?",
    ),
    "a tag without a type": (
        "a O\nb B-\n",
        2,
        "tag 'B-'",
        "PREFIX-TYPE",
        "give the entity a type, as in B-ENTITY",
    ),
}

BAD_FILES = {
    "no tags at all": (
        "# 1\na\nb\n",
        2,
        "a missing tag: 1 column in 'a'",
        "at least 2 columns",
        "add a column of tags",
    ),
    "mixed schemes": (
        "a S-LOC\n\nb O\nc B-PER\nd O\n",
        4,
        "found mixed schemes: 'B-PER' ends an entity, as in IOB1 or IOB2\n",
        "expected IOBES, for in line 1 'S-LOC' has the prefix S\n",
        "write the whole file in one scheme: IOB1, IOB2 or IOBES",
    ),
    "mixed schemes, the other way round": (
        "b O\nc B-PER\nd O\n\na S-LOC\n",
        5,
        "found mixed schemes: 'S-LOC' has the prefix S, as in IOBES\n",
        "expected IOB1 or IOB2, for in line 2 'B-PER' ends an entity\n",
        "write the whole file in one scheme",
    ),
    "IOBES and BILOU": (
        "a S-x\nb U-x\n",
        2,
        "'U-x' has the prefix U, as in BILOU",
        "IOBES, for in line 1 'S-x'",
        "",
    ),
    "invalid UTF-8": (
        b"a O\n\xe9t\xe9 O\n",
        "2:1",
        "the byte 0xe9",
        "expected UTF-8 text",
        "iconv -f latin1",
    ),
    "UTF-16": (
        "a O\n".encode("utf-16"),
        1,
        "the byte order mark of UTF-16",
        "expected UTF-8",
        "iconv -f utf-16",
    ),
    "NUL bytes": (b"a O\nb\0 O\n", "2:2", "a NUL byte", "UTF-8 text", "iconv"),
    "an empty file": ("", None, "found no sentence", "a row for each token", "the file you meant"),
    "blank lines only": (
        "\n \n\t\r\n",
        None,
        "found no sentence",
        "a row for each token",
        "the file you meant",
    ),
    "documents only": (
        "-DOCSTART- O\n",
        None,
        "found no sentence",
        "a row for each token",
        "the file you meant",
    ),
    "one long line": (
        "x" * 1_000_001,
        1,
        "more than 1,000,000 bytes",
        "at most 1,000,000 bytes",
        "the file you meant",
    ),
}


@pytest.mark.parametrize(
    ("content", "line", "found", "expected", "remedy"),
    [*BAD_ROWS.values(), *BAD_FILES.values()],
    ids=[*BAD_ROWS, *BAD_FILES],
)
def test_bad_input(
    file: Path, content: str | bytes, line: int | str | None, found: str, expected: str, remedy: str
):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        read_columns(file)
    message = str(caught.value) + "\n"
    first, second, third = message.splitlines(keepends=True)
    assert first.startswith(f"{file}:{line}: found " if line else f"{file}: found ")
    assert found in first
    assert expected in second
    assert remedy in third


def test_folder_and_absent_file(file: Path):
    with pytest.raises(DataError, match="found a folder"):
        read_columns(file.parent)
    with pytest.raises(DataError, match="No such file: "):
        read_columns(file)


@pytest.mark.parametrize("text", [text for text, *_ in BAD_ROWS.values()], ids=list(BAD_ROWS))
def test_bad_sentences_are_skipped_and_counted(file: Path, text: str):
    columns = read(file, with_a_good_sentence(text), skip_bad=True)
    assert words(columns) == ["z"]
    assert columns.skipped == 1


def with_a_good_sentence(text: str) -> str:
    """The text, and behind it a good sentence with the separator of its first row."""
    first_row = next(line for line in text.split("\n") if not line.startswith("#"))
    separator = "\t" if "\t" in first_row else " "
    return f"{text}\nz{separator}O\n"


@pytest.mark.parametrize("content", [content for content, *_ in BAD_FILES.values()], ids=list(BAD_FILES))
def test_bad_files_stay_errors(file: Path, content: str | bytes):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError):
        read_columns(file, skip_bad=True)


def test_nothing_but_bad_sentences(file: Path):
    with pytest.raises(DataError, match="found 2 bad sentences and no good one"):
        read(file, "a X\n\nb X\n", skip_bad=True)


def test_type_never_seen_in_training(file: Path):
    columns = read(file, "a B-x\n\nb O\nc B-persn\n")
    check_types(columns.sentences, {"x", "persn"})
    with pytest.raises(DataError) as caught:
        check_types(columns.sentences, {"x", "person"})
    assert str(caught.value) == (
        f"{file}:4: found an entity of type 'persn', never seen in training\n"
        "  expected one of 'person', 'x'\n"
        "  did you mean 'person'?"
    )


def fields(separator: str) -> st.SearchStrategy[str]:
    """Tokens the format can hold: not blank, no line ends, no separators, none that reads as a document."""
    text = st.text(
        st.characters(exclude_characters="\r\n\0\t ", exclude_categories=["Cs"]), min_size=1, max_size=8
    )
    if separator == "\t":
        text = st.lists(text, min_size=1, max_size=2).map(" ".join)
    return text.filter(lambda token: token.strip() and not token.startswith(("-DOCSTART-", "\ufeff")))


@pytest.mark.parametrize("separator", ["\t", " ", "\tNN\t", "  NN   "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@given(st.data())
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, separator: str, end: str, data: st.DataObject
):
    token = fields("\t" if "\t" in separator else " ")
    types = st.sampled_from(["person", "creative-work"])
    sentences = []
    for tokens in data.draw(st.lists(st.lists(token, min_size=1, max_size=5), min_size=1, max_size=4)):
        entities, start = [], 0
        while start < len(tokens):
            stop = data.draw(st.integers(start + 1, len(tokens)))
            if data.draw(st.booleans()):
                entities.append(Span(start, stop, data.draw(types)))
            start = stop
        sentences.append((tuple(tokens), entities))
    scheme: Scheme = data.draw(st.sampled_from(["IOB1", "IOB2", "IOBES"]))
    written = [zip(tokens, encode(found, len(tokens), scheme), strict=True) for tokens, found in sentences]
    rows = [[f"{word}{separator}{tag}{end}" for word, tag in sentence] for sentence in written]
    file = tmp_path_factory.getbasetemp() / "written.conll"
    file.write_bytes(end.join("".join(sentence) for sentence in rows).encode())
    columns = read_columns(file)
    assert [(sentence.words, spans(sentence.tags or ())) for sentence in columns.sentences] == sentences
    assert all(
        list(sentence.tags or ()) == encode(found, len(sentence.words), "IOB2")
        for sentence, (_, found) in zip(columns.sentences, sentences, strict=True)
    )
    assert columns.comments == columns.documents == columns.repaired == columns.skipped == 0


@needs_real
@pytest.mark.parametrize(
    ("name", "sentences", "types"),
    [
        ("ncbi-disease/train", 5_424, 1),
        ("ncbi-disease/dev", 923, 1),
        ("ncbi-disease/test", 940, 1),
        ("wnut17/train", 3_394, 6),
        ("wnut17/dev", 1_009, 6),
        ("wnut17/test", 1_287, 6),
    ],
)
def test_real_files(name: str, sentences: int, types: int):
    columns = read_columns(REAL / f"{name}.conll")
    assert (len(columns.sentences), columns.scheme, len(columns.types)) == (sentences, "IOB2", types)
    assert columns.comments == columns.documents == columns.repaired == columns.skipped == 0


@needs_real
@pytest.mark.parametrize(("name", "repaired"), [("uh_ritual", 0), ("spinningbytes.txt", 34)])
def test_submissions_line_up_with_the_test_file(name: str, repaired: int):
    gold = read_columns(REAL / "wnut17" / "test.conll")
    guess = read_columns(REAL / "wnut17" / "submissions" / name)
    assert guess.repaired == repaired
    assert words(guess) == words(gold)


@pytest.mark.parametrize(
    ("text", "column", "expected", "remarks"),
    [
        ("a DT O\nb NN B-x\n\nc VB O\n", 1, ["DT NN", "VB"], ()),
        ("a DT O\nb NN B-x\n", -1, ["O B-x"], ()),
        ("a\tO\nb\tX-x\n", -1, ["O X-x"], ()),  # any label will do, a wrong tag of an entity too
        ("a X Y\n", 2, ["Y"], ()),
        (
            "# 1\n-DOCSTART- -X-\na\tX\n\n# 2\nb\tY\n",
            -1,
            ["X", "Y"],
            ("1 document", "2 comments passed over"),
        ),
    ],
)
def test_labels_of_any_column(file: Path, text: str, column: int, expected: list[str], remarks: tuple[str]):
    file.write_text(text, encoding="utf-8")
    read = read_labels(file, column)
    assert [" ".join(sentence.tags or ()) for sentence in read.sentences] == expected
    assert read.remarks == remarks


def test_labels_are_described(file: Path):
    file.write_text("a\tX\nb\tY\n\nc\n\nd\tX\n", encoding="utf-8")
    read = read_labels(file, skip_bad=True)
    assert read.describe() == f"{file}: 2 sentences, 3 tokens, 2 labels; 1 bad sentence skipped"


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        (
            "a\n",
            -1,
            ":1: found a missing tag: 1 column in 'a'\n"
            "  expected at least 2 columns, token first and tag last, parted by tabs or spaces\n"
            "  add a column of labels",
        ),
        (
            "# 1\na DT O\n",
            3,
            ":2: found 3 columns in 'a DT O'\n  expected at least 4, for --column 4\n"
            "  give the number of the column that has the labels, counted from 1",
        ),
        (
            "a\tDT\tO\nb\t\tO\n",
            1,
            ":2: found a missing tag in 'b\\t\\tO'\n  expected a tag in column 2\n"
            "  correct the row, or leave its sentence out with --skip-bad",
        ),
        (
            "a\tDT\nb\t \n",
            -1,
            ":2: found a missing tag in 'b\\t '\n  expected a tag in the last column\n"
            "  correct the row, or leave its sentence out with --skip-bad",
        ),
    ],
)
def test_labels_that_are_not_there(file: Path, text: str, column: int, message: str):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_labels(file, column)
    assert str(caught.value) == f"{file}{message}"


@pytest.mark.parametrize(
    ("text", "column", "answered"),
    [
        ("a\nb\n", -1, ["a X", "b Y"]),
        ("a O\nb  O\n", -1, ["a O X", "b  O Y"]),  # what is there is kept
        ("a\tDT\tO\nb\t\tO\n", 1, ["a\tDT\tO\tX", "b\t\tO\tY"]),
        ("a\t\tO\nb\t_\tO\n", 1, ["a\tX\tO", "b\tY\tO"]),  # a column that says nothing is filled
        ("a ?\nb  ?\n", -1, ["a X", "b Y"]),
        ("a\tDT\nb\tNN\n", 2, ["a\tDT\tX", "b\tNN\tY"]),
        ("# 1\na\tDT\nb\tNN\n", -1, ["# 1", "a\tDT\tX", "b\tNN\tY"]),
        ("-DOCSTART- -X-\n\na DT\nb NN\n\n", -1, ["-DOCSTART- -X- -X-", "", "a DT X", "b NN Y", ""]),
    ],
)
def test_a_column_to_be_answered(file: Path, text: str, column: int, answered: list[str]):
    file.write_text(text, encoding="utf-8")
    (sentence,) = read_unlabelled(file, column).sentences
    assert (sentence.words, sentence.tags) == (("a", "b"), None)
    assert sentence.written
    assert sentence.written.answered(["X", "Y"]) == answered


DOCUMENTS = (  # a line, and what is added to it
    ("# a file of two documents", ""),
    ("-DOCSTART- -X- O", " O"),
    ("", ""),
    ("# 1", ""),
    ("Ada NNP I-PER", " B-X"),
    ("wrote VBD O", " B-X"),
    ("", ""),
    ("", ""),
    ("-DOCSTART- -X- O", " O"),
    ("", ""),
    ("in IN O", " B-X"),
    ("# NN O", " B-X"),
    ("London NNP I-LOC", " B-X"),
    ("", ""),
    ("", ""),
)


@pytest.mark.parametrize("separator", [" ", "\t"])
@pytest.mark.parametrize("tagged", [True, False])
def test_all_lines_are_written_again_with_one_column_more(file: Path, separator: str, tagged: bool):
    rows = [(line if line.startswith("# a") else line.replace(" ", separator)) for line, _ in DOCUMENTS]
    file.write_text("\n".join([*rows, ""]), encoding="utf-8")
    written = [
        line
        for sentence in read_columns(file, tagged=tagged).sentences
        for line in sentence.written.answered(["B-X"] * len(sentence.words))  # type: ignore[union-attr]
    ]
    assert written == [
        row + added.replace(" ", separator) for row, (_, added) in zip(rows, DOCUMENTS, strict=True)
    ]


def test_what_is_left_out_is_not_written_again(file: Path):
    file.write_text("a\tO\n\n-DOCSTART-\n\nb\n\nc\tO\n", encoding="utf-8")
    sentences = read_columns(file, skip_bad=True).sentences
    lines = [line for sentence in sentences for line in sentence.written.answered("X")]  # type: ignore[union-attr]
    assert lines == ["a\tO\tX", "", "-DOCSTART-", "", "", "c\tO\tX"]


def test_a_column_too_far_to_be_answered(file: Path):
    file.write_text("a\tDT\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"found 2 columns in 'a.*\n  expected at least 3, for --column 4"):
        read_unlabelled(file, 3)
