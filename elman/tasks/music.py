"""Music: how likely is a piece, and how does it go on?

One-to-many. MIDI files are read as events, JSON lists as the keys of a piano that sound at each step. Each event,
or each step's keys, is predicted from all before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elman.data.midi import TICKS
from elman.data.music import MusicReader, Piece
from elman.encoders.music import EventEncoding, MusicEncoder, PianoRollEncoding
from elman.samples import music as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option


@dataclass(frozen=True)
class MusicSettings(Settings):
    """Settings of the music task."""

    grid: int = option(12, "steps of a quarter note on which the notes of MIDI files are put")
    transpose: int = option(5, "semitones, up or down, by which a piece is moved in training, at most")
    size: int = option(200, "size of the embedding")
    epoch_steps: int = option(60_000, "steps of an epoch, at most; of more pieces each epoch takes a part")
    hidden: int = option(250, "size of the hidden state")
    dropout: float = option(0.4, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(100, "passes over the training data, at most")
    patience: int = option(15, "epochs without a better dev score before training stops")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.grid < 1 or TICKS % self.grid:
            raise ValueError(f"grid must divide {TICKS}, such as 4, 12 or 24, got {self.grid}")
        if not 0 <= self.transpose <= 12:
            raise ValueError(f"transpose must be from 0 to 12, got {self.transpose}")
        if self.size < 1 or self.epoch_steps < 1:
            raise ValueError(
                f"size and epoch_steps must be at least 1, got {self.size} and {self.epoch_steps}"
            )


def network(encoder: MusicEncoder) -> Any:
    """Return a new network: of events, or of the keys of a step."""
    from elman.data.events import KEYS
    from elman.networks.layers import recurrent_layers
    from elman.networks.piano_roll import PianoRollLM
    from elman.nn.shapes import OneToMany

    settings, encoding = encoder.settings, encoder.encoding
    layers = recurrent_layers(settings, settings.size)
    if isinstance(encoding, PianoRollEncoding):
        return PianoRollLM(KEYS, encoding.others, settings.size, layers, settings.dropout)
    assert isinstance(encoding, EventEncoding)
    return OneToMany(len(encoding.events), layers, settings.dropout)


def head(encoder: MusicEncoder) -> Any:
    """Return a new head."""
    from elman.heads.music import MusicHead

    return MusicHead(encoder)


def baselines(encoder: MusicEncoder, head: Any, train: Sequence[Piece]) -> dict[str, Method]:
    """Train models that know at most the last few steps."""
    from elman.learning.music_baselines import event_baselines, roll_baselines

    encoding = encoder.encoding

    def targets(pieces: Sequence[Piece]) -> list[Any]:
        return [encoding.sequence(piece)[1] for piece in pieces]

    def answering(method: Any) -> Method:
        return lambda examples: head.likelihoods(method(targets(examples)), examples)

    if isinstance(encoding, EventEncoding):
        methods = event_baselines(targets(train), len(encoding.events), encoding.events.begin())
    else:
        methods = roll_baselines(targets(train))
    return {name: answering(method) for name, method in methods.items()}


TASK = Task(
    "music",
    summary="models of music, to generate tunes",
    shape="one-to-many",
    files="MIDI files or folders of them; JSON lists of steps of pitches",
    unit="steps",
    settings=MusicSettings,
    reader=MusicReader,
    encoder=MusicEncoder,
    network=network,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
