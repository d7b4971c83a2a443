"""Text as units, each predicted from those before it. Imports no torch.

Letters: N units.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from elman.data.passages import Passage
from elman.data.ragged import Ragged
from elman.data.units import END, Units
from elman.encoders.encoder import Encoded, Encoder, Epoch
from elman.encoders.spans import NextStep, Pair, count_pieces, pieces, whole

SPAN = 70  # units that a gradient goes back over, in a text that goes on
LINE_END = "\n"  # how the end of a line is shown as a unit


class TextEncoder(Encoder[Passage]):
    """The vocabulary of units of the training text."""

    def __init__(self, units: Units, settings: Any) -> None:
        self.units, self.settings = units, settings

    @classmethod
    def fit(cls, examples: Sequence[Passage], settings: Any) -> Self:
        """Make the vocabulary."""
        units = Units.of(
            (line for passage in examples for line in passage.lines),
            settings.unit,
            largest=settings.largest,
            min_count=settings.min_count,
            lower=settings.lower,
            seed=settings.seed,
        )
        return cls(units, settings)

    def state(self) -> dict[str, Any]:
        """Return the vocabulary."""
        return {"units": self.units.facts()}

    @classmethod
    def restore(cls, state: Mapping[str, Any], settings: Any) -> Self:
        """Restore the vocabulary."""
        return cls(Units.from_facts(state["units"]), settings)

    def numbers(self, example: Passage) -> np.ndarray:
        """Return the units of a passage, an end after each line, [N]."""
        return np.array([*self.spell("\n".join(example.lines)), END])

    def names(self, example: Passage) -> list[str]:
        """Return the units of a passage as they are written."""
        return [unit for line in example.lines for unit in (*self.units.split(line), LINE_END)]

    def spell(self, text: str) -> list[int]:
        """Return the units of a text, with an end between its lines."""
        return [n for line in text.split("\n") for n in (END, *self.units.numbers(line))][1:]

    def text(self, numbers: Sequence[int]) -> str:
        """Undo `spell`."""
        lines: list[list[int]] = [[]]
        for number in numbers:
            if number == END:
                lines.append([])
            else:
                lines[-1].append(number)
        return "\n".join(map(self.units.text, lines))

    def sequence(self, example: Passage) -> Pair:
        """Return a passage as inputs, which begin after the end of a line, and targets."""
        targets = self.numbers(example)
        return np.concatenate(([END], targets[:-1])), targets

    def length(self, example: Passage) -> int:
        """Return the number of units, line ends included."""
        return len(self.numbers(example))

    def inputs(self, examples: Sequence[Passage]) -> NextStep[Ragged]:
        """Return whole passages."""
        return whole([self.sequence(example) for example in examples])

    def epoch(self, examples: Sequence[Passage], steps: int, number: int) -> Epoch:
        """Batch lines as usual; cut a text that goes on into streams side by side, read in pieces.

        Each epoch begins at another place of the text, and so cuts it at others.
        """
        if self.settings.lines:
            return super().epoch(examples, steps, number)
        text = self.numbers(examples[0])
        text = np.roll(text, np.random.default_rng(self.seed(number)).integers(len(text)))
        streams = np.array_split(text, max(1, min(steps, len(text)) // SPAN))
        before = [stream[-1:] for stream in (streams[-1], *streams[:-1])]
        pairs = [(np.concatenate((b, s[:-1])), s) for b, s in zip(before, streams, strict=True)]

        def batches() -> Iterator[Encoded]:
            for i, piece in enumerate(pieces(pairs, SPAN)):
                yield Encoded(examples, piece, len(piece.targets.values), continues=i > 0)

        return Epoch(count_pieces(pairs, SPAN), batches())

    def stream(self, item: str, state: Any) -> tuple[list[int], str]:
        """Return the units of some more text, at the beginning after the end of a line."""
        return [*([END] if state is None else []), *self.spell(item)], item
