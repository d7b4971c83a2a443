"""The sample of the translation task: numbers are said as they are in each language."""

from pathlib import Path

import pytest

from elman.data.parallel import read_parallel
from elman.learning.lexicon import Lexicon
from elman.samples.translation import AND, LARGEST, SIZES, words, write


@pytest.mark.parametrize(
    ("number", "english", "german", "french"),
    [
        (2, "two", "zwei", "deux"),
        (12, "twelve", "zwölf", "douze"),
        (17, "seventeen", "siebzehn", "dix-sept"),
        (21, "twenty-one", "einundzwanzig", "vingt et un"),
        (24, "twenty-four", "vierundzwanzig", "vingt-quatre"),
        (30, "thirty", "dreißig", "trente"),
        (66, "sixty-six", "sechsundsechzig", "soixante-six"),
        (71, "seventy-one", "einundsiebzig", "soixante et onze"),
        (77, "seventy-seven", "siebenundsiebzig", "soixante-dix-sept"),
        (80, "eighty", "achtzig", "quatre-vingts"),
        (81, "eighty-one", "einundachtzig", "quatre-vingt-un"),
        (90, "ninety", "neunzig", "quatre-vingt-dix"),
        (91, "ninety-one", "einundneunzig", "quatre-vingt-onze"),
        (99, "ninety-nine", "neunundneunzig", "quatre-vingt-dix-neuf"),
    ],
)
def test_numbers_in_words(number: int, english: str, german: str, french: str) -> None:
    assert [words(number, language) for language in AND] == [english, german, french]


def test_no_two_numbers_are_said_alike() -> None:
    for language in AND:
        assert len({words(number, language) for number in range(2, LARGEST + 1)}) == LARGEST - 1


def test_seeds_sizes_and_no_source_twice(tmp_path: Path) -> None:
    first, again, other = (write(tmp_path / name, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    assert first[0].read_bytes() != other[0].read_bytes()
    parts = [read_parallel(str(path), "source", "target").pairs for path in first]
    assert [len(part) for part in parts] == list(SIZES.values())
    sources = [pair.source for part in parts for pair in part]
    assert len(set(sources)) == len(sources)


def test_word_for_word_fails(tmp_path: Path) -> None:
    """A dictionary gets right what German says in one word, and hardly anything else."""
    train, dev, _ = (read_parallel(str(path), "source", "target").pairs for path in write(tmp_path))
    lexicon = Lexicon([(pair.source, pair.target or "") for pair in train])
    right = {True: 0, False: 0}
    for pair in dev:
        right[" und " in pair.source] += lexicon(pair.source) == pair.target
    assert right[False] <= 0.05 * len(dev)
    assert right[True] >= 0.1 * len(dev)
