"""Feed a speech run that streams, on one core: an hour of sound, or the recordings of a manifest.

The hour shows the real-time factor and the memory; the recordings show how long the first character takes.

Usage: python benchmarks/listening.py RUN [MANIFEST]
"""

import resource
import sys
import time
from pathlib import Path

import numpy as np
import torch

import elman
from elman.data.frames import HOP_MS
from elman.run import Run

PIECE = 1600  # samples at 16 kHz: a tenth of a second
MINUTES = 60


def resident_mib() -> int:
    """Return the memory that this process holds, as Linux tells it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() >> 20


def hour(run: Run) -> None:
    """Print a line for every ten minutes, then the real-time factor."""
    chance = np.random.default_rng(0)
    busy = 0.0
    with run.stream() as stream:
        for piece in range(MINUTES * 600):
            sound = (0.1 * chance.standard_normal(PIECE)).astype(np.float32)
            start = time.process_time()
            stream.step(sound)
            busy += time.process_time() - start
            if piece % 6000 == 599:
                print(f"minute {piece // 600 + 1}: {resident_mib()} MiB")
    print(f"real-time factor {busy / (MINUTES * 60):.4f}")


def first_characters(run: Run, manifest: str) -> None:
    """Print when somebody begins to speak, when the first character of the text is there, and its delay.

    Speech begins where the energy (of features, the first of them) first comes halfway from its 5th to its
    95th percentile.
    """
    rows, silent = [], 0
    for recording in run.read(manifest).examples:
        frames = recording.frames
        energy = frames.mean(1) if recording.held is not None else frames[:, 0]
        begins = np.argmax(energy > np.percentile(energy, (5, 95)).mean()) * HOP_MS / 1000
        with run.stream() as stream:
            told = (stream.step(frame[None]) for frame in frames)
            first = next((one["seconds"] for one in told if one["text"]), None)
        if first is None:
            silent += 1
        else:
            rows.append((begins, first, first - begins))
    print(f"{len(rows)} recordings, {silent} more of which nothing was heard; seconds:")
    names = "speech begins", "first character", "delay"
    for name, values in zip(names, zip(*rows, strict=True), strict=False):  # none, if nothing was heard
        lower, median, upper = np.percentile(values, (25, 50, 75))
        print(f"{name:16} median {median:.2f}, quartiles {lower:.2f} and {upper:.2f}")


def main() -> None:
    """Load the run and feed it."""
    torch.set_num_threads(1)
    run = elman.load(sys.argv[1])
    if len(sys.argv) > 2:
        first_characters(run, sys.argv[2])
    else:
        hour(run)


if __name__ == "__main__":
    main()
