"""What the dna task is, and what a user may set for it."""

from dataclasses import dataclass
from pathlib import Path

from elman.tasks.settings import Declaration, Settings, language_model_files, option


@dataclass(frozen=True)
class DNASettings(Settings):
    """Settings of the dna task."""

    sequence: str = option("sequence", "column of the sequences in a table")
    label: str = option("label", "column of the labels in a table")
    reverse_complement: bool = option(False, "train and answer on both strands")
    init: str | None = option(None, "run of a language model of bases, characters, to start from")
    hidden: int = option(200, "size of the hidden state, in each direction")
    epochs: int = option(20, "passes over the training data, at most")

    def files(self) -> dict[str, Path]:
        """Return the language model, if any."""
        return language_model_files(self.init)


DECLARATION = Declaration(
    name="dna",
    summary="classification of DNA and RNA, by sequence or by base",
    shape="many-to-one; many-to-many, T_x = T_y, where each base has a label",
    files="FASTA or FASTQ with label= in the header; CSV, TSV or JSONL with sequence, label",
    metric_name="accuracy",
    settings_type=DNASettings,
)
