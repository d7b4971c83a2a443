"""The dictionary: every symbol gets a number, and what was never seen gets the number of the unknown."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from elman.data.facts import texts

PADDING, UNKNOWN = 0, 1
_SPECIAL = ("<padding>", "<unknown>")


@dataclass(frozen=True)
class Vocabulary:
    """Symbols in the order of their numbers; the first two stand for padding and for the unknown.

    >>> words = Vocabulary.of("the cat saw the dog".split(), min_count=2)
    >>> words.numbers(["the", "cat"])
    [2, 1]
    """

    symbols: tuple[str, ...]

    @classmethod
    def of(cls, symbols: Iterable[str], *, min_count: int = 1, largest: int = 50_000) -> "Vocabulary":
        """Count symbols; keep those seen `min_count` times, the `largest` - 2 most frequent of them.

        Equally frequent ones are kept in the order in which they were first seen.
        """
        counts = Counter(symbols)
        kept = [symbol for symbol, n in counts.most_common() if n >= min_count and symbol not in _SPECIAL]
        return cls(_SPECIAL + tuple(kept[: largest - len(_SPECIAL)]))

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any], name: str) -> "Vocabulary":
        """Restore the symbols that `facts` has under a name. Raises ValueError where they are none."""
        symbols = texts(facts, name)
        if symbols[:2] != _SPECIAL:
            raise ValueError(f"{name!r} must begin with {' and '.join(_SPECIAL)}")
        return cls(symbols)

    def extended(self, symbols: Iterable[str], largest: int) -> "Vocabulary":
        """Return a vocabulary with these symbols behind its own, as many as make it `largest`."""
        joined = dict.fromkeys((*self.symbols, *symbols))
        return Vocabulary(tuple(joined)[: max(largest, len(self))])

    def __len__(self) -> int:
        """Return the number of symbols, the two special ones included."""
        return len(self.symbols)

    def __contains__(self, symbol: object) -> bool:
        """Return whether the symbol has a number of its own."""
        return symbol in self._number

    def numbers(self, symbols: Iterable[str]) -> list[int]:
        """Return each symbol's number, `UNKNOWN` for one that was never seen."""
        return [self._number.get(symbol, UNKNOWN) for symbol in symbols]

    @cached_property
    def _number(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}
