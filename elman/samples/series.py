"""Sample data of the series task: three sensors of a plant, ragged, whose class is the order of events.

In each series every sensor has one pulse, at a random time, as high and as wide as chance will have it, over
noise and a slow drift; the pulses come one behind the other. The label says which sensor's came first. Each
sensor's average tells nothing of it, nor does any fixed step, for a quiet time of random length comes first.
"""

import random
from pathlib import Path

import numpy as np

from elman.storage import write_whole

SENSORS = ("pump", "valve", "motor")
SIZES = {"train": 360, "dev": 120, "test": 120}
QUIET = (0, 30)  # steps before the first pulse
GAP = (3, 12)  # steps from a pulse to the next
REST = (4, 12)  # steps behind the last
WIDTH = (0.8, 1.8)  # of a pulse, in steps
HEIGHT = (1.5, 4.0)  # of a pulse
NOISE, DRIFT = 0.25, 0.6


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.csv, dev.csv and test.csv into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (part, size) in enumerate(SIZES.items()):
        chance = random.Random(seed * len(SIZES) + number)
        rows = [f"series,{','.join(SENSORS)},label"]
        for i in range(size):
            values, first = _curves(chance)
            rows += [f"{part}{i + 1},{','.join(f'{value:.3f}' for value in step)},{first}" for step in values]
        paths.append(folder / f"{part}.csv")
        write_whole(paths[-1], "".join(f"{row}\n" for row in rows).encode())
    return paths


def _curves(chance: random.Random) -> tuple[np.ndarray, str]:
    """Values [T, 3], and the sensor whose pulse comes first."""
    order = chance.sample(range(len(SENSORS)), len(SENSORS))
    times = [chance.randint(*QUIET) + 2]
    for _ in order[1:]:
        times.append(times[-1] + chance.randint(*GAP))
    steps = np.arange(times[-1] + chance.randint(*REST))
    values = np.array([[chance.gauss(0, NOISE) for _ in SENSORS] for _ in steps])
    for sensor, time in zip(order, times, strict=True):
        pulse = np.exp(-0.5 * ((steps - time) / chance.uniform(*WIDTH)) ** 2)
        values[:, sensor] += chance.uniform(*HEIGHT) * pulse + chance.uniform(-DRIFT, DRIFT) * steps / len(
            steps
        )
    return values, SENSORS[order[0]]
