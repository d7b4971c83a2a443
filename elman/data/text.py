"""Splits plain text into words as the training data splits it, and remembers where each word stood."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import regex


class Word(NamedTuple):
    """A word and its place in the text: `text[start:stop] == word`."""

    word: str
    start: int
    stop: int


# Letters, digits and the marks upon them. The \w of `re` has no marks, and would part हिन्दी at every vowel.
LETTER = r"[\w\p{N}]"
_SPACE = r"\s\x1c-\x1f"
_OTHER = rf"[^\w\p{{N}}{_SPACE}]"
_SIGN = rf"{_OTHER}(?:[\p{{M}}\p{{Emoji_Modifier}}]|\u200d{_OTHER})*"
COMPOUND = rf"{LETTER}+(?:[-'’.]{LETTER}+)*|{_SIGN}"
_CHUNK = regex.compile(rf"[^{_SPACE}]+")
_COMPOUND = regex.compile(COMPOUND)
_PIECE = regex.compile(rf"{LETTER}+|{_SIGN}")


def split_words(text: str, known: Callable[[str], bool]) -> list[Word]:
    """Split at white space and around punctuation, but keep whole what the training data kept whole.

    A piece held together by inner hyphens, dots or apostrophes is parted when it is unknown and all its
    parts are known.

    >>> [w.word for w in split_words("T-cell leukemia (ATL).", {"T", "-", "cell"}.__contains__)]
    ['T', '-', 'cell', 'leukemia', '(', 'ATL', ')', '.']
    """
    words = []
    for chunk in _CHUNK.finditer(text):
        if known(chunk[0]):
            words.append(Word(chunk[0], *chunk.span()))
            continue
        for compound in _COMPOUND.finditer(text, *chunk.span()):
            pieces = list(_PIECE.finditer(text, *compound.span()))
            if known(compound[0]) or not all(known(piece[0]) for piece in pieces):
                pieces = [compound]
            words += [Word(piece[0], *piece.span()) for piece in pieces]
    return words


def places_of(words: Sequence[str], text: str) -> list[tuple[int, int]]:
    """Find each word behind the one before it, and return where it starts and stops.

    >>> places_of(["to", "be", "to"], "to be (to)")
    [(0, 2), (3, 5), (7, 9)]
    """
    places, position = [], 0
    for word in words:
        start = text.index(word, position)
        position = start + len(word)
        places.append((start, position))
    return places
