"""The clock: everyone takes turns (ours, rival, ours ...), so what else the machine does falls on all.

Letters: T time, B batch, N real steps of the batch, I input, H hidden.
"""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from math import exp, log
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from torch.nn.utils.rnn import pack_padded_sequence

from elman import __version__
from elman.bench.rivals import (
    BOTH,
    FORWARD,
    TORCH,
    Guests,
    Work,
    Works,
    keras_works,
    onnx_works,
    step_works,
    torch_works,
)
from elman.bench.table import Report, Row, Shape
from elman.nn.layers import LAYERS

FEWEST, MOST = 3, 25  # turns
TURN = 0.05  # seconds in which a short call is made again and again
STEPS = 200  # of one call
BUSY = 0.5  # load of a core above which a reader is warned
SIZES = (512, 1024, 2048)  # of the square matrices that set the rate of the machine


@dataclass(frozen=True)
class Spread:
    """A batch of many lengths: the B quantiles of a lognormal distribution, everywhere the same."""

    middle: float  # length of the sequence in the middle
    sigma: float  # of the logarithm
    shortest: int
    longest: int
    batch: int
    input: int
    hidden: int

    def lengths(self) -> list[int]:
        """Return the lengths, longest first."""
        normal = NormalDist(log(self.middle), self.sigma)
        drawn = (round(exp(normal.inv_cdf((i + 0.5) / self.batch))) for i in reversed(range(self.batch)))
        return [min(max(length, self.shortest), self.longest) for length in drawn]


SEQUENCES = (
    Shape(100, 32, 64, 64),
    Shape(100, 32, 128, 256),
    Shape(1000, 8, 32, 128),
    Shape(500, 16, 100, 512),
    Shape(50, 128, 300, 512),
    Shape(200, 64, 128, 128),
    Shape(1000, 1, 64, 256),
    Shape(25, 32, 150, 200, bidirectional=True),
    Shape(2000, 4, 4, 96),
)
SHORT = (
    Shape(1, 1, 64, 128),
    Shape(1, 16, 64, 128),
    Shape(1, 1, 256, 512),
    Shape(5, 1, 64, 128),
    Shape(5, 16, 64, 128),
    Shape(20, 1, 64, 128),
)
RAGGED = (
    Spread(168, 0.65, 20, 1000, 32, 100, 128),  # reviews
    Spread(20.5, 0.5, 3, 80, 32, 150, 200),  # sentences
)
STEP = (Shape(1, 1, 64, 64), Shape(1, 1, 128, 128), Shape(1, 1, 128, 256))


@dataclass(frozen=True)
class Setting:
    """What holds for all rows measured with one number of threads."""

    threads: int
    matmul: float  # GFLOP/s
    guests: Guests


def time_sequences(
    setting: Setting, cell: str, shape: Shape, seconds: float, section: str = "sequences"
) -> Iterator[Row]:
    """Time full batches, one pass after the other, in about `seconds`."""
    ours, rival = _layers(cell, shape)
    x = torch.randn(shape.time, shape.batch, shape.input)
    doutputs = torch.randn(shape.time, shape.batch, shape.hidden * (2 if shape.bidirectional else 1))
    packed = pack_padded_sequence(x, torch.full((shape.batch,), shape.time))
    guests = setting.guests
    everyone: dict[str, Works] = {
        "ours": torch_works(ours, x, doutputs),
        "torch padded": torch_works(rival, x, doutputs),
        "torch packed": torch_works(rival, packed, doutputs.flatten(0, 1)),
    }
    if guests.onnxruntime:
        everyone["onnxruntime"] = onnx_works(guests, cell, rival, x, setting.threads)
    if guests.keras:
        everyone["keras"] = keras_works(guests.keras, cell, rival, x, doutputs)
    for passes in (FORWARD, BOTH):
        works = {name: theirs[passes] for name, theirs in everyone.items() if passes in theirs}
        agree(works)
        times, turns = in_turn(works, seconds / 2, ("torch padded", "torch packed"))
        yield _row(section, setting, cell, shape, passes, turns, times)


def time_ragged(setting: Setting, cell: str, spread: Spread, seconds: float) -> Iterator[Row]:
    """Time a ragged batch, packed and padded, one pass after the other, in about `seconds`."""
    lengths = spread.lengths()
    shape = Shape(lengths[0], spread.batch, spread.input, spread.hidden, bidirectional=True)
    ours, rival = _layers(cell, shape)
    x = torch.randn(shape.time, shape.batch, shape.input)
    doutputs = torch.randn(shape.time, shape.batch, 2 * shape.hidden)
    packed, dpacked = (pack_padded_sequence(t, torch.tensor(lengths)) for t in (x, doutputs))
    everyone = {
        "ours": torch_works(ours, packed, dpacked.data),
        "torch packed": torch_works(rival, packed, dpacked.data),
        "ours padded": torch_works(ours, x, doutputs),
        "torch padded": torch_works(rival, x, doutputs),
    }
    for passes in (FORWARD, BOTH):
        works = {name: theirs[passes] for name, theirs in everyone.items()}
        for names in (("ours", "torch packed"), ("ours padded", "torch padded")):
            agree({name: works[name] for name in names})  # padding changes what is read from right to left
        times, turns = in_turn(works, seconds / 2)
        yield _row("ragged", setting, cell, shape, passes, turns, times, sum(lengths))


def time_step(setting: Setting, cell: str, shape: Shape, seconds: float) -> Iterator[Row]:
    """Time one step at a time, in about `seconds`."""
    ours, rival = _layers(cell, shape)
    works = step_works(setting.guests, cell, ours, rival, STEPS, setting.threads)
    agree(works)
    times, turns = in_turn(works, seconds)
    one = {name: taken / STEPS for name, taken in times.items()}
    yield _row("step", setting, cell, shape, FORWARD, turns, one)


SECTIONS = {
    "sequences": time_sequences,
    "short": partial(time_sequences, section="short"),
    "ragged": time_ragged,
    "step": time_step,
}


def measure(
    only: str | None = None, threads: int | None = None, seconds: float = 120.0, talk: Console | None = None
) -> Report:
    """Time everything, or one of `SECTIONS`.

    Args:
        only: the section.
        threads: of everyone; 1 and then torch's own number when absent.
        seconds: for everything, shared among what is left; each takes three turns however long they are.
        talk: where progress and warnings go.

    Raises:
        AssertionError: where two do not give the same output.
    """
    talk = talk or Console(stderr=True)
    guests, before = Guests.find(), torch.get_num_threads()
    numbers = [threads] if threads else sorted({1, before})
    for sentence in guests.notes:
        talk.print(sentence, markup=False, highlight=False)
    conditions = {"threads": numbers, **_conditions(guests)}
    if conditions["load"] > BUSY:
        talk.print(f"the machine is busy (load {conditions['load']} a core): these ratios will be noisy")
    cases = {"sequences": SEQUENCES, "short": SHORT, "ragged": RAGGED, "step": STEP}
    rates: dict[int, float] = {}
    rows: list[Row] = []
    todo: list[Any] = [
        (n, section, cell, case)
        for n, section in product(numbers, [only] if only else SECTIONS)
        for case, cell in product(cases[section], TORCH)
    ]
    end = time.perf_counter() + seconds
    bar = track(todo, "timing", console=talk, transient=True, disable=not talk.is_terminal)
    try:
        for done, (n, section, cell, case) in enumerate(bar):
            torch.set_num_threads(n)
            if n not in rates:
                rates[n] = matmul_rate()
            left = (end - time.perf_counter()) / (len(todo) - done)
            rows += SECTIONS[section](Setting(n, rates[n], guests.with_threads(n, before)), cell, case, left)
    finally:
        torch.set_num_threads(before)
    return Report(conditions, rates, rows)


def agree(works: Works) -> None:
    """Run each once. Raises AssertionError where results differ by more than 1e-4 of the largest."""
    results = {name: work.read(work.call()) for name, work in works.items()}
    (first, expected), *others = results.items()
    for name, result in others:
        for got, wanted in zip(result, expected, strict=False):  # Keras shows the gradient of x alone
            scale = float(wanted.abs().max()) or 1.0  # a single step says nothing of U
            torch.testing.assert_close(
                got / scale, wanted / scale, rtol=0, atol=1e-4, msg=lambda m, n=name: f"{n}, {first}: {m}"
            )


def in_turn(works: Works, seconds: float, either: Sequence[str] = ()) -> tuple[dict[str, float], int]:
    """Return the median time of each work's calls in milliseconds, and the number of turns.

    Of `either`, which stand for the same rival, only the quickest goes on after two turns.
    """
    end = time.perf_counter() + seconds
    times: dict[str, list[float]] = {name: [] for name in works}
    going, turns = list(works), 0
    while turns < FEWEST or (turns < MOST and time.perf_counter() < end):
        for name in going:
            times[name] += _turn(works[name])
        turns += 1
        if turns == 2 and either:
            quickest = min(either, key=lambda name: min(times[name]))
            going = [name for name in going if name == quickest or name not in either]
    return {name: median(taken) * 1000 for name, taken in times.items()}, turns


def _turn(work: Work) -> Iterator[float]:
    """Yield the seconds of calls, of one at least."""
    work.call()  # not counted, for another's turn left its threads awake, and memory gone back to the system
    begin = start = time.perf_counter()
    while True:
        work.call()
        end = time.perf_counter()
        yield end - start
        if end - begin >= TURN:
            return
        start = end


def matmul_rate() -> float:
    """Return the best rate of torch.mm over `SIZES`, in GFLOP/s."""
    squares = [torch.randn(size, size) for size in SIZES]
    works = {str(len(a)): Work(lambda a=a: torch.mm(a, a), lambda y: [y]) for a in squares}
    times, _ = in_turn(works, 2.0)
    return max(2e-6 * len(a) ** 3 / times[str(len(a))] for a in squares)


def _layers(cell: str, shape: Shape) -> tuple[Any, torch.nn.RNNBase]:
    """Return ours and torch's, with the same weights."""
    torch.manual_seed(0)
    rival = TORCH[cell](shape.input, shape.hidden, bidirectional=shape.bidirectional)
    ours = LAYERS[cell](shape.input, shape.hidden, bidirectional=shape.bidirectional)
    ours.load_state_dict(rival.state_dict())
    return ours, rival


def _row(
    section: str,
    setting: Setting,
    cell: str,
    shape: Shape,
    passes: str,
    turns: int,
    times: dict[str, float],
    real_steps: int | None = None,
) -> Row:
    real_steps = real_steps or shape.time * shape.batch
    return Row(section, setting.threads, cell, shape, real_steps, passes, turns, times, setting.matmul)


def _conditions(guests: Guests) -> dict[str, Any]:
    """Say when and on what this is measured."""
    cores = os.cpu_count() or 1
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "elman": __version__,
        "torch": torch.__version__,
        **guests.versions(),
        "cpu": _cpu(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": cores,
        "load": round(os.getloadavg()[0] / cores, 2) if hasattr(os, "getloadavg") else 0.0,
    }


def _cpu() -> str:
    """Return the processor's name, as the kernel has it where it tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
