"""The sample of sentiment: its files, and that words without their order say nothing."""

from collections import Counter
from pathlib import Path

from elman.samples.sentiment import LABELS, SIZES, WORDS, write


def reviews(path: Path) -> list[tuple[str, str]]:
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    assert head == "text\tlabel"
    return [(text, label) for text, label in (row.split("\t") for row in rows)]


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    first, again, other = (write(tmp_path / str(i), seed) for i, seed in enumerate((0, 0, 1)))
    assert [path.name for path in first] == ["train.tsv", "dev.tsv", "test.tsv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(first, other, strict=True))


def test_no_review_stands_twice(tmp_path: Path) -> None:
    texts = []
    for path, size in zip(write(tmp_path), SIZES.values(), strict=True):
        rows = reviews(path)
        assert len(rows) == size
        counts = Counter(label for _, label in rows)
        assert set(counts) == set(LABELS)
        assert min(counts.values()) > 0.4 * size
        texts += [text for text, _ in rows]
    assert len(set(texts)) == len(texts)


def test_words_of_praise_stand_in_blame_as_often(tmp_path: Path) -> None:
    """Within the noise of the draw: no word alone tells the label."""
    rows = reviews(write(tmp_path)[0])
    for kind in LABELS:
        found = [label for text, label in rows if any(word in text.split() for word in WORDS[kind])]
        assert len(found) > 800
        assert 0.25 < found.count("positive") / len(found) < 0.75
    for word in ("but", "although", "nobody", "not"):
        found = [label for text, label in rows if word in text.split()]
        assert 0.4 < found.count("positive") / len(found) < 0.6
