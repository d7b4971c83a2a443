"""One battery for every task in `TASKS`, and what a task alone promises."""

import json
import math
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, NoReturn

import pytest
import torch

from elman import training
from elman.data.batch import unpack
from elman.data.source import DataError
from elman.data.tags import may_follow
from elman.data.vocabulary import PADDING, UNKNOWN
from elman.nn.layers import LAYERS
from elman.run import Run
from elman.tasks import TASKS, UnknownTaskError, find
from elman.tasks.ner import NER, Entity, NERSettings, Tagger
from elman.tasks.task import Settings, Task

TINY = {
    "hidden": 16,
    "layers": 1,
    "dropout": 0.1,
    "epochs": 10,
    "patience": 20,
    "batch_steps": 60,
    "learning_rate": 0.05,
    "seed": 0,
}


def blocks(text: str) -> str:
    """Keep 20 blocks of lines, such as sentences in columns."""
    return "\n\n".join(text.split("\n\n")[:20]) + "\n"


def lines(text: str) -> str:
    """Keep 25 lines, of which one may be a head."""
    return "".join(text.splitlines(keepends=True)[:25])


def last_as_upos(text: str) -> str:
    """Make the last column of CoNLL-U, one more than it has, that of the parts of speech."""
    return re.sub(r"(?m)^((?:\S+\t){3})\S+(\t.*)\t(\S+)$", r"\1\3\2", text)


def media(manifest: Path) -> list[str]:
    """Return the first three paths of a manifest."""
    rows = manifest.read_text(encoding="utf-8").splitlines()[1:4]
    return [str(manifest.parent / row.split("\t")[0]) for row in rows]


@dataclass(frozen=True)
class Case:
    """What the battery must be told of a task.

    `shorten` makes a small file of a file of its sample; `texts` are what a user asks, or give it for a
    file; `empty` is what the error for an empty text says; `least` is the score that the small model reaches
    on what it was trained on, `perfect` that of answers learned by heart; `weight` is how much an example
    counts in the mean that is the loss; `settings` are its own beside the tiny ones. `to_labels` makes a
    written file one whose labels are the predictions, where answers are labels that a file can have; `kept`
    says whether all lines of a file are written again. `by_heart` is what is left of the loss of a batch that
    was learned by heart.
    """

    shorten: Callable[[str], str]
    texts: Sequence[str] | Callable[[Path], Sequence[str]]
    empty: str
    least: float
    perfect: float
    settings: dict[str, Any] = field(default_factory=dict)
    weight: Callable[[Any], float] = lambda example: 1.0
    counts_targets: bool = False  # an example's weight is the number of its targets in a batch
    to_labels: Callable[[str], str] | None = None
    kept: bool = True
    by_heart: float = 0.01
    pace: tuple[int, float] = (60, 0.02)  # updates and learning rate with which a batch is learned by heart
    files: int | None = None


CASES = {
    "ner": Case(
        shorten=blocks,
        texts=["Marie Curie, of Oslo, wrote to Alan Turing.", "x", "a  ferry\tto   Osaka (Japan)"],
        to_labels=str,
        empty="found a text without a word\n  expected a sentence\n  type one",
        least=0.2,
        perfect=1.0,
    ),
    "tagging": Case(
        shorten=blocks,
        texts=["The cook will light the old lamp.", "x", "a  guard\twalks   home (slowly)"],
        to_labels=last_as_upos,
        empty="found a text without a word\n  expected a sentence\n  type one",
        least=0.5,
        perfect=1.0,
        weight=lambda sentence: len(sentence.words),
    ),
    "sentiment": Case(
        shorten=lines,
        texts=["the soup was by no means dull .", "x", "nobody\tcalled  the   plot weak!"],
        to_labels=lambda text: text.replace("label\tpredicted", "gold\tlabel", 1),
        empty="found a text without a word\n  expected a text\n  type one in quotes",
        least=0.8,
        perfect=1.0,
        settings={"epochs": 14},
    ),
    "dna": Case(
        shorten=lambda text: ">".join(text.split(">")[:21]),
        texts=["TATAAACCGGTTAACAGGTG", "a", "ACGTNNNRYacgu  ACG\tUU"],
        to_labels=lambda text: re.sub(r"label=\S+ predicted=", "label=", text),
        empty="found a text without a base\n  expected a sequence such as ACGTAC\n  type one",
        least=0.7,
        perfect=1.0,
    ),
    "translation": Case(
        shorten=lines,
        texts=["twenty-four apples and two birds", "x", "zwei  Vögel\tund   (drei) Boote"],
        empty="found an empty text\n  expected a sentence\n  type one",
        least=5.0,
        perfect=99.99,
        settings={"batch_steps": 100, "size": 24, "hidden": 48, "learning_rate": 0.02, "epochs": 25},
        counts_targets=True,
        by_heart=0.15,  # smoothed targets keep some loss
    ),
    "language": Case(
        shorten=lines,
        texts=["tomurato", "x", "Kelmi riken, 42"],
        kept=False,
        empty="found an empty text\n  expected a text\n  type one",
        least=2.0,
        perfect=0.35,
        settings={"lines": True, "size": 16},
        weight=lambda name: len(name.lines[0]) + 1,
        by_heart=0.1,  # which of the names it is, nobody can know at the first letter
    ),
    "speech": Case(
        shorten=lambda text: "".join(text.splitlines(keepends=True)[:6]),
        texts=media,
        empty="found a text without a path\n  expected the path of a recording\n  type one",
        least=0.7,
        perfect=0.0,
        settings={
            "batch_steps": 60,
            "cell": "gru",
            "hidden": 32,
            "epochs": 120,
            "learning_rate": 0.03,
            "beam": 2,
            "stack": 8,
            "patience": 120,
        },
        pace=(400, 0.02),
        weight=lambda recording: len(recording.answer),
    ),
    "music": Case(
        shorten=str,
        files=8,
        texts=["[[60, 64], [62], [], [62]]", "[[21]]", "[[60, 64, 67], [60, 64, 67]]"],
        kept=False,
        empty=r"found an empty text\n  expected a MIDI file or steps: \[\[60, 64\], \[62\]\]\n  name one",
        least=3.0,
        perfect=3.3,
        settings={"batch_steps": 200, "size": 16, "transpose": 0},
        counts_targets=True,
        by_heart=0.5,
    ),
    "video": Case(
        shorten=lambda text: "".join(text.splitlines(keepends=True)[:7]),
        texts=media,
        empty="found a text without a path\n  expected the path of a clip\n  type one",
        least=0.5,
        perfect=1.0,
        settings={"batch_steps": 140, "epochs": 40, "patience": 40, "learning_rate": 0.005},
        pace=(150, 0.005),
    ),
    "series": Case(
        shorten=lambda text: "".join(re.findall(r"(?:series|train\d),.*\n", text)),
        texts=["0.1,2,0.3:0,0,1.5:2,1,0", "1:2:3", "0,0,3,0:1,1,1,1:-1,?,0,0"],
        kept=False,
        empty="found a text without a value\n  expected a series such as 1,2,3:4,5,6\n  type one",
        least=0.7,
        perfect=1.0,
        settings={"missing": "mark", "noise": 0.1},
    ),
}


def test_every_task_has_its_case() -> None:
    assert tuple(CASES) == TASKS
    assert [find(name).name for name in TASKS] == list(TASKS)


@dataclass(frozen=True)
class Trained:
    """A task's shortened sample and a run trained on it."""

    kind: type[Task]
    case: Case
    path: Path
    run: Run

    @property
    def examples(self) -> Sequence[Any]:
        return self.run.read(self.path).examples

    @property
    def texts(self) -> Sequence[str]:
        texts = self.case.texts
        return texts(self.path) if callable(texts) else texts

    @property
    def tiny(self) -> dict[str, Any]:
        return {**TINY, **self.case.settings}

    def beats(self, value: float, other: float) -> bool:
        return value >= other if self.kind.better == "higher" else value <= other

    def train(self, out: Path, **settings: Any) -> Run:
        return training.train(self.kind.name, self.path, dev=self.path, out=out, **{**self.tiny, **settings})


@pytest.fixture(scope="module", params=TASKS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    name = request.param
    kind, case, folder = find(name), CASES[name], tmp_path_factory.mktemp(name)
    path = kind.sample(folder)[0]
    settings = kind.settings_type.of({**TINY, **case.settings})
    for extra in kind.paths(str(path), settings)[case.files :] if case.files else ():
        extra.unlink()
    if not case.files:
        path.write_text(case.shorten(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        run = training.train(name, path, dev=path, out=folder / "run", **{**TINY, **case.settings})
    return Trained(kind, case, path, run)


def near(a: Any, b: Any) -> bool:
    """Whether two answers are the same, their floats to 1e-6."""
    if isinstance(a, float):
        return math.isclose(a, b, abs_tol=1e-6)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(near, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(near(a[key], b[key]) for key in a)
    return a == b


def test_the_sample_is_read_by_its_reader(trained: Trained, tmp_path: Path) -> None:
    paths = trained.kind.sample(tmp_path / "new" / "folder")
    assert len(paths) == 3
    for path in paths:
        reading = trained.run.read(path)
        assert len(reading.examples) > 20
        assert reading.description.startswith(str(path))
        assert all(trained.run.task.length(e) > 0 for e in reading.examples)


@pytest.mark.slow
def test_it_learns_a_small_batch_by_heart(trained: Trained) -> None:
    examples = trained.examples[:8]
    torch.manual_seed(0)
    task = trained.kind.learn(
        trained.examples, trained.kind.settings_type.of({**trained.tiny, "dropout": 0.0})
    )
    model = task.model()
    updates, rate = trained.case.pace
    optimizer = torch.optim.Adam(model.parameters(), rate)
    batch = task.batch(examples, answers=True)
    losses = []
    for _ in range(updates):
        optimizer.zero_grad()
        loss = task.loss(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    assert task.loss(model, batch).item() < trained.case.by_heart * losses[0]
    value = Run(task, model, Path()).judge(examples)["value"]
    assert trained.beats(value, trained.case.perfect)


def test_it_learned_something(trained: Trained) -> None:
    """So that the tests below compare answers that say something."""
    log = [json.loads(line) for line in (trained.run.folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert trained.beats(trained.run.judge(trained.examples)["value"], trained.case.least)


def test_one_answer_more_on_dev_is_no_difference_where_answers_are_counted(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans: list[Any] = []

    def planned(*args: Any) -> NoReturn:
        plans.append(args[4])
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit", planned)
    with pytest.raises(KeyboardInterrupt):
        trained.train(tmp_path)
    dev = len(trained.examples)
    if trained.kind.name in ("sentiment", "dna", "video", "series"):
        assert 1 / dev < plans[0].grain < 2 / dev
    else:
        assert plans[0].grain == 0


def test_a_loaded_run_answers_as_the_trained_one(trained: Trained) -> None:
    loaded = Run.load(trained.run.folder)
    assert loaded.answers(trained.examples) == trained.run.answers(trained.examples)
    assert loaded.predict(trained.texts) == trained.run.predict(trained.texts)
    assert loaded.evaluate(trained.path) == trained.run.evaluate(trained.path)


@pytest.mark.usefixtures("no_pictures")
def test_the_seed_decides_every_bit(trained: Trained, tmp_path: Path) -> None:
    def model(out: str, seed: int) -> bytes:
        return (trained.train(tmp_path / out, seed=seed).folder / "model.safetensors").read_bytes()

    first = (trained.run.folder / "model.safetensors").read_bytes()
    torch.rand(5)  # what was drawn before does not matter
    assert model("same", 0) == first
    assert model("other", 1) != first


def test_a_finished_run_that_is_resumed_stays_as_it_is(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run.folder, tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        trained.train(tmp_path / "run", resume=True)
    for name in ("model.safetensors", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (trained.run.folder / name).read_bytes()


def test_alone_as_in_company(trained: Trained) -> None:
    """Law 2: an example's answer does not depend on those beside it in the batch, nor on their order."""
    examples = trained.examples
    together = trained.run.answers(examples)
    assert any(together)
    assert near([trained.run.answers([example])[0] for example in examples], together)
    assert near(trained.run.answers(examples[::-1])[::-1], together)


def test_the_loss_is_the_mean_over_examples(trained: Trained) -> None:
    task, model = trained.run.task, trained.run.model
    chosen = sorted(trained.examples[:9], key=task.length)
    with torch.no_grad():
        alone = [task.loss(model, task.batch([example], answers=True)).item() for example in chosen]
        together = task.loss(model, task.batch(chosen, answers=True)).item()
    weights = [trained.case.weight(example) for example in chosen]
    if trained.case.counts_targets:
        weights = [len(task.batch([example], answers=True).targets) for example in chosen]
    mean = sum(w * loss for w, loss in zip(weights, alone, strict=True)) / sum(weights)
    assert together == pytest.approx(mean, rel=1e-5)


def test_a_batch_has_the_real_steps_and_their_places(trained: Trained) -> None:
    examples = trained.examples[:9]
    batch = trained.run.task.batch(examples, answers=True)
    assert batch.real_steps == sum(map(trained.run.task.length, examples))
    assert len(batch.places) == len(examples)
    assert all(re.match(rf"{re.escape(str(trained.path))}[^:]*:\d", place) for place in batch.places)


def test_facts_survive_json(trained: Trained) -> None:
    task = trained.run.task
    told = json.dumps(task.facts())
    again = trained.kind.from_facts(json.loads(told), task.settings)
    assert json.dumps(again.facts()) == told
    shapes = [(name, tensor.shape) for name, tensor in task.model().state_dict().items()]
    assert [(name, tensor.shape) for name, tensor in again.model().state_dict().items()] == shapes


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("layers", [1, 2])
def test_every_cell_trains(trained: Trained, cell: str, layers: int, tmp_path: Path) -> None:
    run = trained.train(tmp_path / "run", cell=cell, layers=layers, epochs=1)
    before = trained.kind.learn(trained.examples, run.task.settings).model()
    assert any(type(module).__name__ == cell.upper() for module in run.model.modules())
    names = [
        name for name, parameter in run.model.named_parameters() if "weight_hh" in name and parameter.any()
    ]
    assert len(names) >= layers
    assert all(torch.isfinite(parameter).all() for parameter in run.model.parameters())
    assert before.state_dict().keys() == run.model.state_dict().keys()


def test_texts_are_answered(trained: Trained) -> None:
    told = trained.run.predict(trained.texts)
    assert len(told) == len(trained.texts)
    assert json.loads(json.dumps(told)) == told
    assert all(isinstance(trained.run.task.show(answer), str) for answer in told)
    assert near([trained.run.predict([text])[0] for text in trained.texts], told)


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_a_text_with_nothing_in_it_is_refused(trained: Trained, text: str) -> None:
    with pytest.raises(DataError, match=trained.case.empty):
        trained.run.predict([trained.texts[0], text])


def test_a_file_of_records_is_answered_and_read_back(trained: Trained, tmp_path: Path) -> None:
    run, task = trained.run, trained.run.task
    if not trained.case.to_labels:
        pytest.skip("its answers are no labels")
    assert task.has_records(str(trained.path))
    inputs = run.read_inputs(trained.path)
    assert len(inputs.examples) == len(trained.examples)
    answers = run.answers(inputs.examples)
    text = "".join(f"{line}\n" for line in run.written(inputs.examples, answers))
    written = tmp_path / "told"
    written.write_text(trained.case.to_labels(text), encoding="utf-8")
    # What was predicted is now what is in the file: the model agrees with itself.
    assert run.judge(run.read(written).examples)["value"] == trained.case.perfect


def test_an_evaluated_file_is_written_with_its_answers(trained: Trained, tmp_path: Path) -> None:
    run, examples = trained.run, trained.examples
    answers = run.answers(examples)
    run.write_answers(tmp_path / "out", examples, answers)
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert text == "".join(f"{line}\n" for line in run.written(examples, answers))
    written = text.split("\n")
    if trained.case.kept:
        lines = [line for line in written if not line.startswith("# global.columns")]
        before = trained.path.read_text(encoding="utf-8").split("\n")
        assert len(lines) == len(before)
        assert all(new.startswith(old) for old, new in zip(before, lines, strict=True))
        assert sum(new != old for old, new in zip(before, lines, strict=True)) >= len(examples)
    else:
        assert len(written) == 1 + len(examples) + 1
    if trained.case.to_labels or trained.kind.name in ("translation", "speech", "video"):
        inputs = run.read_inputs(trained.path)
        assert [*run.written(inputs.examples, run.answers(inputs.examples))] == [
            *run.written(examples, answers)
        ]


def test_an_input_far_longer_than_any_in_training_is_marked(trained: Trained) -> None:
    run, task = trained.run, trained.run.task
    longest = max(map(task.length, trained.examples))
    assert Run.load(run.folder).longest == run.longest == longest
    assert not any("warning" in answer for answer in run.predict(trained.texts))
    run = Run(task, run.model, run.folder, longest=1)
    lengths = [task.length(example) for example in run.inputs(trained.texts).examples]
    for answer, length in zip(run.predict(trained.texts), lengths, strict=True):
        assert ("warning" in answer) == (length > 10)
        if length > 10:
            assert answer["warning"].startswith(f"{length} times as long as any in training")
    old = Run(task, run.model, run.folder)  # one that did not keep the length
    assert not any("warning" in answer for answer in old.predict(trained.texts))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_of_plain_text_is_answered_line_by_line(trained: Trained, end: str, tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    lines = [*trained.texts, "", " "]
    path.write_bytes((end.join(lines) + end).encode())
    assert not trained.run.task.has_records(str(path))
    assert near(trained.run.predict_file(path), trained.run.predict(trained.texts))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_a_question_is_refused(trained: Trained, content: str, tmp_path: Path) -> None:
    path = tmp_path / "nothing"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="nothing: found"):
        trained.run.predict_file(path)


def test_a_task_that_is_not_there() -> None:
    with pytest.raises(UnknownTaskError, match="there is no task 'nerr'; did you mean 'ner'"):
        find("nerr")
    with pytest.raises(UnknownTaskError, match="there is no task 'x'; the tasks are: ner, "):
        find("x")


@pytest.mark.parametrize(
    ("given", "wording"),
    [
        ({"cell": "lsmt"}, "cell must be one of rnn, gru, lstm, got 'lsmt'; did you mean 'lstm'?"),
        ({"cell": "zzz"}, "cell must be one of rnn, gru, lstm, got 'zzz'"),
        ({"hidden": 0}, "hidden must be at least 1, got 0"),
        ({"batch_steps": -1}, "batch_steps must be at least 1, got -1"),
        ({"dropout": 1.0}, "dropout must be from 0 to less than 1, got 1.0"),
        ({"learning_rate": math.nan}, "learning_rate must be greater than 0, got nan"),
        ({"hiden": 3}, "there is no setting 'hiden'; did you mean 'hidden'?"),
        ({"largest": 2}, "min_count must be at least 1 and largest at least 3, got 1 and 2"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], wording: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wording)) as caught:
        NERSettings.of(given)
    assert str(caught.value) == wording


# ner


@pytest.fixture
def sentences(files: dict[str, Path]) -> Sequence[Any]:
    return NER.read(str(files["train"]), tiny()).examples


def tagger(task: NER) -> Tagger:
    model = task.model()
    model.eval()
    return model


def tiny(**more: Any) -> NERSettings:
    settings: Settings = NERSettings.of({**TINY, **more})
    assert isinstance(settings, NERSettings)
    return settings


def test_no_padding_enters_a_batch_of_sentences(sentences: Sequence[Any]) -> None:
    task = NER.learn(sentences, tiny())
    lengths = {len(sentence.words) for sentence in sentences}
    assert len(lengths) > 5
    batch = task.batch(sentences, answers=True)
    assert PADDING not in batch.words.data
    assert PADDING not in batch.characters.data
    assert len(batch.words.data) == len(batch.spelling) == sum(len(s.words) for s in sentences)
    for sentence, row in zip(sentences, unpack(batch.words.data, batch.words), strict=True):
        assert row.tolist() == task.words.numbers(word.lower() for word in sentence.words)


@pytest.mark.parametrize("seed", range(3))
def test_only_legal_tags_are_answered(sentences: Sequence[Any], seed: int) -> None:
    task = NER.learn(sentences, tiny())
    torch.manual_seed(seed)
    model = tagger(task)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    batch = task.batch(sentences)
    with torch.no_grad():
        decoded = model.crf.decode(model(batch), batch.words.batch_sizes.tolist())
    seen = set()
    for row in unpack(decoded, batch.words):
        tags = [task.tags[number] for number in row.tolist()]
        seen |= set(tags)
        for before, after in pairwise([None, *tags, None]):
            assert may_follow(before, after, "IOBES")
    assert len(seen) > 5


def test_a_word_is_looked_up_without_case_and_digits(sentences: Sequence[Any]) -> None:
    task = NER.learn(sentences, tiny())
    word = next(word for sentence in sentences for word in sentence.words if word.isalpha())
    question = task.question(f"{word.upper()} 7 qqqq")
    numbers = task.batch([question]).words.data.tolist()
    assert numbers[0] == task.words.numbers([word.lower()])[0] != UNKNOWN
    assert numbers[2] == UNKNOWN


def test_vectors_start_the_embedding(sentences: Sequence[Any], tmp_path: Path) -> None:
    """Of a word of the training file, however it is written, and of one that stands in the vectors only."""
    known = next(word for sentence in sentences for word in sentence.words if word[1:].islower())
    path = tmp_path / "vectors.txt"
    path.write_text(f"{known.upper()} 1 2 3\nzyzzyva 4 5 6.5\n{known} 7 8 9\n", encoding="utf-8")
    plain, task = NER.learn(sentences, tiny()), NER.learn(sentences, tiny(vectors=str(path)))
    assert "zyzzyva" not in plain.words
    assert len(task.words) == len(plain.words) + 1
    weight = tagger(task).word.embedding.weight
    rows = dict(
        zip(("known", "new"), weight[task.words.numbers([known.lower(), "zyzzyva"])].tolist(), strict=True)
    )
    assert rows == {"known": [1, 2, 3], "new": [4, 5, 6.5]}
    assert weight.shape == (len(task.words), 3)


@pytest.mark.parametrize(
    ("content", "place", "found"),
    [
        ("", "", "an empty file"),
        ("a 1 2\nb 1 2 3\n", ":2", "3 numbers in 'b 1 2 3'"),
        ("a 1 2\nb 1\n", ":2", "1 number in 'b 1'"),
    ],
)
def test_bad_vectors(sentences: Sequence[Any], content: str, place: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        NER.learn(sentences, tiny(vectors=str(path)))
    assert str(caught.value).startswith(f"{path}{place}: found {found}\n")


@pytest.mark.parametrize(
    ("first", "records"),
    [
        ("Ada\tB-PER", True),
        ("Ada NNP B-PER", True),
        ("Ada", True),
        ("# id = 1\nAda\tB-PER", True),
        ("-DOCSTART- -X- O\n\nAda B-PER", True),
        ("Ada wrote to Charles", False),
        ("My blood type is O", False),
        ("My blood type is O\nIt is rare\nHers is A", False),
        ("Ada O\nwrote O\n\nCharles B-PER\nwrote", True),
        ("#science is fun\nAda wrote to Charles", False),
    ],
)
def test_columns_are_told_from_plain_text(
    sentences: Sequence[Any], first: str, records: bool, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_text(first + "\n", encoding="utf-8")
    task = NER.learn(sentences, tiny())
    assert task.has_records(str(path)) == records


@pytest.mark.parametrize("trained", ["ner"], indirect=True)
def test_places_in_the_text_are_those_of_the_words(trained: Trained) -> None:
    text = " Marie  Curie,of\tOslo"
    (told,) = trained.run.predict([text])
    assert told["words"] == ["Marie", "Curie", ",", "of", "Oslo"]
    (told,) = trained.run.predict_file(trained.path)[:1]
    for entity in told["entities"]:
        assert told["text"][entity["start"] : entity["stop"]] == entity["text"]
    task = trained.run.task
    answer = [(1, 2, "PER", 0.5), (4, 5, "LOC", 0.25)]
    told = task.tell(task.question(text), [Entity(*entity) for entity in answer], text)
    assert told["entities"] == [
        {"text": "Curie", "type": "PER", "start": 8, "stop": 13, "confidence": 0.5},
        {"text": "Oslo", "type": "LOC", "start": 17, "stop": 21, "confidence": 0.25},
    ]
    assert task.show(told) == " Marie  [Curie | PER 0.50],of\t[Oslo | LOC 0.25]"
    assert told["tags"] == ["O", "B-PER", "O", "O", "B-LOC"]


def test_the_eagerness_is_the_one_that_scores_best_on_dev(
    sentences: Sequence[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    task = NER.learn(sentences, tiny())
    model = tagger(task)
    asked = []

    def score(model: Tagger, _: Sequence[Any]) -> float:
        asked.append(model.eagerness.item())
        return -abs(model.eagerness.item() - 0.8)

    monkeypatch.setattr(task, "score", score)
    task.calibrate(model, sentences)
    assert asked == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    assert model.eagerness.item() == 0.75


def test_more_eagerness_finds_more_words(sentences: Sequence[Any], tmp_path: Path) -> None:
    task = NER.learn(sentences, tiny())
    torch.manual_seed(0)
    model = tagger(task)
    found = []
    for eagerness in (-100.0, 0.0, 100.0):
        model.eagerness.fill_(eagerness)
        answers = Run(task, model, tmp_path).answers(sentences)
        found.append(sum(entity.stop - entity.start for answer in answers for entity in answer))
    assert found[0] == 0 < found[1] < found[2] == sum(len(sentence.words) for sentence in sentences)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_out_shows_nothing_that_training_does_not(trained: Trained, seed: int) -> None:
    settings = trained.run.task.settings
    examples = Random(seed).sample(trained.examples, min(20, len(trained.examples)))
    rest, dev = trained.kind.hold_out(examples, settings)
    assert dev
    assert len(rest) + len(dev) == len(examples)
    trained.kind.learn(rest, settings).check(dev)
