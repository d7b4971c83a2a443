"""A trained task as its folder holds it, checked before anything large is built.

A run may come from anybody. run.json says which sizes the network has; whether model.safetensors has the same
is seen from its header alone, for a network without memory (on torch's device "meta").
"""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from elman.data.facts import part, text
from elman.data.source import DataError
from elman.storage import DamagedError, missing_run, read_json, read_tensors
from elman.tasks import find
from elman.tasks.task import Task

FACTS, WEIGHTS = "run.json", "model.safetensors"
# What values that fit no network lead to: sizes over what torch can count, a size of 0, names that are none.
_UNFIT = (
    ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError, Warning,
)  # fmt: skip
_MAY_BE_INFINITE = ("word_counts", "unit_counts")  # of what a language model knows, which is never rare


def read_facts(folder: Path) -> dict[str, Any]:
    """Read run.json. Raises DataError where there is none, DamagedError."""
    path = folder / FACTS
    if not path.is_file():
        raise missing_run(folder)
    return read_json(path)


def task_of(folder: Path, facts: dict[str, Any]) -> Task:
    """Rebuild the task of a run from its facts. Raises DamagedError."""
    try:
        kind = find(text(facts, "task"))
        settings = kind.settings_type.of(part(facts, "settings"))
        return kind.from_facts(part(facts, "learned"), settings)
    except _UNFIT as error:
        raise _no_run(folder, error) from None


def read_weights(folder: Path, task: Task) -> dict[str, Tensor]:
    """Read the weights of a task's network. Raises DataError where there are none, DamagedError."""
    path = folder / WEIGHTS
    if not path.is_file():
        raise DataError(
            str(folder),
            "a run whose training has saved no model yet",
            WEIGHTS,
            "go on with its training: the same command with --resume",
        )
    try:
        # A warning is of a layer without an output.
        with torch.device("meta"), _NothingDrawn(), warnings.catch_warnings(action="error"):
            network = task.model()
    except _UNFIT as error:
        raise _no_run(folder, error) from None
    tensors, _ = read_tensors(path, network.state_dict())
    for name, tensor in tensors.items():
        infinite_too = name.endswith(_MAY_BE_INFINITE)
        if tensor.is_floating_point() and not bool(
            (~tensor.isnan() if infinite_too else tensor.isfinite()).all()
        ):
            raise DamagedError(path, f"{name} has numbers that are not finite")
    return tensors


class _NothingDrawn(TorchFunctionMode):
    """Leave out what draws normal numbers: on "meta" it would load seconds of torch to draw none."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "normal_":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def _no_run(folder: Path, error: Exception) -> DamagedError:
    return DamagedError(folder / FACTS, f"no run of this version of elman ({error})")
