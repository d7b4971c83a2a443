"""Splitting plain text: no character lost, every word where it says it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.text import split_words

texts = st.one_of(st.text(), st.text(alphabet="aB1-'’.,() \t\n_é日́ \u200b"))
vocabularies = st.sets(st.sampled_from(["a", "B", "1", "-", ".", "'", "a-B", "a.", "(a)", "é"]))


@given(texts, vocabularies)
def test_words_stand_where_they_say(text: str, known: set[str]) -> None:
    words = split_words(text, known.__contains__)
    end = 0
    for word, start, stop in words:
        assert end <= start < stop
        assert text[start:stop] == word
        assert not any(c.isspace() for c in word)
        end = stop


@given(texts, vocabularies)
def test_every_character_that_is_no_space_is_in_a_word(text: str, known: set[str]) -> None:
    words = split_words(text, known.__contains__)
    assert "".join(w.word for w in words) == "".join(text.split())


@given(vocabularies, st.lists(st.sampled_from(["a", "B", "(a)", "a-B", "a."]), min_size=1))
def test_a_known_chunk_stays_whole(known: set[str], chunks: list[str]) -> None:
    words = split_words(" ".join(chunks), (known | set(chunks)).__contains__)
    assert [w.word for w in words] == chunks


@pytest.mark.parametrize(
    ("text", "known", "words"),
    [
        ("BRCA1 is linked.", [], ["BRCA1", "is", "linked", "."]),
        ("don't", [], ["don't"]),
        ("T-cell", [], ["T-cell"]),  # its parts are unknown
        ("T-cell", ["T", "cell"], ["T-cell"]),  # and so is the hyphen
        ("T-cell", ["T", "-", "cell"], ["T", "-", "cell"]),
        ("T-cell", ["T", "-", "cell", "T-cell"], ["T-cell"]),
        ("(T-cell)", ["T", "-", "cell", "T-cell"], ["(", "T-cell", ")"]),
        ("U.S.", ["U.S."], ["U.S."]),
        ("हिन्दी में", [], ["हिन्दी", "में"]),
        ("cafe\u0301!", [], ["cafe\u0301", "!"]),
        ("می\u200cخواهم", [], ["می\u200cخواهم"]),
        ("ok👨\u200d👩\u200d👧❤\ufe0f👍🏽", [], ["ok", "👨\u200d👩\u200d👧", "❤\ufe0f", "👍🏽"]),
        ("(U.S.A)", [], ["(", "U.S.A", ")"]),
        ("", [], []),
        (" \n\t", [], []),
    ],
)
def test_examples(text: str, known: list[str], words: list[str]) -> None:
    assert [w.word for w in split_words(text, known.__contains__)] == words
