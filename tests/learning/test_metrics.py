"""Law 6: entity scores equal conlleval's."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elman.data.columns import read_columns
from elman.data.tags import Scheme, Span, encode, spans
from elman.learning.metrics import Entity, confusion, entity_scores

WNUT = Path(__file__).parents[2].parent / "shared" / "data" / "ner" / "wnut17"
TYPES = ("LOC", "PER")


def part(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def begins(before: str, tag: str) -> bool:
    """The start of a chunk in conlleval, rule by rule."""
    (p, kind_before), (t, kind) = part(before), part(tag)
    return (
        t == "B"
        or t == "S"
        or (p == "E" and t == "E")
        or (p == "E" and t == "I")
        or (p == "S" and t == "E")
        or (p == "S" and t == "I")
        or (p == "O" and t == "E")
        or (p == "O" and t == "I")
        or (t != "O" and kind_before != kind)
    )


def ends(before: str, tag: str) -> bool:
    """The end of a chunk in conlleval, rule by rule."""
    (p, kind_before), (t, kind) = part(before), part(tag)
    return (
        p == "E"
        or p == "S"
        or (p == "B" and t == "B")
        or (p == "B" and t == "S")
        or (p == "B" and t == "O")
        or (p == "I" and t == "B")
        or (p == "I" and t == "S")
        or (p == "I" and t == "O")
        or (p != "O" and kind_before != kind)
    )


def conlleval(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Counter[str]]:
    """Counts by type, in one pass over all rows as the script makes it; it never builds an entity."""
    correct: Counter[str] = Counter()
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    inside = False  # an entity that has so far been the same in both
    last = ("O", "O")
    for row in rows(pairs):
        (gold_last, guess_last), (gold, guess) = last, row
        gold_ends, guess_ends = ends(gold_last, gold), ends(guess_last, guess)
        if inside:
            if gold_ends and guess_ends:
                inside = False
                correct[part(gold_last)[1]] += 1
            elif gold_ends != guess_ends or part(gold)[1] != part(guess)[1]:
                inside = False
        gold_begins, guess_begins = begins(gold_last, gold), begins(guess_last, guess)
        if gold_begins and guess_begins and part(gold)[1] == part(guess)[1]:
            inside = True
        wanted[part(gold)[1]] += gold_begins
        found[part(guess)[1]] += guess_begins
        last = row
    return {"correct": +correct, "predicted": +found, "gold": +wanted}


def rows(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Iterator[tuple[str, str]]:
    """The rows of a file, with O for the blank line behind each sentence."""
    for gold, guess in pairs:
        yield from zip(gold, guess, strict=True)
        yield "O", "O"


def rates(correct: int, predicted: int, gold: int) -> dict[str, Any]:
    """The script's formulas."""
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"f1": f1, "precision": precision, "recall": recall}


def score(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> dict[str, Any]:
    return entity_scores((spans(gold) for gold, _ in pairs), (spans(guess) for _, guess in pairs))


@st.composite
def well_formed(draw: st.DrawFn, length: int) -> list[str]:
    """The tags of random entities in a random scheme."""
    bounds = sorted(draw(st.lists(st.integers(0, length), unique=True, max_size=8)))
    entities = [
        Span(start, stop, draw(st.sampled_from(TYPES)))
        for start, stop in pairwise(bounds)
        if draw(st.booleans())
    ]
    scheme: Scheme = draw(st.sampled_from(["IOB1", "IOB2", "IOBES"]))
    return encode(entities, length, scheme)


@st.composite
def files(draw: st.DrawFn) -> list[tuple[list[str], list[str]]]:
    """Sentences with the tags of the file and predicted ones: of one scheme or another, or any at all."""
    wild = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in TYPES)])
    sentences = []
    for length in draw(st.lists(st.integers(1, 9), max_size=4)):
        tags = well_formed(length) | st.lists(wild, min_size=length, max_size=length)
        gold = draw(tags)
        sentences.append((gold, draw(st.just(gold) | tags)))
    return sentences


@settings(max_examples=300, deadline=None)
@given(files())
def test_scores_are_those_of_conlleval(pairs: list[tuple[list[str], list[str]]]) -> None:
    expected = conlleval(pairs)
    judged = score(pairs)
    for name, counts in expected.items():
        assert judged[name] == counts.total()
        assert {kind: f[name] for kind, f in judged["per_type"].items() if f[name]} == dict(counts)
    for figures, counts in [
        ({**judged, "f1": judged["value"]}, [judged[name] for name in expected]),
        *((f, [f[name] for name in expected]) for f in judged["per_type"].values()),
    ]:
        for rate, value in rates(*counts).items():
            assert figures[rate] == pytest.approx(value, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(files())
def test_types_sum_to_the_whole(pairs: list[tuple[list[str], list[str]]]) -> None:
    judged = score(pairs)
    for name in ("correct", "predicted", "gold"):
        assert sum(figures[name] for figures in judged["per_type"].values()) == judged[name]


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [([], []), ([[]], [[]]), ([[(0, 1, "PER")]], [[]]), ([[]], [[(0, 1, "PER")]])],
)
def test_a_rate_with_nothing_to_count_is_zero(
    gold: list[list[Entity]], predicted: list[list[Entity]]
) -> None:
    judged = entity_scores(gold, predicted)
    for figures in (judged, *judged["per_type"].values()):
        values = [value for value in figures.values() if isinstance(value, float)]
        assert values == [0.0, 0.0, 0.0]


def test_confusion_counts_what_was_taken_for_what() -> None:
    labels, counts = confusion(["O", "x", "x", "z"], ["O", "x", "O", "y"], ["O", "x"])
    assert labels == ["O", "x", "y", "z"]
    assert counts.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]


def test_an_entity_said_twice_counts_once() -> None:
    judged = entity_scores([[(0, 1, "PER")]], [[(0, 1, "PER"), (0, 1, "PER")]])
    assert (judged["value"], judged["predicted"]) == (1.0, 1)


def test_a_sentence_without_its_partner_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        entity_scores([[]], [[], []])


@pytest.mark.skipif(not WNUT.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("file", "f1", "precision", "recall"),
    [("uh_ritual", 41.86, 57.54, 32.90), ("spinningbytes.txt", 40.78, 47.09, 35.96)],
)
def test_the_shared_task_s_own_figures(file: str, f1: float, precision: float, recall: float) -> None:
    """WNUT 2017 published the submissions and what conlleval gave them."""
    gold, guess = read_columns(WNUT / "test.conll"), read_columns(WNUT / "submissions" / file)
    assert [s.words for s in gold.sentences] == [s.words for s in guess.sentences]
    pairs = [(g.tags or (), p.tags or ()) for g, p in zip(gold.sentences, guess.sentences, strict=True)]
    judged = score(pairs)
    told = [round(100 * judged[name], 2) for name in ("value", "precision", "recall")]
    assert told == [f1, precision, recall]
