"""Recurrent layers and what surrounds them."""

from elman.nn.layers import GRU, LSTM, RNN, Recurrent

__all__ = ["GRU", "LSTM", "RNN", "Recurrent"]
