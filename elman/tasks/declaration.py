"""A task is a choice of four parts: a reader, an encoder, a network and a head. Imports no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.data.reader import Reader
from elman.encoders.encoder import Encoder

Method = Callable[[Sequence[Any]], list[Any]]  # a plain method: examples to answers


@dataclass(frozen=True)
class Task:
    """The declaration of a task.

    The functions import torch when they are called: a task is listed, and its options shown, without it.

    Args:
        name: on the command line.
        summary: what it does, in a few words.
        shape: how many elements go in and how many come out.
        files: what may be trained on.
        unit: of a sequence's length, in plural.
        settings: the class of its settings.
        reader: the class of its reader.
        encoder: the class of its encoder.
        network: returns a new network for a fitted encoder.
        head: returns a new head for a fitted encoder.
        baselines: trains the plain methods that the network must beat, given the encoder, a head and the
            training examples.
        sample: writes example data into a folder: a training, a dev and a test file.
        initialize: sets the weights that are known before training, such as those of a pretrained model.
        min_batch_size: examples in a batch, on average, below which training is too noisy to learn.
    """

    name: str
    summary: str
    shape: str
    files: str
    unit: str
    settings: type
    reader: type[Reader[Any]]
    encoder: type[Encoder[Any]]
    network: Callable[[Any], Any]
    head: Callable[[Any], Any]
    baselines: Callable[[Any, Any, Sequence[Any]], dict[str, Method]]
    sample: Callable[[Path], list[Path]]
    initialize: Callable[[Any, Any, Sequence[Any]], None] = lambda encoder, network, examples: None
    min_batch_size: int = 0
