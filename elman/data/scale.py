"""Numbers of training as mean 0 and standard deviation 1.

Letters: N rows, C numbers of a row.
"""

from dataclasses import dataclass

import numpy as np

LEAST_SPREAD = 1e-6  # what varies less, as a share of its size, is a constant


@dataclass(frozen=True)
class StandardScaler:
    """Mean and standard deviation of each of C numbers; a constant one has deviation 1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def fit(cls, rows: np.ndarray) -> "StandardScaler":
        """Measure rows [N, C], of which some may be NaN."""
        there = ~np.isnan(rows)
        count = np.maximum(there.sum(0), 1)
        mean = np.where(there, rows, 0).sum(0, dtype=np.float64) / count
        deviation = np.sqrt(np.where(there, (rows - mean) ** 2, 0).sum(0) / count)
        constant = deviation <= LEAST_SPREAD * np.abs(mean)
        return cls(tuple(mean.tolist()), tuple(np.where(constant, 1.0, deviation).tolist()))

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Standardise rows [N, C]."""
        return ((rows - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)
