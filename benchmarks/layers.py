"""Our recurrent layers beside torch's, timed in turn in one process.

    python benchmarks/layers.py [--json] [--threads N]

Both layers get the same weights and the same input, and must give the same output before a clock is started.
Each time is the median of n repeats taken in turn (ours, torch, ours, torch ...), so that what else the
machine does falls on both alike. The ratio is torch's time over ours: over 1, we are faster. Losses carry a
sign.

Letters: T time, B batch, N real steps of the batch, I input, H hidden.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from elman.nn.layers import LAYERS

RIVALS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
LOSS = "!"
SECONDS = 40.0  # for everything, shared among the comparisons that are left; a slow machine repeats less
MOST = 25  # repeats
BUSY = 0.5  # load of a core above which a reader is warned


@dataclass(frozen=True)
class Shape:
    """Sizes of a batch and a layer."""

    time: int
    batch: int
    input: int
    hidden: int
    bidirectional: bool = False

    def __str__(self) -> str:
        sizes = f"{self.time}, {self.batch}, {self.input}, {self.hidden}"
        return f"{sizes}, both ways" if self.bidirectional else sizes


SHAPES = (
    Shape(100, 32, 64, 64),
    Shape(100, 32, 128, 256),
    Shape(30, 32, 150, 200, bidirectional=True),
)


@dataclass(frozen=True)
class Comparison:
    """What was timed, and the medians in milliseconds."""

    cell: str
    shape: Shape
    ragged: bool
    real_steps: int  # N
    backward: bool
    repeats: int
    ours: float
    torch: float

    @property
    def ratio(self) -> float:
        """The time of torch over ours; over 1, we are faster."""
        return self.torch / self.ours


def compare(cell: str, shape: Shape, ragged: bool, seconds: float) -> Iterator[Comparison]:
    """Time forward propagation alone, then with backpropagation, in about `seconds` each.

    Raises:
        AssertionError: where the two layers do not give the same output.
    """
    torch.manual_seed(0)
    x = torch.randn(shape.time, shape.batch, shape.input, requires_grad=True)
    batch: Tensor | PackedSequence = x
    real_steps = shape.time * shape.batch
    if ragged:
        lengths = torch.linspace(1, shape.time, shape.batch).long().flip(0)  # evenly from T down to 1
        packed = pack_padded_sequence(x.detach(), lengths)
        x = packed.data.requires_grad_()
        batch = PackedSequence(x, packed.batch_sizes)
        real_steps = len(x)
    rival = RIVALS[cell](shape.input, shape.hidden, bidirectional=shape.bidirectional)
    layer = LAYERS[cell](shape.input, shape.hidden, bidirectional=shape.bidirectional)
    layer.load_state_dict(rival.state_dict())
    layers: list[torch.nn.Module] = [layer, rival]
    doutputs = torch.randn_like(outputs_of(rival, batch))
    torch.testing.assert_close(outputs_of(layer, batch), outputs_of(rival, batch), rtol=1e-4, atol=1e-5)

    def forward(layer: torch.nn.Module) -> None:
        with torch.no_grad():
            outputs_of(layer, batch)

    def forward_and_backward(layer: torch.nn.Module) -> None:
        torch.autograd.grad(outputs_of(layer, batch), [x, *layer.parameters()], doutputs)

    for backward in (False, True):
        ours, theirs, repeats = medians(layers, forward_and_backward if backward else forward, seconds)
        yield Comparison(cell, shape, ragged, real_steps, backward, repeats, ours, theirs)


def outputs_of(layer: torch.nn.Module, batch: Tensor | PackedSequence) -> Tensor:
    """Return the outputs, [T, B, H] or packed [N, H], twice as wide in both directions."""
    outputs, _ = layer(batch)
    return outputs.data if isinstance(outputs, PackedSequence) else outputs


def medians(
    layers: list[torch.nn.Module], work: Callable[[torch.nn.Module], None], seconds: float
) -> tuple[float, float, int]:
    """Return the median times of two layers in milliseconds, and how often each was timed."""
    end = time.perf_counter() + seconds
    for layer in layers:
        work(layer)  # the first time is always slow
    times: list[list[float]] = [[], []]
    while not times[0] or (len(times[0]) < MOST and time.perf_counter() < end):
        for layer, taken in zip(layers, times, strict=True):
            start = time.perf_counter()
            work(layer)
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[0]), statistics.median(times[1]), len(times[0])


def load() -> float:
    """Return how many programs wanted a core in the last minute, as a share of the cores; 0 if not known."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 2) if hasattr(os, "getloadavg") else 0.0


def conditions() -> dict[str, str | int | float]:
    """Say when and on what this is measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": load(),
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def table(comparisons: list[Comparison]) -> Table:
    """Set out the comparisons, a line each."""
    shown = Table("cell", "T, B, I, H", "batch", "pass", box=None, pad_edge=False)
    for name in ("n", "ours ms", "torch ms", "ratio"):
        shown.add_column(name, justify="right")
    shown.add_column("")
    for c in comparisons:
        shown.add_row(
            c.cell,
            str(c.shape),
            "ragged" if c.ragged else "padded",
            "forward+backward" if c.backward else "forward",
            str(c.repeats),
            f"{c.ours:.2f}",
            f"{c.torch:.2f}",
            f"{c.ratio:.2f}",
            LOSS if c.ratio < 1 else "",
        )
    return shown


def main() -> None:
    """Run all comparisons and print them."""
    parser = argparse.ArgumentParser(description="Time elman's recurrent layers beside torch's.")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="threads of both sides; torch's choice if absent"
    )
    arguments = parser.parse_args()
    if arguments.threads is not None:
        if arguments.threads < 1:
            parser.error(f"--threads must be at least 1, got {arguments.threads}")
        torch.set_num_threads(arguments.threads)

    said = conditions()
    comparisons: list[Comparison] = []
    talk = Console(stderr=True)
    todo = list(product(SHAPES, RIVALS, (False, True)))
    if load() > BUSY:
        talk.print(f"the machine is busy (load {load()} a core): these ratios will be noisy")
    end = time.perf_counter() + SECONDS
    progress = track(todo, "timing", console=talk, transient=True, disable=not talk.is_terminal)
    for done, (shape, cell, ragged) in enumerate(progress):
        seconds = (end - time.perf_counter()) / (len(todo) - done) / 2
        comparisons += compare(cell, shape, ragged, seconds)

    if arguments.json:
        rows = [{**asdict(c), "ratio": c.ratio} for c in comparisons]
        json.dump({**said, "comparisons": rows}, sys.stdout, indent=2)
        print()
        return
    screen = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    screen.print(table(comparisons))
    lost = sum(c.ratio < 1 for c in comparisons)
    screen.print(f"\nratio = torch / ours; {LOSS} torch is faster: {lost} of {len(comparisons)}")
    screen.print(", ".join(f"{name} {value}" for name, value in said.items()), soft_wrap=True)


if __name__ == "__main__":
    main()
