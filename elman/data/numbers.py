"""Numbers as text files hold them: one reader for all formats.

Python's `float` takes more than a data file should hold: `1_000`, digits of other scripts.
"""

import re
from collections.abc import Sequence

import numpy as np

_FOREIGN = re.compile(r"[^ \t!-^`-~]")  # all but printable ASCII without the underscore, space and tab


def read_number(text: str) -> float:
    """Read a decimal number, inf or nan; spaces around it are no part of it. Raises ValueError.

    >>> read_number(" -1.5e3")
    -1500.0
    """
    if _FOREIGN.search(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def read_numbers(texts: Sequence[str]) -> np.ndarray:
    """Read numbers as `read_number` does, many at once, as float64. Raises ValueError."""
    if _FOREIGN.search("".join(texts)):
        raise ValueError("not all of them are numbers")
    return np.array(texts, dtype=np.float64)
