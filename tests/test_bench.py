"""`elman bench`: its arithmetic, its turns, its rivals. No time is asserted."""

import json
from dataclasses import replace
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result
from torch.nn.utils.rnn import pack_padded_sequence

from elman.bench import clock, rivals
from elman.bench.clock import Spread, agree, in_turn
from elman.bench.rivals import BOTH, FORWARD, Guests, Work
from elman.bench.table import Report, Row, Shape
from elman.cli import bench, cli
from elman.nn.cells import CELLS
from elman.nn.layers import LAYERS

ROW = Row(
    section="sequences",
    threads=1,
    cell="lstm",
    shape=Shape(10, 8, 100, 200),
    real_steps=80,
    passes=FORWARD,
    turns=5,
    times={"ours": 2.0, "torch padded": 5.0, "torch packed": 4.0, "onnxruntime": 1.0, "keras": 8.0},
    matmul=100.0,
)
RAGGED = replace(
    ROW,
    section="ragged",
    shape=replace(ROW.shape, bidirectional=True),
    real_steps=20,
    times={"ours": 3.0, "ours padded": 10.0, "torch packed": 6.0, "torch padded": 9.0},
)
STEP = replace(
    ROW,
    section="step",
    shape=Shape(1, 1, 64, 64),
    real_steps=1,
    times={"ours": 0.004, "torch": 0.05, "onnxruntime": 0.014},
)


# Arithmetic


def test_ratios_are_the_rivals_time_over_ours() -> None:
    assert (ROW.torch_ratio, ROW.onnxruntime_ratio, ROW.best_ratio, ROW.lost) == (2.0, 0.5, 0.5, True)
    alone = replace(ROW, times={"ours": 2.0, "torch": 4.0})
    assert (alone.torch_ratio, alone.onnxruntime_ratio, alone.best_ratio, alone.lost) == (
        2.0,
        None,
        2.0,
        False,
    )
    assert not replace(ROW, times={"ours": 2.0, "torch": 2.0}).lost


def test_rates_count_useful_work_alone() -> None:
    products = 2 * 80 * 4 * 200 * (100 + 200)  # N, G, H, I + H
    assert ROW.gflops == pytest.approx(products / 0.002 / 1e9)
    assert ROW.share == pytest.approx(ROW.gflops / 100)
    assert replace(ROW, passes=BOTH).gflops == pytest.approx(3 * ROW.gflops)
    assert replace(ROW, cell="gru").gflops == pytest.approx(ROW.gflops * 3 / 4)
    assert RAGGED.gflops == pytest.approx(2 * products * 20 / 80 / 0.003 / 1e9)  # both ways


def test_the_charge_of_a_ragged_batch() -> None:
    assert RAGGED.real_share == 0.25
    assert RAGGED.charge == pytest.approx(3.0 / 2.5)
    assert RAGGED.best_ratio == 2.0  # our own padded time is no rival's
    assert ROW.charge is None


def test_geometric_means() -> None:
    rows = [
        replace(ROW, passes=BOTH, times={"ours": 1.0, "torch padded": 2.0}),
        replace(ROW, passes=BOTH, times={"ours": 1.0, "torch packed": 8.0}, matmul=400.0),
        replace(ROW, passes=BOTH, times={"ours": 1.0, "torch": 4.0}, shape=Shape(9, 7, 9, 128)),  # B small
        replace(ROW, passes=BOTH, times={"ours": 1.0, "torch": 4.0}, shape=Shape(9, 8, 9, 127)),  # H small
        replace(ROW, passes=BOTH, times={"ours": 1.0, "torch": 100.0}, threads=2),
        replace(RAGGED, passes=BOTH),
    ]
    one, two = Report({}, {1: 100.0, 2: 200.0}, rows).means()
    assert (one.threads, one.cell, two.threads) == (1, "lstm", 2)
    assert one.ratio == pytest.approx(4.0)
    assert one.share == pytest.approx(rows[0].share / 2)
    assert one.forward_share is None
    assert two.ratio == pytest.approx(100.0)


def test_the_tables() -> None:
    won = replace(ROW, times={"ours": 2.0, "torch padded": 4.0})
    report = Report({"torch": "2.13"}, {1: 100.0}, [ROW, won, RAGGED, STEP])
    text = report.text()
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    for lines in tables:
        assert len({len(line) for line in lines}) == 1
    cells = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in lines] for lines in tables]
    sequences, ragged, step, means = ([dict(zip(t[0], row, strict=True)) for row in t[2:]] for t in cells)
    assert [row["lost"] for row in sequences] == ["!", ""]
    assert [row["ORT ms"] for row in sequences] == ["1.00", ""]
    assert (ragged[0]["charge"], ragged[0]["torch/ours"], ragged[0]["real steps"]) == ("1.20", "2.00", "25%")
    assert (step[0]["ours µs"], step[0]["ORT/ours"]) == ("4.00", "3.50")
    assert means[0]["of mm, forward"]
    for said in ("torch 2.13.", "faster in 1 of 2.", "at most 1.1 in 0 of 1", "ONNX Runtime's in 1 of 1"):
        assert said in text
    assert "All in all, a rival is faster in 1 of 4;" in text
    assert "Keras ms" in text
    assert "Keras ms" not in replace(report, rows=[won]).text()  # an empty column is left out


# Turns


class Clock:
    """A clock that only works move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[str] = []

    def perf_counter(self) -> float:
        return self.now

    def work(self, name: str, *seconds: float) -> Work:
        """Take these seconds in turn, the last again and again."""
        left = list(seconds)

        def call() -> None:
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return Work(call, lambda _: [])


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(clock, "time", fake)
    return fake


def test_a_short_call_is_made_again_and_again_in_its_turn(fake: Clock) -> None:
    quick = clock.TURN / 3.5
    times, turns = in_turn({"ours": fake.work("ours", 7, quick), "torch": fake.work("torch", 3)}, 0.0)
    assert (times, turns) == (pytest.approx({"ours": 1000 * quick, "torch": 3000.0}), clock.FEWEST)
    assert fake.calls == [*["ours"] * 5, "torch", "torch"] * 3


def test_medians_are_of_the_second_calls_of_turns(fake: Clock) -> None:
    works = {"ours": fake.work("ours", 7, 1, 7, 9, 7, 2), "torch": fake.work("torch", 3)}
    times, turns = in_turn(works, 0.0)
    assert (times, turns) == ({"ours": 2000.0, "torch": 3000.0}, clock.FEWEST)
    assert fake.calls == ["ours", "ours", "torch", "torch"] * 3


def test_turns_end_with_the_time_or_their_number(fake: Clock) -> None:
    assert in_turn({"ours": fake.work("ours", 1)}, 13.0)[1] == 7
    assert in_turn({"ours": fake.work("ours", 1)}, 1e9)[1] == clock.MOST


def test_of_two_that_are_one_rival_the_slower_goes_after_two_turns(fake: Clock) -> None:
    names = ("ours", "padded", "packed")
    works = {name: fake.work(name, seconds) for name, seconds in zip(names, (9, 2, 1), strict=True)}
    times, turns = in_turn(works, 0.0, ("padded", "packed"))
    assert fake.calls[::2] == fake.calls[1::2] == [*names, *names, "ours", "packed"]
    assert turns == 3
    assert times["padded"] == 2000.0


def test_who_disagrees_is_not_timed() -> None:
    x = torch.tensor([1.0, 100.0])
    works = {name: Work(lambda t=t: t, lambda t: [t]) for name, t in {"torch": x, "ours": x + 0.009}.items()}
    agree(works)
    works["ours"] = Work(lambda: x + 0.011, lambda t: [t])
    with pytest.raises(AssertionError, match=r"^ours, torch: "):
        agree(works)


def test_lengths_are_spread_and_clipped() -> None:
    reviews, sentences = (spread.lengths() for spread in clock.RAGGED)
    assert sum(reviews) / 32 == pytest.approx(204, rel=0.02)
    assert sum(sentences) / 32 == pytest.approx(23, rel=0.02)
    assert sentences == sorted(sentences, reverse=True)
    clipped = Spread(10, 2.0, 5, 20, 9, 1, 1).lengths()
    assert (clipped[0], clipped[4], clipped[-1]) == (20, 10, 5)


# Rivals


@pytest.fixture
def guests() -> Guests:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    return Guests.find()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_onnx_graph_is_our_layer(cell: str, bidirectional: bool, guests: Guests) -> None:
    ours, rival = clock._layers(cell, Shape(7, 3, 5, 4, bidirectional))
    x = torch.randn(7, 3, 5)
    work = rivals.onnx_works(guests, cell, rival, x, 1)[FORWARD]
    expected, _ = ours(x)
    torch.testing.assert_close(work.read(work.call())[0], expected.flatten(0, 1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_end_in_the_state_of_the_sequence(cell: str, guests: Guests) -> None:
    ours, rival = clock._layers(cell, Shape(1, 1, 5, 4))
    torch.manual_seed(3)
    works = rivals.step_works(guests, cell, ours, rival, 6, 1)
    torch.manual_seed(3)
    _, state = ours(torch.randn(1, 5).expand(6, 1, 5))
    expected = state if isinstance(state, tuple) else (state,)
    assert set(works) == {"ours", "torch", "onnxruntime"}
    for work in works.values():
        torch.testing.assert_close(work.read(work.call()), list(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_packed_and_padded_read_alike(cell: str) -> None:
    """A full batch has the same outputs and gradients, in the same order, whichever way it is given."""
    ours = LAYERS[cell](5, 4, bidirectional=True)
    x, doutputs = torch.randn(7, 3, 5), torch.randn(7, 3, 8)
    packed, dpacked = (pack_padded_sequence(t, torch.tensor([7, 7, 7])) for t in (x, doutputs))
    padded = rivals.torch_works(ours, x, doutputs)
    for passes, work in rivals.torch_works(ours, packed, dpacked.data).items():
        results = [w.read(w.call()) for w in (work, padded[passes])]
        assert len(results[0]) == (1 if passes == FORWARD else 1 + len(list(ours.parameters())))
        torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-5)


def test_guests_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(rivals, "import_module", nothing)
    guests = Guests.find()
    assert (guests.onnx, guests.onnxruntime, guests.keras, guests.versions()) == (None, None, None, {})
    assert guests.notes == (
        "ONNX Runtime is not timed: No module named 'onnx'",
        "Keras is not timed: No module named 'keras'",
    )


# The command


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One tiny case a section, three turns each."""
    monkeypatch.setattr(clock, "SEQUENCES", (Shape(3, 2, 4, 5),))
    monkeypatch.setattr(clock, "SHORT", (Shape(1, 2, 4, 5),))
    monkeypatch.setattr(clock, "RAGGED", (Spread(4, 0.5, 1, 9, 3, 4, 5),))
    monkeypatch.setattr(clock, "STEP", (Shape(1, 1, 4, 5),))
    monkeypatch.setattr(clock, "STEPS", 2)
    monkeypatch.setattr(clock, "SIZES", (8,))
    monkeypatch.setattr(clock, "MOST", 3)


def call(*words: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *words], catch_exceptions=False)


@pytest.mark.usefixtures("small")
def test_the_command_times_everything() -> None:
    threads = torch.get_num_threads()
    told = call("--json", "--threads", "1")
    facts = json.loads(told.stdout)
    assert (told.exit_code, torch.get_num_threads()) == (0, threads)
    assert {"date", "torch", "cpu", "cores", "load", "instructions", "means", "lost"} <= facts.keys()
    assert facts["matmul_gflops"].keys() == {"1"}
    for section, passes in {"sequences": 2, "short": 2, "ragged": 2, "step": 1}.items():
        assert [row["cell"] for row in facts[section]] == [cell for cell in CELLS for _ in range(passes)]
        assert all(row["torch_ratio"] > 0 and row["threads"] == 1 for row in facts[section])
    onnxruntime = "onnxruntime" in facts
    for row in facts["sequences"]:
        assert ("onnxruntime" in row["times"]) == (onnxruntime and row["passes"] == FORWARD)


@pytest.mark.usefixtures("small")
def test_one_section_as_a_table() -> None:
    told = call("--only", "ragged", "--threads", "1", "--seconds", "0")
    assert told.exit_code == 0
    headings = [line for line in told.stdout.splitlines() if line.startswith("#")]
    assert headings == ["# The recurrent layers beside their rivals", "## Ragged, 1 thread"]


@pytest.mark.usefixtures("small")
def test_one_thread_and_then_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    facts = json.loads(call("--json", "--only", "ragged").stdout)
    assert seen == [1] * 3 + [2] * 3 + [2]  # a case each, and back
    assert [row["threads"] for row in facts["ragged"]] == [1] * 6 + [2] * 6


def test_the_command_knows_the_sections() -> None:
    (only,) = (option for option in bench.params if option.name == "only")
    assert isinstance(only.type, click.Choice)
    assert list(only.type.choices) == list(clock.SECTIONS)
    assert call("--only", "steps").exit_code == 2
    assert call("--threads", "0").exit_code == 2
