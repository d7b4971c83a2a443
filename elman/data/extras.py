"""Libraries that only some tasks need: imported when they are needed, and asked for in one line."""

from importlib import import_module
from typing import Any


class MissingError(Exception):
    """A library that is not installed."""


def need(module: str, extra: str) -> Any:
    """Import a module. Raises MissingError, which says what to install, where it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise MissingError(f"{module} is not installed; install it: pip install 'elman[{extra}]'") from None
