"""Recurrent layers and what surrounds them."""

from elman.nn.accelerate import accelerate
from elman.nn.layers import GRU, LSTM, RNN
from elman.nn.recurrent import Recurrent
from elman.nn.single_step import GRUCell, LSTMCell, RNNCell, SingleStep

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "Recurrent", "SingleStep", "accelerate"]
