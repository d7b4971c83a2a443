"""The music task: figures against hand-made ones, and tunes that play and are as long as was asked."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from elman import cli
from elman.data.events import KEYS, LONGEST_EVENT, roll
from elman.data.midi import Note, Tune, midi_bytes, read_midi
from elman.data.source import DataError
from elman.learning.metrics import music_scores
from elman.nn.shapes import OneToMany
from elman.run import Run
from elman.tasks.music import SPAN, TASK, Music, MusicSettings, Piece
from elman.tasks.playing import DENSEST, EventByEvent, KeysByStep
from elman.tasks.task import CannotError, Sampling

symusic = pytest.importorskip("symusic")

CHORDS = ((60, 64, 67), (60, 64, 67), (), (62, 65), (60,), (59, 62, 67), (60, 64, 67), (60,))
TUNE = Tune(
    (*tuple(Note(6 * i, False, 60 + 3 * i % 12, 6) for i in range(16)), Note(96, True, 38, 12)),
    ((0, 90.0),),
    12,
)
TINY = {"hidden": 16, "size": 8, "dropout": 0.1, "transpose": 2}


def settings(**more: Any) -> MusicSettings:
    made = MusicSettings.of({**TINY, **more})
    assert isinstance(made, MusicSettings)
    return made


def fresh(music: Any, folder: Path, **more: Any) -> Run:
    """A run with random weights for pieces like this one."""
    task = TASK.learn([Piece(music, "x:1")], settings(**more))
    torch.manual_seed(0)
    model = task.model().eval()
    run = Run(task, model, folder)
    folder.mkdir(exist_ok=True)
    run.save_facts({}, [])
    run.save_weights()
    return run


def playing_of(run: Run) -> Any:
    assert isinstance(run.task, Music)
    return run.task.playing


def midi(folder: Path, tune: Tune = TUNE, name: str = "prime.mid") -> str:
    path = folder / name
    path.write_bytes(midi_bytes(tune))
    return str(path)


def test_the_nats_of_keys_are_those_of_independent_bernoullis(tmp_path: Path) -> None:
    """Summed over 88 keys, of each step given those before it, the first from nothing."""
    run = fresh(CHORDS, tmp_path / "run")
    (answer,) = run.answers([Piece(CHORDS, "x:1")])
    model: Any = run.model
    keys = torch.from_numpy(roll(CHORDS)).double()
    inputs, _ = playing_of(run).sequence(CHORDS)
    state, nats = None, []
    with torch.no_grad():
        for x, sounding in zip(torch.from_numpy(inputs), keys, strict=True):
            scores, state = model.step(x[None], state)
            p = scores[0].sigmoid()
            nats.append(-(sounding * p.log() + (1 - sounding) * (1 - p).log()).sum().item())
    assert inputs[1:, :KEYS].tolist() == roll(CHORDS)[:-1].tolist()
    assert not inputs[0, :KEYS].any()
    assert answer == pytest.approx(nats, rel=1e-5)


def test_the_nats_of_events_are_those_of_what_is_drawn(tmp_path: Path) -> None:
    run = fresh(TUNE, tmp_path / "run")
    model: Any = run.model
    (answer,) = run.answers([Piece(TUNE, "x:1")])
    inputs, targets = playing_of(run).sequence(TUNE)
    state, nats = None, []
    with torch.no_grad():
        for x, target in zip(inputs.tolist(), targets.tolist(), strict=True):
            scores, state = model.step(torch.tensor([x]), state)
            assert scores.exp().sum().item() == pytest.approx(1)
            nats.append(-scores[0, target].item())
    assert answer == pytest.approx(nats, rel=1e-5)


def test_figures() -> None:
    figures = music_scores([[4.0, 1.0], [3.0, 2.0, 2.0]], "step")
    assert figures == {
        "metric": "nll",
        "value": 12 / 5,
        "after_first": 5 / 3,
        "steps": 5,
        "pieces": 2,
        "signature": "nll|log:natural|per:step|first:counted",
    }
    assert music_scores([[2.0]], "event")["after_first"] == 0


@pytest.mark.parametrize("music", [CHORDS, TUNE])
def test_training_cuts_moves_and_shuffles(music: Any, tmp_path: Path) -> None:
    """Every step of every piece is in an epoch once, and the state goes on from span to span."""
    long = (
        music * 60
        if music is CHORDS
        else Tune(
            tuple(Note(n.start + 100 * i, n.drum, n.pitch, n.length) for i in range(12) for n in TUNE.notes),
            (),
            12,
        )
    )
    pieces = [Piece(long, "x:1"), Piece(music, "x:2"), Piece(long, "x:3")]
    run = fresh(music, tmp_path / "run", transpose=0)
    task = run.task
    assert task.length(pieces[0]) > 2 * SPAN
    batches = task.batches(pieces, 500, epoch=1)
    assert sum(batch.real_steps for batch in batches) == sum(map(task.length, pieces))
    assert max(len(batch.inputs.batch_sizes) for batch in batches) == SPAN
    run.model.train(False)
    with torch.no_grad():
        spans = sum(run.task.loss(run.model, batch).item() * batch.real_steps for batch in batches)
    whole = sum(map(sum, run.answers(pieces)))
    assert spans == pytest.approx(whole, rel=1e-5)
    moved = fresh(music, tmp_path / "moved", transpose=3).task
    drawn = [
        tuple(map(float, b.targets.flatten()[:300]))
        for s in range(6)
        for b in moved.batches(pieces[1:2], 99, s)
    ]
    assert len(set(drawn)) > 2
    again = moved.batches(pieces[1:2], 99, 0)[0].targets
    assert torch.equal(again, moved.batches(pieces[1:2], 99, 0)[0].targets)


def test_an_epoch_takes_a_part_of_many_pieces(tmp_path: Path) -> None:
    task = fresh(CHORDS, tmp_path / "run", epoch_steps=20).task
    pieces = [Piece(CHORDS, f"x:{i}") for i in range(50)]
    epochs = [{p for b in task.batches(pieces, 8, seed) for p in b.places} for seed in range(9)]
    assert {len(places) for places in epochs} == {3}
    assert len(set.union(*epochs)) > 10


@pytest.mark.parametrize("music", [CHORDS, TUNE])
@pytest.mark.parametrize("prime", [False, True])
def test_what_is_generated_is_as_long_as_was_asked_and_plays(music: Any, prime: bool, tmp_path: Path) -> None:
    run = fresh(music, tmp_path / "run")
    begins = midi(tmp_path) if prime else None
    path = tmp_path / "out.mid"
    for longest in (1, 12, 60):
        told = run.generate(2, Sampling(longest=longest, seed=1), begins)
        assert json.loads(json.dumps(told)) == told
        for one in told:
            if not one["notes"]:
                continue
            content = run.task.media(one, path)
            assert content is not None
            path.write_bytes(content)
            back = read_midi(path, one["grid"])
            assert back.open == 0
            assert len(back.notes) == len(one["notes"])
            assert all(isinstance(run.task.show(one), str) for one in told)
        if prime:
            notes = [[n.start, n.length, n.pitch, n.drum] for n in TUNE.notes]
            played = notes if music is TUNE else [n for n in told[0]["notes"] if n[0] < 96]
            assert told[0]["notes"][: len(played)] == played
    steps = max(note[0] + note[1] for note in run.generate(1, Sampling(longest=60, seed=1), None)[0]["notes"])
    if music is CHORDS:
        assert 50 * 12 < steps <= 60 * 12  # a random network plays something at almost every step


@pytest.mark.parametrize("longest", [3, 90])
def test_a_tune_is_drawn_up_to_the_quarter_note_that_was_asked(longest: int, tmp_path: Path) -> None:
    run = fresh(TUNE, tmp_path / "run")
    playing, model = playing_of(run), run.model
    assert isinstance(model, OneToMany)
    with torch.no_grad():
        tunes = playing.speak(model, 5, Sampling(longest=longest), None, longest)
    ends = [max((note.start + note.length for note in tune.notes), default=0) for tune in tunes]
    # Where a random network has just waited, or waits next, there is up to 32 quarter notes of silence.
    assert all((longest - 32) * tunes[0].grid < end <= longest * tunes[0].grid for end in ends)
    if longest == 90:
        assert max(ends) == 90 * tunes[0].grid  # a note that would sound longer ends there


def test_a_network_that_never_waits_is_cut_off(tmp_path: Path) -> None:
    run = fresh(TUNE, tmp_path / "run")
    playing = playing_of(run)
    assert isinstance(playing, EventByEvent)
    scores = torch.zeros(1, len(playing.events))
    scores[0, 1 : playing.events.grid * LONGEST_EVENT + 1] = -torch.inf  # all waits
    never = SimpleNamespace(step=lambda last, state: (scores.clone(), state))
    (tune,) = playing.speak(cast(OneToMany, never), 1, Sampling(longest=2), None, 2)
    assert 0 < len(tune.notes) <= 2 * DENSEST


def test_the_seed_decides_what_is_drawn(tmp_path: Path) -> None:
    for music in (CHORDS, TUNE):
        run = fresh(music, tmp_path / "run")
        first = run.generate(2, Sampling(longest=20, seed=3))
        assert run.generate(2, Sampling(longest=20, seed=3)) == first
        assert run.generate(2, Sampling(longest=20, seed=4)) != first
        assert first[0] != first[1]
        safe = run.generate(2, Sampling(longest=20, temperature=0))
        assert safe[0] == safe[1]


def test_top_k_keys_at_most(tmp_path: Path) -> None:
    run = fresh(CHORDS, tmp_path / "run")
    (told,) = run.generate(1, Sampling(longest=30, top_k=2))
    sounding = [sum(s <= 12 * t < s + n for s, n, _, _ in told["notes"]) for t in range(30)]
    assert max(sounding) == 2
    with pytest.raises(CannotError, match="top_p is for one symbol at a time"):
        run.generate(1, Sampling(top_p=0.5))


def test_generate_writes_midi_and_a_picture(tmp_path: Path) -> None:
    fresh(CHORDS, tmp_path / "run")
    runner = CliRunner()
    command = ["generate", str(tmp_path / "run"), "--longest", "6", "--out", str(tmp_path / "t.mid")]
    result = runner.invoke(cli.cli, [*command, "--count", "2"], catch_exceptions=False)
    assert result.exit_code == 0
    for number in (1, 2):
        assert read_midi(tmp_path / f"t-{number}.mid", 12).notes
        assert (tmp_path / f"t-{number}.png").read_bytes().startswith(b"\x89PNG")
    runner.invoke(cli.cli, command, catch_exceptions=False)
    assert (tmp_path / "t.mid").exists()
    result = runner.invoke(cli.cli, [*command[:-1], str(tmp_path / "t.txt")], catch_exceptions=False)
    assert re.match(r"([A-G]#?-?\d ?)+$", (tmp_path / "t.txt").read_text())


def test_silence_is_no_file(tmp_path: Path) -> None:
    task = fresh(CHORDS, tmp_path / "run").task
    with pytest.raises(CannotError, match="nothing was played"):
        task.media({"notes": [], "tempos": [], "grid": 12}, Path("a.mid"))
    assert task.media({"notes": []}, Path("a.txt")) is None


def test_a_picture_shows_the_notes(tmp_path: Path) -> None:
    run = fresh(TUNE, tmp_path / "run")
    shown = run.picture(midi(tmp_path, Tune((Note(0, False, 60, 12), Note(12, False, 64, 6)), (), 12)))
    assert shown.rows == ["E4", "D#4", "D4", "C#4", "C4"]
    assert shown.values.tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 0]]
    assert shown.columns == ["0", "", "1"]


def test_each_way_of_writing_reads_the_other(tmp_path: Path) -> None:
    keys, events = fresh(CHORDS, tmp_path / "a"), fresh(TUNE, tmp_path / "b")
    assert isinstance(playing_of(keys), KeysByStep)
    path, text = midi(tmp_path), json.dumps(CHORDS)
    assert len(keys.answers([keys.task.question(path)])[0]) == 9  # quarter notes
    assert events.predict([text])[0]["events"] > len(CHORDS)
    assert np.isfinite(events.predict([text])[0]["nll"])


def test_keys_of_a_piano_tell_what_they_leave_out(tmp_path: Path) -> None:
    run = fresh(CHORDS, tmp_path / "run")
    (tmp_path / "all").mkdir()
    path = midi(tmp_path / "all")  # 8 of its notes are over before a quarter note begins, and one is a drum
    (told,) = run.predict_file(path)
    assert told["left_out"] == "9 of 17 notes"
    assert run.task.show(told).endswith(" nats a step, 9 steps, 9 of 17 notes left out")
    (piece,) = run.read(path).examples
    assert run.task.header(piece, [1.0]) == "piece\tnll\tleft_out"
    assert run.task.write_answer(piece, [1.0, 2.0]) == f"{path}:1\t1.5000\t9 of 17 notes"
    midi(tmp_path / "all", Tune(TUNE.notes[:1], (), 12), "whole.mid")
    figures = run.evaluate(tmp_path / "all")
    assert figures["signature"] == "nll|log:natural|per:step|first:counted|left_out:9 of 18 notes"
    assert "left_out" not in fresh(TUNE, tmp_path / "events").evaluate(tmp_path / "all")

    drums = midi(tmp_path / "all", Tune((Note(0, True, 38, 12),), (), 12), "drums.mid")
    found = re.escape(f"{drums}:1: found 1 note, none of them a key of a piano as a quarter note begins")
    for ask in (run.evaluate, run.predict_file, lambda text: run.generate(1, None, text)):
        with pytest.raises(DataError, match=found):
            ask(drums)


def test_steps_without_a_note(tmp_path: Path) -> None:
    keys, events = fresh(CHORDS, tmp_path / "a"), fresh(TUNE, tmp_path / "b")
    with pytest.raises(DataError, match="found steps without a note\n  expected at least one"):
        keys.picture("[[], []]")
    with pytest.raises(CannotError, match="there is no note to play on behind"):
        events.generate(1, Sampling(longest=1), "[[], []]")
    assert keys.generate(1, Sampling(longest=1), "[[], []]")  # silence is a step, too


def test_a_file_that_begins_as_midi_is_read_as_such(tmp_path: Path) -> None:
    run = fresh(TUNE, tmp_path / "run")
    path = Path(midi(tmp_path, name="a.kar"))
    assert run.predict_file(path)[0]["events"] == run.predict([str(path)])[0]["events"]
    (tmp_path / "a.rmi").write_bytes(b"RIFF\0\0\0\0RMID" + path.read_bytes())
    for ask in (run.evaluate, run.predict_file, lambda text: run.predict([str(text)])):
        with pytest.raises(DataError, match="bytes that do not begin as MIDI"):
            ask(tmp_path / "a.rmi")


def test_a_folder_of_tunes(tmp_path: Path) -> None:
    for name in ("b.mid", "a.mid"):
        midi(tmp_path, name=name)
    odd = Tune((Note(1, False, 60, 11),), (), 24)
    midi(tmp_path, odd, "c.mid")
    reading = TASK.read(str(tmp_path), settings())
    assert [piece.place for piece in reading.examples] == [f"{tmp_path}/{name}.mid:1" for name in "abc"]
    assert (
        reading.description
        == f"{tmp_path}: 3 tunes, 35 notes; 1 note put on the grid of 12 steps a quarter note"
    )
    midi(tmp_path, Tune(TUNE.notes, ((0, 60.0), (500, 90.0)), 12), "a.mid")
    said = TASK.read(str(tmp_path), settings()).description
    assert said.endswith("; 1 tempo behind the last note, and left out")
    (tmp_path / "d.mid").write_bytes(b"MThd")
    with pytest.raises(DataError, match="found 4 bytes that do not begin as MIDI"):
        TASK.read(str(tmp_path), settings())
    assert TASK.read(str(tmp_path), settings(), skip_bad=True).description.endswith("; 1 bad file skipped")


@pytest.mark.parametrize(
    ("given", "wording"),
    [
        ({"grid": 7}, "grid must divide 480, such as 4, 12 or 24, got 7"),
        ({"transpose": 13}, "transpose must be from 0 to 12, got 13"),
        ({"size": 0}, "size and epoch_steps must be at least 1, got 0 and 60000"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], wording: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wording)):
        MusicSettings.of(given)


@pytest.mark.parametrize("music", [CHORDS, TUNE])
def test_baselines_know_less_and_less(music: Any) -> None:
    """Each is a distribution: its figures are hand-made here for one that only counts."""
    train = [Piece(music, f"x:{i}") for i in range(20)]
    task = Music(settings(), KeysByStep(12, 0) if music is CHORDS else EventByEvent(12, 0))
    scores = {
        name: task.metric(train, method(train))["value"] for name, method in task.baselines(train).items()
    }
    first, second, _ = scores
    assert scores[second] < scores[first]
    if music is CHORDS:
        n = 20 * len(CHORDS)
        p = (20 * roll(CHORDS).sum(0) + 0.5) / (n + 1)
        keys = roll(CHORDS)
        by_hand = -(keys * np.log(p) + (1 - keys) * np.log(1 - p)).sum(1).mean()
        assert scores["key_frequency"] == pytest.approx(by_hand, rel=1e-6)
