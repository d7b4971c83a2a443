"""Reads texts with a label: tables with a column of texts. Imports no torch."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Any

from elman.answers import Answer
from elman.data.reader import Examples, Reader
from elman.data.source import DataError, counted
from elman.data.tables import is_table, read_table


@dataclass(frozen=True)
class LabelledText:
    """A text, its label where there is one, and where it stands, as file:line."""

    text: str
    label: str | None
    place: str
    title = ""

    @property
    def asked(self) -> dict[str, Any]:
        """Its text."""
        return {"text": self.text}


class LabelledTextReader(Reader[LabelledText]):
    """Reads CSV, TSV and JSON lines."""

    def read(self, path: str, *, skip_bad: bool = False) -> Examples[LabelledText]:
        """Read a table of texts and labels."""
        columns = {"text": self.settings.text, "label": self.settings.label}
        table = read_table(path, columns, skip_bad=skip_bad)
        texts = [LabelledText(row["text"], row["label"], row.place) for row in table.rows]
        labels = counted(len({text.label for text in texts}), "label")
        return Examples(path, texts, f"{table.describe()}; {labels}")

    def is_dataset(self, path: str) -> bool:
        """Return whether it is a table, by its suffix or its first line."""
        return is_table(path, self.settings.text)

    def read_unlabelled(self, path: str) -> list[LabelledText]:
        """Read the texts of a table; other columns are ignored."""
        table = read_table(path, {"text": self.settings.text})
        return [LabelledText(row["text"], None, row.place) for row in table.rows]

    def parse(self, item: Any, place: str) -> LabelledText:
        """Return a text as it was typed."""
        if not str(item).strip():
            raise DataError(place, "a text without a word", "a text", "type one in quotes")
        return LabelledText(str(item), None, place)

    def header(self, example: LabelledText) -> str:
        """Return the names of the columns."""
        return f"{self.settings.text}\t{self.settings.label}\tconfidence"

    def write(self, example: LabelledText, answer: Answer) -> str:
        """Return a row of TSV, in which a tab or a line end of the text is a space."""
        answered = answer.to_dict()
        text, label = (" ".join(part.split()) for part in (example.text, answered["label"]))
        return f"{text}\t{label}\t{answered['confidence']:.4f}"

    def labels(self, example: LabelledText) -> Collection[str]:
        """Return its label."""
        return [example.label or ""]

    def key(self, example: LabelledText) -> Hashable:
        """Return its text."""
        return example.text
