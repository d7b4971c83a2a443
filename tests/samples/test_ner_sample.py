"""The sample data for named entities keeps its promises: unseen names, clues in the context, legal tags."""

from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from elman.data.columns import read_columns
from elman.data.tags import may_follow, spans
from elman.samples import ner

Rows = list[list[tuple[str, str]]]

# Words of names that say nothing of the name's type, and may stand in any file.
FUNCTION_WORDS = {"of", "the", "and", "for", "de", "del", "du", "van", "von"}


def read(path: Path) -> Rows:
    text = path.read_bytes().decode()
    assert text.endswith("\n\n")
    rows = [[tuple(row.split("\t")) for row in block.split("\n")] for block in text[:-2].split("\n\n")]
    assert all(len(row) == 2 and row[0].strip() == row[0] != "" for block in rows for row in block)
    return rows  # pyright: ignore[reportReturnType] - each row has two fields, as asserted


@pytest.fixture(scope="module", params=[0, 1, 2])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    paths = ner.write(tmp_path_factory.mktemp("sample"), seed=request.param)
    return {path.stem: read(path) for path in paths}


def entities(sentence: list[tuple[str, str]]) -> set[tuple[int, int, str]]:
    return set(spans([tag for _, tag in sentence]))


def name_words(rows: Rows) -> set[str]:
    return {word for sentence in rows for word, tag in sentence if tag != "O"} - FUNCTION_WORDS


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = []
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        (tmp_path / name).mkdir()
        paths = ner.write(tmp_path / name, seed)
        assert [path.name for path in paths] == ["train.conll", "dev.conll", "test.conll"]
        assert sorted(paths) == sorted((tmp_path / name).iterdir())
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))


def test_the_reader_takes_it_as_it_stands(tmp_path: Path) -> None:
    for path in ner.write(tmp_path):
        columns = read_columns(path)
        assert columns.scheme == "IOB2"
        assert columns.types == ("LOC", "ORG", "PER")
        assert columns.repaired == columns.skipped == columns.comments == columns.documents == 0
        assert len(columns.sentences) == ner.SPLITS[path.stem][0]


def test_tags_are_legal(sample: dict[str, Rows]) -> None:
    for rows in sample.values():
        for sentence in rows:
            tags = [None, *(tag for _, tag in sentence), None]
            assert all(may_follow(before, after, "IOB2") for before, after in pairwise(tags))


def test_lengths_and_types(sample: dict[str, Rows]) -> None:
    for rows in sample.values():
        lengths = [len(sentence) for sentence in rows]
        assert min(lengths) <= 6
        assert min(lengths) >= 4
        assert 25 <= max(lengths) <= 50
        kinds = Counter(kind for sentence in rows for *_, kind in entities(sentence))
        assert set(kinds) == {"PER", "LOC", "ORG"}
        assert min(kinds.values()) > 0.2 * kinds.total()
        assert any(not entities(sentence) for sentence in rows)
        assert any(stop - start > 2 for sentence in rows for start, stop, _ in entities(sentence))


def test_no_name_is_in_two_files(sample: dict[str, Rows]) -> None:
    words = {split: {word for sentence in rows for word, _ in sentence} for split, rows in sample.items()}
    assert not name_words(sample["test"]) & (words["train"] | words["dev"])
    assert not name_words(sample["dev"]) & (words["train"] | words["test"])


def test_no_name_can_be_in_two_files() -> None:
    """As above, for all seeds: the lists share no word, nor does a name of theirs stand in the grammar."""
    lines = [line.split() for lines in ner.GRAMMAR.values() for line in lines]
    grammar = {word for line in lines for word in line} | {line[0].capitalize() for line in lines}
    seen: set[str] = set()
    for names in (ner.DEV, ner.TEST, ner.TRAIN):
        listed = [*names.people, *names.places, *names.organisations]
        assert len(set(listed)) == len(listed)
        words = {word for name in [*listed, *names.ambiguous] for word in name.split()} - FUNCTION_WORDS
        assert not words & seen
        if names is not ner.TRAIN:
            assert not words & grammar
        seen |= words


def test_the_names_of_training_are_many() -> None:
    assert min(map(len, (ner.TRAIN.people, ner.TRAIN.places, ner.TRAIN.organisations))) >= 60
    assert len(ner.GRAMMAR["far"] + ner.GRAMMAR["near"]) >= 40


def test_the_context_alone_tells_some_names_apart(sample: dict[str, Rows]) -> None:
    for split in ("dev", "test"):
        kinds = defaultdict(set)
        for sentence in sample[split]:
            for start, stop, kind in entities(sentence):
                kinds[" ".join(word for word, _ in sentence[start:stop])].add(kind)
        assert sum(len(found) > 1 for found in kinds.values()) >= 6
        assert any(len(found) == 3 for found in kinds.values())


def test_the_most_frequent_tag_of_each_word_is_not_enough(sample: dict[str, Rows]) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sample["train"]:
        for word, tag in sentence:
            counts[word][tag] += 1
    right = found = wanted = 0
    for sentence in sample["test"]:
        guess = spans([counts[word].most_common(1)[0][0] if word in counts else "O" for word, _ in sentence])
        gold = entities(sentence)
        right, found, wanted = right + len(gold & set(guess)), found + len(guess), wanted + len(gold)
    assert 2 * right / (found + wanted) < 0.3


def test_neither_a_window_nor_the_past_is_enough(sample: dict[str, Rows]) -> None:
    """Of many names the type cannot be told by the words before, nor by two words on each side."""

    def past(words: list[str], start: int, stop: int) -> tuple[str, ...]:
        return tuple(words[:start])

    def window(words: list[str], start: int, stop: int) -> tuple[str, ...]:
        return (*words[max(0, start - 2) : start], "_", *words[stop : stop + 2])

    for clue in (past, window):
        kinds: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for sentence in sample["train"]:
            words = [word for word, _ in sentence]
            for start, stop, kind in entities(sentence):
                kinds[clue(words, start, stop)][kind] += 1
        missed = sum(counts.total() - max(counts.values()) for counts in kinds.values())
        assert missed > 0.1 * sum(counts.total() for counts in kinds.values())
