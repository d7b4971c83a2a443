"""The sample data of dna keeps its promises: order and distance decide, and nothing plainer does."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elman.data.fasta import BASES, Strand, read_fasta
from elman.data.strands import numbered
from elman.learning.kmers import kmer_counts, logistic_regression, symbols_in_place
from elman.samples import dna

Parts = dict[str, Sequence[Strand]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    paths = dna.write(tmp_path_factory.mktemp("sample") / "new")
    return {path.stem: read_fasta(path).strands for path in paths}


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    written = []
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        paths = dna.write(tmp_path / name, seed)
        assert [path.name for path in paths] == ["train.fa", "dev.fa", "test.fa"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert all(one != other for one, other in zip(written[0], written[2], strict=True))


def test_sizes_labels_and_no_sequence_twice(sample: Parts) -> None:
    for part, strands in sample.items():
        assert len(strands) == dna.SIZES[part]
        assert sum(strand.label == "on" for strand in strands) == len(strands) // 2
    everything = [strand.bases for strands in sample.values() for strand in strands]
    assert len(set(everything)) == len(everything)


def test_order_and_distance_decide(sample: Parts) -> None:
    kinds = set()
    for strands in sample.values():
        for strand in strands:
            assert strand.bases.count(dna.FIRST) == strand.bases.count(dna.SECOND) == 1
            first, second = strand.bases.index(dna.FIRST), strand.bases.index(dna.SECOND)
            gap = abs(second - first) - len(dna.FIRST)
            right = dna.RIGHT[0] <= gap <= dna.RIGHT[1]
            kinds.add((first < second, right))
            assert (strand.label == "on") == (first < second and right)
            assert dna.LENGTH[0] <= len(strand.bases) <= dna.LENGTH[1]
    assert kinds == {(True, True), (True, False), (False, True)}


@pytest.mark.parametrize("features", ["k-mers", "places"])
def test_plain_methods_fail(features: str, sample: Parts) -> None:
    def rows(part: str) -> object:
        numbers = [numbered(strand) for strand in sample[part]]
        if features == "k-mers":
            return kmer_counts(numbers, len(BASES), longest=5)
        return symbols_in_place(numbers, len(BASES), reach=120)

    predict = logistic_regression(rows("train"), [strand.label == "on" for strand in sample["train"]])  # pyright: ignore
    right = predict(rows("test")).argmax(1) == np.array([strand.label == "on" for strand in sample["test"]])  # pyright: ignore
    assert right.mean() < 0.6
