"""What a run shows people: progress while it trains, a table of figures, and the model card of its folder."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from elman import plots
from elman.learning.fit import Progress
from elman.run import Run
from elman.storage import write_whole
from elman.tasks.stored import read_facts
from elman.tasks.task import Reading


class Display:
    """Talks to the user on stderr: a bar on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn(
                "loss {task.fields[loss]:.3f}  {task.fields[rate]:,.0f} steps/s  {task.fields[left]} left"
            ),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._row = self._bar.add_task("", total=None, epoch=0, loss=0.0, rate=0.0, left="?")

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away."""
        self._bar.stop()

    def say(self, text: str) -> None:
        """Say a line."""
        self.console.print(text, markup=False)

    def progress(self, progress: Progress, epochs: int) -> None:
        """Move the bar; at the end of an epoch, say its figures."""
        left = timedelta(seconds=round(progress.seconds_left))
        self._bar.update(
            self._row,
            total=epochs,
            completed=progress.position,
            epoch=progress.epoch,
            loss=progress.loss,
            rate=progress.rate,
            left=left,
        )
        if progress.rollback:
            self.say(f"warning: {progress.rollback}")
        if progress.score is not None:
            self.say(
                f"epoch {progress.epoch:3}  loss {progress.loss:8.3f}  dev {progress.score:z.4f}"
                f"{' kept' if progress.keep else '     '}  {progress.rate:,.0f} steps/s, {left} left"
            )


def show_figures(metrics: Mapping[str, Any], console: Console, better: str = "higher") -> None:
    """Print the model's figures beside the baselines'; a star marks the best of each file."""
    rows = _rows(metrics)
    rates = _rates(rows[0][2])
    best_of = max if better == "higher" else min
    table = _table("data", "method", rows[0][2]["metric"], *(name for name in rates if name != "value"))
    for part, method, judged in rows:
        best = judged["value"] == best_of(other["value"] for p, _, other in rows if p == part)
        value, *others = (f"{judged[name]:.4f}" if name in judged else "" for name in rates)
        table.add_row(part, method, f"{value} *" if best else value, *others)
    console.print(table)


def show_judged(judged: Mapping[str, Any], console: Console) -> None:
    """Print the figures of one file, and those of each type where there are types."""
    rates = _rates(judged)
    table = _table("", judged["metric"], *(name for name in rates if name != "value"))
    table.add_row("all", *(f"{rate:.4f}" for rate in rates.values()))
    console.print(table)
    if parts := _parts(judged):
        of, figures = parts
        details = _table(of, *next(iter(figures.values())))
        for kind, numbers in figures.items():
            details.add_row(Text(kind), *map(_shown, numbers.values()))
        console.print(details)
    console.print(judged["signature"], markup=False)


def _rates(judged: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in judged.items() if isinstance(value, float)}


def _parts(judged: Mapping[str, Any]) -> tuple[str, Mapping[str, Mapping[str, Any]]] | None:
    """Return what the figures are parted by, such as "type", and those of each part; None without parts."""
    name = next((name for name in judged if name.startswith("per_") and judged[name]), None)
    return (name.removeprefix("per_"), judged[name]) if name else None


def _shown(cell: Any) -> str:
    return f"{cell:.4f}" if isinstance(cell, float) else str(cell)


def _rows(metrics: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return (data, method, figures), the model first, as the table and the card list them."""
    rows = []
    for part in (part for part in metrics if part != "baselines"):
        rows.append((part, "this model", metrics[part]))
        rows += [
            (part, name.replace("_", " "), judged[part]) for name, judged in metrics["baselines"].items()
        ]
    return rows


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, header_style="bold")


def write_card(
    run: Run, metrics: Mapping[str, Any], log: Sequence[Mapping[str, Any]], readings: Mapping[str, Reading]
) -> None:
    """Write README.md, the model card."""
    facts = read_facts(run.folder)
    rows = _rows(metrics)
    kept = next(row for row in reversed(log) if row["kept"])
    lines = [
        f"# {run.task.summary.capitalize()} by elman {facts['versions']['elman']}",
        "",
        f"Shape: {run.task.shape}. Trained for {log[-1]['epoch']} epochs; the weights are those of epoch "
        f"{kept['epoch']}, the last that was as good on dev as any, but for one answer at most.",
        "",
        *_markdown(
            ["data", "method", rows[0][2]["metric"]],
            [[part, method, judged["value"]] for part, method, judged in rows],
        ),
        "",
        f"Signature: `{rows[0][2]['signature']}`",
    ]
    for part in ("dev", "test"):
        if parts := _parts(metrics.get(part, {})):
            of, figures = parts
            columns = list(next(iter(figures.values())))
            body = [[kind, *judged.values()] for kind, judged in figures.items()]
            lines += ["", *_markdown([f"{of} ({part})", *columns], body)]
    lines += ["", "## Data", "", *(f"- {part}: {reading.description}" for part, reading in readings.items())]
    lines += ["", "## Settings", ""]
    lines += [f"- {key} = {value}" for key, value in asdict(run.task.settings).items()]
    lines += ["", "## Pictures", ""]
    lines += [f"![{path.stem}](plots/{path.name})" for path in sorted((run.folder / "plots").glob("*.png"))]
    lines += [
        "",
        "## Use",
        "",
        "```",
        f"elman predict {shlex.quote(str(run.folder))} TEXT",
        f"elman evaluate {shlex.quote(str(run.folder))} FILE",
        "```",
        "",
        f"Made by `{shlex.join(facts['command'])}`.",
    ]
    write_whole(run.folder / "README.md", "\n".join([*lines, ""]).encode())


def write_media(run: Run, told: Sequence[Mapping[str, Any]], path: Path) -> list[Path]:
    """Write each thing that was generated as a file that plays, with a picture beside it.

    Returns the files, numbered where they are more than one; none where the task speaks in text.
    """
    written = []
    for number, one in enumerate(told, 1):
        content = run.task.media(one, path)
        if content is None:
            return []
        file = path if len(told) == 1 else path.with_stem(f"{path.stem}-{number}")
        write_whole(file, content)
        plots.save(plots.heatmap(run.picture(str(file))), file.with_suffix(".png"))
        written.append(file)
    return written


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Return the lines of a table; rates with four digits."""
    body = [[" ".join(_shown(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in [columns, ["---"] * len(columns), *body]]
