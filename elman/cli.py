"""The command line. Data go to stdout, talk goes to stderr; the exit code says what kind of failure it was.

Nothing heavy is imported before a command needs it: `elman --help` answers at once.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from elman import __version__, commands
from elman.tasks import TASKS, UnknownTaskError, declared
from elman.tasks.sampling import Sampling

if TYPE_CHECKING:
    from elman.run import Run

OK, BUG, USAGE, DATA, DIVERGED, DAMAGED = range(6)
NO_MEMORY = "can't allocate memory"  # what torch's own RuntimeError has in it


def main() -> NoReturn:
    """Run the command line and exit: 0 ok, 1 our bug, 2 usage, 3 data, 4 diverged, 5 damaged, 130, 143."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _check_arguments()
        cli.main(prog_name="elman", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help())
        sys.exit(USAGE)
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption):
            error = commands.unknown_option(error)
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("elman: interrupted", err=True)
        sys.exit(130)
    except _ReaderGoneError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's last flush fails
        sys.exit(OK)
    except (OSError, UnicodeEncodeError) as error:  # a folder that cannot be made, a terminal of few letters
        click.echo(f"elman: {error}", err=True)
        sys.exit(USAGE)
    except Exception as error:
        if isinstance(error, MemoryError) or NO_MEMORY in str(error):
            click.echo("elman: there is not enough memory for this; smaller sizes need less", err=True)
            sys.exit(USAGE)
        code = _exit_code(error)
        if code == BUG:
            raise
        click.echo(f"elman: {error}", err=True)
        sys.exit(code)
    sys.exit(OK)


def _check_arguments() -> None:
    """Refuse what is not UTF-8; it could be neither printed nor written into the run."""
    for argument in sys.argv:
        if not argument.isascii() and any("\ud800" <= character <= "\udfff" for character in argument):
            raise click.UsageError(
                f"the argument {argument!r} is not UTF-8; rename the file, or convert the text"
            )


def _exit_code(error: Exception) -> int:
    """Tell the user's mistakes from ours; a module that was never loaded cannot have raised."""
    kinds = {
        ("elman.training", "UsageError"): USAGE,
        ("elman.tasks", "UnknownTaskError"): USAGE,
        ("elman.tasks.task", "CannotError"): USAGE,
        ("elman.data.extras", "MissingError"): USAGE,
        ("elman.data.source", "DataError"): DATA,
        ("elman.learning.fit", "DivergedError"): DIVERGED,
        ("elman.storage", "DamagedError"): DAMAGED,
    }
    return next((kinds[n] for k in type(error).__mro__ if (n := (k.__module__, k.__name__)) in kinds), BUG)


class _ReaderGoneError(Exception):
    """Who read our output has gone, as in `| head`."""


@contextmanager
def _reader_may_go() -> Iterator[None]:
    """Catch a broken pipe before click does, or behind rich: both make it exit code 1."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGoneError from None
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise _ReaderGoneError from None
        raise


class _Commands(commands.Commands):
    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_may_go():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_go():
            return super().invoke(ctx)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="elman")
def cli() -> None:
    """Recurrent sequence models: raw file in; trained, judged, explained model out."""


class _Tasks(commands.Commands):
    """One command a task, made from its settings when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(TASKS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _train_command(cmd_name) if cmd_name in TASKS else None

    def unknown(self, name: str, known: list[str]) -> str:
        if Path(name).exists():
            return f"the task comes before the file: elman train TASK {name}"
        return str(UnknownTaskError(name))


_COMMON = [
    click.Argument(["train"], nargs=-1, type=click.Path()),
    click.Option(["--dev"], type=click.Path(), help="file that decides when to stop [a tenth of TRAIN]"),
    click.Option(["--test"], type=click.Path(), help="file to be judged on at the end"),
    click.Option(["--out"], type=click.Path(), help="folder of the run, new or empty [runs/TASK]"),
    click.Option(["--resume"], is_flag=True, help="go on from the last checkpoint in --out"),
    click.Option(["--skip-bad"], is_flag=True, help="leave out bad records and count them"),
    click.Option(["--folds"], metavar="N", help="cross-validate on all files in so many parts"),
    click.Option(["--group-folds"], metavar="COLUMN", help="the same, groups of COLUMN together [5 parts]"),
    click.Option(["--json", "as_json"], is_flag=True, help="print the figures as one JSON object"),
]


@cli.group(cls=_Tasks)
def train() -> None:
    """Train a task on files, or without files on its sample data."""


def _train_command(name: str) -> click.Command:
    kind = declared(name)
    options = commands.options(kind.settings_type)

    def run(train: tuple[str, ...], as_json: bool, **chosen: Any) -> None:
        folds, groups = chosen.pop("folds"), chosen.pop("group_folds")
        if folds or groups:
            _cross_validate(name, train, folds, groups, as_json, **chosen)
            return
        from elman.training import train as train_task

        try:
            trained = train_task(name, train or None, **chosen)
        except (KeyboardInterrupt, SystemExit, OSError):
            if (Path(chosen["out"] or Path("runs") / name) / "run.json").exists():
                from elman.run import resumed

                how = resumed(["elman", *sys.argv[1:]])
                click.echo(f"elman: training has stopped; go on with it: {how}", err=True)
            raise
        metrics = json.loads((trained.folder / "metrics.json").read_text())
        _print_figures(metrics, trained.task.better, as_json)
        click.echo(f"{trained.folder}: the run; its README.md has the figures and pictures", err=True)

    return click.Command(
        name, params=[*_COMMON, *options], callback=run, help=f"Train {kind.summary}: {kind.files}."
    )


def _cross_validate(
    name: str,
    train: tuple[str, ...],
    folds: str | None,
    groups: str | None,
    as_json: bool,
    *,
    dev: str | None,
    test: str | None,
    **chosen: Any,
) -> None:
    if chosen.pop("resume") or not train:
        raise click.UsageError("--folds needs TRAIN, and does not go on with --resume")
    if folds and not folds.isdecimal():
        if groups:
            raise click.UsageError(f"--folds takes a number, got {folds!r}")
        folds, groups = None, folds
        click.echo(f"note: --folds {groups} is --group-folds {groups} now", err=True)
    from elman.folds import FOLDS, cross_validate

    files, number = [file for file in (train, dev, test) if file], int(folds or FOLDS)
    metrics, task = cross_validate(name, files, groups, folds=number, **chosen)
    shown = metrics if as_json else {part: metrics[part] for part in ("test", "baselines")}
    _print_figures(shown, task.better, as_json)


def _print_figures(metrics: dict[str, Any], better: str, as_json: bool) -> None:
    if as_json:
        _print_json(metrics)
        return
    from rich.console import Console

    from elman.report import show_figures

    show_figures(metrics, Console(highlight=False), better)


def _load(folder: str) -> "Run":
    """Load a run; warn where its training is not finished."""
    from elman.run import Run

    run = Run.load(folder)
    if unfinished := run.unfinished():
        click.echo(f"warning: {unfinished}", err=True)
    return run


@cli.command()
@click.argument("run", type=click.Path())
@click.argument("file", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option("--skip-bad", is_flag=True, help="leave out bad records and count them")
@click.option("--out", type=click.Path(path_type=Path), help="file to write the predictions to, as FILE is")
def evaluate(run: str, file: str, as_json: bool, skip_bad: bool, out: Path | None) -> None:
    """Score a run on a file."""
    if out and out.exists() and Path(file).exists() and out.samefile(file):
        raise click.UsageError(f"--out is {file} itself; name another file")
    trained = _load(run)
    reading = trained.read(file, skip_bad=skip_bad)
    click.echo(reading.description, err=True)
    for warning in filter(None, (trained.doubt(reading.examples), trained.long_inputs(reading.examples))):
        click.echo(f"warning: {warning}", err=True)
    answers = trained.answers(reading.examples)
    judged = trained.task.metric(reading.examples, answers)
    if out:
        trained.write_answers(out, reading.examples, answers)
        click.echo(out, err=True)
    if as_json:
        _print_json(judged)
        return
    from rich.console import Console

    from elman.report import show_judged

    show_judged(judged, Console(highlight=False))


@cli.command()
@click.argument("run", type=click.Path())
@click.argument("texts", nargs=-1, metavar="[TEXT ... | FILE | -]")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@click.option("--skip-bad", is_flag=True, help="leave out what cannot be read and count it")
def predict(run: str, texts: tuple[str, ...], as_json: bool, skip_bad: bool) -> None:
    """Answer for texts, for a file, or for the lines of standard input (-)."""
    from elman.ask import shown, told

    trained = _load(run)
    if as_json:
        _print_json({"task": trained.task.name, "answers": told(trained, texts, skip_bad=skip_bad)})
        return
    for line in shown(trained, texts, skip_bad=skip_bad):
        click.echo(line)


def _generate(run: str, count: int, prime: str | None, out: str | None, as_json: bool, **chosen: Any) -> None:
    try:
        sampling = Sampling(**chosen)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    from elman.report import write_media
    from elman.storage import write_whole

    trained = _load(run)
    told = trained.generate(count, sampling, prime)
    if as_json:
        text = json.dumps({"task": trained.task.name, "answers": told}, indent=1, ensure_ascii=False)
    else:
        text = "\n".join(map(trained.task.show, told))
    if out is None:
        click.echo(text)
        return
    written = [] if as_json else write_media(trained, told, Path(out))
    if not written:
        write_whole(Path(out), text.encode() + b"\n")
    for path in written or [out]:
        click.echo(path, err=True)


cli.add_command(
    click.Command(
        "generate",
        callback=_generate,
        params=[
            click.Argument(["run"], type=click.Path()),
            click.Option(["--count"], type=click.IntRange(min=1), default=1, help="how many [1]"),
            click.Option(["--prime"], help="how each begins"),
            click.Option(["--out"], type=click.Path(), help="file to write instead of printing"),
            click.Option(["--json", "as_json"], is_flag=True, help="print one JSON object"),
            *commands.options(Sampling),
        ],
        help="Let a run speak.",
    )
)


@cli.command()
@click.argument("run", type=click.Path())
@click.argument("text", metavar="INPUT")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="PNG file to write")
def draw(run: str, text: str, out: Path) -> None:
    """Draw what a run looks at in an input."""
    from elman import plots

    plots.save(plots.heatmap(_load(run).picture(text)), out)
    click.echo(out, err=True)


@cli.command()
@click.argument("task")
@click.argument("folder", type=click.Path(path_type=Path))
def sample(task: str, folder: Path) -> None:
    """Write a task's sample data into a folder, new or empty."""
    if folder.is_dir() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty; name another folder")
    from elman.tasks import find

    for path in find(task).sample(folder):
        click.echo(path)


@cli.command()
@click.option(
    "--only",
    type=click.Choice(["sequences", "short", "ragged", "step"], case_sensitive=False),
    help="measure one section alone",
)
@click.option("--threads", type=click.IntRange(min=1), help="of everyone [one, and then as torch chooses]")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="time for everything; slow machines and large shapes take more",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def bench(only: str | None, threads: int | None, seconds: float, as_json: bool) -> None:
    """Time the recurrent layers beside torch, ONNX Runtime and Keras."""
    from elman.bench import measure

    report = measure(only, threads, seconds)
    if as_json:
        _print_json(report.facts())
        return
    click.echo(report.text())


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def doctor(as_json: bool) -> None:
    """Say what is installed, what runs fast, and why something does not."""
    from elman.doctor import examine, lines

    found = examine()
    if as_json:
        _print_json(found)
        return
    for line in lines(found):
        click.echo(line)


@cli.command()
def tasks() -> None:
    """List the tasks: shape, file formats, metric."""
    from rich.console import Console
    from rich.table import Table

    table = Table("task", "shape", "input files", "metric", box=None, pad_edge=False, header_style="bold")
    for kind in map(declared, TASKS):
        table.add_row(kind.name, kind.shape, kind.files, kind.metric_name)
    Console(highlight=False).print(table)


cli.add_command(commands.help_command)


def _print_json(facts: dict[str, Any]) -> None:
    click.echo(json.dumps(facts, indent=1, ensure_ascii=False))
