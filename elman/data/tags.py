"""Entity tags: the spans they mark, the three schemes that write them, and which tag may follow which.

A tag is O, outside all entities, or PREFIX-TYPE, as in B-person or I-creative-work:

| scheme | first of several | within | last of several | alone |
|---|---|---|---|---|
| IOB1 | I, but B right behind an entity of the same type | I | I | as the first |
| IOB2 | B | I | I | B |
| IOBES | B | I | E | S |

BILOU is IOBES with L for E and U for S, and is read as such. IOB1 and IOB2 are of Ramshaw and Marcus, "Text
chunking using transformation-based learning" (1995), and of Tjong Kim Sang and Veenstra, "Representing text
chunks" (1999).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Scheme = Literal["IOB1", "IOB2", "IOBES"]

PREFIXES = "BIESLU"
EXPECTED = f"O, or PREFIX-TYPE with one of the prefixes {', '.join(PREFIXES)}"


class Span(NamedTuple):
    """An entity: tokens `start` to `stop` - 1, counted from 0, and its type."""

    start: int
    stop: int
    type: str


class Clue(NamedTuple):
    """A tag that tells the family of schemes: its sentence and position, the family, and how it tells."""

    sentence: int
    position: int
    family: str
    reason: str


class MixedSchemesError(ValueError):
    """Tags of two families of schemes in one file; `earlier` and `later` are the first clue to each."""

    def __init__(self, earlier: Clue, later: Clue):
        super().__init__(
            f"sentence {later.sentence}, tag {later.position} {later.reason}, as in {later.family};"
            f" sentence {earlier.sentence}, tag {earlier.position} {earlier.reason}, as in {earlier.family}"
        )
        self.earlier, self.later = earlier, later


@lru_cache(maxsize=4096)
def parse(tag: str) -> tuple[str, str]:
    """The prefix and the type of a tag; of O, "O" and nothing.

    Raises ValueError for anything else, with what the tag may have been meant to be.

    >>> parse("B-creative-work")
    ('B', 'creative-work')
    """
    if tag == "O":
        return "O", ""
    prefix, _, type_ = tag.partition("-")
    if len(prefix) == 1 and prefix in PREFIXES and type_:
        return prefix, type_
    raise ValueError(f"tag {tag!r} is not {EXPECTED}; {suggestion(tag)}")


def is_tag(text: str) -> bool:
    """Whether `parse` takes it."""
    try:
        parse(text)
    except ValueError:
        return False
    return True


def suggestion(tag: str) -> str:
    """What to write instead of a tag that `parse` refuses."""
    if tag in ("o", "0"):
        return "did you mean 'O'?"
    if re.fullmatch(rf"[{PREFIXES}]-?", tag, re.IGNORECASE):
        return f"give the entity a type, as in {tag[0].upper()}-ENTITY"
    if near := re.fullmatch(rf"([{PREFIXES}])[-_:](.+)", tag, re.IGNORECASE | re.DOTALL):
        return f"did you mean {near[1].upper() + '-' + near[2]!r}?"
    return f"did you mean {'B-' + (tag.partition('-')[2] or tag)!r}?"


def _continues(previous: str, tag: str) -> bool:
    before, before_type = parse(previous)
    after, after_type = parse(tag)
    return before in "BI" and after in "IEL" and before_type == after_type


def spans(tags: Iterable[str]) -> list[Span]:
    """The entities that the tags of one sentence mark, in order; they never overlap.

    This is the reading of conlleval, the scorer of the CoNLL shared tasks, whatever the scheme: an entity
    ends before O, before B, S and U, behind E, S, L and U, and where the type changes; a tag that does not
    continue an entity begins one, be it I or E.

    Raises ValueError for what is not a tag.

    >>> spans(["B-person", "I-person", "O", "I-group"])
    [Span(start=0, stop=2, type='person'), Span(start=3, stop=4, type='group')]
    """
    found = []
    start, previous = 0, "O"
    for index, tag in enumerate([*tags, "O"]):
        if not _continues(previous, tag):
            if previous != "O":
                found.append(Span(start, index, parse(previous)[1]))
            start = index
        previous = tag
    return found


def encode(entities: Iterable[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags, `length` of them, that mark these entities, which must come in order and not overlap.

    Raises ValueError for an entity that is empty, out of order or beyond the end, and for an unknown scheme.

    >>> encode([Span(0, 2, "person"), Span(3, 4, "group")], 4, "IOBES")
    ['B-person', 'E-person', 'O', 'S-group']
    """
    tags = ["O"] * length
    previous = Span(0, 0, "")
    for entity in entities:
        if not previous.stop <= entity.start < entity.stop <= length:
            raise ValueError(f"entities must be in order, apart and within {length} tokens, got {entity}")
        touches = entity.start == previous.stop and entity.type == previous.type
        size = entity.stop - entity.start
        for index, prefix in enumerate(_prefixes(size, touches, scheme), entity.start):
            tags[index] = _tag(prefix, entity.type)
        previous = entity
    return tags


def _prefixes(size: int, touches: bool, scheme: Scheme) -> str:
    if scheme == "IOB1":
        return ("B" if touches else "I") + "I" * (size - 1)
    if scheme == "IOB2":
        return "B" + "I" * (size - 1)
    if scheme == "IOBES":
        return "S" if size == 1 else "B" + "I" * (size - 2) + "E"
    raise ValueError(f"scheme must be IOB1, IOB2 or IOBES, got {scheme!r}")


@lru_cache(maxsize=4096)  # a corpus of millions of tags then holds one string a tag
def _tag(prefix: str, type_: str) -> str:
    return f"{prefix}-{type_}"


def scheme_of(sentences: Iterable[Sequence[str]]) -> Scheme:
    """The scheme in which a file's tags are written.

    E, S, L or U mean IOBES. Entities that begin with I, and B nowhere but where IOB1 needs it, mean IOB1. All
    else is IOB2, where an entity that begins with I is a slip.

    Raises MixedSchemesError where two families meet: E or S with L or U, or either of these with an entity
    that is not opened and closed as they open and close it; ValueError for what is not a tag.

    >>> scheme_of([["I-person", "I-person", "O", "I-group", "B-group"]])
    'IOB1'
    """
    first: dict[str, Clue] = {}
    begun_with_i = free_b = False
    for number, tags in enumerate(sentences):
        entities = spans(tags)
        for index, family, reason in _clues(tags, entities):
            first.setdefault(family, Clue(number, index, family, reason))
        by_iob1 = encode(entities, len(tags), "IOB1")
        begun_with_i |= any(tags[entity.start].startswith("I-") for entity in entities)
        free_b |= any(
            tag.startswith("B-") and needed.startswith("I-")
            for tag, needed in zip(tags, by_iob1, strict=True)
        )
    if len(first) > 1:
        raise MixedSchemesError(*sorted(first.values())[:2])
    if "IOBES" in first or "BILOU" in first:
        return "IOBES"
    return "IOB1" if begun_with_i and not free_b else "IOB2"


def _clues(tags: Sequence[str], entities: list[Span]) -> Iterator[tuple[int, str, str]]:
    for index, tag in enumerate(tags):
        if tag[:2] in ("E-", "S-"):
            yield index, "IOBES", f"has the prefix {tag[0]}"
        elif tag[:2] in ("L-", "U-"):
            yield index, "BILOU", f"has the prefix {tag[0]}"
    for start, stop, _ in entities:
        if tags[start][0] in "IEL":
            yield start, "IOB1 or IOB2", "begins an entity"
        if tags[stop - 1][0] in "BI":
            yield stop - 1, "IOB1 or IOB2", "ends an entity"


def may_follow(previous: str | None, tag: str | None, scheme: Scheme) -> bool:
    """Whether `tag` may stand right behind `previous` in a file without slips, None being the sentence's end
    or start.

    Raises ValueError for what is not a tag, and for a scheme other than IOB2 and IOBES.

    >>> may_follow(None, "I-person", "IOB2"), may_follow("B-person", "I-person", "IOB2")
    (False, True)
    """
    before, after = previous or "O", tag or "O"
    continues = _continues(before, after)
    if scheme == "IOB2":
        return continues or parse(after)[0] != "I"
    if scheme == "IOBES":
        return continues or (parse(before)[0] not in "BI" and parse(after)[0] not in "IE")
    raise ValueError(f"scheme must be IOB2 or IOBES, got {scheme!r}")
