"""Libraries that only some tasks need: imported when they are needed, and asked for in one line."""

import re
import shlex
from importlib import import_module, metadata
from typing import Any


class MissingError(Exception):
    """A library that is not installed."""


def need(module: str, extra: str) -> Any:
    """Import a module. Raises MissingError, which says what to install, where it is not there."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.split(".")[0]
        if error.name != name:
            raise
        remedy = shlex.join(["pip", "install", *(_libraries(extra) or [name])])
        raise MissingError(f"{name} is not installed; install it: {remedy}") from None


def _libraries(extra: str) -> list[str]:
    """Return what the extra brings, by name and version: `elman[...]` itself is no package that pip finds."""
    try:
        lines = metadata.requires("elman") or []
    except metadata.PackageNotFoundError:  # a checkout on the path
        return []
    asked = [re.fullmatch(r"(.+?) *; *extra == .(\w+).", line) for line in lines]
    return [match[1] for match in asked if match and match[2] == extra]
