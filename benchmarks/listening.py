"""Feed an hour of sound to a speech run that streams, on one core: real-time factor and memory.

Usage: python benchmarks/listening.py RUN
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

import elman

PIECE = 1600  # samples at 16 kHz: a tenth of a second
MINUTES = 60


def resident_mib() -> int:
    """Return the memory that this process holds, as Linux tells it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def main() -> None:
    """Print a line for every ten minutes, then the real-time factor."""
    torch.set_num_threads(1)
    chance = np.random.default_rng(0)
    busy = 0.0
    with elman.load(sys.argv[1]).stream() as stream:
        for piece in range(MINUTES * 600):
            sound = (0.1 * chance.standard_normal(PIECE)).astype(np.float32)
            start = time.process_time()
            stream.step(sound)
            busy += time.process_time() - start
            if piece % 6000 == 599:
                print(f"minute {piece // 600 + 1}: {resident_mib()} MiB")
    print(f"real-time factor {busy / (MINUTES * 60):.4f}")


if __name__ == "__main__":
    main()
