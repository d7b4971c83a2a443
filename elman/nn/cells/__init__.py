"""The cells: what one step of recurrence computes, and its gradient."""

from elman.nn.cells.cell import (
    Cell,
    CellWithGradient,
    State,
    StepGradients,
    check_cell,
    has_gradient,
    has_recurrent_product,
)
from elman.nn.cells.gru import GRU
from elman.nn.cells.lstm import LSTM
from elman.nn.cells.rnn import RNN

CELLS: dict[str, type[RNN] | type[GRU] | type[LSTM]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "CellWithGradient",
    "State",
    "StepGradients",
    "check_cell",
    "has_gradient",
    "has_recurrent_product",
]
