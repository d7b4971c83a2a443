"""What the ner task is, and what a user may set for it."""

from elman.tasks.declarations.words import WordSettings
from elman.tasks.settings import Declaration


class NERSettings(WordSettings):
    """Settings of the ner task."""


DECLARATION = Declaration(
    name="ner",
    summary="named-entity recognition",
    shape="many-to-many, T_x = T_y",
    files="CoNLL columns: token first, tag last; IOB1, IOB2 or IOBES; JSONL with tokens, ner_tags",
    metric_name="entity_f1",
    settings_type=NERSettings,
)
