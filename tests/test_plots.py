"""Pictures: what their axes show."""

from pathlib import Path

import numpy as np
import pytest

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
