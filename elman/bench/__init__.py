"""The recurrent layers beside their strongest rivals, timed in turn in one process: `elman bench`.

`rivals` holds who is timed, `clock` times them, `table` says what follows from its figures.
"""

from elman.bench.clock import SECTIONS, measure
from elman.bench.table import Report

__all__ = ["SECTIONS", "Report", "measure"]
