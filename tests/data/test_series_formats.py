"""Readers of series: what each format gives, what each fault says, and what becomes of missing values."""

import pickle
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data.series import Scale, Series, SeriesFile, Wanted, hold, numbered, settle, values_of
from elman.data.series_formats import answers_beside, read_series
from elman.data.source import DataError

HEAD = (
    "@problemName X\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true walk run\n@data\n"
)
TABLE = "series,x,y,label\na,1,2,walk\na,3,,walk\nb,5,6,run\n"


def write(folder: Path, text: str, name: str = "file.ts") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def arrays(series: tuple[Series, ...]) -> list[list[list[float]]]:
    return [one.values.tolist() for one in series]


def test_ts(tmp_path: Path) -> None:
    path = write(tmp_path, f"# a comment\n{HEAD}1,2,3:4,5,6:run\n\n7:-8e1:walk\n")
    file = read_series(path, Wanted())
    assert arrays(file.series) == [[[1, 4], [2, 5], [3, 6]], [[7, -80]]]
    assert [one.answer for one in file.series] == ["run", "walk"]
    assert [one.place for one in file.series] == [f"{path}:8", f"{path}:10"]
    assert file.series[0].channels == ("1", "2")
    assert file.describe() == f"{path}: 2 series, 4 steps, 2 channels, 2 labels"


def test_ts_of_one_channel_and_of_numbers(tmp_path: Path) -> None:
    path = write(tmp_path, "@univariate true\n@targetlabel true\n@data\n1,2,3:0.5\n4:-2\n")
    file = read_series(path, Wanted("any", numeric=True))
    assert arrays(file.series) == [[[1], [2], [3]], [[4]]]
    assert [one.answer for one in file.series] == [0.5, -2.0]


def test_ts_as_questions_needs_no_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "@univariate true\n@classLabel false\n@data\n1,2,3\n")
    (one,) = read_series(path, Wanted(None)).series
    assert (one.answer, one.values.shape) == (None, (3, 1))
    (one,) = read_series(write(tmp_path, HEAD + "1:2:what\n"), Wanted(None)).series
    assert (one.answer, one.values.shape) == (None, (1, 2))


def test_real_ts() -> None:
    path = Path(__file__).parents[3] / "shared/data/series/japanese-vowels/train.ts"
    if not path.exists():
        pytest.skip("the data are not there")
    file = read_series(path, Wanted())
    assert len(file.series) == 270
    assert {one.values.shape[1] for one in file.series} == {12}
    assert {len(one.values) for one in file.series} <= set(range(7, 30))
    assert file.series[0].values[0, 0] == np.float32(1.860936)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD + "1,2:1,2,3:run\n",
            ":7: found 3 steps in channel 2\n  expected 2, as in channel 1: all channels of",
        ),
        (
            HEAD + "1,2:1,2:runn\n",
            ":7: found the undeclared label 'runn'\n  expected one that @classLabel declares: "
            "walk, run\n  did you mean 'run'?",
        ),
        (HEAD + "1,2:run\n", ":7: found 1 channel\n  expected 2, as in the rest of the file"),
        (HEAD + "1,x:1,2:run\n", ":7: found 'x' in channel 1\n  expected a number, or ? where it is missing"),
        (HEAD + "1,2:1,2:?\n", ":7: found a series without its answer\n  expected a label"),
        (HEAD, ": found no series\n  expected at least one series"),
        (
            HEAD.replace("@data\n", "1:2:run\n"),
            ":6: found '1:2:run'\n  expected @data before the first series",
        ),
        ("1:2:run\n", ":1: found '1:2:run'\n  expected @data before the first series"),
        ("@univariate true\n", ": found no @data"),
        ("@timeStamps true\n@data\n", ":1: found @timeStamps true\n  expected series without time stamps"),
        (
            "@dimensions two\n@classLabel true a\n@data\n",
            ":1: found @dimensions two\n  expected a whole number",
        ),
        (f"@dimensions {'9' * 5000}\n@classLabel true a\n@data\n", ":1: found @dimensions 9999"),
        (
            "@univariate true\n@data\n1,2\n",
            ": found no @classLabel true\n  expected a label behind each series",
        ),
        (
            "@univariate true\n@targetLabel true\n@data\n1:2\n",
            ": found @targetLabel true\n  expected a label behind each series\n  give --target target",
        ),
        (
            "@univariate true\n@equalLength true\n@classLabel true a\n@data\n1,2,3:a\n1,2:a\n",
            ":6: found 2 steps\n  expected 3, as in the first series, for @equalLength is true",
        ),
        (
            "@dimensions \u0663\n@classLabel true a\n@data\n1:a\n",
            ":1: found @dimensions \u0663\n  expected a whole number of at most 9 digits",
        ),
        (
            "@univariate true\n@equalLength true\n@seriesLength 3\n@classLabel true a\n@data\n1,2:a\n",
            ":6: found 2 steps\n  expected 3, as @seriesLength says",
        ),
    ],
)
def test_faults_of_ts(text: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=re.escape(f"{path}{said}")):
        read_series(path, Wanted())


def test_bad_series_are_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "1:2:run\n1,2:1:run\n1:2:fly\n3:4:walk\n")
    file = read_series(path, Wanted(), skip_bad=True)
    assert [one.name for one in file.series] == ["1", "4"]
    assert file.describe().endswith("2 labels; 2 bad series skipped")
    with pytest.raises(DataError, match="found 1 bad series and no good one"):
        read_series(write(tmp_path, HEAD + "1,2:1:run\n"), Wanted(), skip_bad=True)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_tables(separator: str, tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace(",", separator), "file.csv")
    first, second = read_series(path, Wanted()).series
    assert (first.name, first.answer, first.place) == ("a", "walk", f"{path}:2")
    assert first.channels == ("x", "y")
    np.testing.assert_array_equal(first.values, [[1, 2], [3, np.nan]])
    assert second.values.tolist() == [[5, 6]]
    (only_y, _) = read_series(path, Wanted(channels=("y",))).series
    assert only_y.channels == ("y",)
    assert only_y.values[0].tolist() == [2]


def test_a_table_of_numbers_to_predict(tmp_path: Path) -> None:
    path = write(tmp_path, "id,x,price\n1,5,2.5\n2,6,-1\n", "file.csv")
    file = read_series(path, Wanted("price", numeric=True, series="id"))
    assert [(one.answer, one.channels) for one in file.series] == [(2.5, ("x",)), (-1.0, ("x",))]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "sries,x,label\na,1,k\n",
            ":1: found the columns 'sries', 'x', 'label'\n  expected a column 'series'\n"
            "  did you mean 'sries'?",
        ),
        (
            "series,x,class\na,1,k\n",
            ":1: found the columns 'series', 'x', 'class'\n  expected a column 'label'",
        ),
        ("series,label\na,k\n", ":1: found no channel"),
        (TABLE + "b,1,2\n", ":5: found 3 columns\n  expected 4, as the first row has names"),
        (
            TABLE + "b,1,2,walk\n",
            ":5: found the answer 'walk' in the series 'b'\n  expected 'run', as in its first",
        ),
        (
            TABLE + "a,1,2,walk\n",
            ":5: found the series 'a' once more, which ended at line 3\n"
            "  expected the rows of a series one behind the other",
        ),
        (TABLE + "c,1,2,\n", ":5: found a series without its answer"),
        (TABLE + "c,1,o,run\n", ":5: found 'o' in a channel of 'c'"),
        (TABLE + 'c,"1"5,2,run\n', """:5: found a quote that is closed within a field: 'c,"1"5,2,run'"""),
        (TABLE + 'c,1,2,"run\n', """:5: found a quote that is never closed: 'c,1,2,"run'"""),
        (TABLE + 'c,1,2,"run\n"\n', """:5: found a quote that is never closed: 'c,1,2,"run'"""),
        (TABLE + "c,1_000,2,run\n", ":5: found '1_000' in a channel of 'c'\n  expected a number"),
        ("series,x,label\n", ": found no series"),
        ("series,x,x,label\na,1,2,k\n", ":1: found the column 'x' more than once"),
        (TABLE + f"c,{'9' * 200_000},1,run\n", ":5: found a field of more than 131,072 characters"),
    ],
)
def test_faults_of_tables(text: str, said: str, tmp_path: Path) -> None:
    path = write(tmp_path, text, "file.csv")
    with pytest.raises(DataError, match=re.escape(f"{path}{said}")):
        read_series(path, Wanted())


def test_a_target_too_large_for_float32(tmp_path: Path) -> None:
    path = write(tmp_path, "series,x,price\na,1,3.4e38\nb,1,-5e300\n", "file.csv")
    with pytest.raises(
        DataError, match=":3: found the target '-5e300'\n  expected a finite number, of at most"
    ):
        read_series(path, Wanted("price", numeric=True))


def save(folder: Path, array: np.ndarray, labels: str = "label\na\nb\n") -> Path:
    path = folder / "file.npy"
    np.save(path, array)
    answers_beside(path).write_text(labels)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint16"])
def test_arrays(dtype: str, tmp_path: Path) -> None:
    path = save(tmp_path, np.arange(12).reshape(2, 3, 2).astype(dtype))
    file = read_series(path, Wanted())
    assert arrays(file.series) == [[[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9], [10, 11]]]
    assert [one.answer for one in file.series] == ["a", "b"]
    assert [one.place for one in file.series] == [f"{path}:1", f"{path}:2"]


def test_an_array_of_series_that_differ_in_length(tmp_path: Path) -> None:
    array = np.ones((2, 3, 2))
    array[0, 1:] = np.nan
    array[1, 1] = np.nan
    file = read_series(save(tmp_path, array), Wanted())
    assert [len(one.values) for one in file.series] == [1, 3]  # only the end may be missing in silence
    assert "1 shorter than the array, their last steps NaN in every channel" in file.describe()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([[[1, None]]], dtype=object), "an array of Python objects, which could run code"),
        (np.ones((2, 3, 2), complex), "an array of complex128"),
        (np.ones((2, 3, 2), bool), "an array of bool"),
        (np.full((2, 3, 2), "a"), "an array of <U1"),
        (
            np.ones((2, 3)),
            r"an array of shape (2, 3)" + "\n  expected an array of numbers [series, steps, channels]\n"
            "  give it a last axis: array[..., None]",
        ),
        (np.full((2, 3, 2), np.nan), "a series without a value"),
        (np.ones((3, 3, 2)), "2 answers\n  expected 3, one for each series of"),
    ],
)
def test_faults_of_arrays(array: np.ndarray, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"found {said}")):
        read_series(save(tmp_path, array), Wanted())


FLAG = Path(tempfile.gettempdir()) / "elman-was-here"


class Bomb:
    def __reduce__(self) -> tuple:
        return FLAG.touch, ()  # never run


@pytest.mark.parametrize("cut", [0, 5, 50, 150, 175, -1])
def test_damaged_arrays(cut: int, tmp_path: Path) -> None:
    path = save(tmp_path, np.ones((2, 3, 2)))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="found no whole array"):
        read_series(path, Wanted())


@pytest.mark.parametrize(
    "head",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 5\n",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 5)}\n",
        "  {\n 'a':\n\t 3}\n  x\n y",
        "{1: 2, 'descr': 3}\n",
        "{[]: 1}\n",
    ],
)
def test_damaged_heads_of_arrays(head: str, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(1200))
    with pytest.raises(DataError, match="found no whole array"):
        read_series(path, Wanted(None))


def test_a_pickle_and_bytes_behind_an_array_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, np.ones((2, 3, 2)))
    path.write_bytes(path.read_bytes() + b"xyz")
    with pytest.raises(DataError, match="found 99 bytes behind the head\n  expected 96, for the shape"):
        read_series(path, Wanted())
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(DataError, match="found no whole array"):
        read_series(path, Wanted())
    assert not FLAG.exists()
    with pytest.raises(DataError, match="No such file: "):
        read_series(tmp_path / "none.npy", Wanted())


# manifests


def manifest(folder: Path, rows: str = "a.csv\twalk\nb.csv\trun\n") -> Path:
    write(folder, "x,y\n1,2\n3,\n", "a.csv")
    write(folder, "x\ty\n5\t6\n", "b.csv")
    np.save(folder / "c.npy", np.array([[1, 2], [np.nan, 4]]))
    np.save(folder / "d.npy", np.array([[7, 8]], np.int16))
    return write(folder, f"path\tlabel\n{rows}", "all.tsv")


def test_a_manifest_of_tables(tmp_path: Path) -> None:
    path = manifest(tmp_path)
    a, b = read_series(path, Wanted()).series
    np.testing.assert_equal(a.values, [[1, 2], [3, np.nan]])
    np.testing.assert_equal(b.values, [[5, 6]])
    assert (a.channels, a.answer, a.name, a.place) == (("x", "y"), "walk", "a.csv", f"{path}:2")
    (only_y, _) = read_series(path, Wanted(None, channels=("y",))).series
    np.testing.assert_equal(only_y.values, [[2], [np.nan]])
    assert only_y.answer is None


def test_a_manifest_of_arrays(tmp_path: Path) -> None:
    c, d = read_series(manifest(tmp_path, "c.npy\t1.5\nd.npy\t-2\n"), Wanted(numeric=True)).series
    np.testing.assert_equal(c.values, [[1, 2], [np.nan, 4]])
    assert d.values.dtype == np.float32
    assert (c.channels, c.answer, d.answer) == (("1", "2"), 1.5, -2.0)


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("e.csv", "x,y\n1,two\n", "in e.csv: 'two' in a channel of 'e.csv'"),
        ("e.csv", "x,y\n1,2,3\n", "in e.csv: 3 columns"),
        ("e.csv", "x,y\n", "in e.csv: no step"),
        ("e.csv", "", "in e.csv: no step"),
        ("e.csv", "x,z\n1,2\n", "2 channels: x, z\n  expected 2, as in all.tsv:2: x, y\n"),
        ("e.npy", "", "in e.npy: no whole array"),
        ("c.npy", None, "2 channels: 1, 2\n  expected 2, as in all.tsv:2: x, y\n"),
        ("none.csv", None, "1 of 3 files missing: 'none.csv' (line 4)"),
        ("../e.csv", None, "the path '../e.csv', which leads out of the manifest's folder"),
        ("a.csv", None, "the clip 'a.csv' a second time, first in line 2"),
    ],
)
def test_faults_of_manifests(
    name: str, content: str | None, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = manifest(Path(), f"a.csv\twalk\nb.csv\trun\n{name}\twalk\n")
    if content is not None:
        write(Path(), content, name)
    with pytest.raises(DataError, match=re.escape(f"all.tsv:4: found {found}")):
        read_series(path, Wanted())
    file = read_series(path, Wanted(), skip_bad=True)
    assert (len(file.series), file.skipped) == (2, 1)


def with_gaps() -> SeriesFile:
    rows = [[[1, np.nan], [np.inf, 2]], [[1, 2]], [[np.nan, -np.inf]]]
    series = [
        Series(np.array(r, np.float32), ("x", "y"), "k", str(i), f"f:{i + 1}") for i, r in enumerate(rows)
    ]
    return SeriesFile("f", tuple(series))


def test_missing_and_infinite_values_stop_everything() -> None:
    with pytest.raises(DataError) as caught:
        settle(with_gaps(), "stop")
    assert str(caught.value) == (
        "f:1: found 2 missing and 2 infinite values in 2 of 3 series, this the first: "
        "1 missing and 1 infinite values in x, 1 missing and 1 infinite values in y\n"
        "  expected finite numbers\n"
        "  choose --missing mark, which shows the network where they are, or drop, which leaves these out"
    )


def test_unless_a_policy_is_given() -> None:
    dropped = settle(with_gaps(), "drop")
    assert [one.name for one in dropped.series] == ["1"]
    assert "2 series dropped for 2 missing and 2 infinite values" in dropped.describe()
    marked = settle(with_gaps(), "mark")
    assert [np.isnan(one.values).sum() for one in marked.series] == [2, 0, 2]
    assert not any(np.isinf(one.values).any() for one in marked.series)
    assert "2 missing and 2 infinite values marked" in marked.describe()


def test_too_large_for_float32_is_infinite(tmp_path: Path) -> None:
    file = read_series(write(tmp_path, HEAD + "1e300:1:run\n"), Wanted())
    with pytest.raises(DataError, match="found 1 infinite value in 1 of 1 series"):
        settle(file, "stop")


number = st.one_of(st.just(np.nan), st.floats(-9, 9, width=32))


@given(st.lists(st.lists(number, min_size=2, max_size=2), min_size=1))
@settings(max_examples=40)
def test_hold_step_by_step_as_at_once(rows: list[list[float]]) -> None:
    values = np.array(rows, np.float32)
    whole = hold(values, np.zeros(2, np.float32))
    before = np.zeros(2, np.float32)
    for row, expected in zip(values, whole, strict=True):
        before = np.where(np.isnan(row), before, row)
        np.testing.assert_array_equal(before, expected)


def test_scale_passes_over_missing_values_and_constants() -> None:
    rows = np.array([[1, 7, np.nan], [3, 7, 4], [np.nan, 7, 6]], np.float32)
    scale = Scale.of(rows)
    np.testing.assert_allclose(scale.mean, [2, 7, 5])
    np.testing.assert_allclose(scale.deviation, [1, 1, 1])
    np.testing.assert_allclose(scale(rows), [[-1, 0, np.nan], [1, 0, -1], [np.nan, 0, 1]])


def test_values_as_they_are_typed() -> None:
    assert values_of(" 1, 2 :3,4", "input").tolist() == [[1, 3], [2, 4]]
    assert numbered(2) == ("1", "2")
