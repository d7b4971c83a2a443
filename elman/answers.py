"""What a model answers: small values that show themselves as JSON and as text. Imports no torch.

An answer says first what was asked, `asked`: the text, the path of a clip, the name of a series.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from elman.data.midi import SUFFIXES, Tune, midi_bytes, pitch_name
from elman.data.tags import Span, encode
from elman.data.text import places_of

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


class Entity(NamedTuple):
    """A recognised entity: words `start` to `stop` - 1, its type, and the probability of its least sure tag."""

    start: int
    stop: int
    type: str
    confidence: float


@dataclass(frozen=True)
class Entities:
    """The entities of a sentence."""

    sentence: str
    words: Sequence[str]
    entities: Sequence[Entity]

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """Where each entity begins and ends, in characters."""
        places = places_of(self.words, self.sentence)
        return [(places[entity.start][0], places[entity.stop - 1][1]) for entity in self.entities]

    def to_dict(self) -> dict[str, Any]:
        """Return "text", "entities" with their places in characters, "words", and their "tags" in IOB2."""
        entities = [
            {
                "text": self.sentence[start:stop],
                "type": entity.type,
                "start": start,
                "stop": stop,
                "confidence": round(entity.confidence, 4),
            }
            for entity, (start, stop) in zip(self.entities, self._spans, strict=True)
        ]
        tags = encode([Span(*entity[:3]) for entity in self.entities], len(self.words), "IOB2")
        return {"text": self.sentence, "entities": entities, "words": list(self.words), "tags": tags}

    def text(self) -> str:
        """Return the sentence, each entity in brackets with its type and confidence."""
        shown, position = "", 0
        for entity, (start, stop) in zip(self.entities, self._spans, strict=True):
            shown += self.sentence[position:start]
            shown += f"[{self.sentence[start:stop]} | {entity.type} {round(entity.confidence, 4):.2f}]"
            position = stop
        return shown + self.sentence[position:]


@dataclass(frozen=True)
class TaggedWords:
    """A tag for each word of a sentence, and how probable it is."""

    sentence: str
    words: Sequence[str]
    tags: Sequence[str]
    confidence: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """Return "text", and of "words" the text, the tag, its confidence, and the place in characters."""
        places = places_of(self.words, self.sentence)
        rows = zip(self.words, self.tags, self.confidence, places, strict=True)
        return {
            "text": self.sentence,
            "words": [
                {"text": word, "tag": tag, "start": start, "stop": stop, "confidence": round(sure, 4)}
                for word, tag, sure, (start, stop) in rows
            ],
        }

    def text(self) -> str:
        """Return each word with its tag: "they/PRON sing/VERB"."""
        return " ".join(f"{word}/{tag}" for word, tag in zip(self.words, self.tags, strict=True))


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
class Translated:
    """A text in the other language."""

    translation: str
    asked: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return "text" and its "translation"."""
        return {**self.asked, "translation": self.translation}

    def text(self) -> str:
        """Return the translation."""
        return self.translation


@dataclass(frozen=True)
class Transcript:
    """What is said in a recording."""

    transcript: str
    asked: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the "path", the "seconds" and the "text"."""
        return {**self.asked, "text": self.transcript}

    def text(self) -> str:
        """Return the text."""
        return self.transcript


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
