"""What a model answers: small values that show themselves as JSON and as text. Imports no torch.

An answer says first what was asked, `asked`: the text, the path of a clip, the name of a series.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Answer(Protocol):
    """What all answers can do."""

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as JSON holds it, what was asked first."""
        ...

    def text(self) -> str:
        """Return the answer for people."""
        ...


@dataclass(frozen=True)
class Classification:
    """A label, and the probability of every label."""

    label: str
    probabilities: Mapping[str, float]
    asked: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""  # what `text` says first, such as the path of a clip

    @property
    def confidence(self) -> float:
        """The probability of the label."""
        return self.probabilities[self.label]

    def to_dict(self) -> dict[str, Any]:
        """Return "label", "confidence" and "probabilities", with four digits."""
        return {
            **self.asked,
            "label": self.label,
            "confidence": round(self.confidence, 4),
            "probabilities": {label: round(p, 4) for label, p in self.probabilities.items()},
        }

    def text(self) -> str:
        """Return the label and its probability, such as "spam 0.98"."""
        return f"{self.name}{self.label} {round(self.confidence, 4):.2f}"
