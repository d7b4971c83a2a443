"""Speech: what is said in a recording, letter by letter; or, with --label, which word it is.

Many-to-many, T_x > T_y, by connectionist temporal classification; many-to-one with --label.

Letters: T frames of a recording, F features of a frame.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.answers import Transcript
from elman.data.frames import HOP_MS, LEAST_DEVIATION, spread
from elman.data.recordings import Recording
from elman.data.speech import RecordingReader
from elman.encoders.recordings import RecordingEncoder
from elman.samples import speech as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option

FIXED_STEPS = 10  # of a recording, that the feed-forward baseline for words reads
BLANK_BIAS = -4.0  # of the blank's score beside those of the characters, before training


@dataclass(frozen=True)
class SpeechSettings(Settings):
    """Settings of the speech task."""

    text: str = option("text", "column of the manifest that holds what is said")
    label: str | None = option(None, "column whose values are words to be told apart, instead of a text")
    stack: int = option(3, f"frames of {HOP_MS} ms that make one step")
    one_way: bool = option(False, "read from left to right only, so that the run can stream")
    beam: int = option(8, "texts that the search keeps; 1 takes the most probable path")
    lm: str | None = option(None, "run of language with --unit character, to help the search")
    layers: int = option(2, "recurrent layers")
    dropout: float = option(0.3, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(150, "passes over the training data, at most")
    # As many: the last epochs, which learn slowly and vary most, may be the best after dozens that are not.
    patience: int = option(150, "epochs without a better dev score before training stops")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack < 1 or self.beam < 1:
            raise ValueError(f"stack and beam must be at least 1, got {self.stack} and {self.beam}")
        if self.lm and (self.label or self.beam == 1):
            raise ValueError("lm helps the search for a text: it needs a beam of more than 1, and no label")

    def files(self) -> dict[str, Path]:
        """Return the weights of the language model, if any."""
        return {"lm": Path(self.lm) / "model.safetensors"} if self.lm else {}


def network(encoder: RecordingEncoder) -> Any:
    """Return a new network."""
    from torch import nn

    from elman.networks.acoustic import AcousticModel
    from elman.nn.ctc import BLANK

    features = len(encoder.normal.mean)
    model = AcousticModel(features, len(encoder.outputs), encoder.settings, sound=encoder.sound)
    if not encoder.words:
        # Where the blank is as likely as the rest, it soon explains every step, and training stays there.
        nn.init.constant_(model.whole.output.bias[BLANK], BLANK_BIAS)
    return model


def head(encoder: RecordingEncoder) -> Any:
    """Return a head for words, or for texts beside the language model, if any."""
    from elman.heads.classification import ClassificationHead
    from elman.heads.transcription import TranscriptionHead
    from elman.networks.pretrained import language_model

    if encoder.labels:
        return ClassificationHead(encoder.labels)
    language = encoder.language and language_model(*encoder.language, encoder.lm)
    return TranscriptionHead(encoder, language)


def baselines(encoder: RecordingEncoder, head: Any, train: Sequence[Recording]) -> dict[str, Method]:
    """Train what reads no sequence: the most frequent answer, averages of words, fixed numbers of steps."""
    from elman.heads.baselines import feedforward, linear, majority
    from elman.heads.transcription import window_transcriber

    if not encoder.words:
        most = Counter(one.answer or "" for one in train).most_common(1)[0][0]
        return {
            "most_frequent_text": lambda examples: [Transcript(most, one.asked) for one in examples],
            "standard_network": window_transcriber(head, train),
        }
    mean, square = np.array(encoder.normal.mean), np.array(encoder.normal.square)
    deviation = np.maximum(np.sqrt(square - np.square(mean)), LEAST_DEVIATION)

    def averages(one: Recording) -> np.ndarray:  # [F]
        return (encoder.audible(one.frames).mean(0, dtype=np.float64) - mean) / deviation

    def fixed_steps(one: Recording) -> np.ndarray:  # [FIXED_STEPS * F]
        return spread(encoder.normalised(one.frames), FIXED_STEPS).ravel()

    return {
        "majority": majority(head, train),
        "logistic_on_averages": linear(head, averages, train),
        "standard_network": feedforward(head, fixed_steps, train, hidden=100, epochs=30, batch=50),
    }


TASK = Task(
    "speech",
    summary="speech recognition: a text, or with --label a word",
    shape="many-to-many, T_x > T_y (CTC); many-to-one with --label",
    files="TSV manifest with path and text; WAV, FLAC, or .npy features [T, F]",
    unit="steps",
    settings=SpeechSettings,
    reader=RecordingReader,
    encoder=RecordingEncoder,
    network=network,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
