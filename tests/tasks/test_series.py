"""The series task: what it learns, what it says, and that a stream says what the whole series does."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from elman import training
from elman.data.source import DataError
from elman.run import Run
from elman.tasks.series import TASK, SeriesSettings, SeriesTask
from elman.tasks.task import CannotError

TINY = {"hidden": 8, "epochs": 3, "noise": 0.1, "learning_rate": 0.02}


def table(path: Path, rows: list[tuple[str, list[list[Any]], Any]], answer: str = "label") -> Path:
    lines = [f"series,x,y,{answer}"]
    lines += [f"{name},{x},{y},{label}" for name, values, label in rows for x, y in values]
    path.write_text("\n".join(lines) + "\n")
    return path


def rising_or_falling(path: Path, count: int = 40, seed: int = 0) -> Path:
    """Series whose label is their direction, and whose number is how steep they are."""
    chance = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        slope = chance.uniform(-1, 1)
        steps = np.arange(chance.integers(4, 12))
        values = [[round(slope * s, 3), round(chance.normal(), 3)] for s in steps]
        rows.append((str(i), values, "up" if slope > 0 else "down"))
    return table(path, rows)


def fresh(path: Path, **more: Any) -> tuple[SeriesTask, Any]:
    settings = SeriesSettings.of({**TINY, **more})
    assert isinstance(settings, SeriesSettings)
    examples = TASK.read(str(path), settings).examples
    return TASK.learn(examples, settings), examples


@pytest.mark.usefixtures("no_pictures")
def test_regression(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = []
    for i in range(60):
        values = chance.normal(size=(chance.integers(3, 9), 2)).round(3)
        rows.append((str(i), values.tolist(), round(100 + 50 * values[:, 0].mean(), 3)))
    path = table(tmp_path / "t.csv", rows, "price")
    run = training.train(
        "series", path, test=path, out=tmp_path / "run", target="price", **{**TINY, "epochs": 30}
    )
    figures = run.evaluate(path)
    assert figures["metric"] == "rmse"
    said = [answer["value"] for answer in run.predict_file(path)]
    gold = [price for _, _, price in rows]
    assert figures["value"] == pytest.approx(root_mean_squared_error(gold, said))
    assert figures["mae"] == pytest.approx(mean_absolute_error(gold, said))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    blind = {name: judged["test"]["value"] for name, judged in metrics["baselines"].items()}
    assert set(blind) == {"mean", "linear_on_averages", "standard_network"}
    assert figures["value"] < 0.7 * blind["mean"]
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert min(log, key=lambda row: row["score"])["best"] == min(
        row["score"] for row in log
    )  # lower is better


def test_a_stream_says_what_the_whole_series_does(tmp_path: Path) -> None:
    path = rising_or_falling(tmp_path / "t.csv")
    task, examples = fresh(path, one_way=True, missing="mark")
    torch.manual_seed(0)
    model = task.model().eval()
    for series in examples[:3]:
        with task.stream(model) as stream:
            for t in range(1, len(series.values) + 1):
                said = stream.step(series.values[t - 1].tolist())
                part = task.question(":".join(",".join(map(str, c)) for c in series.values[:t].T))
                (whole,) = Run(task, model, tmp_path).answers([part])
                told = task.tell(part, whole)
                assert said["label"] == told["label"]
                assert said["probabilities"] == pytest.approx(told["probabilities"], abs=1e-3)


def test_a_stream_holds_what_is_missing(tmp_path: Path) -> None:
    rows = [("a", [[1, 2], ["", 3], [4, ""]], "k"), ("b", [[0, 0], [1, ""]], "l")]
    task, examples = fresh(table(tmp_path / "t.csv", rows), one_way=True, missing="mark")
    torch.manual_seed(0)
    model = task.model().eval()
    with task.stream(model) as stream:
        said = [stream.step(step.tolist()) for step in examples[0].values][-1]
    (whole,) = Run(task, model, tmp_path).answers(examples[:1])
    assert said["probabilities"] == task.tell(examples[0], whole)["probabilities"]
    with task.stream(model) as stream, pytest.raises(DataError, match="found 3 channels"):
        stream.step([1, 2, 3])


@pytest.mark.parametrize("bad", ["x", None, {"a": 1}, ["1", "2"], [{}, 1]])
def test_a_stream_refuses_what_is_no_number(bad: Any, tmp_path: Path) -> None:
    task, _ = fresh(rising_or_falling(tmp_path / "t.csv"), one_way=True)
    with task.stream(task.model().eval()) as stream:
        before = stream.step([1.0, 2.0])
        with pytest.raises(TypeError, match=f"^a step must be 2 numbers, got {type(bad).__name__}$"):
            stream.step(bad)
        for shape in (1.0, [[1.0]]):
            with pytest.raises(ValueError, match=r"^a step must be 2 numbers, got an array of shape"):
                stream.step(shape)
    assert before["label"]


def test_a_network_that_reads_both_ways_cannot_stream(tmp_path: Path) -> None:
    task, _ = fresh(rising_or_falling(tmp_path / "t.csv"))
    with pytest.raises(CannotError, match="this run reads both ways"), task.stream(task.model()):
        pass


def test_channels_are_scaled_as_the_training_file_has_them(tmp_path: Path) -> None:
    task, examples = fresh(rising_or_falling(tmp_path / "t.csv"))
    rows = np.concatenate([e.values for e in examples])
    np.testing.assert_allclose(task.scale.mean, rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(task.scale.deviation, rows.std(0), rtol=1e-5)
    other = task.question("1000,1001:5,6")
    assert task.batch([other]).steps.data[0].tolist() == pytest.approx(
        ((np.array([1000, 5]) - rows.mean(0)) / rows.std(0)).tolist(), rel=1e-4
    )


def test_missing_values_are_held_and_marked(tmp_path: Path) -> None:
    rows = [("a", [["", 2], [1, ""], ["", ""]], "k"), ("b", [[3, 4], [-1, 0]], "l")]
    task, examples = fresh(table(tmp_path / "t.csv", rows), missing="mark")
    assert task.width == 4
    x = task.inputs(examples[0].values)
    one = (1 - task.scale.mean[0]) / task.scale.deviation[0]
    np.testing.assert_allclose(x[:, 0], [0, one, one], rtol=1e-6)  # 0 is the mean
    np.testing.assert_array_equal(x[:, 2:], [[1, 0], [0, 1], [1, 1]])
    plain, _ = fresh(rising_or_falling(tmp_path / "u.csv"), missing="mark")
    assert plain.width == 2
    assert plain.remarks == ("no value is missing in the training file: where one is, the last one is held",)


def test_missing_values_stop_a_training_before_it_begins(tmp_path: Path) -> None:
    path = table(
        tmp_path / "t.csv", [("a", [["", 2], [1, "inf"]], "k"), ("b", [[1, 2]], "l"), ("c", [[3, 4]], "k")]
    )
    with pytest.raises(DataError, match=re.escape("found 1 missing and 1 infinite values in 1 of 3 series")):
        training.train("series", path, out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()
    task, examples = fresh(path, missing="drop")
    assert [e.name for e in examples] == ["b", "c"]
    with pytest.raises(DataError, match="found 1 missing value"):  # what is asked is not dropped
        task.question("1,?:2,3")


def test_faults_of_other_files(tmp_path: Path) -> None:
    path = rising_or_falling(tmp_path / "t.csv")
    task, examples = fresh(path)
    with pytest.raises(DataError, match="found the label 'upp', never seen in training") as caught:
        task.check(
            TASK.read(str(table(tmp_path / "o.csv", [("a", [[1, 2]], "upp")])), task.settings).examples
        )
    assert caught.value.remedy == "did you mean 'up'?"
    with pytest.raises(DataError, match="found 3 channels: 1, 2, 3\n  expected 2, as in training: x, y"):
        task.question("1:2:3")
    (tmp_path / "z.csv").write_text("series,y,x,label\na,1,2,up\n")
    other = TASK.read(str(tmp_path / "z.csv"), task.settings).examples
    with pytest.raises(DataError, match="found 2 channels: y, x\n  expected 2, as in training: x, y"):
        task.check(other)
    assert task.questions(str(tmp_path / "z.csv")).examples[0].values.tolist() == [
        [2, 1]
    ]  # found by their names
    assert len({task.key(e) for e in examples}) == len(examples)
    with pytest.raises(DataError, match="found one label only: 'k'"):
        fresh(table(tmp_path / "k.csv", [("a", [[1, 2]], "k"), ("b", [[1, 2]], "k")]))


def test_channels_that_are_called_by_numbers(tmp_path: Path) -> None:
    """Files without names have them too, but names in another order are another order."""
    path = tmp_path / "t.csv"
    path.write_text('"series",1,2,"label"\na,1,2,k\nb,3,4,l\n')
    task, examples = fresh(path)
    assert task.has_records(str(path))
    asked = task.questions(str(path)).examples
    assert [one.values.tolist() for one in asked] == [one.values.tolist() for one in examples]
    (tmp_path / "turned.csv").write_text("series,2,1,label\na,2,1,k\n")
    assert task.questions(str(tmp_path / "turned.csv")).examples[0].values.tolist() == [[1, 2]]
    turned = TASK.read(str(tmp_path / "turned.csv"), task.settings).examples
    with pytest.raises(DataError, match="found 2 channels: 2, 1\n  expected 2, as in training: 1, 2"):
        task.check(turned)
    assert TASK.learn([*turned, *examples], task.settings).question("2:1").channels == ("2", "1")

    named = table(tmp_path / "n.csv", [("a", [[1, 2]], "k"), ("b", [[3, 4]], "l")])
    task.check(TASK.read(str(named), task.settings).examples)
    assert task.questions(str(named)).examples[0].values.tolist() == [[1, 2]]  # without the labels


def test_the_temperature_makes_dev_most_likely(tmp_path: Path) -> None:
    task, examples = fresh(rising_or_falling(tmp_path / "t.csv"))
    torch.manual_seed(0)
    model = task.model().eval()
    with torch.no_grad():
        model.whole.output.weight.mul_(50)  # as sure of itself as it is wrong
    run = Run(task, model, tmp_path)
    examples = [*examples] * 5  # enough to choose by
    before = run.judge(examples)
    task.calibrate(model, examples)
    after = run.judge(examples)
    assert after["value"] == before["value"]
    assert after["log_loss"] < before["log_loss"]
    assert model.temperature.item() > 2


def test_arrays_of_series_are_read_with_what_stands_beside_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(6, 5, 2)))
    (tmp_path / "a.labels.csv").write_text("label\n" + "k\nl\n" * 3)
    path = str(tmp_path / "a.npy")
    task, examples = fresh(tmp_path / "a.npy")
    assert task.paths(path, task.settings) == [tmp_path / "a.npy", tmp_path / "a.labels.csv"]
    assert [e.answer for e in examples] == ["k", "l"] * 3
    assert task.has_records(path)
    (tmp_path / "a.labels.csv").unlink()
    assert len(task.questions(path).examples) == 6


@pytest.mark.usefixtures("no_pictures")
def test_files_of_a_manifest(tmp_path: Path) -> None:
    for i in range(6):
        np.save(tmp_path / f"{i}.npy", np.full((3 + i, 2), i % 2))
        (tmp_path / f"{i}.csv").write_text("x,y\n" + f"{i % 2},{i % 2}\n" * 3)
    arrays, tables = tmp_path / "arrays.tsv", tmp_path / "tables.tsv"
    arrays.write_text("path\tlabel\n" + "".join(f"{i}.npy\t{'ab'[i % 2]}\n" for i in range(6)))
    tables.write_text("path\n" + "".join(f"{i}.csv\n" for i in range(6)))
    run = training.train("series", arrays, dev=arrays, out=tmp_path / "run", **TINY)
    assert [told["series"] for told in run.predict_file(arrays)] == [f"{i}.npy" for i in range(6)]
    # The channels of the one have names, those of the other have none.
    assert [told["series"] for told in run.predict_file(tables)] == [f"{i}.csv" for i in range(6)]

    tables.write_text("path\tlabel\n" + "".join(f"{i}.csv\t{'ab'[i % 2]}\n" for i in range(6)))
    run = training.train("series", tables, dev=tables, out=tmp_path / "named", **TINY)
    (alone,) = run.predict_file(tmp_path / "0.csv")
    assert alone == run.predict_file(tables)[0]
    (tmp_path / "other.csv").write_text("x,z\n1,2\n")
    with pytest.raises(DataError, match="found the columns 'x', 'z'\n  expected a column 'y'"):
        run.predict_file(tmp_path / "other.csv")


@pytest.mark.usefixtures("no_pictures")
def test_typed_lines_are_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("@classLabel true k l\n@data\n" + "1,2:1,2:k\n3,4:3,4:l\n" * 6)
    run = training.train("series", tmp_path / "a.ts", dev=tmp_path / "a.ts", out=tmp_path / "run", **TINY)
    (tmp_path / "typed").write_text("1,2:2,1\n")
    (told,) = run.predict_file(tmp_path / "typed")
    assert told["series"] == "1,2:2,1"


def test_what_is_said_to_people(tmp_path: Path) -> None:
    task, examples = fresh(rising_or_falling(tmp_path / "t.csv"))
    (answer,) = Run(task, task.model().eval(), tmp_path).answers(examples[:1])
    told = task.tell(examples[0], answer)
    assert sum(told["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert re.fullmatch(r"(up|down) 0\.\d\d", task.show(told))
    added = f"{told['label']},{told['confidence']:.4f}"
    assert task.header(examples[0], answer) == "series,label,predicted,confidence"
    assert task.write_answer(examples[0], answer) == f"0,{examples[0].answer},{added}"
    (asked,) = task.questions(str(tmp_path / "t.csv")).examples[:1]
    assert task.header(asked, answer) == "series,predicted,confidence"
    assert task.write_answer(asked, answer) == f"0,{added}"


def test_other_channels_are_no_matter_of_doubt(tmp_path: Path) -> None:
    """An answer that training never showed counts as missed; channels that it never saw cannot be judged."""
    path = rising_or_falling(tmp_path / "a.csv")
    task, _ = fresh(path)
    run = Run(task, task.model().eval(), tmp_path)
    other, unseen = tmp_path / "other.csv", table(tmp_path / "unseen.csv", [("a", [[1, 1], [2, 1]], "level")])
    other.write_text(path.read_text().replace("x,y", "x,z"))
    assert "'level', never seen in training" in str(run.doubt(run.read(unseen).examples))
    for ask in (lambda: run.doubt(run.read(other).examples), lambda: run.evaluate(other)):
        with pytest.raises(DataError, match="2 channels: x, z"):
            ask()
