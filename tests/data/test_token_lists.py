"""JSON lines with tokens and tags: what is read of them, each fault with its line, and the answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from elman.data.columns import read_columns
from elman.data.source import DataError
from elman.data.token_lists import (
    is_token_lists,
    read_entity_lists,
    read_label_lists,
    read_unlabelled_lists,
)

ROWS = [
    {"id": "0", "tokens": ["Ada", "Lovelace", "wrote"], "ner_tags": ["I-person", "I-person", "O"]},
    {"id": "1", "tokens": ["New York", "\u00e9"], "ner_tags": ["I-place", "O"]},
]


def write(folder: Path, rows: list[Any], name: str = "train.jsonl") -> Path:
    path = folder / name
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def test_entities_are_read_as_from_columns(tmp_path: Path) -> None:
    lists = read_entity_lists(write(tmp_path, [ROWS[0], "", ROWS[1]]))
    (tmp_path / "train.conll").write_text(
        "\n".join(
            "".join(f"{t}\t{g}\n" for t, g in zip(*list(row.values())[1:], strict=True)) for row in ROWS
        ),
        encoding="utf-8",
    )
    columns = read_columns(tmp_path / "train.conll")
    assert [(s.words, s.tags) for s in lists.sentences] == [(s.words, s.tags) for s in columns.sentences]
    assert lists.describe().endswith("2 sentences, 5 tokens, IOB1, 2 types")
    assert [sentence.place_of(1) for sentence in lists.sentences] == [
        f"{tmp_path}/train.jsonl:1",
        f"{tmp_path}/train.jsonl:3",
    ]


def test_told_from_columns(tmp_path: Path) -> None:
    assert is_token_lists(write(tmp_path, ["broken"]))
    assert is_token_lists(write(tmp_path, ROWS, "train"))
    assert not is_token_lists(write(tmp_path, ["{ O"], "train"))
    assert not is_token_lists(write(tmp_path, [], "train"))


def test_the_only_list_beside_the_tokens_has_the_labels(tmp_path: Path) -> None:
    one, two = {"tokens": ["a"], "n": 3, "upos": ["X"]}, {"tokens": ["a"], "upos": ["X"], "tags": ["Y"]}
    (sentence,) = read_label_lists(write(tmp_path, [one])).sentences
    assert sentence.tags == ("X",)
    (sentence,) = read_label_lists(write(tmp_path, [two]), "tags").sentences
    assert sentence.tags == ("Y",)
    with pytest.raises(DataError) as caught:
        read_label_lists(write(tmp_path, [two]))
    assert str(caught.value) == (
        f"{tmp_path}/train.jsonl:1: found the lists 'upos', 'tags'\n"
        "  expected one list of labels beside the tokens\n"
        "  name the column of the labels: --column upos"
    )
    with pytest.raises(DataError, match="found no list but 'tokens'"):
        read_label_lists(write(tmp_path, [{"tokens": ["a"]}]))


@pytest.mark.parametrize(
    ("row", "place", "found", "rest"),
    [
        ("{'tokens': []}", ":1:2", "no JSON: Expecting property name", '{"tokens": ["Ada"'),
        ("[1]", ":1", "'[1]', which is no JSON object", '{"tokens": ["Ada"'),
        ("[" * 100_000, ":1", "JSON that is too deep", '{"tokens": ["Ada"'),
        ("9" * 5_000, ":1", "JSON that is too deep or too long", '{"tokens": ["Ada"'),
        (
            {"token": ["a"], "ner_tags": ["O"]},
            ":1",
            "no 'tokens' among 'token', 'ner_tags'",
            "did you mean 'token'?",
        ),
        (
            {"tokens": ["a"], "labels": ["O"]},
            ":1",
            "no 'ner_tags' among",
            "give the list the name 'ner_tags'",
        ),
        ({"tokens": "a", "ner_tags": ["O"]}, ":1", "'\"a\"' in 'tokens'", "a list"),
        ({"tokens": [], "ner_tags": []}, ":1", "a sentence without a token", "at least one"),
        (
            {"tokens": ["a", "b"], "ner_tags": ["O"]},
            ":1",
            "1 tag in 'ner_tags' of 2 tokens",
            "a tag for each",
        ),
        ({"tokens": [" "], "ner_tags": ["O"]}, ":1", "an empty text in 'tokens'", "texts"),
        ({"tokens": [7], "ner_tags": ["O"]}, ":1", "'7' in 'tokens'", "texts"),
        ({"tokens": ["a\tb"], "ner_tags": ["O"]}, ":1", r"'a\tb' in 'tokens'", "texts without tabs"),
        ({"tokens": ["\ud800"], "ner_tags": ["O"]}, ":1", r"'\ud800' in 'tokens'", "halves of characters"),
        ({"tokens": ["a"], "ner_tags": [None]}, ":1", "'null' in 'ner_tags'", "texts"),
        ({"tokens": ["a"], "ner_tags": ["PER"]}, ":1", "the unknown tag 'PER'", "did you mean 'B-PER'?"),
        (
            {"tokens": ["a"], "ner_tags": [3]},
            ":1",
            "the number 3 in 'ner_tags'\n  expected the tag itself, such as \"B-PER\"\n",
            "names = dataset.features['ner_tags'].feature.names",
        ),
    ],
)
def test_faults(row: Any, place: str, found: str, rest: str, tmp_path: Path) -> None:
    path = write(tmp_path, [row])
    with pytest.raises(DataError) as caught:
        read_entity_lists(path)
    assert str(caught.value).startswith(f"{path}{place}: found {found}")
    assert rest in str(caught.value)
    columns = read_entity_lists(write(tmp_path, [row, ROWS[0]]), skip_bad=True)
    assert (len(columns.sentences), columns.skipped) == (1, 1)


def test_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found no sentence"):
        read_entity_lists(write(tmp_path, [" "]))
    with pytest.raises(DataError, match="found 1 bad sentence and no good one"):
        read_entity_lists(write(tmp_path, ["{}"]), skip_bad=True)


def test_a_line_is_answered_with_all_that_it_has(tmp_path: Path) -> None:
    first, _ = read_unlabelled_lists(write(tmp_path, ROWS)).sentences
    assert (first.words, first.tags) == (("Ada", "Lovelace", "wrote"), None)
    assert first.written
    (line,) = first.written.answered(["A", "B", "C"])
    assert json.loads(line) == {**ROWS[0], "predicted": ["A", "B", "C"]}
