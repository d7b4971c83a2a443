"""The sample data for tagging keeps its promises: real CoNLL-U, and words that their sentence tells apart."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from elman.data.columns import Sentence
from elman.data.conllu import read_conllu
from elman.samples import tagging

Sample = dict[str, tuple[Sentence, ...]]


@pytest.fixture(scope="module", params=[0, 1])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    paths = tagging.write(tmp_path_factory.mktemp("sample"), seed=request.param)
    return {path.stem: read_conllu(path, "upos").sentences for path in paths}


def pairs(sentences: tuple[Sentence, ...]) -> list[tuple[str, str]]:
    return [pair for s in sentences for pair in zip(s.words, s.tags or (), strict=True)]


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = []
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        paths = tagging.write(tmp_path / name / "new", seed)
        assert [path.name for path in paths] == ["train.conllu", "dev.conllu", "test.conllu"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))


def test_the_reader_takes_it_as_it_stands(tmp_path: Path) -> None:
    for path in tagging.write(tmp_path):
        size = tagging.SIZES[path.stem]
        for column in ("lemma", "upos", "feats"):
            read = read_conllu(path, column)
            assert len(read.sentences) == size
            tokens, *remarks = read.remarks
            assert re.fullmatch(r"\d+ multiword tokens? passed over", tokens)
            assert remarks == [f"{2 * size:,} comments passed over"]


def test_the_text_is_that_of_the_rows(tmp_path: Path) -> None:
    """Of all tokens as they are written, a multiword one in the place of its words."""
    for block in tagging.write(tmp_path)[0].read_text(encoding="utf-8").strip().split("\n\n"):
        name, text, *rows = block.split("\n")
        assert name.startswith("# sent_id = train-")
        written, covered = [], 0
        for row in rows:
            number, form, *_ = row.split("\t")
            if "-" in number:
                covered = int(number.split("-")[1])
                written.append(form)
            elif int(number) > covered:
                written.append(form)
        assert text == "# text = " + " ".join(written)
        assert written[0][0].isupper()
        assert written[-1] in (".", "?")


def test_sentences_are_all_different(sample: Sample) -> None:
    seen = Counter(sentence.words for sentences in sample.values() for sentence in sentences)
    assert seen.most_common(1)[0][1] <= 2  # by chance, in two files
    assert sum(count > 1 for count in seen.values()) < 20


def test_invented_words_are_of_one_file(sample: Sample) -> None:
    """Those that the grammar does not have, and that are many enough to be worth telling."""
    known = {w for words in (tagging.EITHER, tagging.BOTH, tagging.THINGS, tagging.PEOPLE) for w in words}
    new = {
        split: {w for w, tag in pairs(sentences) if tag in ("NOUN", "PROPN") and w.rstrip("s") not in known}
        for split, sentences in sample.items()
    }
    words = {split: {w for w, _ in pairs(sentences)} for split, sentences in sample.items()}
    unseen = {w for w in new["test"] if w not in words["train"]}
    assert len(unseen) > 10
    assert not unseen & words["dev"]
    assert any(word.endswith(("ness", "ment", "ity", "ist")) for word in unseen)


def test_the_most_frequent_label_of_each_word_is_not_enough(sample: Sample) -> None:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, tag in pairs(sample["train"]):
        counts[word.lower()][tag] += 1
    test = pairs(sample["test"])
    right = sum(counts[w.lower()].most_common(1)[0][0] == tag for w, tag in test if w.lower() in counts)
    assert right / len(test) < 0.92
    assert sum(len(tags) > 1 for tags in counts.values()) > 60


def test_neither_a_window_nor_the_past_is_enough(sample: Sample) -> None:
    """Of many words the label cannot be told by two words on each side, nor by all that come before."""

    def window(words: tuple[str, ...], i: int) -> tuple[str, ...]:
        return words[max(0, i - 2) : i + 3]

    def past(words: tuple[str, ...], i: int) -> tuple[str, ...]:
        return words[: i + 1]

    for clue, least in ((window, 0.02), (past, 0.0005)):
        labels: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for sentence in sample["train"]:
            kinds = tuple(kind(word) for word in sentence.words)
            for i, tag in enumerate(sentence.tags or ()):
                labels[clue(kinds, i)][tag] += 1
        missed = sum(counts.total() - max(counts.values()) for counts in labels.values())
        assert missed > least * sum(counts.total() for counts in labels.values())


def kind(word: str) -> str:
    """A word, or the list of the grammar that it is from."""
    lists = (tagging.EITHER, tagging.BOTH, tagging.THINGS, tagging.PLACES, tagging.ADJECTIVES, tagging.VERBS)
    stem = word.lower().removesuffix("s")
    return next((f"{n}{word[len(stem) :]}" for n, words in enumerate(lists) if stem in words), word.lower())
