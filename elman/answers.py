"""What a model answers: small values that show themselves as JSON and as text. Imports no torch.

An answer says first what was asked, `asked`: the text, the path of a clip, the name of a series.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from elman.data.midi import SUFFIXES, Tune, midi_bytes, pitch_name

SURPRISES = 5  # least expected units that an answer lists
LARGEST_EXPONENT = 700.0  # of a perplexity that is still a number


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
    title: str = ""  # what `text` says first, such as the path of a clip

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
        return f"{self.title}{self.label} {round(self.confidence, 4):.2f}"


@dataclass(frozen=True)
class BaseLabels:
    """A label for each base of a sequence, one letter each, and the probabilities of all labels of each."""

    labels: Sequence[str]
    probabilities: Sequence[Sequence[float]]
    asked: Mapping[str, Any]
    title: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return "label", as long as the sequence, and the "probabilities" of these labels."""
        sure = [round(max(row), 4) for row in self.probabilities]
        return {**self.asked, "label": "".join(self.labels), "probabilities": sure}

    def text(self) -> str:
        """Return the sequence, and below it the labels."""
        return f"{self.title}{self.asked['sequence']}\n{' ' * len(self.title)}{''.join(self.labels)}"


@dataclass(frozen=True)
class Regression:
    """A number."""

    value: float
    asked: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return "value"."""
        return {**self.asked, "value": self.value}

    def text(self) -> str:
        """Return the number with six digits."""
        return f"{self.value:.6g}"


@dataclass(frozen=True)
class TextLikelihood:
    """How likely a text is: the negative log-likelihood of each of its units, in nats."""

    nll: Sequence[float]
    units: Sequence[str]
    asked: Mapping[str, Any]

    @property
    def mean(self) -> float:
        """Nats a unit."""
        return sum(self.nll) / len(self.nll)

    @property
    def surprises(self) -> list[dict[str, Any]]:
        """The least expected units, each with its index and its nats."""
        order = sorted(range(len(self.nll)), key=lambda i: (-self.nll[i], i))
        return [{"unit": self.units[i], "index": i, "nll": self.nll[i]} for i in order[:SURPRISES]]

    def to_dict(self) -> dict[str, Any]:
        """Return "nll" in nats a unit, "perplexity", the number of "units" and the "surprises"."""
        return {
            **self.asked,
            "nll": self.mean,
            "perplexity": perplexity(self.mean),
            "units": len(self.units),
            "surprises": self.surprises,
        }

    def text(self) -> str:
        """Return the nats a unit, the text, and what in it was least expected."""
        surprises = ", ".join(f"{unit['unit']!r} {unit['nll']:.2f}" for unit in self.surprises)
        return f"{self.mean:.4f} nats a unit: {self.asked['text']}\n  least expected: {surprises}"


@dataclass(frozen=True)
class GeneratedText:
    """A text that a model generated."""

    generated: str

    def to_dict(self) -> dict[str, Any]:
        """Return "text"."""
        return {"text": self.generated}

    def text(self) -> str:
        """Return the text."""
        return self.generated


@dataclass(frozen=True)
class NextUnits:
    """In a stream: how likely the last piece of text was, and the most probable units after it."""

    piece: str
    nll: float
    following: Sequence[tuple[str, float]]

    def to_dict(self) -> dict[str, Any]:
        """Return "text", "nll" in nats, and the units of "next", each with its "probability"."""
        following = [{"unit": unit, "probability": p} for unit, p in self.following]
        return {"text": self.piece, "nll": self.nll, "next": following}

    def text(self) -> str:
        """Return the most probable units and their probabilities."""
        return ", ".join(f"{unit!r} {p:.2f}" for unit, p in self.following)


@dataclass(frozen=True)
class MusicLikelihood:
    """How likely a piece of music is: the negative log-likelihood of each of its steps, in nats."""

    nll: Sequence[float]
    unit: str  # "event" or "step"
    asked: Mapping[str, Any]
    left_out: str = ""  # how many notes the encoding leaves out, and of how many

    @property
    def mean(self) -> float:
        """Nats a step."""
        return sum(self.nll) / len(self.nll)

    def to_dict(self) -> dict[str, Any]:
        """Return "nll" in nats a step, the number of steps, and the notes "left_out", if any."""
        left_out = {"left_out": self.left_out} if self.left_out else {}
        return {**self.asked, "nll": self.mean, f"{self.unit}s": len(self.nll), **left_out}

    def text(self) -> str:
        """Return the nats a step and the number of steps."""
        a = "an" if self.unit == "event" else "a"
        left_out = f", {self.left_out} left out" if self.left_out else ""
        return f"{self.mean:.4f} nats {a} {self.unit}, {len(self.nll):,} {self.unit}s{left_out}"


@dataclass(frozen=True)
class GeneratedTune:
    """A tune that a model generated."""

    tune: Tune

    def to_dict(self) -> dict[str, Any]:
        """Return "grid", "tempos" [step, tempo] and "notes" [start, length, pitch, drum]."""
        return {
            "grid": self.tune.grid,
            "tempos": [list(tempo) for tempo in self.tune.tempos],
            "notes": [[note.start, note.length, note.pitch, note.drum] for note in self.tune.notes],
        }

    def text(self) -> str:
        """Return the names of the notes."""
        return " ".join(pitch_name(note.pitch) for note in self.tune.notes)

    def encode(self, suffix: str) -> bytes | None:
        """Return the tune as a file with this suffix holds it; None where text is all it can hold."""
        return midi_bytes(self.tune) if suffix.lower() in SUFFIXES else None


def perplexity(nll: float) -> float:
    """Return the number of equally probable choices that are as unsure as `nll` nats a choice."""
    return math.exp(min(nll, LARGEST_EXPONENT))
