"""The task language: units and line ends, state carried on, what is spoken, and its errors."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elman import training
from elman.data.passages import Passage
from elman.data.source import DataError
from elman.data.units import BEGIN, END, UNITS
from elman.data.vocabulary import PADDING, UNKNOWN
from elman.learning.metrics import likelihood_scores
from elman.nn.shapes import OneToMany
from elman.run import Run
from elman.tasks import language
from elman.tasks.language import SPAN, Language, LanguageSettings
from elman.tasks.task import CannotError, Sampling

TINY = {"size": 7, "hidden": 9, "dropout": 0.0, "min_count": 1}
TEXT = ("the cat saw", "", "a dog, and the dog", "saw the cat.")


def tiny(**more: Any) -> LanguageSettings:
    settings = LanguageSettings.of({**TINY, **more})
    assert isinstance(settings, LanguageSettings)
    return settings


def passage(*lines: str) -> Passage:
    return Passage(lines, "file", 1)


def untrained(*train: Passage, **more: Any) -> Run:
    """A run whose random weights are large enough for probabilities to differ."""
    task = Language.learn(train or [passage(*TEXT)], tiny(**more))
    torch.manual_seed(1)
    model = task.model()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.eval()
    return Run(task, model, Path())


def task_of(run: Run) -> Language:
    assert isinstance(run.task, Language)
    return run.task


def network(run: Run) -> OneToMany:
    assert isinstance(run.model, OneToMany)
    return run.model


def step(run: Run, number: int, state: Any = None) -> tuple[torch.Tensor, Any]:
    with torch.no_grad():
        return network(run).step(torch.tensor([number]), state)


def lines_of(units: int) -> list[Passage]:
    """Lines of ten units each, line ends included."""
    return [passage("abcabcabc")] * (units // 10)


@pytest.mark.parametrize(
    ("units", "given", "dropout", "epochs"),
    [
        (10, {}, 0.5, 40),
        (20_000, {}, 0.5, 40),
        (72_000, {}, 0.3, 36),
        (170_000, {}, 0.2, 16),
        (72_000, {"dropout": 0.1}, 0.1, 36),
        (72_000, {"epochs": 3}, 0.3, 3),
        (10, {"dropout": 0.2, "epochs": 16}, 0.2, 16),
    ],
)
def test_defaults_depend_on_the_size_of_the_text(
    units: int, given: dict[str, Any], dropout: float, epochs: int
) -> None:
    task = Language.learn(lines_of(units), LanguageSettings(lines=True, **given))
    assert (task.settings.dropout, task.settings.epochs) == (dropout, epochs)
    chosen = (f"for {units:,} units of training text: dropout {dropout}, at most {epochs} epochs",)
    assert task.remarks == (() if len(given) == 2 else chosen)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_records_the_settings_that_were_chosen(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n".join(TEXT))
    given: dict[str, Any] = {"size": 3, "hidden": 3, "epochs": 1, "min_count": 1}
    training.train("language", text, out=tmp_path / "run", **given)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["dropout"] == 0.5
    text.unlink()
    assert Run.load(tmp_path / "run").task.settings.dropout == 0.5


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"dropout": 1.0}])
def test_a_setting_that_would_be_chosen_is_checked_where_it_is_given(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        tiny(**wrong)


def test_the_end_of_each_line_is_a_unit() -> None:
    task = task_of(untrained())
    numbers = task.numbers(passage("cat", "", "dog"))
    assert np.flatnonzero(numbers == END).tolist() == [3, 4, 8]
    assert task.write(numbers[:-1].tolist()) == "cat\n\ndog"
    assert task.length(passage("cat", "", "dog")) == 9
    batch = task.batch([passage("cat"), passage("a dog")])
    assert batch.units.data[:2].tolist() == [END, END]
    assert len(batch.targets) == batch.real_steps == 4 + 6


@pytest.mark.parametrize("unit", UNITS)
def test_a_written_text_is_what_was_spelt(unit: str) -> None:
    texts = [
        f"{a} {b} sat on the {c}" for a in ("one", "two") for b in ("cats", "dogs") for c in ("mat", "sea")
    ]
    task = task_of(untrained(passage(*texts), unit=unit, largest=60))
    for text in ("one cats sat", "two dogs\n\nsat on the sea"):
        assert task.write(task.spell(text)) == text
    again = Language.from_facts(task.facts(), task.settings)
    assert again.spell("two dogs\nsat") == task.spell("two dogs\nsat")


def test_how_a_long_text_is_cut_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is carried on: the score of a text is that of one stream over all of it."""
    run = untrained()
    text = passage(*TEXT * 20)
    (expected,) = task_of(run).answer(network(run), task_of(run).batch([text]))
    for steps, span in ((1, 1), (3, 2), (37, 7), (10**6, 70)):
        monkeypatch.setattr(language, "BATCH_STEPS", steps)
        monkeypatch.setattr(language, "SPAN", span)
        np.testing.assert_allclose(run.answers([text])[0], expected, rtol=1e-9)
    alone = run.answers([passage(*TEXT)])[0]
    np.testing.assert_allclose(alone, expected[: len(alone)], rtol=1e-9)


def test_passages_of_any_length_are_answered_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    run = untrained()
    passages = [passage("a"), passage(*TEXT * 3), passage("the dog"), passage(*TEXT), passage("saw")]
    expected = [run.answers([one])[0] for one in passages]
    monkeypatch.setattr(language, "BATCH_STEPS", 90)
    monkeypatch.setattr(language, "SPAN", 4)
    for given, wanted in zip(run.answers(passages), expected, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-9)


def test_an_epoch_reads_every_unit_once_behind_the_one_before_it() -> None:
    text = passage(*(" ".join(f"word{i + j}" for j in range(9)) for i in range(0, 900, 9)))  # all distinct
    task = task_of(untrained(text, unit="word"))
    numbers = task.numbers(text).tolist()
    pairs = sorted(zip([numbers[-1], *numbers[:-1]], numbers, strict=True))
    cuts = set()
    for seed in range(3):
        batches = task.batches([text], 5 * SPAN, seed)
        read = [
            pair
            for batch in batches
            for pair in zip(batch.units.data.tolist(), batch.targets.tolist(), strict=True)
        ]
        assert sorted(read) == pairs
        assert all(batch.real_steps <= 5 * SPAN for batch in batches)
        assert {batch.places[0] for batch in batches} == {"file:1"}
        cuts.add(tuple(batches[0].targets.tolist()))
    assert len(cuts) == 3
    assert task.batches([passage("word1")], 5 * SPAN, 0)[0].real_steps == 2


def test_a_batch_goes_on_from_the_state_behind_the_one_before_it() -> None:
    """And no gradient goes back there: truncated backpropagation through time."""
    run = untrained()
    task, model = task_of(run), network(run)
    text = passage(*TEXT * 10)
    batches = task.batches([text], SPAN, 0)  # one stream
    whole = torch.cat([batch.targets for batch in batches])
    losses = torch.tensor([task.loss(model, batch).item() * batch.real_steps for batch in batches])
    numbers = torch.cat((batches[0].units.data[:1], whole))
    outputs, _ = model.layers(model.embedding(numbers[:-1])[:, None])
    scores = model.softmax.log_probabilities(model._back(outputs[:, 0]), model.embedding.weight)
    nll = -scores.gather(1, numbers[1:, None])[:, 0]
    torch.testing.assert_close(losses.double().sum(), nll.sum(), rtol=1e-5, atol=0.0)
    assert batches[0].carried is not None
    assert not any(state.requires_grad for state in batches[0].carried.state or ())


def test_figures_agree_with_each_other_and_with_the_units() -> None:
    run = untrained(unit="word")
    text = passage("the cat saw", "a zebra")
    (nll,) = run.answers([text])
    scores = run.judge([text])
    assert scores["value"] == pytest.approx(sum(nll) / 7)
    assert (scores["units"], scores["unknown"], scores["words"], scores["characters"]) == (7, 1, 7, 20)
    assert scores["perplexity_unit"] == pytest.approx(math.exp(scores["value"]))
    assert scores["perplexity_word"] == pytest.approx(math.exp(sum(nll) / 7))
    assert scores["bits_character"] == pytest.approx(sum(nll) / 20 / math.log(2))
    assert math.isfinite(likelihood_scores(1e6, units=1, unknown=0, words=1, characters=1)["perplexity_word"])


@pytest.mark.parametrize("lines", [False, True])
def test_probabilities_of_all_that_may_come_add_up_to_one(lines: bool) -> None:
    """Over all texts of one unit and a line end, and what is longer."""
    run = untrained(lines=lines)
    task = task_of(run)
    scores, state = step(run, END)
    assert scores.exp().sum().item() == pytest.approx(1)
    second, _ = step(run, task.spell("c")[0], state)
    (nll,) = run.answers([passage("c")])
    assert nll == pytest.approx([-scores[0, task.spell("c")[0]].item(), -second[0, END].item()])


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_streaming_is_the_whole(lines: bool, cell: str) -> None:
    run = untrained(lines=lines, cell=cell)
    with run.stream() as stream:
        told = [stream.step(x) for x in ("the ", "c", "at\n", "", "dog\n")]
    first, second = (("the cat",), ("dog",))
    whole = sum(
        map(sum, run.answers([passage(*first), passage(*second)] if lines else [passage(*first, *second)]))
    )
    assert sum(one["nll"] for one in told) == pytest.approx(whole, rel=1e-9)
    assert told[3]["nll"] == 0
    assert told[3]["next"] == told[2]["next"]
    best = told[1]["next"]
    assert [row["probability"] for row in best] == sorted((row["probability"] for row in best), reverse=True)
    with run.stream() as stream:
        again = stream.step("the c" + best[0]["unit"])["nll"] - stream.step("")["nll"]
        before = told[0]["nll"] + told[1]["nll"]
    assert math.exp(before - again) == pytest.approx(best[0]["probability"])
    with run.stream() as stream:
        for bad in (5, None, {"a": 1}, b"the"):
            with pytest.raises(TypeError, match=f"a piece of text must be a str, got {type(bad).__name__}"):
                stream.step(bad)  # type: ignore


def test_an_answer_says_what_surprised() -> None:
    run = untrained()
    told = run.predict(["cat saw"])[0]
    (nll,) = run.answers([passage("cat saw")])
    worst = int(np.argmax(nll))
    assert told["nll"] == pytest.approx(sum(nll) / 8)
    assert told["perplexity"] == pytest.approx(math.exp(told["nll"]))
    assert told["surprises"][0] == {"unit": "cat saw\n"[worst], "index": worst, "nll": max(nll)}
    assert run.task.show(told).startswith(f"{told['nll']:.4f} nats a unit: cat saw\n  least expected: ")
    example = run.task.question("cat saw\nat\tmat")
    assert run.task.header(example, [0.5, 1.0]) == "text\tnll\tunits"
    assert run.task.write_answer(example, [0.5, 1.0]) == "cat saw at mat\t0.7500\t2"


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("unit", UNITS)
def test_what_is_spoken_begins_as_asked_and_ends_where_it_should(lines: bool, unit: str) -> None:
    texts = [f"the {a} saw a {b}" for a in ("cat", "dog", "bird") for b in ("mouse", "fly", "man")]
    run = untrained(passage(*texts), lines=lines, unit=unit, largest=60)
    told = run.generate(20, Sampling(longest=12), prime="the cat")
    assert len({one["text"] for one in told}) > 10
    assert all(one["text"].startswith("the cat") for one in told)
    assert any("\n" in one["text"] for one in told) is not lines
    assert [run.task.show(one) for one in told] == [one["text"] for one in told]
    if not lines:
        task = task_of(run)
        assert all(len(task.spell(one["text"])) <= 2 * (12 + len(task.spell("the cat"))) for one in told)


def test_a_text_is_the_same_however_many_are_drawn() -> None:
    run = untrained(lines=True)
    three = run.generate(3, Sampling(seed=5))
    assert run.generate(2, Sampling(seed=5)) == three[:2]
    assert run.generate(3, Sampling(seed=6)) != three


def test_sampling_is_honoured() -> None:
    run = untrained(lines=True)
    task = task_of(run)
    best = run.generate(3, Sampling(temperature=0, longest=9))
    assert best[0] == best[1] == best[2] == run.generate(1, Sampling(top_k=1, longest=9))[0]
    assert best[0] == run.generate(1, Sampling(top_p=1e-9, longest=9))[0]
    scores, state = step(run, END)
    scores[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
    spoken: list[int] = []
    while len(spoken) < 9 and (number := int(scores.argmax())) != END:
        spoken.append(number)
        scores, state = step(run, number, state)
        scores[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
    assert best[0]["text"] == task.write(spoken)


def test_what_is_drawn_has_the_frequencies_of_the_model() -> None:
    run = untrained(lines=True)
    first = [one["text"][:1] for one in run.generate(2000, Sampling(longest=1))]
    scores, _ = step(run, END)
    scores[:, [PADDING, UNKNOWN, BEGIN]] = -torch.inf
    expected = scores[0].softmax(0)
    for symbol in "tc ":
        share = expected[task_of(run).spell(symbol)[0]].item()
        assert first.count(symbol) / 2000 == pytest.approx(share, abs=4 * math.sqrt(share / 2000))


def test_a_line_cannot_begin_with_two_lines() -> None:
    with pytest.raises(DataError, match="--prime: found a line end\n  expected the beginning of a line"):
        untrained(lines=True).generate(1, prime="a\nb")
    assert untrained().generate(1, Sampling(longest=3), prime="a\nc")[0]["text"].startswith("a\nc")


def test_a_beginning_that_training_knows_nothing_of_is_refused() -> None:
    with pytest.raises(DataError, match="--prime: found 'XYZ'\n  expected a beginning of which training"):
        untrained(lines=True).generate(1, prime="XYZ")


def test_a_long_text_is_parted_by_lines_to_hold_out_its_end() -> None:
    rest, dev = Language.hold_out([passage(*map(str, range(20)))], tiny())
    assert (rest[0].lines, dev[0].lines) == (tuple(map(str, range(18))), ("18", "19"))
    rest, dev = Language.hold_out([passage(str(i)) for i in range(20)], tiny())
    assert (len(rest), len(dev)) == (18, 2)
    assert Language.hold_out([passage("one")], tiny())[0] == []


def test_it_has_no_picture() -> None:
    with pytest.raises(CannotError, match="the task language has no picture of an input"):
        untrained().picture("cat")


@pytest.mark.parametrize(
    ("given", "wording"),
    [
        ({"largest": 4}, "largest at least 5, got 2, 300 and 4"),
        ({"size": 0}, "min_count and size must be at least 1"),
        (
            {"unit": "words"},
            "unit must be one of word, character, subword, got 'words'; did you mean 'word'?",
        ),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], wording: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wording)):
        LanguageSettings.of(given)


@pytest.mark.slow
def test_on_the_sample_the_network_beats_what_cannot_look_back_far(tmp_path: Path) -> None:
    train, dev, test = Language.sample(tmp_path)
    run = training.train(
        "language",
        train,
        dev=dev,
        test=test,
        lines=True,
        hidden=150,
        size=50,
        dropout=0.2,
        epochs=8,
        out=tmp_path / "run",
    )
    figures = json.loads((run.folder / "metrics.json").read_text())
    baselines = {name: rows["test"]["value"] for name, rows in figures["baselines"].items()}
    assert figures["test"]["value"] + 0.1 < min(baselines.values()) < baselines["unigram"] - 0.3
