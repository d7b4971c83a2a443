"""Arrays of numbers, from `.npy` files (never one of Python objects, which is a pickle) and from Python."""

from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

from elman.data.source import DataError, read_lines

# numpy reads a head as if it were Python, and a damaged one fails as that would.
_DAMAGED = (ValueError, TypeError, SyntaxError, TokenError, OverflowError, EOFError, OSError)


def open_array(path: str | Path, axes: Sequence[str]) -> np.ndarray:
    """Map an array of numbers into memory, without reading it.

    Args:
        path: of a file that `numpy.save` wrote.
        axes: what its axes are, for messages; it must have as many, none of them of size 0.

    Raises:
        DataError: where it is no such array, or holds fewer or more bytes than its head says.
    """
    path, expected = Path(path), f"an array of numbers [{', '.join(axes)}]"
    if not path.is_file():
        next(read_lines(path), None)  # says why not
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except _DAMAGED as error:
        pickled = "Python objects" in str(error)
        found = "an array of Python objects, which could run code" if pickled else f"no whole array ({error})"
        raise DataError(str(path), found, expected, "write it again: numpy.save(FILE, floats)") from None
    if array.dtype.kind not in "fiu":
        raise DataError(
            str(path), f"an array of {array.dtype}", expected, "convert it: array.astype('float32')"
        )
    if array.ndim != len(axes) or not all(array.shape):
        short = array.ndim == len(axes) - 1
        remedy = "give it a last axis: array[..., None]" if short else "reshape it, or leave it out"
        raise DataError(str(path), f"an array of shape {array.shape}", expected, remedy)
    there = path.stat().st_size - array.offset
    if there != array.nbytes:
        raise DataError(
            str(path),
            f"{there:,} bytes behind the head",
            f"{array.nbytes:,}, for the shape {array.shape}",
            "write it again",
        )
    return array


def narrowed(values: np.ndarray) -> np.ndarray:
    """Return numbers as float32; those too large for it are infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def numbers_of(given: Any, expected: str, axes: int | None = None) -> np.ndarray:
    """Return what a stream is given as an array of float32.

    Args:
        given: an array, or what can be one; None within a list is a number that is missing, NaN.
        expected: what it must be, for messages.
        axes: how many it must have, if that is known.

    Raises:
        TypeError: for what holds other things than numbers.
        ValueError: for lists of unequal lengths, or other axes.
    """
    kind = type(given).__name__
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{expected}, got {kind}: {error}") from None
    try:
        if given is None or array.dtype.kind not in "biufO":
            raise TypeError
        array = narrowed(array)
    except (TypeError, ValueError):
        raise TypeError(f"{expected}, got {kind}") from None
    if axes is not None and array.ndim != axes:
        raise ValueError(f"{expected}, got an array of shape {list(array.shape)}")
    return array
