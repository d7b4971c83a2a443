"""The values of a JSON object that may come from anybody, each of the type that it must have.

Each function raises ValueError for a value that is absent or of another type.
"""

import math
from collections.abc import Mapping
from reprlib import repr as brief
from typing import Any


def text(facts: Mapping[str, Any], name: str) -> str:
    """Return a text."""
    return _of(str, facts, name, "a text")


def flag(facts: Mapping[str, Any], name: str) -> bool:
    """Return true or false."""
    return _of(bool, facts, name, "true or false")


def part(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object."""
    return _of(dict, facts, name, "an object")


def items(facts: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list."""
    value = facts.get(name)
    return list(value) if isinstance(value, tuple) else _of(list, facts, name, "a list")


def texts(facts: Mapping[str, Any], name: str, most: int | None = None) -> tuple[str, ...]:
    """Return a list of texts, `most` of them at most."""
    values = items(facts, name)
    if most is not None and len(values) > most:
        raise ValueError(f"{name!r} has {len(values):,} values, and {most:,} at most")
    if not all(type(value) is str for value in values):
        raise ValueError(f"{name!r} must be a list of texts, got {brief(values)}")
    return tuple(values)


def whole(value: Any, name: str, least: int = 0) -> int:
    """Return a whole number of `least` or more."""
    if type(value) is not int or value < least:
        raise ValueError(f"{name!r} must be a whole number of {least} or more, got {brief(value)}")
    return value


def wholes(values: Any, name: str) -> list[int]:
    """Return a list of whole numbers."""
    return [whole(value, name) for value in items({name: values}, name)]


def numbers(values: Any, name: str, length: int | None = None) -> tuple[float, ...]:
    """Return a list of finite numbers, `length` of them."""
    if not isinstance(values, list) or not all(_finite(value) for value in values):
        raise ValueError(f"{name!r} must be a list of finite numbers, got {brief(values)}")
    if length is not None and len(values) != length:
        raise ValueError(f"{name!r} must have {length} numbers, got {len(values)}")
    return tuple(map(float, values))


def _finite(value: Any) -> bool:
    # A whole number may be too large for a float.
    return type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)


def _of(kind: type, facts: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in facts:
        raise ValueError(f"{name!r} is not there")
    if type(facts[name]) is not kind:
        raise ValueError(f"{name!r} must be {what}, got {brief(facts[name])}")
    return facts[name]
