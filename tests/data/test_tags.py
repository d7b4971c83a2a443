"""Spans as conlleval reads them, the three schemes, and which tag may follow which."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.tags import (
    Clue,
    MixedSchemesError,
    Scheme,
    Span,
    encode,
    may_follow,
    parse,
    scheme_of,
    spans,
    suggestion,
)

SCHEMES: list[Scheme] = ["IOB1", "IOB2", "IOBES"]
TYPES = ["person", "creative-work", "-"]
tags = st.lists(
    st.one_of(st.just("O"), st.builds("{}-{}".format, st.sampled_from("BIESLU"), st.sampled_from(TYPES)))
)


@st.composite
def marked(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Entities of one sentence, in order and apart, and its length."""
    sizes = draw(
        st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(TYPES)), max_size=6)
    )
    entities, end = [], 0
    for gap, size, type_ in sizes:
        entities.append(Span(end + gap, end + gap + size, type_))
        end += gap + size
    return entities, end + draw(st.integers(0, 2))


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-a I-a O", [(0, 2, "a")]),
        ("B-a B-a I-a", [(0, 1, "a"), (1, 3, "a")]),
        ("O I-a I-a", [(1, 3, "a")]),
        ("B-a I-b I-b", [(0, 1, "a"), (1, 3, "b")]),
        ("I-a B-a", [(0, 1, "a"), (1, 2, "a")]),
        ("B-creative-work I-creative-work I-creative", [(0, 2, "creative-work"), (2, 3, "creative")]),
        ("B-a I-a E-a S-a", [(0, 3, "a"), (3, 4, "a")]),
        ("B-a I-a L-a U-a", [(0, 3, "a"), (3, 4, "a")]),
        ("E-a E-a", [(0, 1, "a"), (1, 2, "a")]),
        ("S-a I-a", [(0, 1, "a"), (1, 2, "a")]),
        ("E-a I-a E-a", [(0, 1, "a"), (1, 3, "a")]),
        ("B-a S-a", [(0, 1, "a"), (1, 2, "a")]),
    ],
)
def test_spans(sentence: str, expected: list[tuple[int, int, str]]):
    assert spans(sentence.split()) == expected


@given(tags)
def test_spans_are_in_order_apart_and_cover_all_but_o(sentence: list[str]):
    found = spans(sentence)
    assert all(a.stop <= b.start for a, b in itertools.pairwise(found))
    covered = [index for span in found for index in range(span.start, span.stop)]
    assert covered == [index for index, tag in enumerate(sentence) if tag != "O"]
    assert all(
        parse(sentence[index])[1] == span.type for span in found for index in range(span.start, span.stop)
    )


@given(marked(), st.sampled_from(SCHEMES))
def test_spans_undo_encode(sentence: tuple[list[Span], int], scheme: Scheme):
    entities, length = sentence
    written = encode(entities, length, scheme)
    assert len(written) == length
    assert spans(written) == entities


@given(marked(), st.sampled_from(SCHEMES))
def test_scheme_written_is_scheme_found(sentence: tuple[list[Span], int], scheme: Scheme):
    written = encode(*sentence, scheme)
    found = scheme_of([written])
    assert found == scheme or written == encode(*sentence, "IOB2")


def test_encode():
    entities = [Span(0, 1, "a"), Span(1, 3, "a"), Span(3, 4, "b"), Span(5, 8, "b")]
    assert " ".join(encode(entities, 8, "IOB1")) == "I-a B-a I-a I-b O I-b I-b I-b"
    assert " ".join(encode(entities, 8, "IOB2")) == "B-a B-a I-a B-b O B-b I-b I-b"
    assert " ".join(encode(entities, 8, "IOBES")) == "S-a B-a E-a S-b O B-b I-b E-b"


@pytest.mark.parametrize(
    "entities", [[Span(0, 0, "a")], [Span(0, 3, "a")], [Span(1, 2, "a"), Span(0, 1, "a")], [Span(-1, 1, "a")]]
)
def test_encode_refuses(entities: list[Span]):
    with pytest.raises(ValueError, match=r"^entities must be in order, apart and within 2 tokens, got Span"):
        encode(entities, 2, "IOB2")


def test_unknown_scheme():
    with pytest.raises(ValueError, match=r"^scheme must be IOB1, IOB2 or IOBES, got 'BIO'$"):
        encode([Span(0, 1, "a")], 1, "BIO")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"^scheme must be IOB2 or IOBES, got 'IOB1'$"):
        may_follow("O", "O", "IOB1")


@pytest.mark.parametrize(
    ("tag", "remedy"),
    [
        ("X-Disease", "did you mean 'B-Disease'?"),
        ("Disease", "did you mean 'B-Disease'?"),
        ("b-Disease", "did you mean 'B-Disease'?"),
        ("i-Disease", "did you mean 'I-Disease'?"),
        ("I_Disease", "did you mean 'I-Disease'?"),
        ("o", "did you mean 'O'?"),
        ("0", "did you mean 'O'?"),
        ("B-", "give the entity a type, as in B-ENTITY"),
        ("i", "give the entity a type, as in I-ENTITY"),
        ("O-Disease", "did you mean 'B-Disease'?"),
        ("", "did you mean 'B-'?"),
    ],
)
def test_unknown_tag(tag: str, remedy: str):
    assert suggestion(tag) == remedy
    with pytest.raises(
        ValueError, match="is not O, or PREFIX-TYPE with one of the prefixes B, I, E, S, L, U;"
    ):
        parse(tag)


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["O O"], "IOB2"),
        (["B-a I-a O", "B-a"], "IOB2"),
        (["I-a I-a O", "B-a"], "IOB2"),
        (["I-a I-a O", "I-b"], "IOB1"),
        (["I-a I-a O", "I-b B-b"], "IOB1"),
        (["I-a B-b"], "IOB2"),
        (["B-a B-a"], "IOB2"),
        (["B-a I-a E-a O", "S-a"], "IOBES"),
        (["B-a I-a L-a O", "U-a"], "IOBES"),
        (["S-a"], "IOBES"),
    ],
)
def test_scheme(sentences: list[str], scheme: Scheme):
    assert scheme_of([sentence.split() for sentence in sentences]) == scheme


@pytest.mark.parametrize(
    ("sentences", "earlier", "later"),
    [
        (["S-a", "O B-a I-a"], (0, 0, "IOBES", "has the prefix S"), (1, 2, "IOB1 or IOB2", "ends an entity")),
        (
            ["B-a O", "O B-a E-a"],
            (0, 0, "IOB1 or IOB2", "ends an entity"),
            (1, 2, "IOBES", "has the prefix E"),
        ),
        (
            ["B-a E-a", "O I-a E-a"],
            (0, 1, "IOBES", "has the prefix E"),
            (1, 1, "IOB1 or IOB2", "begins an entity"),
        ),
        (["U-a", "S-a", "B-a"], (0, 0, "BILOU", "has the prefix U"), (1, 0, "IOBES", "has the prefix S")),
        (["L-a"], (0, 0, "BILOU", "has the prefix L"), (0, 0, "IOB1 or IOB2", "begins an entity")),
    ],
)
def test_mixed_schemes(
    sentences: list[str], earlier: tuple[int, int, str, str], later: tuple[int, int, str, str]
):
    with pytest.raises(MixedSchemesError) as caught:
        scheme_of([sentence.split() for sentence in sentences])
    found = {caught.value.earlier, caught.value.later}
    assert found == {Clue(*earlier), Clue(*later)}
    assert caught.value.earlier <= caught.value.later


@pytest.mark.parametrize("scheme", ["IOB2", "IOBES"])
def test_legal_paths_are_those_that_encode_writes(scheme: Scheme):
    prefixes = "BI" if scheme == "IOB2" else "BIES"
    alphabet = ["O", *(f"{prefix}-{type_}" for prefix in prefixes for type_ in "ab")]
    for length in range(1, 4):
        for path in itertools.product(alphabet, repeat=length):
            steps = itertools.pairwise([None, *path, None])
            legal = all(may_follow(previous, tag, scheme) for previous, tag in steps)
            assert legal == (encode(spans(path), length, scheme) == list(path)), path
