"""The laws of the dictionary."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.vocabulary import PADDING, UNKNOWN, Vocabulary

symbols = st.lists(
    st.sampled_from(["the", "cat", "saw", "dog", "", "Ünï", "<unknown>", "<padding>", "a", "b"])
)
SPECIAL = ("<padding>", "<unknown>")


@given(symbols, st.integers(1, 4), st.integers(2, 9))
def test_keeps_the_most_frequent(seen: list[str], min_count: int, largest: int) -> None:
    words = Vocabulary.of(seen, min_count=min_count, largest=largest)
    counts = Counter(s for s in seen if s not in SPECIAL)
    expected = sorted(
        (s for s in counts if counts[s] >= min_count), key=lambda s: (-counts[s], seen.index(s))
    )
    assert words.symbols == (*SPECIAL, *expected[: largest - 2])
    assert len(words) == len(words.symbols) <= largest


@given(symbols, symbols)
def test_numbers_stand_for_their_symbols_and_what_was_never_seen_is_unknown(
    seen: list[str], asked: list[str]
) -> None:
    words = Vocabulary.of(seen)
    numbers = words.numbers(asked)
    assert len(numbers) == len(asked)
    for symbol, number in zip(asked, numbers, strict=True):
        assert (symbol in words) == (symbol in seen or symbol in SPECIAL)
        assert words.symbols[number] == (symbol if symbol in words else "<unknown>")
    assert words.numbers(words.symbols) == list(range(len(words)))


@given(symbols, symbols, st.integers(0, 12))
def test_extended_keeps_the_numbers_it_had(seen: list[str], more: list[str], largest: int) -> None:
    words = Vocabulary.of(seen)
    extended = words.extended(more, largest)
    new = [s for s in dict.fromkeys(more) if s not in words]
    assert extended.symbols == words.symbols + tuple(new[: max(0, largest - len(words))])


def test_the_special_symbols_come_first() -> None:
    words = Vocabulary.of([])
    assert (words.symbols[PADDING], words.symbols[UNKNOWN]) == SPECIAL
    assert words.numbers(["x"]) == [UNKNOWN]


def test_the_default_size_is_fifty_thousand() -> None:
    assert len(Vocabulary.of(map(str, range(60_000)))) == 50_000


def test_equal_symbols_are_an_equal_vocabulary_that_cannot_be_changed() -> None:
    words = Vocabulary.of(["a", "b"])
    assert words == Vocabulary(words.symbols)
    with pytest.raises(AttributeError):
        words.symbols = ()  # type: ignore[misc]
