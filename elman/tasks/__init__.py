"""The tasks: imported when they are asked for. `TASKS` lists them all.

`declared` answers without torch; `find` imports the networks too.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elman.tasks.settings import Declaration
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

    def __init__(self, name: str) -> None:
        from elman.data.source import did_you_mean

        hint = did_you_mean(name, list(TASKS)) or f"the tasks are: {', '.join(TASKS)}"
        super().__init__(f"there is no task {name!r}; {hint}")


def find(name: str) -> "type[Task]":
    """Return the task of this name. Raises UnknownTaskError."""
    _check(name)
    return import_module(f"elman.tasks.{name}").TASK


def declared(name: str) -> "Declaration":
    """Return what is known of the task of this name without its network. Raises UnknownTaskError."""
    _check(name)
    return import_module(f"elman.tasks.declarations.{name}").DECLARATION


def _check(name: str) -> None:
    if name not in TASKS:
        raise UnknownTaskError(name)
