"""Pictures of a run: how it learned, what it confuses, how long its sequences are."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from elman.storage import write_whole
from elman.tasks.task import Heatmap

STEEP = 10  # medians of the loss that the first epochs' may be, or it flattens all others to a line
AS_WRITTEN = rc_context({"text.parse_math": False})  # a $ in a user's text begins no formula
BINS = 40  # of lengths, about
WIDEST = 60  # inches that the cells of a picture take, at most


def learning_curve(log: Sequence[Mapping[str, Any]], metric: str) -> Figure:
    """Draw the training loss and the dev score over the epochs, the epoch that is kept marked."""
    figure, axes = _axes("Learning")
    epochs = [row["epoch"] for row in log]
    losses = [row["loss"] for row in log]
    loss = axes.plot(epochs, losses, color="tab:gray", label="training loss")
    axes.set(xlabel="epoch", ylabel="training loss (nats)")
    if min(losses) > 0 and max(losses) > STEEP * np.median(losses):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right = axes.twinx()
    score = right.plot(epochs, [row["score"] for row in log], color="tab:blue", label=f"dev {metric}")
    share = all(0 <= row["score"] <= 1 for row in log)
    # A curve at 1 stands clear of the frame.
    right.set(ylabel=f"dev {metric}", ylim=(0, 1.02 if share else None))
    kept = next(row for row in reversed(log) if row["kept"])
    dot = right.plot(kept["epoch"], kept["score"], "o", color="tab:blue", label=f"kept: {kept['score']:.4f}")
    axes.legend(handles=[*loss, *score, *dot], loc="center right")
    return figure


@AS_WRITTEN
def confusion(labels: Sequence[str], counts: np.ndarray, title: str) -> Figure:
    """Draw what stands in the file against what was predicted, [K, K], each row as shares of its sum."""
    size = 2.5 + 0.5 * len(labels)
    figure, axes = _axes(title, (size + 1, size))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="in the file")
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    for row, column in np.argwhere(counts > 0):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", fontsize=7, color=color)
    return figure


def lengths(parts: Mapping[str, Sequence[int]], unit: str) -> Figure:
    """Draw how long the sequences of each file are, as shares of the file."""
    figure, axes = _axes("Lengths")
    shortest, longest = min(map(min, parts.values())), max(map(max, parts.values()))
    width = 1 + (longest - shortest) // BINS
    edges = np.arange(shortest - 0.5, longest + width, width)  # as many whole numbers in each bin
    for name, values in parts.items():
        weights = np.full(len(values), 1 / len(values))
        axes.hist(
            values, edges, weights=weights, histtype="step", linewidth=1.5, label=f"{name} ({len(values):,})"
        )
    axes.set(xlabel=unit, ylabel="share of sequences")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend()
    return figure


@AS_WRITTEN
def heatmap(picture: Heatmap) -> Figure:
    """Draw numbers as shades, their labels beside them."""
    rows, columns = picture.values.shape
    cell = min(0.32, WIDEST / max(rows, columns))
    figure, axes = _axes(picture.title, (2 + cell * columns, 1.5 + cell * rows))
    axes.imshow(picture.values, cmap="Blues", vmin=0)
    axes.set_xticks(range(columns), picture.columns, rotation=60, ha="right")
    axes.set_yticks(range(rows), picture.rows)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a picture as PNG."""
    image = io.BytesIO()
    FigureCanvasAgg(figure).print_png(image)
    write_whole(path, image.getvalue())


def _axes(title: str, size: tuple[float, float] = (7, 4)) -> tuple[Figure, Any]:
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes
