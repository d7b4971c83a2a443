"""The tasks: one file each, imported when it is asked for. `TASKS` lists them all."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elman.tasks.task import Task

TASKS = (
    "ner",
    "tagging",
    "sentiment",
    "dna",
    "translation",
    "language",
    "speech",
    "music",
    "video",
    "series",
)


class UnknownTaskError(ValueError):
    """No task has this name."""


def find(name: str) -> "type[Task]":
    """Return the task of this name. Raises UnknownTaskError."""
    if name not in TASKS:
        from elman.data.source import did_you_mean

        hint = did_you_mean(name, list(TASKS)) or f"the tasks are: {', '.join(TASKS)}"
        raise UnknownTaskError(f"there is no task {name!r}; {hint}")
    return import_module(f"elman.tasks.{name}").TASK
