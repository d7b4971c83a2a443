"""Parallel text: what is read, and what is refused in which words."""

import re
from pathlib import Path

import pytest

from elman.data.parallel import Pair, Parallel, Sides, paths, read_parallel
from elman.data.source import DataError


def write(folder: Path, **files: str) -> str:
    for suffix, text in files.items():
        (folder / f"train.{suffix}").write_text(text, encoding="utf-8")
    return str(folder / "train")


def read(path: str, *, skip_bad: bool = False) -> Parallel:
    return read_parallel(path, "en", "de", skip_bad=skip_bad)


def test_a_pair_of_files(tmp_path: Path) -> None:
    path = write(tmp_path, en="a cat\r\n two dogs \n", de="eine Katze\nzwei Hunde")
    parallel = read(path)
    assert parallel.pairs == (
        Pair("a cat", "eine Katze", f"{path}.en:1"),
        Pair("two dogs", "zwei Hunde", f"{path}.en:2"),
    )
    assert parallel.describe() == f"{path}: 2 pairs"
    assert paths(path, "en", "de") == [Path(f"{path}.en"), Path(f"{path}.de")]


def test_columns_by_number_are_those_of_a_table(tmp_path: Path) -> None:
    """As in files of sentence pairs that end in .txt, and name no columns."""
    path = tmp_path / "fra.txt"
    path.write_text("Go.\tVa !\tCC-BY\nHi.\tSalut !\tCC-BY\n", encoding="utf-8")
    assert paths(str(path), "1", "2") == [path]
    pairs = read_parallel(str(path), "2", "1").pairs
    assert [(pair.source, pair.target) for pair in pairs] == [("Va !", "Go."), ("Salut !", "Hi.")]


def test_a_name_with_dots(tmp_path: Path) -> None:
    (tmp_path / "v1.2.en").write_text("a\n")
    (tmp_path / "v1.2.de").write_text("b\n")
    assert len(read(str(tmp_path / "v1.2")).pairs) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train.tsv", "id\ten\tde\n7\ta cat\teine Katze\n"),
        ("train.csv", 'en,de\n"a cat",eine Katze\n'),
        ("train.jsonl", '{"en": "a cat", "de": "eine Katze"}\n'),
    ],
)
def test_a_table(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    (pair,) = read(str(path)).pairs
    assert (pair.source, pair.target) == ("a cat", "eine Katze")
    assert paths(str(path), "en", "de") == [path]


def test_blank_lines_on_both_sides_are_passed_over_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, en="a\n\nb\n \n", de="c\n \nd\n\n")
    parallel = read(path)
    assert [pair.place for pair in parallel.pairs] == [f"{path}.en:1", f"{path}.en:3"]
    assert parallel.describe() == f"{path}: 2 pairs; 2 pairs of blank lines passed over"


def refused(path: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


def test_an_empty_side_is_refused_or_skipped_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, en="a\nb\n\n", de="c\n\nd\n")
    assert refused(path) == (
        f"{path}.de:2: found an empty line, where {path}.en has 'b'\n"
        "  expected a sentence and its translation in the same line of both files\n"
        "  fill it in, or leave the pair out with --skip-bad"
    )
    parallel = read(path, skip_bad=True)
    assert len(parallel.pairs) == 1
    assert parallel.describe() == f"{path}: 1 pair; 2 bad pairs skipped"


@pytest.mark.parametrize(("en", "de", "short", "long"), [(3, 2, "de", "en"), (2, 4, "en", "de")])
def test_unequal_numbers_of_lines(en: int, de: int, short: str, long: str, tmp_path: Path) -> None:
    path = write(tmp_path, en="a\n" * en, de="b\n" * de)
    few, many = sorted((en, de))
    assert refused(path) == (
        f"{path}.{short}:{few}: found the end of the file, while {path}.{long} goes on: "
        f"{few} lines, and {many}\n"
        "  expected as many lines in both files, each the translation of the other\n"
        "  look for a line that was parted or lost in one of them"
    )


def test_skip_bad_does_not_excuse_unequal_numbers_of_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the end of the file"):
        read(write(tmp_path, en="a\nb\n", de="c\n"), skip_bad=True)


@pytest.mark.parametrize(
    ("files", "asked", "wording"),
    [
        (
            {"en": "a\n"},
            "train",
            "No such file: {folder}/train.de. It should hold the lines of train.en in de.",
        ),
        (
            {"en": "a\n", "de": "b\n"},
            "train.en",
            "Give both sides at once, without the suffix: {folder}/train",
        ),
        (
            {"en": "a\n", "de": "b\n"},
            "trian",
            "No such file: {folder}/trian.en. Did you mean {folder}/train?",
        ),
        (
            {"fr": "a\n", "cs": "b\n"},
            "train",
            "There is train in cs, fr: name two with --source and --target",
        ),
        ({}, "nowhere/train", "nowhere/train.en. Give NAME of NAME.en and NAME.de, or a table that ends in"),
        ({"en": "", "de": ""}, "train", "train.en: found no pair"),
        ({"en": "\n", "de": "\n"}, "train", "train.en: found no pair"),
        ({"en": "a\0\n", "de": "b\n"}, "train", "train.en:1:2: found a NUL byte"),
    ],
)
def test_what_is_refused(files: dict[str, str], asked: str, wording: str, tmp_path: Path) -> None:
    write(tmp_path, **files)
    assert wording.format(folder=tmp_path) in refused(str(tmp_path / asked))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = write(tmp_path, en="a\nb\n")
    Path(f"{path}.de").write_bytes(b"c\nd\xfc\n")
    assert f"{path}.de:2:2: found the byte 0xfc, which is not UTF-8" in refused(path)


def test_one_language_twice() -> None:
    with pytest.raises(DataError, match=re.escape("train: found 'en' as source and as target")):
        read_parallel("train", "en", "en")


ENGLISH = ("the cat sees a dog", "the dog is in the house", "a man is in the boat")
GERMAN = ("die Katze sieht einen Hund", "der Hund ist in dem Haus", "ein Mann ist in dem Boot")


def pairs(sources: tuple[str, ...], targets: tuple[str, ...]) -> list[Pair]:
    return [Pair(s, t, f"dev.en:{i}") for i, (s, t) in enumerate(zip(sources, targets, strict=True), 1)]


def test_swapped_languages_are_found() -> None:
    sides = Sides(pairs(ENGLISH, GERMAN))
    sides.check(pairs(ENGLISH[:2], GERMAN[:2]))
    with pytest.raises(DataError) as caught:
        sides.check(pairs(GERMAN, ENGLISH))
    assert str(caught.value) == (
        "dev.en:1: found the languages swapped: 'die Katze sieht einen Hund' stands for a source\n"
        "  expected the source on the side where the training file has it\n"
        "  swap the two files, or the two columns"
    )


def test_two_sides_of_one_language_are_not_taken_for_swapped() -> None:
    sides = Sides(pairs(ENGLISH, ENGLISH[::-1]))
    sides.check(pairs(ENGLISH[::-1], ENGLISH))
    sides.check(pairs(("zzz",), ("qqq",)))
