"""What was measured, and what follows from it: ratios, rates, means, and the tables that show them.

Times are medians in milliseconds, rates are GFLOP/s of useful work. A ratio is a rival's time over ours: over
1, we are faster. `!` marks a row where a rival is.

Letters: T time, B batch, I input, H hidden.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from statistics import geometric_mean
from typing import Any

from elman.bench.rivals import BOTH, FORWARD
from elman.nn.cells import CELLS

LOSS = "!"
CHARGE = 1.1  # the most a ragged batch should cost, its real steps alone being 1
STEP_RATIO = 3.0  # how many times as fast as ONNX Runtime a single step should be
MANY, WIDE = 8, 128  # from this B and H on, a layer's share of the rate of matrix products counts


TITLE = "# The recurrent layers beside their rivals"
LEGEND = f"""\
Medians of all calls in n turns, in one process. torch/ours: torch's time, padded or packed, whichever is
less, over ours; best/ours: that of the fastest rival. Over 1 we are faster; `{LOSS}` marks where we are not.
GFLOP/s: useful work; mm: torch's product of two matrices. charge: our time over the real steps' share of our
padded time."""


@dataclass(frozen=True)
class Shape:
    """Sizes of a batch, padded, and of a layer."""

    time: int
    batch: int
    input: int
    hidden: int
    bidirectional: bool = False

    def __str__(self) -> str:
        sizes = f"{self.time}, {self.batch}, {self.input}, {self.hidden}"
        return f"{sizes} both ways" if self.bidirectional else sizes


@dataclass(frozen=True)
class Row:
    """The times of all who did one thing, by name: ours, torch, onnxruntime, keras; or ours padded ..."""

    section: str
    threads: int
    cell: str
    shape: Shape
    real_steps: int  # of the batch, both directions being one
    passes: str
    turns: int  # how often each was timed
    times: dict[str, float]  # "ours" is always there, and one of torch
    matmul: float  # GFLOP/s of torch.mm with as many threads

    def best(self, *names: str) -> float | None:
        """Return the least time of those whose name begins so; None if there is none."""
        return min((time for name, time in self.times.items() if name.startswith(names)), default=None)

    def ratio(self, *names: str) -> float | None:
        """Return the best time of these rivals over ours."""
        best = self.best(*names)
        return None if best is None else best / self.times["ours"]

    @property
    def torch_ratio(self) -> float | None:
        """To the better of torch padded and torch packed."""
        return self.ratio("torch")

    @property
    def onnxruntime_ratio(self) -> float | None:
        """To ONNX Runtime."""
        return self.ratio("onnxruntime")

    @property
    def best_ratio(self) -> float | None:
        """To the fastest of all rivals."""
        return self.ratio("torch", "onnxruntime", "keras")

    @property
    def gflops(self) -> float:
        """Our rate: two products a step and gate forward, and as much again for each of their gradients."""
        steps = self.real_steps * (2 if self.shape.bidirectional else 1)
        sizes = self.shape.hidden * (self.shape.input + self.shape.hidden)
        products = 2 * steps * len(CELLS[self.cell].gates) * sizes * (3 if self.passes == BOTH else 1)
        return products / self.times["ours"] / 1e6

    @property
    def share(self) -> float:
        """Our rate over that of torch.mm."""
        return self.gflops / self.matmul

    @property
    def real_share(self) -> float:
        """Real steps over the steps of the padded batch."""
        return self.real_steps / (self.shape.time * self.shape.batch)

    @property
    def charge(self) -> float | None:
        """Our time over the real steps' share of our time for the padded batch: 1 where padding is free."""
        padded = self.times.get("ours padded")
        return None if padded is None else self.times["ours"] / (self.real_share * padded)

    @property
    def lost(self) -> bool:
        """Whether a rival is faster."""
        return (self.best_ratio or 0) < 1

    def facts(self) -> dict[str, Any]:
        """Return what was measured and what follows."""
        follows = [name for name, value in vars(Row).items() if isinstance(value, property)]
        return asdict(self) | {name: getattr(self, name) for name in follows}


@dataclass(frozen=True)
class Mean:
    """Geometric means over the padded shapes of a cell; None where there is no shape."""

    threads: int
    cell: str
    ratio: float | None  # to torch, forward+backward
    forward_share: float | None  # of the rate of torch.mm, where B and H are large enough
    share: float | None  # the same, forward+backward


def _number(value: float | None, scale: float = 1) -> str:
    """Show three digits or so; nothing for None."""
    if value is None:
        return ""
    value *= scale
    return f"{value:.{2 if value < 10 else 1 if value < 1000 else 0}f}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


Columns = dict[str, Callable[[Any], str]]
COLUMNS: Columns = {
    "cell": lambda row: row.cell,
    "T, B, I, H": lambda row: str(row.shape),
    "pass": lambda row: row.passes,
    "real steps": lambda row: _percent(row.real_share),
    "n": lambda row: str(row.turns),
    "ours ms": lambda row: _number(row.times["ours"]),
    "ours µs": lambda row: _number(row.times["ours"], 1000),
    "ours padded": lambda row: _number(row.times["ours padded"]),
    "torch ms": lambda row: _number(row.best("torch")),
    "torch µs": lambda row: _number(row.best("torch"), 1000),
    "torch packed": lambda row: _number(row.times["torch packed"]),
    "torch padded": lambda row: _number(row.times["torch padded"]),
    "ORT ms": lambda row: _number(row.best("onnxruntime")),
    "ORT µs": lambda row: _number(row.best("onnxruntime"), 1000),
    "Keras ms": lambda row: _number(row.best("keras")),
    "charge": lambda row: _ratio(row.charge),
    "torch/ours": lambda row: _ratio(row.torch_ratio),
    "ORT/ours": lambda row: _ratio(row.onnxruntime_ratio),
    "best/ours": lambda row: _ratio(row.best_ratio),
    "lost": lambda row: LOSS if row.lost else "",
    "GFLOP/s": lambda row: f"{row.gflops:.1f}",
    "of mm": lambda row: _percent(row.share),
}
WHAT, VERDICT = ("cell", "T, B, I, H", "pass"), ("torch/ours", "best/ours", "lost")
TIMES = ("ours ms", "torch ms", "ORT ms", "Keras ms")
SECTIONS = {
    "sequences": (*WHAT, "n", *TIMES, *VERDICT, "GFLOP/s", "of mm"),
    "short": (*WHAT, "n", "ours µs", "torch µs", "ORT µs", *VERDICT),
    "ragged": (
        *WHAT,
        "real steps",
        "n",
        "ours ms",
        "ours padded",
        "torch packed",
        "torch padded",
        "charge",
        "torch/ours",
        "lost",
    ),
    "step": (*WHAT, "n", "ours µs", "torch µs", "ORT µs", "torch/ours", "ORT/ours", "lost"),
}
MEANS: Columns = {
    "threads": lambda mean: str(mean.threads),
    "cell": lambda mean: mean.cell,
    f"torch/ours, {BOTH}": lambda mean: _ratio(mean.ratio),
    f"of mm, {FORWARD}": lambda mean: _percent(mean.forward_share),
    f"of mm, {BOTH}": lambda mean: _percent(mean.share),
}
LEFT = (*WHAT, "lost")  # the other columns are numbers


@dataclass(frozen=True)
class Report:
    """All rows, and the conditions under which they were measured."""

    conditions: dict[str, Any]
    matmul: dict[int, float]  # GFLOP/s of torch.mm with each number of threads
    rows: list[Row]

    def of(self, section: str, threads: int) -> list[Row]:
        """Return the rows of a section with a number of threads."""
        return [row for row in self.rows if (row.section, row.threads) == (section, threads)]

    def means(self) -> list[Mean]:
        """Return the geometric means of each cell with each number of threads."""
        found = []
        for threads, cell in product(self.matmul, CELLS):
            rows = [row for row in self.of("sequences", threads) if row.cell == cell]
            large = [row for row in rows if row.shape.batch >= MANY and row.shape.hidden >= WIDE]
            ratio = _mean(row.ratio("torch") for row in rows if row.passes == BOTH)
            shares = (_mean(row.share for row in large if row.passes == p) for p in (FORWARD, BOTH))
            if rows:
                found.append(Mean(threads, cell, ratio, *shares))
        return found

    def facts(self) -> dict[str, Any]:
        """Return everything, for JSON."""
        return {
            **self.conditions,
            "matmul_gflops": self.matmul,
            **{name: [row.facts() for row in self.rows if row.section == name] for name in SECTIONS},
            "means": [asdict(mean) for mean in self.means()],
            "lost": sum(row.lost for row in self.rows),
        }

    def text(self) -> str:
        """Return the tables, in Markdown, with what is to be learnt from each."""
        conditions = ", ".join(f"{name} {value}" for name, value in self.conditions.items())
        parts = [TITLE, f"{conditions}.", LEGEND]
        for section, threads in product(SECTIONS, self.matmul):
            if rows := self.of(section, threads):
                columns = {name: COLUMNS[name] for name in SECTIONS[section]}
                parts += [f"## {section.capitalize()}, {_threads(threads)}", _markdown(columns, rows)]
                parts.append(_summary(rows))
        if means := self.means():
            parts += ["## Geometric means over the sequences", _markdown(MEANS, means)]
            parts.append(f"of mm: over the shapes with B at least {MANY} and H at least {WIDE}.")
        rates = (f"{rate:.1f} GFLOP/s with {_threads(n)}" for n, rate in self.matmul.items())
        parts.append(f"mm: {', '.join(rates)}. All in all, {_summary(self.rows)}")
        return "\n\n".join(parts)


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"


def _summary(rows: Sequence[Row]) -> str:
    """Say how many rows are as they should be."""
    said = [f"a rival is faster in {sum(row.lost for row in rows)} of {len(rows)}"]
    charges = [row.charge for row in rows if row.charge is not None]
    if charges:
        said.append(
            f"the charge is at most {CHARGE} in {sum(c <= CHARGE for c in charges)} of {len(charges)}"
        )
    ratios = [row.onnxruntime_ratio or 0 for row in rows if row.section == "step" and row.onnxruntime_ratio]
    if ratios:
        met = sum(ratio >= STEP_RATIO for ratio in ratios)
        said.append(f"a step is {STEP_RATIO:.0f} times as fast as ONNX Runtime's in {met} of {len(ratios)}")
    return "; ".join(said) + "."


def _markdown(columns: Columns, rows: Sequence[Any]) -> str:
    """Return a table, a line a row, without the columns that are empty in all of them."""
    shown = []
    for name, show in columns.items():
        texts = [show(row) for row in rows]
        if not any(texts) and name != "lost":
            continue
        width, left = max(map(len, ["-:", name, *texts])), name in LEFT
        rule = "-" * width if left else "-" * (width - 1) + ":"
        shown.append([text.ljust(width) if left else text.rjust(width) for text in (name, rule, *texts)])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*shown, strict=True))


def _mean(values: Iterable[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return geometric_mean(found) if found else None
