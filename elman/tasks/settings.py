"""What a user may set for a task, and how a task is declared.

No torch is imported here, nor in `elman.tasks.declarations`, so that help answers at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from reprlib import repr as brief
from typing import Any, NamedTuple

from elman.data.source import did_you_mean

DEVICES = ("device", "gpu", "gpus", "cuda", "cpu")  # what a user may try to set
CPU_ONLY = "models run on the CPU, which needs no option"
MOST_LAYERS, MOST_LABELS = 100, 10_000
CELLS = ("rnn", "gru", "lstm")  # the names of `elman.nn.layers.LAYERS`, which would import torch


def option(
    default: Any,
    meaning: str,
    choices: Sequence[str] = (),
    kind: type | None = None,
    *,
    short: str | None = None,
) -> Any:
    """Declare a setting.

    Args:
        default: its default; a setting whose default is False is a flag.
        meaning: the line that `--help` shows.
        choices: what it must be one of, in upper or lower case, where that is so.
        kind: its type, where the default is None and it is not a text.
        short: a shorter name, which the command line takes too.
    """
    return field(
        default=default,
        metadata={"help": meaning, "choices": tuple(choices), "kind": kind, "short": short},
    )


@dataclass(frozen=True)
class Settings:
    """What a user may set for every task; each field is an option of the command line.

    A number whose default is None depends on the size of the training data: `learn` chooses it, and the
    settings of the task that it returns, which run.json records, hold the choice.

    Raises ValueError for a value out of its range.
    """

    cell: str = option("lstm", "recurrent cell", CELLS)
    hidden: int = option(200, "size of the hidden state, in each direction")
    layers: int = option(1, "recurrent layers")
    dropout: float = option(0.5, "probability of zeroing an input or output of the layers in training")
    epochs: int = option(16, "passes over the training data, at most")
    patience: int = option(8, "epochs without as good a dev score before training stops")
    batch_steps: int = option(800, "real steps in a batch, at most; fewer where the training file is small")
    learning_rate: float = option(0.003, "largest learning rate of AdamW", short="lr")
    seed: int = option(0, "seed of all that is random")

    def __post_init__(self) -> None:
        for setting in fields(self):
            choices, value = setting.metadata["choices"], getattr(self, setting.name)
            if not (value is None and setting.default is None):
                _check_type(setting.name, value, setting.type)
            if choices and value not in choices:
                object.__setattr__(self, setting.name, _choose(setting.name, value, choices))
        not_chosen = {f.name for f in fields(self) if f.default is None and getattr(self, f.name) is None}
        for name in ("hidden", "layers", "epochs", "patience", "batch_steps"):
            if name not in not_chosen and getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.layers > MOST_LAYERS:
            raise ValueError(f"layers must be at most {MOST_LAYERS}, got {self.layers}")
        if "dropout" not in not_chosen and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to less than 1, got {self.dropout}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be from 0 to 2^63 - 1, got {self.seed}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be greater than 0, got {self.learning_rate}")

    def files(self) -> dict[str, Path]:
        """Return the files, other than the data, that a run with these settings depends on."""
        return {}

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "Settings":
        """Build settings from names and values. Raises ValueError for a name that there is not."""
        known = [f.name for f in fields(cls)]
        names = {f.metadata["short"]: f.name for f in fields(cls)}
        for name in given:
            if name not in known:
                hint = CPU_ONLY if name in DEVICES else did_you_mean(names.get(name, name), known)
                hint = hint or f"there are: {', '.join(known)}"
                raise ValueError(f"there is no setting {name!r}; {hint}")
        return cls(**given)


def _check_type(name: str, value: Any, kind: Any) -> None:
    """Raise ValueError for a value that is not of the type of its setting."""
    fits = isinstance(value, float | int if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "a text")
        raise ValueError(f"{name} must be {wanted}, got {brief(value)}")


def _choose(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return the choice that the value names in other letters. Raises ValueError where there is none."""
    for choice in choices:
        if str(value).lower() == choice:
            return choice
    hint = did_you_mean(str(value), list(choices)) or ""
    raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}; {hint}".rstrip("; "))


class Declaration(NamedTuple):
    """What is known of a task without its network, for `elman tasks` and for help.

    Args:
        name: what the command line calls it.
        summary: what it does.
        shape: which of the five shapes it has.
        files: what files it reads.
        metric_name: the main metric; a setting may choose another.
        settings_type: what a user may set.
    """

    name: str
    summary: str
    shape: str
    files: str
    metric_name: str
    settings_type: type[Settings]


def language_model_files(folder: str | Path | None) -> dict[str, Path]:
    """Return the files of the language model in `folder`, if any, for a run that starts from it."""
    names = ("run.json", "model.safetensors") if folder else ()
    return {f"init {name}": Path(folder or "") / name for name in names}
