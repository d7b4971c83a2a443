"""Tagging: which column, which labels, what is answered and in which form; the battery has the rest."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch.nn import functional as F

from elman import training
from elman.data.columns import Sentence
from elman.data.source import DataError
from elman.run import Run
from elman.samples import tagging as samples
from elman.tasks.tagging import Tag, Tagging, TaggingSettings

TINY: dict[str, Any] = {"hidden": 8, "epochs": 1, "batch_steps": 60, "learning_rate": 0.05}


def settings(**more: Any) -> TaggingSettings:
    return TaggingSettings(**{**TINY, **more})


def sentence(text: str, file: str = "train.conll", line: int = 1) -> Sentence:
    """A sentence from words and labels as in the/DET cat/NOUN."""
    pairs = [word.rsplit("/", 1) for word in text.split()]
    words, labels = zip(*pairs, strict=True)
    return Sentence(words, labels, file, range(line, line + len(words)))


TRAIN = [sentence("the/DET cat/NOUN sleeps/VERB"), sentence("the/DET dogs/NOUN sleep/VERB")]


@pytest.fixture
def task() -> Tagging:
    return Tagging.learn(TRAIN, settings())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three short files of the sample."""
    paths = samples.write(tmp_path_factory.mktemp("sample"))
    for path in paths:
        blocks = path.read_text(encoding="utf-8").split("\n\n")[:12]
        path.write_text("\n\n".join(blocks) + "\n\n", encoding="utf-8")
    return paths


@pytest.fixture(scope="module")
def run(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        return training.train(
            "tagging", files[0], dev=files[0], out=tmp_path_factory.mktemp("run") / "r", **TINY
        )


# the column


@pytest.mark.parametrize(
    "column", [None, "lemma", "upos", "xpos", "feats", "deprel", "misc", "2", "14", "-1", "tags", "pos_tags"]
)
def test_columns_that_may_be_learned(column: str | None) -> None:
    assert settings(column=column).column == column


def test_a_column_may_be_named_in_any_case() -> None:
    assert settings(column="UPOS").column == "upos"


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("uposs", "did you mean 'upos'?"),
        ("head", "head is a place in the sentence, not a label"),
        ("deps", "deps are places in the sentence, not labels"),
        ("id", "id is the place in the sentence"),
        ("form", "the column form has the words"),
        ("1", "column 1 has the words"),
        ("0", ""),
        ("-2", ""),
        ("2.5", ""),
        ("", ""),
    ],
)
def test_columns_that_may_not(column: str, hint: str) -> None:
    with pytest.raises(ValueError, match="column must be one of") as caught:
        settings(column=column)
    assert str(caught.value) == (
        "column must be one of lemma, upos, xpos, feats, deprel, misc, a name of JSON lines such as "
        f"pos_tags, a number from 2 on, or -1 for the last, got {column!r}" + (f"; {hint}" if hint else "")
    )


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text('{"tokens": ["a", "b"], "pos_tags": ["X", "Y"], "ner_tags": ["O", "B-C"]}\n' * 2)
    reading = Tagging.read(str(path), settings(column="pos_tags"))
    assert [example.tags for example in reading.examples] == [("X", "Y")] * 2
    assert reading.description == f"{path}: 2 sentences, 4 tokens, 2 labels"
    with pytest.raises(DataError, match="found JSON lines, and --column 2\n"):
        Tagging.read(str(path), settings(column="2"))
    task = Tagging.learn(reading.examples, settings(column="pos_tags"))
    assert task.has_records(str(path))
    question, _ = task.questions(str(path)).examples
    assert json.loads(task.write_answer(question, [Tag("Y"), Tag("X")])) == {
        "tokens": ["a", "b"],
        "pos_tags": ["X", "Y"],
        "ner_tags": ["O", "B-C"],
        "predicted": ["Y", "X"],
    }


def test_a_name_of_json_lines_is_none_of_other_formats(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("a\tX\nb\tY\n")
    with pytest.raises(DataError, match="found no CoNLL-U, but --column pos_tags\n"):
        Tagging.read(str(path), settings(column="pos_tags"))
    path.write_text(ROW)
    with pytest.raises(DataError, match="found CoNLL-U, and --column pos_tags\n"):
        Tagging.read(str(path), settings(column="pos_tags"))


ROW = "1\tAda\tada\tPROPN\tNNP\tNumber=Sing\t0\troot\t_\tSpaceAfter=No\n"


@pytest.mark.parametrize(
    ("column", "label"),
    [(None, "PROPN"), ("upos", "PROPN"), ("4", "PROPN"), ("lemma", "ada"), ("3", "ada"), ("xpos", "NNP"),
     ("feats", "Number=Sing"), ("deprel", "root"), ("-1", "SpaceAfter=No"), ("misc", "SpaceAfter=No")],
)  # fmt: skip
def test_a_column_of_conllu(column: str | None, label: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conllu"
    path.write_text(ROW, encoding="utf-8")
    reading = Tagging.read(str(path), settings(column=column))
    assert reading.examples[0].tags == (label,)
    assert reading.description == f"{path}: 1 sentence, 1 token, 1 label"


@pytest.mark.parametrize(("column", "label"), [(None, "Y"), ("-1", "Y"), ("3", "Y"), ("2", "X")])
def test_a_column_of_other_conll(column: str | None, label: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_text("Ada X Y\n", encoding="utf-8")
    assert Tagging.read(str(path), settings(column=column)).examples[0].tags == (label,)


@pytest.mark.parametrize(
    ("name", "text", "column", "message"),
    [
        ("a.conllu", ROW, "7", "found CoNLL-U, and --column 7\n  expected one of its columns lemma, upos, "),
        ("a.conllu", ROW, "11", "found CoNLL-U, and --column 11\n"),
        (
            "a.conll",
            "Ada X\n",
            "upos",
            "found no CoNLL-U, but --column upos\n  expected rows of the 10 columns",
        ),
        ("a.conll", "Ada X\n", "3", "found 2 columns in 'Ada X'\n  expected at least 3, for --column 3\n"),
    ],
)
def test_a_column_that_the_file_has_not(
    name: str, text: str, column: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Tagging.read(str(path), settings(column=column))
    assert message in str(caught.value)


# the labels


def test_labels_are_those_of_training(task: Tagging) -> None:
    assert task.labels == ("DET", "NOUN", "VERB")
    assert Tagging.from_facts(task.facts(), settings()).labels == task.labels
    more = Tagging.learn([*TRAIN, sentence("sleep/VERB")], settings())
    assert more.labels == task.labels


def test_one_label_alone() -> None:
    with pytest.raises(DataError) as caught:
        Tagging.learn([sentence("a/X b/X"), sentence("c/X")], settings())
    assert str(caught.value) == (
        "train.conll: found one label only: 'X'\n  expected at least two, or there is nothing to tell apart\n"
        "  add examples that have another label"
    )


def test_labels_seen_once_are_said() -> None:
    task = Tagging.learn([*TRAIN, sentence("oh/INTJ ,/PUNCT")], settings())
    assert task.remarks == ("warning: 2 labels seen only once: 'INTJ', 'PUNCT'",)


def test_a_label_never_seen(task: Tagging) -> None:
    task.check(TRAIN)
    with pytest.raises(DataError) as caught:
        task.check([*TRAIN, sentence("the/DET cats/NUON", "dev.conll", 7)])
    assert str(caught.value) == (
        "dev.conll:8: found the label 'NUON', never seen in training\n"
        "  expected one of 'DET', 'NOUN', 'VERB'\n"
        "  did you mean 'NOUN'?"
    )


def test_a_rare_label_never_seen_is_counted_as_missed(task: Tagging) -> None:
    examples = [*TRAIN * 40, sentence("oh/INTJ")]
    task.check(examples)
    scores = task.metric(examples, [[Tag(tag) for tag in e.tags or ()] for e in TRAIN * 40] + [[Tag("DET")]])
    assert (scores["value"], scores["unseen_labels"]) == (240 / 241, 1)


def test_a_label_of_one_sentence_is_not_held_out() -> None:
    sentences = [sentence(f"the/DET w{i}/NOUN") for i in range(27)]
    for i, label in enumerate(("INTJ", "SYM", "X")):
        sentences.insert(9 * i, sentence(f"a/DET b/{label}"))
    rest, dev = Tagging.hold_out(sentences, settings())
    known = {tag for s in rest for tag in s.tags or ()}
    assert known == {"DET", "NOUN", "INTJ", "SYM", "X"}
    assert len(dev) >= 1
    assert len(rest) + len(dev) == 30
    # Rather one that is not seen than none.
    assert Tagging.hold_out([sentence("a/X"), sentence("b/Y")], settings())[1]


# the model


def test_the_loss_is_that_of_each_word(task: Tagging) -> None:
    torch.manual_seed(0)
    model = task.model()
    model.eval()
    batch = task.batch(TRAIN, answers=True)
    scores = model(batch)
    assert scores.shape == (6, 3)
    assert batch.tags is not None
    expected = -F.log_softmax(scores, 1)[range(6), batch.tags].mean()
    assert task.loss(model, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_answers_are_the_most_probable_labels(task: Tagging) -> None:
    torch.manual_seed(0)
    model = task.model()
    model.eval()
    (answer,) = task.answers(model, [task.question("the cat sleeps")])
    probabilities = model(task.batch([task.question("the cat sleeps")])).softmax(1)
    for tag, row in zip(answer, probabilities, strict=True):
        assert tag.label == task.labels[int(row.argmax())]
        assert tag.confidence == pytest.approx(row.max().item())


# the metric


GOLD = [sentence("the/DET cat/NOUN sleeps/VERB"), sentence("a/DET blip/NOUN the/X")]
GIVEN = [["DET", "NOUN", "NOUN"], ["DET", "VERB", "DET"]]


def test_the_metric_is_that_of_scikit_learn(task: Tagging) -> None:
    gold = [tag for s in GOLD for tag in s.tags or ()]
    given = [label for labels in GIVEN for label in labels]
    scores = task.metric(GOLD, [[Tag(label) for label in labels] for labels in GIVEN])
    assert scores["metric"] == "accuracy"
    assert scores["value"] == accuracy_score(gold, given)
    assert scores["macro_f1"] == pytest.approx(f1_score(gold, given, average="macro"))
    assert scores["per_class"]["NOUN"]["f1"] == 0.5
    assert (scores["unknown_words"], scores["unknown_accuracy"]) == (2, 0.5)  # a and blip
    assert scores["unseen_labels"] == 1


def test_no_accuracy_of_unknown_words_where_there_are_none(task: Tagging) -> None:
    scores = task.metric(TRAIN, [[Tag("DET")] * 3] * 2)
    assert scores["unknown_words"] == 0
    assert "unknown_accuracy" not in scores


def test_the_confusion_has_few_rows() -> None:
    many = [sentence(" ".join(f"w{i}/L{i}" for i in range(n))) for n in range(1, 40)]
    task = Tagging.learn(many, settings())
    assert len(task.labels) == 39
    labels, counts = task.confusion(many, [[Tag(tag) for tag in s.tags or ()] for s in many])
    assert labels == [*sorted(f"L{i}" for i in range(20)), "others"]
    assert counts.sum() == counts.trace() == sum(range(40))


def test_the_baselines(task: Tagging) -> None:
    torch.manual_seed(0)
    baselines = task.baselines(TRAIN)
    assert list(baselines) == ["most_frequent_label", "standard_network"]
    (answer,) = baselines["most_frequent_label"]([sentence("cat/X the/X qqq/X")])
    assert [tag.label for tag in answer] == ["NOUN", "DET", "DET"]
    for baseline in baselines.values():
        assert [len(answer) for answer in baseline(GOLD)] == [3, 3]


# questions and answers


@pytest.mark.parametrize(
    ("name", "text", "records"),
    [
        ("a", "Ada\tNOUN\n", True),
        ("a", "Ada\n", True),
        ("a.txt", "Ada\n", False),
        ("a", "Ada NOUN\nsleeps VERB\n", True),
        ("a", "# 1\n-DOCSTART- X\n\nAda NOUN\n", True),
        ("a", "Ada NOUN\nthe cat sleeps\n", False),
        ("a", "Ada saw\nBob came\n", False),
        ("a", ROW, True),
        ("a", "1 Ada ada PROPN NNP _ 0 root _ _\n", True),  # damaged, and refused as such
        ("a", "Ada saw 2 dogs\n", False),
        ("a", "# of cats\nAda saw cats\n", False),
        ("a", "", False),
    ],
)
def test_columns_are_told_from_plain_text(
    task: Tagging, name: str, text: str, records: bool, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert task.has_records(str(path)) == records


def test_places_in_the_text_are_those_of_the_words(task: Tagging) -> None:
    text = " the  cat,\tsleeps"
    told = task.tell(task.question(text), [Tag("DET", 0.5), Tag("NOUN"), Tag("X"), Tag("VERB", 1 / 3)], text)
    assert told == {
        "text": text,
        "words": [
            {"text": "the", "tag": "DET", "start": 1, "stop": 4, "confidence": 0.5},
            {"text": "cat", "tag": "NOUN", "start": 6, "stop": 9, "confidence": 1.0},
            {"text": ",", "tag": "X", "start": 9, "stop": 10, "confidence": 1.0},
            {"text": "sleeps", "tag": "VERB", "start": 11, "stop": 17, "confidence": 0.3333},
        ],
    }
    assert task.show(told) == "the/DET cat/NOUN ,/X sleeps/VERB"


def rows(run: Run, path: Path) -> list[str]:
    examples = run.read_inputs(path).examples
    return "\n".join(run.written(examples, run.answers(examples))).rstrip("\n").split("\n")


def test_a_conllu_file_with_labels_gets_a_column_more(run: Run, files: list[Path]) -> None:
    before = files[2].read_text(encoding="utf-8").rstrip("\n").split("\n")
    header, *after = rows(run, files[2])
    assert header.startswith("# global.columns = ID FORM ")
    assert [line.split("\t")[:10] for line in after] == [line.split("\t") for line in before]
    added = {line.split("\t")[10] for line in after if line[:1].isdigit()}
    assert added <= set(run.task.facts()["labels"])


def test_a_conllu_file_without_labels_is_answered_in_its_own_rows(
    run: Run, files: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "blank.conllu"
    text = files[2].read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^(\d+\t\S+\t\S+)\t\S+", r"\1\t_", text), encoding="utf-8")
    before, after = path.read_text(encoding="utf-8").rstrip("\n").split("\n"), rows(run, path)
    assert len(before) == len(after)
    changed = {
        column
        for old, new in zip(before, after, strict=True)
        for column, (a, b) in enumerate(zip(old.split("\t"), new.split("\t"), strict=True))
        if a != b
    }
    assert changed == {3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The\ncook\n\nShe\n", "The {}|cook {}||She {}"),
        ("The\tthe\t?\ncook\tcook\t?\n", "The\tthe\t{}|cook\tcook\t{}"),
    ],
)
def test_another_file_is_answered_in_its_last_column(
    run: Run, text: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "words.conll"
    path.write_text(text, encoding="utf-8")
    answered = rows(run, path)
    labels = [row.split()[-1] for row in answered if row]
    assert set(labels) <= set(run.task.facts()["labels"])
    assert "|".join(answered) == expected.format(*labels)


def test_a_named_column_answers_other_files_too(tmp_path: Path) -> None:
    task = Tagging.learn(TRAIN, settings(column="feats"))
    path = tmp_path / "words.txt"
    path.write_text("the cat sleeps\n", encoding="utf-8")
    assert not task.has_records(str(path))
    path = tmp_path / "words.conll"
    path.write_text("the\ncat\n", encoding="utf-8")
    assert task.has_records(str(path))
    assert [s.words for s in task.questions(str(path)).examples] == [("the", "cat")]


def test_sentences_of_both_files_are_counted(
    files: list[Path], tmp_path: Path, no_pictures: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dev file in the other format, of sentences that stand in the training file too."""
    examples: Sequence[Sentence] = Tagging.read(str(files[0]), settings()).examples
    dev = tmp_path / "dev.conll"
    written = [
        "".join(f"{w} {t}\n" for w, t in zip(e.words, e.tags or (), strict=True)) for e in examples[:5]
    ]
    dev.write_text("\n".join(written), encoding="utf-8")
    run = training.train("tagging", files[0], dev=dev, out=tmp_path / "run", **TINY)
    assert "warning: 5 of the 5 examples of dev stand in the training file too" in capsys.readouterr().err
    assert run.evaluate(dev) == run.judge(examples[:5])
