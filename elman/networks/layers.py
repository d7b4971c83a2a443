"""Recurrent layers as a task's settings describe them."""

from typing import Any

from elman.nn.layers import LAYERS
from elman.nn.recurrent import Recurrent


def recurrent_layers(
    settings: Any, inputs: int, *, bidirectional: bool = False, hidden: int | None = None
) -> Recurrent:
    """Return new layers.

    Args:
        settings: with `cell`, `hidden`, `layers` and `dropout`.
        inputs: size of a step's input.
        bidirectional: whether the layers read in both directions.
        hidden: size of the hidden state in each direction, where it is not that of the settings.
    """
    return LAYERS[settings.cell](
        inputs,
        hidden or settings.hidden,
        num_layers=settings.layers,
        dropout=settings.dropout if settings.layers > 1 else 0.0,
        bidirectional=bidirectional,
    )
