"""What sentiment promises beside the battery of tests/test_tasks.py."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from elman import training
from elman.data.source import DataError
from elman.data.vocabulary import UNKNOWN
from elman.run import Run
from elman.samples import sentiment as samples
from elman.tasks.sentiment import Sentiment, SentimentSettings, Text, Verdict

TINY: dict[str, Any] = {"hidden": 8, "dropout": 0.1, "epochs": 2, "batch_steps": 60, "learning_rate": 0.05}


def settings(**more: Any) -> SentimentSettings:
    chosen = SentimentSettings.of({**TINY, **more})
    assert isinstance(chosen, SentimentSettings)
    return chosen


def texts(*rows: tuple[str, str | None]) -> list[Text]:
    return [Text(text, label, f"f.tsv:{line}") for line, (text, label) in enumerate(rows, 2)]


TRAIN = texts(("good film", "pos"), ("bad film", "neg"), ("so so", "mixed"), ("good fun", "pos"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Some reviews of the sample."""
    paths = {path.stem: path for path in samples.write(tmp_path_factory.mktemp("reviews"))}
    for path in paths.values():
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:40]))
    return paths


def test_columns_go_by_other_names(tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text('stars,review\n5,"Fine, really"\n1,No\n', encoding="utf-8")
    reading = Sentiment.read(str(path), settings(text="review", label="stars"))
    assert [(e.text, e.label) for e in reading.examples] == [("Fine, really", "5"), ("No", "1")]
    assert reading.description == f"{path}: 2 rows, CSV; 2 labels"
    with pytest.raises(DataError, match="found no column 'text'"):
        Sentiment.read(str(path), settings(label="stars"))


@pytest.mark.parametrize(
    ("unit", "symbols"),
    [("word", ["it", "'", "s", "good"]), ("character", list("it 's  good".replace("  ", " ")))],
)
def test_a_text_is_read_in_units(unit: str, symbols: list[str]) -> None:
    task = Sentiment.learn(texts(("It 's  good", "a"), ("x", "b")), settings(unit=unit))
    (read,) = [
        [task.units.symbols[n] for n in task.batch([e]).units.data] for e in texts(("It 's\tgood", "a"))
    ]
    assert read == symbols


def test_subwords(files: dict[str, Path]) -> None:
    pytest.importorskip("sentencepiece")
    chosen = settings(unit="subword")
    train = Sentiment.read(str(files["train"]), chosen).examples
    task = Sentiment.learn(train, chosen)
    again = Sentiment.from_facts(json.loads(json.dumps(task.facts())), chosen)
    assert task.length(train[0]) < len(train[0].text)
    assert again.batch(train).units.data.tolist() == task.batch(train).units.data.tolist()


def test_what_has_no_unit_is_the_unknown() -> None:
    task = Sentiment.learn(TRAIN, settings())
    assert task.batch(texts(("\u0301", None), ("zzz", None))).units.data.tolist() == [UNKNOWN, UNKNOWN]


def test_a_word_never_seen_is_evidence_by_its_spelling() -> None:
    task = Sentiment.learn(TRAIN, settings())
    model, batch = task.model().eval(), task.batch(texts(("goodness film", None), ("qqq", None)))
    assert batch.units.data.tolist()[:2] == [UNKNOWN, UNKNOWN]
    assert batch.spelt is not None
    heard: list[torch.Tensor] = []
    model.reader.register_forward_pre_hook(lambda _, given: heard.append(given[0].data))
    with torch.no_grad():
        model(batch)
    units, spellings = heard[0][:, :9], heard[0][:, 9:24]  # of 3 patterns of units and 5 of characters
    assert torch.equal(units[:2], torch.zeros(2, 9))
    assert spellings[0].abs().max() > 0.1
    assert torch.equal(batch.text, torch.tensor([0, 0, 1]))
    assert torch.equal(batch.place, torch.tensor([0, 2, 1]))


def test_any_number_of_labels_in_order() -> None:
    task = Sentiment.learn(TRAIN, settings())
    assert task.labels == ("mixed", "neg", "pos")
    (answer,) = task.answers(task.model().eval(), TRAIN[:1])
    assert sum(answer.probabilities) == pytest.approx(1)
    assert answer.label == task.labels[int(np.argmax(answer.probabilities))]


def test_a_label_seen_once_is_a_warning() -> None:
    assert Sentiment.learn(TRAIN, settings()).remarks == ("warning: 2 labels seen only once: 'mixed', 'neg'",)
    assert Sentiment.learn(TRAIN * 2, settings()).remarks == ()


def test_one_label_only_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        Sentiment.learn(texts(("a", "pos"), ("b", "pos")), settings())
    assert str(caught.value) == (
        "f.tsv: found one label only: 'pos'\n"
        "  expected at least two, or there is nothing to tell apart\n"
        "  add examples that have another label"
    )


def test_a_label_that_training_never_showed() -> None:
    task = Sentiment.learn(TRAIN, settings())
    task.check(TRAIN)
    with pytest.raises(DataError) as caught:
        task.check(texts(("x", "pos"), ("y", "poss")))
    assert str(caught.value) == (
        "f.tsv:3: found the label 'poss', never seen in training\n"
        "  expected one of 'mixed', 'neg', 'pos'\n  did you mean 'pos'?"
    )


def test_an_only_text_of_a_label_is_not_held_out() -> None:
    rows = texts(*((f"text {i}", "often") for i in range(10)), *((f"rare {i}", str(i)) for i in range(30)))
    rest, dev = Sentiment.hold_out(rows, settings())
    assert {e.label for e in dev} == {"often"}
    assert sorted(e.place for e in rest + dev) == sorted(e.place for e in rows)


def test_balance_weighs_labels() -> None:
    task, plain = (Sentiment.learn(TRAIN, settings(balance=balance)) for balance in (True, False))
    model = task.model().eval()
    batch = task.batch(TRAIN, answers=True)
    assert batch.targets is not None
    with torch.no_grad():
        each = F.cross_entropy(model(batch), batch.targets, reduction="none")
        assert plain.loss(model, batch).item() == pytest.approx(each.mean().item())
        wanted = (each * torch.tensor([0.5, 1, 1, 0.5])).sum().item() / 3  # each label weighs 1
        assert task.loss(model, batch).item() == pytest.approx(wanted)


def test_an_example_does_not_see_its_own_label_in_training() -> None:
    """With what it says itself taken out, a word that stands in it alone says nothing."""
    task = Sentiment.learn(TRAIN, settings())
    model, batch = task.model(), task.batch(TRAIN[1:2], answers=True)
    evidence = model.evidence[0]
    assert evidence(batch.units, batch.targets)[0].abs().max() == 0  # "bad"
    assert evidence(batch.units)[0].abs().max() > 0


def test_the_temperature_is_chosen_on_dev() -> None:
    task = Sentiment.learn(TRAIN, settings())
    model = task.model().eval()
    with torch.no_grad():
        model.reader.output.bias.copy_(torch.tensor([0.0, 0.0, 9.0]))
    dev = texts(*(("x", label) for label in ["pos", "neg", "pos", "mixed"] * 20))
    before = task.metric(dev, task.answers(model, dev))
    said = task.calibrate(model, dev)
    after = task.metric(dev, task.answers(model, dev))
    assert after["value"] == before["value"] == 0.5
    assert after["log_loss"] < before["log_loss"]
    assert after["calibration_error"] < 0.1 < 0.4 < before["calibration_error"]
    assert said == (
        f"temperature scaling on dev: T = {model.temperature.item():.2f}, "
        f"expected calibration error {before['calibration_error']:.3f} -> {after['calibration_error']:.3f}"
    )


@pytest.mark.parametrize(
    ("dev", "reason"),
    [
        (["pos", "neg", "mixed"] * 16, "dev has 48 examples of the 50 that it needs"),
        (["pos", "neg", "mixed"] * 20, r"T = \d+\.\d\d does not clearly lower the log loss \(by cross-val"),
    ],
)
def test_the_temperature_stays_where_dev_does_not_support_another(dev: list[str], reason: str) -> None:
    task = Sentiment.learn(TRAIN, settings())
    model = task.model().eval()
    with torch.no_grad():
        model.reader.output.weight.zero_()
        model.reader.output.bias.copy_(torch.tensor([0.0, 0.1, 0.0]))  # all but calibrated
        model.temperature.fill_(3.0)
    said = task.calibrate(model, texts(*(("x", label) for label in dev)))
    assert re.match("temperature scaling on dev: not used, " + reason, said)
    assert model.temperature.item() == 1


def test_what_is_told() -> None:
    task = Sentiment.learn(TRAIN, settings(text="review", label="stars"))
    told = task.tell(TRAIN[0], Verdict("neg", (0.123456, 0.8, 0.076544)))
    assert told == {
        "text": "good film",
        "label": "neg",
        "confidence": 0.8,
        "probabilities": {"mixed": 0.1235, "neg": 0.8, "pos": 0.0765},
    }
    assert task.tell(TRAIN[0], Verdict("neg", (0, 1, 0)), " Good film")["text"] == " Good film"
    assert task.show(told) == "neg 0.80"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "a.tsv",
            "id\treview\tstars\n 7 \t so so\t2\n",
            "id\treview\tstars\tpredicted\tconfidence\n 7 \t so so\t2\t1\t0.8000\n",
        ),
        (
            "a.csv",
            'id,"review",stars\n"7","so, ""so""\n\nit is",2\n',
            'id,"review",stars,predicted,confidence\n"7","so, ""so""\n\nit is",2,1,0.8000\n',
        ),
        (
            "a.csv",
            "review,predicted,confidence,predicted_2\nx,1,2,3\n",
            "review,predicted,confidence,predicted_2,predicted_3,confidence_2\nx,1,2,3,1,0.8000\n",
        ),
        (
            "a.jsonl",
            '{"review": "so so",  "id": 1.50, "stars": 2 }\n{"stars": "2", "review": "x"}\n',
            '{"review": "so so",  "id": 1.50, "stars": 2, "predicted": 1, "confidence": 0.8}\n'
            '{"stars": "2", "review": "x", "predicted": "1", "confidence": 0.8}\n',
        ),
    ],
)
def test_a_table_is_written_again_with_two_columns_more(
    name: str, content: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    task = Sentiment.learn(texts(("a", "1"), ("b", "2")), settings(text="review", label="stars"))
    answer = Verdict("1", (0.8, 0.2))
    examples = task.questions(str(path)).examples
    rows = [task.header(examples[0], answer), *(task.write_answer(one, answer) for one in examples)]
    assert "".join(f"{row}\n" for row in rows if row is not None) == expected


def test_a_label_of_csv_is_quoted_where_it_must_be(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\nx\n", encoding="utf-8")
    task = Sentiment.learn(texts(("a", 'so, "so"'), ("b", "2")), settings())
    (example,) = task.questions(str(path)).examples
    assert task.write_answer(example, Verdict('so, "so"', (0.8, 0.2))) == 'x,"so, ""so""",0.8000'


def test_the_baselines_answer_as_the_network_does() -> None:
    train = texts(*((word, word) for word in ["good", "bad", "good"] * 5))
    task = Sentiment.learn(train, settings())
    asked = {name: ask(train) for name, ask in task.baselines(train).items()}
    assert list(asked) == ["majority", "n-gram_regression", "standard_network"]
    found = {name: task.metric(train, answers) for name, answers in asked.items()}
    assert asked["majority"] == [Verdict("good", (1 / 3, 2 / 3))] * 15
    assert found["majority"]["value"] == pytest.approx(2 / 3)
    assert found["n-gram_regression"]["value"] == 1
    assert found["n-gram_regression"]["log_loss"] < 0.3
    assert np.isfinite(found["standard_network"]["log_loss"])


def test_the_confusion_counts_texts() -> None:
    task = Sentiment.learn(TRAIN, settings())
    labels, counts = task.confusion(TRAIN, [Verdict("pos", (0, 0, 1))] * 4)
    assert labels == ["mixed", "neg", "pos"]
    assert counts.tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 2]]


def answered(run: Run, path: Path) -> Sequence[tuple[str, str]]:
    return [(told["text"], told["label"]) for told in run.predict_file(path)]


@pytest.mark.usefixtures("no_pictures")
def test_duplicates_and_calibration_are_said(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = training.train("sentiment", files["train"], dev=files["train"], out=tmp_path / "run", **TINY)
    said = capsys.readouterr().err
    assert "warning: 39 of the 39 examples of dev stand in the training file too" in said
    assert "temperature scaling on dev: not used, dev has 39 examples of the 50 that it needs" in said
    # The same texts in another format, and without labels: the same answers.
    table = tmp_path / "other.jsonl"
    table.write_text(
        "".join(json.dumps({"text": text}) + "\n" for text, _ in answered(run, files["train"])),
        encoding="utf-8",
    )
    assert answered(run, table) == answered(run, files["train"])
