"""Dictionaries: which units there are, and what texts come to in them."""

import pytest

from elman.data.source import DataError
from elman.data.units import END, Units
from elman.data.vocabulary import UNKNOWN


def test_a_long_text_counts_as_much_as_short_ones() -> None:
    units = Units.of([" ".join(["qrst"] * 2000), "abc"] * 3, "subword", largest=100)
    assert UNKNOWN not in units.numbers("qrst abc")


def test_of_too_many_characters_the_rarest_are_unknown() -> None:
    common, rare = "abcd" * 1000, "".join(map(chr, range(0x4E00, 0x4E20)))
    units = Units.of([common, rare], "subword", largest=30)
    assert UNKNOWN not in units.numbers("abcd")
    assert UNKNOWN in units.numbers(rare)


def test_too_few_subwords_for_the_characters() -> None:
    with pytest.raises(DataError) as caught:
        Units.of(["abcdefgh"] * 10, "subword", largest=5)
    assert str(caught.value) == (
        "the dictionary: found 5 subwords for texts of 8 different characters\n"
        "  expected a subword for each character, and some more\n"
        "  make it larger, or take characters for units"
    )


def test_who_writes_a_mark_ends_nothing() -> None:
    units = Units.of(["an <end> here"] * 3, "word")
    assert END not in units.numbers("an <end> <padding> here")
    assert units.numbers("<end>") == [UNKNOWN]


def test_words_keep_the_marks_upon_their_letters() -> None:
    units = Units.of(["हिन्दी में 👍🏽"], "word")
    assert units.split("हिन्दी में 👍🏽") == ["हिन्दी", "में", "👍🏽"]
