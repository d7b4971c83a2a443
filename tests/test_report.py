"""What people are shown: names are shown as they are written."""

from io import StringIO

from rich.console import Console

from elman.learning.metrics import classification_scores
from elman.report import show_judged


def test_a_label_like_a_markup_is_shown_as_written() -> None:
    scores = classification_scores(["[/b]", "[red]"], ["[/b]", "[red]"], ["[/b]", "[red]"], [[1, 0], [0, 1]])
    said = StringIO()
    show_judged(scores, Console(file=said, width=200))
    assert "[/b]" in said.getvalue()
    assert "[red]" in said.getvalue()
