"""Pictures: what their axes show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Polygon

from elman import plots


@pytest.mark.parametrize(
    ("losses", "scale"), [([45, 2, 1, 1], "log"), ([3, 2, 1, 1], "linear"), ([45, 2, 1, 0], "linear")]
)
def test_a_steep_loss_is_drawn_on_a_log_scale(losses: list[float], scale: str) -> None:
    log = [{"epoch": i + 1, "loss": loss, "score": 0.5, "kept": True} for i, loss in enumerate(losses)]
    axes = plots.learning_curve(log, "accuracy").axes[0]
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low <= min(losses)
    assert high >= max(losses)


def test_a_dollar_in_a_label_is_no_formula(tmp_path: Path) -> None:
    figure = plots.confusion([r"$\frac$", "$a$"], np.eye(2, dtype=int), "Confusion")
    plots.save(figure, tmp_path / "picture.png")
    assert [label.get_parse_math() for label in figure.axes[0].get_xticklabels()] == [False, False]


@pytest.mark.parametrize(
    "parts",
    [
        {"train": [3, 9, 26, 12], "dev": [5, 7]},
        {"train": [1000, 1040], "dev": [1020]},
        {"train": [29, 29], "dev": [29]},
        {"train": [1, 4000], "dev": [7]},
        {"train": [0, 41], "dev": [0]},
    ],
)
def test_the_axis_of_lengths_ends_where_they_do(parts: dict[str, list[int]]) -> None:
    axes = plots.lengths(parts, "words").axes[0]
    outlines = [np.asarray(patch.get_path().vertices) for patch in axes.patches if isinstance(patch, Polygon)]
    assert len(outlines) == len(parts)
    drawn = np.concatenate([outline[:, 0] for outline in outlines])
    every = [length for values in parts.values() for length in values]
    spread = max(every) - min(every)
    assert min(every) - 1 < drawn.min() < min(every)
    assert max(every) < drawn.max() <= max(every) + 1 + spread / 20
    low, high = axes.get_xlim()
    assert high - low <= 1.2 * (drawn.max() - drawn.min())
    for outline in outlines:  # each length counts: the bins' heights are the whole
        width = np.diff(np.unique(drawn))[0]
        assert (np.diff(outline[:, 0]) * outline[1:, 1]).sum() == pytest.approx(width)
