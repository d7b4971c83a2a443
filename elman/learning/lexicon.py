"""A dictionary learned from sentences and their translations: each word by itself, in the source's order."""

import re
from collections.abc import Sequence
from itertools import islice

import numpy as np

_WORD = re.compile(r"\w+|[^\w\s]")
_NO_SPACE_BEFORE = re.compile(r" (?=[.,;:!?%)\]}…])|(?<=[(\[{]) ")
_ROUNDS = 5
_SENTENCES = 30_000  # that are looked at, at most, and words of each
_WORDS = 60


class Lexicon:
    """Translates each word with the word that most probably stands for it.

    How probable a word's translations are is found by expectation maximisation (model 1 of Brown et al. 1993,
    "The mathematics of statistical machine translation"). A word that was never seen is copied.

    Raises ValueError where there is no pair.

    >>> Lexicon([("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch")])("a house, too")
    'ein Haus, too'
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        if not pairs:
            raise ValueError("a dictionary is learned from pairs of sentences, got no pair")
        sources: dict[str, int] = {}
        targets: dict[str, int] = {}
        source, target, position = (
            [],
            [],
            [],
        )  # of each pair of words that stand in the same pair of sentences
        positions = 0
        for said, translated in pairs[:: -(-len(pairs) // _SENTENCES)]:
            s = np.array(
                [sources.setdefault(w, len(sources)) for w in islice(_words(said), _WORDS)], dtype=int
            )
            t = np.array(
                [targets.setdefault(w, len(targets)) for w in islice(_words(translated), _WORDS)], dtype=int
            )
            source.append(np.tile(s, len(t)))
            target.append(t.repeat(len(s)))
            position.append(np.arange(positions, positions + len(t)).repeat(len(s)))
            positions += len(t)
        both = np.concatenate(source) * len(targets) + np.concatenate(target)
        kinds, kind = np.unique(both, return_inverse=True)
        place, of = np.concatenate(position), kinds // len(targets)  # of: the source word
        probability = np.ones(len(kinds))  # of the target word given the source word
        for _ in range(_ROUNDS):
            share = probability[kind] / np.bincount(place, probability[kind], positions)[place]
            counts = np.bincount(kind, share, len(kinds))
            probability = counts / np.bincount(of, counts, len(sources))[of]
        words, names = list(targets), list(sources)
        order = np.argsort(probability, kind="stable")  # the best of a word is written last
        self._best = {names[of[i]]: words[kinds[i] % len(targets)] for i in order.tolist()}

    def __call__(self, text: str) -> str:
        """Return the text word for word."""
        return _NO_SPACE_BEFORE.sub("", " ".join(self._best.get(word, word) for word in _words(text)))


def _words(text: str) -> list[str]:
    return _WORD.findall(text)
