"""The task dna: views, strands, labels of sequences and of bases, and its errors."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from elman import training
from elman.data.batch import unpack
from elman.data.fasta import Strand, distributions
from elman.data.source import DataError
from elman.data.strands import INPUTS, WINDOW, frames
from elman.run import Run
from elman.tasks.dna import APART, DNA, DNASettings, Verdict
from elman.tasks.task import CannotError

TINY = {"hidden": 8, "dropout": 0.0, "epochs": 2, "batch_steps": 200, "learning_rate": 0.02}
SEQUENCES = ["ACGTTGCA", "a", "GU", "TTTACNNRYacg", "CCCGGGTTTAAACCCGGGTTT"]


def tiny(**more: Any) -> DNASettings:
    settings = DNASettings.of({**TINY, **more})
    assert isinstance(settings, DNASettings)
    return settings


def strand(bases: str, label: str | None = None) -> Strand:
    return Strand(bases, label, None, "file", 1)


def untrained(per_base: bool = False, labels: str = "xyz", **more: Any) -> Run:
    """A run whose random weights are large enough for answers to differ."""
    task = DNA(tiny(**more), list(labels), per_base)
    torch.manual_seed(1)
    model = task.model()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.eval()
    return Run(task, model, Path())


def probabilities(run: Run, bases: str) -> np.ndarray:
    (answer,) = run.answers([strand(bases)])
    return np.array(answer.probabilities)


def complement(bases: str) -> str:
    return bases.translate(str.maketrans("ACGTURYSWKMBDHVNacgt", "TGCAAYRSWMKVHDBNtgca"))[::-1]


def test_a_frame_is_a_window_and_its_place() -> None:
    bases = np.random.default_rng(0).random((30, 4), dtype=np.float32)
    rows = frames(bases)
    assert rows.shape == (30, INPUTS)
    windows = rows[:, : 4 * WINDOW].reshape(30, WINDOW, 4)
    for place in range(30):
        for offset in range(WINDOW):
            there = place + offset - WINDOW // 2
            expected = bases[there] if 0 <= there < 30 else np.zeros(4)
            np.testing.assert_array_equal(windows[place, offset], expected)
    # Places from the begin and from the end are told in the same way, and each place otherwise.
    waves = rows[:, 4 * WINDOW :].reshape(30, 2, 2, -1)
    np.testing.assert_allclose(waves[:, :, 0], waves[::-1, :, 1], atol=1e-6)
    assert len(np.unique(waves.round(4).reshape(30, -1), axis=0)) == 30


@pytest.mark.parametrize("bases", SEQUENCES)
def test_the_views_of_a_sequence_are_all_frames_once(bases: str) -> None:
    task = DNA(tiny(), "xy", per_base=False)
    batch = task.batch([strand("ACG"), strand(bases)])
    assert batch.views == [3, min(APART, len(bases))]
    rows = torch.cat(unpack(batch.frames.data, batch.frames)[3:]).numpy()
    everything = frames(distributions(bases))
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, everything.tolist()))
    assert batch.real_steps == 3 + len(bases)


def test_an_epoch_has_one_view_of_each_sequence_which_changes() -> None:
    task = DNA(tiny(), "xy", per_base=False)
    examples = [strand("ACGTTGCA" * 4, "x"), strand("CCCGGGTTTAAA" * 3, "y")] * 4
    seen = set()
    for seed in range(6):
        batches = task.batches(examples, 30, seed)
        assert sum(len(batch.places) for batch in batches) == len(examples)
        assert all(batch.views == [1] * len(batch.places) for batch in batches)
        seen |= {
            row.numpy().tobytes() for batch in batches for row in unpack(batch.frames.data, batch.frames)
        }
    assert len(seen) == 2 * APART
    one, same = (task.batches(examples, 30, 3) for _ in range(2))
    assert all(torch.equal(a.frames.data, b.frames.data) for a, b in zip(one, same, strict=True))


@pytest.mark.parametrize("bases", SEQUENCES)
def test_both_strands_get_the_same_answer(bases: str) -> None:
    run = untrained(reverse_complement=True)
    np.testing.assert_allclose(probabilities(run, bases), probabilities(run, complement(bases)), atol=1e-6)
    one_way = untrained()
    if len(bases) > 3:
        there, back = probabilities(one_way, bases), probabilities(one_way, complement(bases))
        assert not np.allclose(there, back, atol=1e-3)
        np.testing.assert_allclose(probabilities(run, bases), (there + back) / 2, atol=1e-6)


@pytest.mark.parametrize("bases", SEQUENCES)
def test_the_other_strand_has_the_labels_of_bases_in_reverse(bases: str) -> None:
    run, one_way = untrained(per_base=True, reverse_complement=True), untrained(per_base=True)
    there, back = probabilities(one_way, bases), probabilities(one_way, complement(bases))
    assert there.shape == (len(bases), 3)
    np.testing.assert_allclose(probabilities(run, bases), (there + back[::-1]) / 2, atol=1e-6)


def test_targets_of_the_other_strand_are_reversed() -> None:
    task = DNA(tiny(reverse_complement=True), "xy", per_base=True)
    batch = task.batch([strand("ACGT", "xxxy")], answers=True)
    assert batch.targets is not None
    there, back = unpack(batch.targets, batch.frames)
    assert (there.tolist(), back.tolist()) == ([0, 0, 0, 1], [1, 0, 0, 0])


def test_case_and_uracil_change_nothing() -> None:
    run = untrained()
    assert run.answers([strand("ACGTTTNR")]) == run.answers([strand("acguutnr")])
    task = run.task
    assert task.key(strand("acgu")) == task.key(strand("ACGT")) != task.key(strand("ACGA"))


def test_a_long_sequence_goes_through() -> None:
    run = untrained()
    assert probabilities(run, "ACGTTGCACA" * 600).sum() == pytest.approx(1)


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("sequence,label\n" + "".join(f"{s},{label}\n" for s, label in rows), encoding="utf-8")
    return path


def islands(size: int, seed: int) -> list[tuple[str, str]]:
    """Sequences whose every base is labelled: 1 from CG up to the next TA, then 0."""
    chance = random.Random(seed)
    rows = []
    for _ in range(size):
        bases = "".join(chance.choices("ACGT", k=chance.randint(20, 40)))
        inside, label = "0", ""
        for i in range(len(bases)):
            inside = {"CG": "1", "TA": "0"}.get(bases[i - 1 : i + 1], inside)
            label += inside
        rows.append((bases, label))
    return rows


@pytest.mark.usefixtures("no_pictures")
def test_bases_with_labels(tmp_path: Path) -> None:
    path = table(tmp_path / "train.csv", islands(60, 0))
    dev = table(tmp_path / "dev.csv", islands(20, 1))
    run = training.train("dna", path, dev=dev, out=tmp_path / "run", **{**TINY, "hidden": 16, "epochs": 8})
    assert run.task.facts() == {"labels": ("0", "1"), "per_base": True, "sizes": {}}
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    value = figures["dev"]["value"]
    baselines = {name: figure["dev"]["value"] for name, figure in figures["baselines"].items()}
    assert baselines.keys() == {"majority", "standard_network"}
    assert value > max(baselines.values())
    assert value > 0.8
    assert "a label for each base" in run.read(path).description
    (told,) = run.predict([" ACGCT\tACG "])
    assert told["sequence"] == "ACGCTACG"
    assert len(told["label"]) == len(told["probabilities"]) == 8
    assert run.task.show(told) == f"ACGCTACG\n{told['label']}"
    assert run.task.show({**told, "id": "a"}) == f"a ACGCTACG\n  {told['label']}"
    (example,), (answer,) = run.read(path).examples[:1], run.answers(run.read(path).examples[:1])
    row, labels = path.read_text().splitlines()[1], "".join(answer.labels)
    assert run.task.header(example, answer) == "sequence,label,predicted"
    assert run.task.write_answer(example, answer) == f"{row},{labels}"
    of_fasta = Strand(example.bases, None, "a", "f", 1, "a of mouse")
    assert run.task.write_answer(of_fasta, answer) == f">a of mouse predicted={labels}\n{example.bases}"
    assert Run.load(tmp_path / "run").evaluate(dev) == figures["dev"]


def test_answers_are_told_shown_and_written() -> None:
    task = DNA(tiny(), ["off", "on"], per_base=False)
    verdict = Verdict(("on",), ((0.25, 0.75),))
    told = task.tell(Strand("ACGT" * 20, None, "gene", "f", 1), verdict)
    assert told == {
        "id": "gene",
        "sequence": "ACGT" * 20,
        "label": "on",
        "confidence": 0.75,
        "probabilities": {"off": 0.25, "on": 0.75},
    }
    assert task.show(told) == "gene on 0.75"
    gene = Strand("ACGT" * 20, None, "gene", "f", 1)
    predicted = "predicted=on confidence=0.7500"
    assert task.write_answer(gene, verdict) == f">gene {predicted}\n{'ACGT' * 15}\n{'ACGT' * 5}"
    told = task.tell(strand("ACGT"), verdict, " ac gt")
    assert told["sequence"] == " ac gt"
    assert task.show(told) == "on 0.75"
    assert task.header(gene, verdict) is None


def test_fasta_is_written_again_with_the_answer_in_its_headers(tmp_path: Path) -> None:
    path = tmp_path / "genes.fa"
    path.write_text(
        ">a label=on  Homo sapiens; 5'-UTR |x=1\nACGTACGT\nACGT\n>b predicted=off\nAC\n", encoding="utf-8"
    )
    task = DNA(tiny(), ["off", "on"], per_base=False)
    verdict = Verdict(("on",), ((0.25, 0.75),))
    lines = [task.write_answer(one, verdict) for one in task.questions(str(path)).examples]
    assert lines == [
        ">a label=on  Homo sapiens; 5'-UTR |x=1 predicted=on confidence=0.7500\nACGTACGT\nACGT",
        ">b predicted=off predicted_2=on confidence=0.7500\nAC",
    ]


def test_scores_are_those_of_scikit_learn() -> None:
    chance = np.random.default_rng(0)
    gold = chance.choice(["a", "b"], 200)
    sure = np.clip((gold == "b") * 0.3 + chance.random(200) * 0.7, 0, 1).round(2)
    answers = [Verdict(("b" if p > 0.5 else "a",), ((1 - p, p),)) for p in sure]
    task = DNA(tiny(), ["a", "b"], per_base=False)
    examples = [strand("A", str(label)) for label in gold]
    scores = task.metric(examples, answers)
    given = [answer.labels[0] for answer in answers]
    assert scores["metric"] == "accuracy"
    assert scores["value"] == pytest.approx((gold == given).mean())
    assert scores["auroc"] == pytest.approx(roc_auc_score(gold == "b", sure))
    assert scores["mcc"] == pytest.approx(matthews_corrcoef(gold, given))
    assert "auroc" not in task.metric(examples[:1], answers[:1])


def test_baselines_see_what_they_should() -> None:
    chance = random.Random(0)

    def bases(number: int) -> str:
        return "".join(chance.choices("ACGT", k=number))

    by_place = [strand(f"{bases(9)}{base}{bases(10)}", label) for base, label in ["Ax", "Cy"] * 60]
    by_word = [strand(f"{bases(i % 30)}{word}{bases(30 - i % 30)}", label) for i, (word, label) in
               enumerate([("ACACACAC", "x"), ("GTGTGTGT", "y")] * 60)]  # fmt: skip
    for examples, winner in ((by_place, "positions"), (by_word, "k-mers")):
        task = DNA.learn(examples, tiny())
        baselines = task.baselines(examples[:80])
        right = {
            name: task.metric(examples[80:], answer(examples[80:])) for name, answer in baselines.items()
        }
        assert right["majority"]["value"] == right["majority"]["auroc"] == 0.5
        assert max(right, key=lambda name: right[name]["value"]) == winner
        assert right[winner]["value"] > 0.85


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("sequence,lable\nACGT,x\n", "f.csv:1: found no column 'label'"),
        ("sequenc,label\nACGT,x\n", "f.csv:1: found no column 'sequence'"),
        ("sequence,label\nACGT,x\nACGT\n", "f.csv:3: found 1 field in 'ACGT'"),
        ("sequence,label\nACGT,x\nACGT,\n", "f.csv:3: found an empty field in column 'label'"),
        ("sequence,label\nACGT,x\nACLT,x\n", "f.csv:3: found 'L' in the sequence, letter 3, which"),
        ("sequence,label\nACGT,x y\nA-GT,x\n", "f.csv:3: found '-' in the sequence, letter 2, which"),
        (
            "sequence,label\nACGT,0011\nACG,01\nTTT,000\n",
            "f.csv:3: found 2 letters in the label of 3 bases\n  expected a letter for each base, as most "
            "sequences have\n  correct the label, or leave the record out with --skip-bad",
        ),
        (">a label=x\nAC\n", None),
        ("sequence,label\nACGT,0011\nAC,01\n", None),
    ],
)  # fmt: skip
def test_tables_and_their_errors(rows: str, message: str | None, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(rows, encoding="utf-8")
    if message is None:
        assert DNA.read(str(path), tiny()).examples
        return
    with pytest.raises(DataError) as caught:
        DNA.read(str(path), tiny())
    assert str(caught.value).startswith(f"{tmp_path}/{message}")


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("sequence,label\nACGT,0011\nACG,01\nAC,01\nTTL,000\nTT\nu,1\n", encoding="utf-8")
    reading = DNA.read(str(path), tiny(), skip_bad=True)
    assert reading.description == (
        f"{path}: 3 sequences; 7 bases; 1 in lower case, read as upper; 1 U, read as T; "
        "a label for each base; 3 bad records skipped"
    )
    path.write_text("sequence,label\nL,x\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"f\.csv: found 1 bad record and no good one"):
        DNA.read(str(path), tiny(), skip_bad=True)


def test_labels_that_teach_nothing() -> None:
    with pytest.raises(DataError, match=r"^file: found one label only: 'x'\n  expected at least two"):
        DNA.learn([strand("ACGT", "x")] * 3, tiny())
    task = DNA.learn([strand("ACGT", label) for label in "xxyyz"], tiny())
    assert task.remarks == ("warning: 1 label seen only once: 'z'",)
    with pytest.raises(DataError, match=r"^file:1: found the label 'w', never seen in training"):
        task.check([strand("ACGT", "x"), strand("ACGT", "w")])
    per_base = DNA.learn([strand("ACGT", "xyxy")] * 2, tiny())
    with pytest.raises(DataError, match=r"^file:1: found 1 letter in the label of 4 bases"):
        per_base.check([strand("ACGT", "x")])


@pytest.mark.parametrize("text", ["AC GX", "MKVL", "AC-GT"])
def test_a_question_with_a_wrong_letter_is_refused(text: str) -> None:
    task = DNA(tiny(), "xy", per_base=False)
    with pytest.raises(
        DataError, match=r"^input: found '.' in the sequence, letter \d, which stands for no base"
    ):
        task.question(text)


def test_records_are_told_from_typed_lines(tmp_path: Path) -> None:
    task, path = DNA(tiny(), "xy", per_base=False), tmp_path / "file"
    for content, records in [
        (">a\nACGT\n", True),
        ("\n>a\nACGT\n", True),
        ("id,sequence\n1,ACGT\n", True),
        ('{"sequence": "ACGT"}\n', True),
        ("ACGT\nTTT\n", False),
    ]:
        path.write_text(content, encoding="utf-8")
        assert task.has_records(str(path)) == records
        if records:
            assert [one.bases for one in task.questions(str(path)).examples] == ["ACGT"]


def test_a_table_may_name_its_columns_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "genes.csv"
    path.write_text("gene,kind,note\nACGT,on,x\nGGCC,off,y\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no column 'sequence'(.|\n)*train with --sequence COLUMN"):
        DNA.read(str(path), DNASettings())
    settings = DNASettings(sequence="gene", label="kind")
    read = DNA.read(str(path), settings).examples
    assert [(one.bases, one.label) for one in read] == [("ACGT", "on"), ("GGCC", "off")]
    task = DNA(settings, ["off", "on"], per_base=False)
    assert task.has_records(str(path))
    assert [(one.bases, one.label) for one in task.questions(str(path)).examples] == [
        ("ACGT", None),
        ("GGCC", None),
    ]


def test_fastq_is_written_again_with_its_qualities(tmp_path: Path) -> None:
    path = tmp_path / "reads.fq"
    path.write_text(
        "@a label=on of mouse\nACGT\n+a label=on of mouse\n!@I~\n@b\nAC\n+\nII\n", encoding="utf-8"
    )
    task = DNA(tiny(), ["off", "on"], per_base=False)
    lines = [
        task.write_answer(one, Verdict(("on",), ((0.25, 0.75),)))
        for one in task.questions(str(path)).examples
    ]
    predicted = "predicted=on confidence=0.7500"
    assert lines == [f"@a label=on of mouse {predicted}\nACGT\n+\n!@I~", f"@b {predicted}\nAC\n+\nII"]


def test_files_of_one_label_may_be_compressed_or_fastq(tmp_path: Path) -> None:
    (tmp_path / "ON.FA.gz").write_bytes(gzip.compress(b">a\nACGT\n"))
    (tmp_path / "off.fq").write_text("@b\nACGA\n+\nIIII\n")
    read = DNA.read(str(tmp_path), DNASettings()).examples
    assert [(one.name, one.label) for one in read] == [("a", "ON"), ("b", "off")]


def test_each_file_of_several_has_one_label_its_name(tmp_path: Path) -> None:
    contents = {
        "on.fa": ">a label=on\nACGT\n",
        "very.off.fasta": ">a of mouse\nACGA\n>b\nTTTT\n",
        "x.txt": "no",
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    paths = [tmp_path / "on.fa", tmp_path / "very.off.fasta"]
    assert DNA.paths(str(tmp_path), DNASettings()) == paths
    for read in (
        DNA.read_files(list(map(str, paths)), DNASettings()),
        DNA.read(str(tmp_path), DNASettings()),
    ):
        assert [(one.name, one.label) for one in read.examples] == [
            ("a", "on"),
            ("a", "very.off"),
            ("b", "very.off"),
        ]
    (asked, *_) = untrained().task.questions(str(tmp_path)).examples
    assert asked.label is None
    (tmp_path / "on.fa").write_text(">a label=off\nACGT\n")
    with pytest.raises(
        DataError, match=r"on\.fa:1: found label=off in the header, in on\.fa, one of several"
    ):
        DNA.read(str(tmp_path), DNASettings())
    (tmp_path / "none").mkdir()
    with pytest.raises(
        DataError, match=r"none: found a folder without FASTA\n  expected files that end in \.fa"
    ):
        DNA.read(str(tmp_path / "none"), DNASettings())
    (tmp_path / "t.csv").write_text("sequence,label\nACGT,x\n")
    with pytest.raises(CannotError, match="dna trains on one file, got 2"):
        DNA.read_files([str(tmp_path / "t.csv"), str(tmp_path / "on.fa")], DNASettings())


def test_an_id_under_several_labels_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "genes.fa"
    path.write_text(">a label=on\nACGT\n>a label=off\nACGA\n>b label=on\nTTTT\n", encoding="utf-8")
    assert "1 id under several labels" in DNA.read(str(path), DNASettings()).description
    path.write_text(">a label=on\nACGT\n>b label=off\nACGA\n", encoding="utf-8")
    assert "several labels" not in DNA.read(str(path), DNASettings()).description


def test_what_no_answer_can_be_is_doubted() -> None:
    run = untrained()
    assert run.doubt([strand("ACGT", "x")]) is None
    assert "'q', never seen in training" in str(run.doubt([strand("ACGT", "x"), strand("ACGT", "q")]))
