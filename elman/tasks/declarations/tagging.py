"""What the tagging task is, and what a user may set for it."""

import re
from dataclasses import dataclass

from elman.data.conllu import LABELS
from elman.data.source import did_you_mean
from elman.tasks.declarations.words import WordSettings
from elman.tasks.settings import Declaration, option


@dataclass(frozen=True)
class TaggingSettings(WordSettings):
    """Settings of the tagging task."""

    column: str | None = option(
        None,
        f"column to learn: {', '.join(LABELS)} of CoNLL-U [upos], its number, counted from 1 [the last], or "
        "its name in JSON lines [the only one]",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (name := str(self.column).lower()) in LABELS:
            object.__setattr__(self, "column", name)
        if (
            self.column is None
            or self.column in LABELS
            or re.fullmatch("-1|[2-9]|[1-9][0-9]{1,5}|([a-z]+_)*(tags|labels)", self.column)
        ):
            return
        reasons = {
            "1": "column 1 has the words",
            "form": "the column form has the words",
            "head": "head is a place in the sentence, not a label",
            "deps": "deps are places in the sentence, not labels",
            "id": "id is the place in the sentence",
        }
        hint = reasons.get(self.column) or did_you_mean(self.column, list(LABELS))
        raise ValueError(
            f"column must be one of {', '.join(LABELS)}, a name of JSON lines such as pos_tags, "
            "a number from 2 on, or -1 for the last, "
            f"got {self.column!r}; {hint or ''}".rstrip("; ")
        )


DECLARATION = Declaration(
    name="tagging",
    summary="tagging",
    shape="many-to-many, T_x = T_y",
    files="CoNLL columns, token first, or CoNLL-U: any column; JSONL with tokens and a list of labels",
    metric_name="accuracy",
    settings_type=TaggingSettings,
)
