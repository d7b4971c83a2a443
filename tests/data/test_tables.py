"""Tables: what is read, what is refused and with which words, and what csv and json themselves make of it."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data.source import DataError
from elman.data.tables import Table, format_of, is_table, read_table

WANTED = {"text": "text", "label": "label"}


def read(folder: Path, name: str, content: str | bytes, *, skip_bad: bool = False) -> Table:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, WANTED, skip_bad=skip_bad)


def pairs(table: Table) -> list[tuple[str, str]]:
    return [(row["text"], row["label"]) for row in table.rows]


def refused(folder: Path, name: str, content: str | bytes, *, skip_bad: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, name, content, skip_bad=skip_bad)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'id,text,label\n1,"Good, in a way",pos\n2,bad,neg\n'),
        ("a.tsv", "id\ttext\tlabel\n1\tGood, in a way\tpos\n2\tbad\tneg\n"),
        ("a", "id\ttext\tlabel\n1\tGood, in a way\tpos\n2\tbad\tneg\n"),
        (
            "a.jsonl",
            '{"text": "Good, in a way", "label": "pos", "id": 1}\n{"label": "neg", "text": "bad", "id": 2}\n',
        ),
        ("a", '{"text": "Good, in a way", "label": "pos", "id": 1}\n{"label": "neg", "text": "bad"}\n'),
    ],
)
def test_the_same_rows_in_every_format(name: str, content: str, tmp_path: Path) -> None:
    table = read(tmp_path, name, content)
    assert pairs(table) == [("Good, in a way", "pos"), ("bad", "neg")]
    first = 1 if table.format == "JSON lines" else 2
    assert [row.place for row in table.rows] == [f"{tmp_path / name}:{first + i}" for i in range(2)]
    assert table.describe() == f"{tmp_path / name}: 2 rows, {table.format}; 1 other column passed over"


def test_columns_may_stand_in_any_order_and_lines_end_anyhow(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", b"\xef\xbb\xbflabel , text\r\n pos ,  fine \r\n\r\n  \r\nneg,b\r\n\r\n")
    assert pairs(table) == [("fine", "pos"), ("b", "neg")]
    assert table.rows[1].place.endswith("a.csv:5")


def test_quotes_in_csv(tmp_path: Path) -> None:
    content = 'text,label\n"two\nlines, ""quoted""",pos\n"",x\n'
    assert "a.csv:4: found an empty field" in refused(tmp_path, "a.csv", content)
    table = read(tmp_path, "a.csv", content, skip_bad=True)
    assert pairs(table) == [('two\nlines, "quoted"', "pos")]
    assert table.describe().endswith("1 row, CSV; 1 bad row skipped")


def test_a_quote_in_tsv_is_a_character(tmp_path: Path) -> None:
    table = read(tmp_path, "a.tsv", 'text\tlabel\n"so called\tpos\n5" disk\tneg\n')
    assert pairs(table) == [('"so called', "pos"), ('5" disk', "neg")]


def test_what_json_values_stand_for(tmp_path: Path) -> None:
    lines = ['{"text": 1.50, "label": 3}', '{"text": "\\u00e9", "label": true}', '{"text": "x", "label": -0}']
    assert pairs(read(tmp_path, "a.jsonl", "\n".join(lines))) == [
        ("1.50", "3"),
        ("é", "true"),
        ("x", "-0"),
    ]


fields = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=5))
def test_what_csv_and_json_write_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([("text", "label"), *rows])
    want = [(text.strip(), label.strip()) for text, label in rows]
    assert pairs(read(folder, "a.csv", written.getvalue())) == want
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    assert pairs(read(folder, "a.jsonl", lines)) == want


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", '1,"so, so",x\n2,bad,y\n'),
        ("a.tsv", "1\tso, so\tx\n2\tbad\ty\n"),
        ("a", "1\tso, so\tx\n2\tbad\ty\n"),
    ],
)
def test_columns_by_number_where_no_line_names_them(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    table = read_table(path, {"text": "2", "label": "3"})
    assert pairs(table) == [("so, so", "x"), ("bad", "y")]
    assert [row.place for row in table.rows] == [f"{path}:1", f"{path}:2"]
    assert table.others == ("1",)
    assert table.rows[0].columns() == {"1": "1", "2": "so, so", "3": "x"}
    assert table.rows[0].header({"predicted": "x"}) is None
    assert table.rows[1].answered({"predicted": "z"}) == content.splitlines()[1] + content[1] + "z"
    assert is_table(path, "3")
    with pytest.raises(DataError, match=r"found no column '4'\n  expected it among '1', '2', '3'"):
        read_table(path, {"text": "2", "label": "4"})


def test_a_number_that_is_a_name_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("2,1\na,b\n")
    table = read_table(path, {"text": "1", "label": "2"})
    assert pairs(table) == [("b", "a")]
    path.write_text("text,1\na,b\n")
    with pytest.raises(DataError, match=r"where no line names the columns, give all by number$"):
        read_table(path, {"text": "words", "label": "1"})


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=5), fields)
def test_answered_rows_are_read_back_with_all_their_fields(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], answer: str
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([("text", "label"), *rows])
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    for name, content in (("a.csv", written.getvalue()), ("a.jsonl", lines)):
        table = read(folder, name, content)
        head = table.rows[0].header({"predicted": answer})
        answered = [row.answered({"predicted": answer}, "label") for row in table.rows]
        (folder / name).write_bytes("".join(f"{r}\n" for r in [head, *answered] if r is not None).encode())
        again = read_table(folder / name, {"text": "text", "label": "label", "predicted": "predicted"})
        assert pairs(again) == pairs(table)
        assert {row["predicted"] for row in again.rows} == {answer.strip()}


GOOD = "text,label\na,b\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "text,label\na,b\nc,d,e\n",
            "a.csv:3: found 3 fields in 'c,d,e'\n  expected 2 fields parted by commas, as in line 1\n"
            "  put a field that has a comma in quotes, or leave the row out with --skip-bad",
        ),
        (
            "a.tsv",
            "text\tlabel\na\n",
            "a.tsv:2: found 1 field in 'a'\n  expected 2 fields parted by tabs, as in line 1\n"
            "  correct the row, or leave it out with --skip-bad",
        ),
        (
            "a.csv",
            "text,label\n ,b\n",
            "a.csv:2: found an empty field in column 'text'\n  expected something in it\n"
            "  correct the row, or leave it out with --skip-bad",
        ),
        (
            "a.csv",
            "text,label\na,\n",
            "a.csv:2: found an empty field in column 'label'\n",
        ),
        (
            "a.csv",
            "Text,class\na,b\n",
            "a.csv:1: found no column 'text'\n  expected it among 'Text', 'class'\n"
            "  did you mean 'Text'? name it so in the first line, or train with --text Text",
        ),
        (
            "a.csv",
            "text,lable\na,b\n",
            "a.csv:1: found no column 'label'\n  expected it among 'text', 'lable'\n"
            "  did you mean 'lable'? name it so in the first line, or train with --label lable",
        ),
        (
            "a.tsv",
            "How good\tpos\nbad\tneg\n",
            "a.tsv:1: found no column 'text'\n  expected it among 'How good', 'pos'\n"
            "  name it so in the first line, or train with --text COLUMN",
        ),
        (
            "a.csv",
            "text,label,text\na,b,c\n",
            "a.csv:1: found the column 'text' twice\n  expected each name once\n",
        ),
        (
            "a.csv",
            'text,label\na,b\n"a,b\nc,d\n',
            "a.csv:3:1: found a quote that is never closed\n"
            "  expected a closing quote at the end of the field, and each quote in it doubled: ",
        ),
        (
            "a.csv",
            'text,label\nx,"a\nb" c,d\n',
            "a.csv:2:3: found a quote that closes before ' c,d', not before a comma\n",
        ),
        (
            "a.csv",
            'text,label\na 5" disk,b\n',
            "a.csv:2:4: found a quote within the field that begins with 'a 5'\n"
            "  expected quotes around the whole field, and each one in it doubled",
        ),
        ("a.csv", b"text,label\na,\xe9\n", "a.csv:2:3: found the byte 0xe9, which is not UTF-8\n"),
        ("a.csv", b"text,label\na\0,b\n", "a.csv:2:2: found a NUL byte"),
        ("a.csv", "", "a.csv: found no row\n  expected a row for each example\n"),
        ("a.csv", "text,label\n", "a.csv: found no row\n"),
        ("a.jsonl", "\n \n", "a.jsonl: found no row\n"),
        ("a.jsonl", '{"text": "a",\n', "a.jsonl:1:1"),
        ("a.jsonl", '["a", "b"]\n', 'a.jsonl:1: found \'["a", "b"]\', which is no JSON object\n'),
        ("a.jsonl", "3\n", "a.jsonl:1: found '3', which is no JSON object\n"),
        ("a.jsonl", '{"text": "a", "lable": "b"}\n', "a.jsonl:1: found no column 'label'\n"),
        ("a.jsonl", '{"text": "a", "text": "b", "label": "c"}\n', "a.jsonl:1: found the column 'text' twice"),
        ("a.jsonl", '{"text": ["a"], "label": "b"}\n', "a.jsonl:1: found a list in 'text'\n"),
        ("a.jsonl", '{"text": {"a": 1}, "label": "b"}\n', "a.jsonl:1: found a JSON object in 'text'\n"),
        ("a.jsonl", '{"text": null, "label": "b"}\n', "a.jsonl:1: found an empty field in column 'text'\n"),
        (
            "a.jsonl",
            '{"text": "\\ud800", "label": "b"}\n',
            "a.jsonl:1: found half a surrogate pair in 'text'",
        ),
        ("a.jsonl", "[" * 200_000 + "\n", "a.jsonl:1: found JSON nested too deeply\n"),
    ],
)
def test_what_is_refused(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    assert refused(tmp_path, name, content).startswith(message)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("a.csv", "text,label\n{}c,d\n"),
        ("a.tsv", "text\tlabel\n{}c\td\n"),
    ],
)
@pytest.mark.parametrize("row", ["x\n", ",,,\t\t\n", "\t\n,x\n"])
def test_bad_rows_are_left_out_and_counted(name: str, bad: str, row: str, tmp_path: Path) -> None:
    refused(tmp_path, name, bad.format(row))
    table = read(tmp_path, name, bad.format(row), skip_bad=True)
    assert pairs(table) == [("c", "d")]
    assert table.skipped == row.count("\n")


def test_bad_objects_are_left_out_and_counted(tmp_path: Path) -> None:
    content = '{"text": "a"}\n3\n{"text": "a", "label": "b"}\n{\n'
    table = read(tmp_path, "a.jsonl", content, skip_bad=True)
    assert (pairs(table), table.skipped) == ([("a", "b")], 3)
    assert "found 1 bad row and no good one" in refused(tmp_path, "a.jsonl", "3\n", skip_bad=True)


def test_a_quote_left_open_is_an_error_that_stands(tmp_path: Path) -> None:
    """What follows it may be any number of rows, which would be lost without a word."""
    for content in ('text,label\na,b\n"a,b\nc,d\n', 'text,label\n"a" b,c\n'):
        assert "found a quote that" in refused(tmp_path, "a.csv", content, skip_bad=True)


def test_an_open_quote_does_not_swallow_a_large_file(tmp_path: Path) -> None:
    content = 'text,label\n"a,b\n' + "c,d\n" * 400_000
    assert refused(tmp_path, "a.csv", content).startswith("a.csv:2:1: found a quote that is never closed")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_line_of_100_megabytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(b"text\tlabel\n" if name == "a.tsv" else b"text,label\n" if name == "a.csv" else b"")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
    with pytest.raises(DataError, match="a line of more than 1,000,000 bytes, which begins with 'xxx"):
        read_table(path, WANTED)


def test_other_columns_may_be_empty_or_named_twice(tmp_path: Path) -> None:
    table = read(tmp_path, "a.csv", "text,,label,\na,,b,\n")
    assert pairs(table) == [("a", "b")]
    assert table.others == ("",)


@pytest.mark.parametrize(
    ("name", "content", "table"),
    [
        ("a.csv", "hello\n", True),
        ("a.JSONL", "hello\n", True),
        ("a", "text\tlabel\n", True),
        ("a", "label, text\n", True),
        ("a.txt", '\n {"text": "x"}\n', True),
        ("a.txt", "some text, as it is written\n", False),
        ("a", "a\tb\n", False),
        ("a", "", False),
    ],
)
def test_a_table_is_told_from_plain_text(name: str, content: str, table: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert is_table(path, "text") == table


def test_the_format_goes_by_suffix_and_else_by_the_first_line(tmp_path: Path) -> None:
    for name, content, kind in [
        ("a.csv", "a\tb", "CSV"),
        ("a", "a\tb", "TSV"),
        ("a", "a,b", "CSV"),
        ("a", '\n{"a": 1}', "JSON lines"),
        ("a.ndjson", "", "JSON lines"),
    ]:
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        assert format_of(path) == kind
