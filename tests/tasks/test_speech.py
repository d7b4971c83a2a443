"""Speech: texts and words from recordings; what the battery of tests/test_tasks.py does not ask."""

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from elman import training
from elman.data.frames import HOP_MS, stack
from elman.data.recordings import Recording, read_recording
from elman.data.source import DataError
from elman.learning.metrics import transcript_scores
from elman.nn import ctc
from elman.run import Run
from elman.storage import read_json, write_json
from elman.tasks import speech
from elman.tasks.hearing import Hearing, SpeechSettings
from elman.tasks.speech import Speech, Transcriber
from elman.tasks.spelling import read_language
from elman.tasks.spoken_words import SpokenWords
from elman.tasks.task import CannotError

soundfile: Any = pytest.importorskip("soundfile")
jiwer: Any = pytest.importorskip("jiwer")
TINY = {"hidden": 8, "layers": 1, "cell": "gru", "epochs": 1, "batch_steps": 200}
RATE_HZ = 16_000


def tiny(**more: Any) -> SpeechSettings:
    made = SpeechSettings.of({**TINY, **more})
    assert isinstance(made, SpeechSettings)
    return made


def write(folder: Path, texts: Sequence[str], kind: str = "npy", length: int = 60) -> Path:
    """A manifest of recordings of noise."""
    chance = np.random.default_rng(0)
    rows = ["path\ttext\tspeaker"]
    for i, text in enumerate(texts):
        if kind == "npy":
            np.save(folder / f"{i}.npy", chance.normal(i, 1 + i, (length + i, 4)).astype(np.float32))
        else:
            soundfile.write(folder / f"{i}.wav", chance.normal(0, 0.1, (length + i) * 160), RATE_HZ)
        rows.append(f"{i}.{kind}\t{text}\ts{i % 2}")
    path = folder / "train.tsv"
    path.write_text("".join(row + "\n" for row in rows), encoding="utf-8")
    return path


def learned(path: Path, **more: Any) -> tuple[Any, Any, Sequence[Recording]]:
    """A task with a random network in eval mode, and its examples."""
    examples = Speech.read(str(path), tiny(**more)).examples
    task = Speech.learn(examples, tiny(**more))
    torch.manual_seed(0)
    model = task.model()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=1.0)
    return task, model.eval(), examples


TEXTS = ["hello there", "abba", "yes", "no"]


# Metrics

sentence = st.text("ab é", max_size=9)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(sentence.filter(str.strip), sentence), min_size=1, max_size=4))
def test_wer_and_cer_are_those_of_jiwer(pairs: list[tuple[str, str]]) -> None:
    gold, given = ([" ".join(text.split()) for text in texts] for texts in zip(*pairs, strict=True))
    scores = transcript_scores([said for said, _ in pairs], [heard for _, heard in pairs], jiwer)
    assert scores["value"] == jiwer.wer(gold, given)
    assert scores["cer"] == jiwer.cer(gold, given)
    assert scores["exact"] == sum(a == b for a, b in zip(gold, given, strict=True)) / len(gold)
    assert scores["signature"] == f"wer|cer|white_space:one|library:jiwer|version:{version('jiwer')}"


# Reading


def test_a_text_that_is_too_long_is_found_before_training(tmp_path: Path) -> None:
    path = write(tmp_path, ["ab", "aabb", "abcabc"], length=15)
    with pytest.raises(DataError) as caught:
        training.train("speech", path, out=tmp_path / "run", **TINY)
    assert str(caught.value) == (
        f"{path}:3: found 16 frames for the text 'aabb'\n"
        "  expected at least 18: 3 for each character, and between equal ones\n"
        "  choose a smaller --stack, correct the text, or leave it out with --skip-bad"
    )
    assert len(Speech.read(str(path), tiny(stack=2)).examples) == 3
    reading = Speech.read(str(path), tiny(), skip_bad=True)
    assert [one.answer for one in reading.examples] == ["ab"]
    assert "2 bad skipped" in reading.description
    assert len(Speech.read(str(path), tiny(label="text")).examples) == 3  # a word needs no step a character


def test_frames_of_another_kind_are_refused(tmp_path: Path) -> None:
    task, _, _ = learned(write(tmp_path, TEXTS))
    np.save(tmp_path / "wide.npy", np.zeros((50, 5)))
    soundfile.write(tmp_path / "sound.wav", np.zeros(RATE_HZ), RATE_HZ)
    for name, found in (("wide.npy", "5 features a frame"), ("sound.wav", "sound")):
        with pytest.raises(DataError, match=f"found {found}\n  expected 4 features a frame, as in training"):
            task.question(str(tmp_path / name))


def test_a_label_that_training_never_showed(tmp_path: Path) -> None:
    task, _, examples = learned(write(tmp_path, ["yes", "no"]), label="text")
    task.check(examples)
    other = Recording(examples[0].frames, "yess", Path(), {}, "dev.tsv:2", None)
    with pytest.raises(DataError, match=r"dev\.tsv:2: found the label 'yess'(.|\n)*did you mean 'yes'"):
        task.check([other])


def test_a_column_of_the_manifest_makes_groups(tmp_path: Path) -> None:
    examples = Speech.read(str(write(tmp_path, TEXTS)), tiny()).examples
    assert [Speech.group(one, "speaker", tiny()) for one in examples] == ["s0", "s1", "s0", "s1"]
    with pytest.raises(DataError, match=r"2: found no column 'speakr'(.|\n)*did you mean 'speaker'"):
        Speech.group(examples[0], "speakr", tiny())


@pytest.mark.parametrize(
    ("given", "wording"),
    [
        ({"stack": 0}, "stack and beam must be at least 1, got 0 and 8"),
        ({"beam": 0}, "stack and beam must be at least 1, got 3 and 0"),
        ({"lm": "runs/lm", "beam": 1}, "lm helps the search for a text"),
        ({"lm": "runs/lm", "label": "text"}, "lm helps the search for a text"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], wording: str) -> None:
    with pytest.raises(ValueError, match=wording):
        tiny(**given)


# Training


def test_training_varies_the_recordings_the_more_the_longer_it_lasts(tmp_path: Path) -> None:
    task, _, examples = learned(write(tmp_path, TEXTS, "wav"), epochs=30)
    epochs = [heard(task, examples[:1], epoch) for epoch in range(1, 31)]
    plain = task.batch(examples[:1]).steps.data
    as_it_is = [torch.equal(steps, plain) for steps in epochs]
    assert as_it_is[0]
    assert sum(as_it_is[:10]) > sum(as_it_is[20:])
    assert len({steps.numpy().tobytes() for steps in epochs}) == 1 + as_it_is.count(False)
    assert torch.equal(epochs[-1], heard(task, examples[:1], 30))
    for batch in (task.batches(examples, 1000, epoch)[0] for epoch in range(1, 31)):
        assert torch.isfinite(ctc.nll(torch.zeros(batch.real_steps, 20), batch.steps, batch.answers)).all()


def heard(task: Any, examples: Sequence[Recording], epoch: int) -> Tensor:
    """The steps of an epoch's only batch."""
    (batch,) = task.batches(examples, 1000, epoch)
    return batch.steps.data


def test_training_varies_half_of_the_words_from_the_beginning_on(tmp_path: Path) -> None:
    task, _, examples = learned(write(tmp_path, TEXTS, "wav"), epochs=60, label="text")
    plain = task.batch(examples[:1]).steps.data
    as_it_is = [torch.equal(heard(task, examples[:1], epoch), plain) for epoch in range(1, 61)]
    assert 8 <= sum(as_it_is[:30]) <= 22
    assert 8 <= sum(as_it_is[30:]) <= 22


def test_the_language_model_is_not_trained_beside_the_network(language: Path, tmp_path: Path) -> None:
    path = write(tmp_path, TEXTS)
    run = training.train("speech", path, dev=path, out=tmp_path / "run", lm=str(language), **TINY)
    _, before = read_language(str(language))
    assert isinstance(run.model, Transcriber)
    assert run.model.language is not None
    for name, weight in before.state_dict().items():
        assert torch.equal(run.model.language.state_dict()[name], weight)
    assert run.model.weight.item() in speech.WEIGHTS
    loaded = Run.load(run.folder)
    assert loaded.answers(run.read(path).examples) == run.answers(run.read(path).examples)
    assert "lm" in json.loads((run.folder / "run.json").read_text())["data"]


# Answers


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the language task, of characters."""
    folder = tmp_path_factory.mktemp("language")
    text = folder / "text.txt"
    text.write_text("".join(f"{text}\n" for text in TEXTS * 10), encoding="utf-8")
    settings = {"hidden": 16, "layers": 1, "epochs": 5, "lines": True, "dropout": 0.0, "learning_rate": 0.02}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_draw", lambda *_: None)
        run = training.train("language", text, dev=text, out=folder / "run", unit="character", **settings)
    return run.folder


def test_the_language_model_is_heard(language: Path, tmp_path: Path) -> None:
    task, _, _ = learned(write(tmp_path, TEXTS), lm=str(language))
    task.language, task._weights = read_language(str(language))
    model = task.model().eval()
    scores = torch.full((9, len(task.outputs)), -9.0)
    for t, symbols in enumerate(["y", "e", "sn", ""]):
        for symbol in symbols or [""]:
            scores[2 * t, task.outputs.index(symbol)] = 0.0
        scores[2 * t + 1, 0] = 9.0
    scores[4, task.outputs.index("n")] = 0.5  # what is heard is "yen"
    for weight, text in ((0.0, "yen"), (1.0, "yes")):
        model.weight.fill_(weight)
        assert task.text(task._search(model)(scores)[0]) == text


def test_a_run_that_is_no_language_model_of_characters(language: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"found no run\.json"):
        read_language(str(tmp_path))
    facts = read_json(language / "run.json")
    (tmp_path / "model.safetensors").touch()
    for task, unit, said in (
        ("language", "word", "language with --unit word"),
        ("ner", None, "ner"),
    ):
        settings = {**facts["settings"], "unit": unit}
        write_json(tmp_path / "run.json", {**facts, "task": task, "settings": settings})
        with pytest.raises(
            DataError, match=f"found a run of {said}\n  expected a run of language with --unit c"
        ):
            read_language(str(tmp_path))


def test_a_search_that_keeps_one_text_is_greedy(tmp_path: Path) -> None:
    path = write(tmp_path, TEXTS)
    quick, model, examples = learned(path, beam=1)
    task, same, _ = learned(path, beam=50)
    assert task.score(same, examples) == quick.metric(examples, quick.answers(model, examples))["value"]
    assert task.beam == 50


@pytest.mark.parametrize("kind", ["npy", "wav"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_stream_says_what_the_whole_recording_says(kind: str, size: int, tmp_path: Path) -> None:
    task, model, examples = learned(write(tmp_path, TEXTS, kind), one_way=True, beam=1)
    for one, answer in zip(examples, task.answers(model, examples), strict=True):
        with task.stream(model) as stream:
            said = [stream.step(one.frames[i : i + size]) for i in range(0, len(one.frames), size)]
        assert said[-1] == {"text": answer, "seconds": len(one.frames) * HOP_MS / 1000}
        assert len(answer) > 5


def test_a_stream_hears_each_piece_beside_the_loudest_before_it(tmp_path: Path) -> None:
    task, _, examples = learned(write(tmp_path, TEXTS, "wav"), one_way=True)
    fading = examples[0].frames - np.linspace(0, 9, len(examples[0].frames))[:, None]
    feed, whole = task.feed(), stack(task.normalised(fading), task.settings.stack)
    pieces = torch.cat([feed(fading[i : i + 7]) for i in range(0, len(fading), 7)])
    assert torch.allclose(pieces, torch.from_numpy(whole), atol=1e-5)


def test_a_stream_takes_samples(tmp_path: Path) -> None:
    task, model, examples = learned(write(tmp_path, TEXTS, "wav"), one_way=True, beam=1)
    samples, _ = soundfile.read(examples[0].path)
    with task.stream(model) as stream:
        said = [stream.step(samples[i : i + 700]) for i in range(0, len(samples), 700)]
        assert said[-1]["text"] == task.answers(model, examples[:1])[0]
        with pytest.raises(
            ValueError, match=r"must be samples \[S\] at 16 kHz or frames \[T, 80\], got \[3, 4\]"
        ):
            stream.step(np.zeros((3, 4)))
        before = stream.step([])
        for bad in ("x", None, {"a": 1}, ["1", "2"], [{}]):
            expected = r"^a piece must be samples \[S\] at 16 kHz or frames \[T, 80\], got "
            with pytest.raises(TypeError, match=f"{expected}{type(bad).__name__}$"):
                stream.step(bad)
        with pytest.raises(ValueError, match=r"a piece must be .*, got list"):
            stream.step([[1.0], [1.0, 2.0]])
        assert stream.step([]) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("label", [None, "text"])
def test_a_stream_refuses_what_is_not_finite_and_goes_on(
    label: str | None, bad: float, tmp_path: Path
) -> None:
    task, model, examples = learned(write(tmp_path, TEXTS, "wav"), one_way=True, label=label)
    samples, _ = soundfile.read(examples[0].path)
    with task.stream(model) as stream, task.stream(model) as other:
        assert stream.step(samples[:5000]) == other.step(samples[:5000])
        for piece in (np.where(np.arange(700) == 9, bad, samples[:700]), np.full((2, 80), bad)):
            wrong = 1 if piece.ndim == 1 else 160
            with pytest.raises(
                ValueError, match=f"must be finite numbers, got {wrong} of {piece.size} NaN or infinite"
            ):
                stream.step(piece)
        assert stream.step(samples[5000:]) == other.step(samples[5000:])


@pytest.mark.parametrize("label", [None, "text"])
def test_a_run_that_reads_both_ways_has_no_stream(label: str | None, tmp_path: Path) -> None:
    task, model, _ = learned(write(tmp_path, TEXTS), label=label)
    with pytest.raises(CannotError, match="reads both ways, and cannot stream"), task.stream(model):
        pass


def test_a_stream_says_the_word_so_far(tmp_path: Path) -> None:
    task, model, examples = learned(write(tmp_path, TEXTS), one_way=True, label="text")
    for one, answer in zip(examples, task.answers(model, examples), strict=True):
        with task.stream(model) as stream:
            assert stream.step(one.frames[:1])["label"] is None
            said = stream.step(one.frames[1:])
        assert said["label"] == answer.label
        assert said["probabilities"] == task.said(answer)["probabilities"]


@pytest.mark.parametrize("one_way", [False, True])
def test_a_long_recording_is_heard_piece_by_piece(
    one_way: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One way it is the whole; both ways nearly, for a window knows only its margins."""
    task, model, _ = learned(write(tmp_path, TEXTS, "wav"), one_way=one_way, beam=1, cell="rnn")
    for name, parameter in model.named_parameters():
        if "weight_hh" in name:
            torch.nn.init.normal_(parameter, std=0.1)  # it forgets what is far away
    path, chance = tmp_path / "long.wav", np.random.default_rng(0)
    loudness = chance.uniform(0, 0.3, 80).repeat(RATE_HZ // 10)
    sound = loudness * chance.normal(0, 1, len(loudness))
    sound[: RATE_HZ // 10] += 0.5 * np.sin(np.arange(RATE_HZ // 10))  # the loudest, in the first window only
    soundfile.write(path, sound, RATE_HZ)
    task.normal = replace(task.normal, prior=10**6)  # or each window would be normalised a little otherwise
    (whole,) = task.answers(model, [read_recording(path, 100)])
    monkeypatch.setattr(speech, "WINDOW_S", 2.0)
    monkeypatch.setattr(speech, "MARGIN_S", 0.5)
    (pieces,) = task.answers(model, [read_recording(path, 5)])
    assert len(whole) > 20
    if one_way:
        assert pieces == whole
    else:
        assert jiwer.cer(whole, pieces) < 0.1


def test_recordings_folders_and_manifests_are_answered(tmp_path: Path) -> None:
    path = write(tmp_path, TEXTS)
    task, model, examples = learned(path)
    run = Run(task, model, tmp_path)
    answers = task.answers(model, examples)
    for asked in (path, tmp_path):
        told = run.predict_file(asked)
        assert [one["text"] for one in told] == answers
        assert [one["path"] for one in told] == [str(one.path) for one in examples]
    assert [one["text"] for one in run.predict_file(tmp_path / "1.npy")] == answers[1:2]
    in_manifest, in_folder = (run.read_inputs(asked).examples[0] for asked in (path, tmp_path))
    assert task.header(in_folder, answers[0]) == "path\tpredicted"
    assert task.write_answer(in_folder, answers[0]) == f"{tmp_path / '0.npy'}\t{answers[0]}"
    rows = path.read_text().splitlines()
    assert task.header(in_manifest, answers[0]) == f"{rows[0]}\tpredicted"
    assert task.write_answer(in_manifest, answers[0]) == f"{rows[1]}\t{answers[0]}"


# Words


def test_a_word_comes_with_its_probabilities(tmp_path: Path) -> None:
    task, model, examples = learned(write(tmp_path, ["yes", "no", "yes", "no"]), label="text")
    assert isinstance(task, SpokenWords)
    assert task.symbols == ("no", "yes")
    answers = task.answers(model, examples)
    for answer in answers:
        assert sum(answer.probabilities) == pytest.approx(1)
        assert answer.label == task.symbols[int(np.argmax(answer.probabilities))]
    told = task.tell(examples[0], answers[0])
    assert told["confidence"] == max(told["probabilities"].values())
    assert task.show(told) == f"{answers[0].label} {told['confidence']:.2f}"
    before = [answer.label for answer in answers]
    task.calibrate(model, list(examples) * 50)
    assert model.temperature != 1
    assert [answer.label for answer in task.answers(model, examples)] == before


def test_words_are_trained_saved_and_loaded(tmp_path: Path, no_pictures: None) -> None:
    path = write(tmp_path, ["yes", "no"] * 4)
    run = training.train("speech", path, dev=path, out=tmp_path / "run", label="text", **TINY)
    metrics = json.loads((run.folder / "metrics.json").read_text())
    assert metrics["dev"]["metric"] == "accuracy"
    assert metrics["baselines"]["majority"]["dev"]["value"] == 0.5
    assert set(metrics["baselines"]) == {"majority", "logistic_on_averages", "standard_network"}
    loaded = Run.load(run.folder)
    assert loaded.predict([str(tmp_path / "0.npy")]) == run.predict([str(tmp_path / "0.npy")])


def test_the_remark_says_which_way_the_layers_read(tmp_path: Path) -> None:
    path = write(tmp_path, TEXTS)
    examples = Speech.read(str(path), tiny()).examples
    for one_way, way in ((False, "both ways"), (True, "from left to right, so that the run can stream")):
        task = Speech.learn(examples, tiny(one_way=one_way))
        assert task.remarks == (f"the layers read {way}, in steps of 30 ms",)
        assert isinstance(task, Hearing)
