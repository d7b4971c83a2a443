"""DNA: what a sequence of bases is, or what each of its bases is.

Many-to-one for a label a sequence; many-to-many (T_x = T_y) where each label is a string as long as its sequence.
Recurrent layers read frames of bases in both directions; the answer is the mean over several views of a sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.dna import DNAReader
from elman.data.fasta import BASES, DNASequence
from elman.data.strands import WINDOW, numbered
from elman.encoders.dna import DNAEncoder
from elman.encoders.pretrained import pretrained_files
from elman.samples import dna as samples
from elman.tasks.declaration import Method, Task
from elman.tasks.task import Settings, option

LONGEST_KMER = 6
REACH = 500  # positions from either end that the baseline of positions sees


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
        return pretrained_files(self.init)


def network(encoder: DNAEncoder) -> Any:
    """Return a new network."""
    from elman.networks.dna import DNAClassifier

    e = encoder
    return DNAClassifier(len(e.labels), e.per_base, e.stride, e.strands, e.sizes, e.settings)


def initialize(encoder: DNAEncoder, network: Any, train: Sequence[DNASequence]) -> None:
    """Start from the language model, if there is one."""
    from elman.networks.pretrained import start

    if encoder.pretrained:
        start(network.language, encoder.pretrained, BASES, str.upper)


def head(encoder: DNAEncoder) -> Any:
    """Return a head for a label a sequence, or for a label a base."""
    from elman.heads.dna import BaseHead, DNAHead

    kind = BaseHead if encoder.per_base else DNAHead
    return kind(
        encoder.labels,
        layer_depths=lambda network: network.language.layer_depths("language") if network.language else {},
    )


def baselines(encoder: DNAEncoder, head: Any, train: Sequence[DNASequence]) -> dict[str, Method]:
    """Train methods that know nothing of order, or nothing but positions."""
    from elman.heads.baselines import majority, sparse_regression, window_network
    from elman.learning.kmers import kmer_counts, symbols_in_place

    def numbers(sequence: DNASequence) -> list[int]:  # A C G T, unknown
        return (numbered(sequence) % (len(BASES) + 1)).tolist()

    def kmers(some: Sequence[DNASequence]) -> Any:
        return kmer_counts([numbered(one) for one in some], len(BASES), LONGEST_KMER)

    def positions(some: Sequence[DNASequence]) -> Any:
        return symbols_in_place([numbered(one) for one in some], len(BASES), REACH)

    if encoder.per_base:
        return {
            "majority": majority(head, train),
            "standard_network": window_network(
                head, numbers, train, symbols=len(BASES) + 2, padding=len(BASES) + 1, window=WINDOW
            ),
        }
    return {
        "majority": majority(head, train),
        "k-mers": sparse_regression(head, kmers, train),
        "positions": sparse_regression(head, positions, train),
    }


TASK = Task(
    "dna",
    summary="classification of DNA and RNA, by sequence or by base",
    shape="many-to-one; many-to-many, T_x = T_y, where each base has a label",
    files="FASTA with label= in the header; CSV, TSV or JSONL with sequence, label",
    unit="bases",
    settings=DNASettings,
    reader=DNAReader,
    encoder=DNAEncoder,
    network=network,
    initialize=initialize,
    head=head,
    baselines=baselines,
    sample=samples.write,
)
