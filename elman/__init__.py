"""elman: recurrent sequence models, from a raw file to a trained, judged, deployed model.

>>> import elman
>>> run = elman.train("ner", "train.conll", dev="dev.conll", out="runs/ner")  # doctest: +SKIP
>>> run = elman.load("runs/ner")  # doctest: +SKIP
>>> run.predict(["Ada Lovelace wrote to Charles Babbage in London"])  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

import elman.openmp  # noqa: F401 - before torch is imported

__version__ = "0.1.0"
__all__ = ["__version__", "load", "train"]

if TYPE_CHECKING:
    from elman.run import load
    from elman.training import train


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: torch takes seconds, and `elman --help` does without it."""
    if name == "train":
        from elman.training import train

        return train
    if name == "load":
        from elman.run import load

        return load
    raise AttributeError(f"module 'elman' has no attribute {name!r}")
