"""Memory and time of one very long sequence: torch, ours, and ours with `checkpoint_every="auto"`.

    python benchmarks/long_sequence.py [--steps 200000] [--json]

An LSTM with B=1 and I=H=128 reads the sequence forward and back. Each method runs in a process of its own,
which measures how far its memory rose above what it held with inputs and output gradients made; the outputs
and the gradient of the inputs, which every method must make, are taken off. Times are medians of three.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from elman import nn

SIZE, REPEATS = 128, 3
METHODS = ("torch", "ours", "ours, checkpoints")


def peak() -> int:
    """Return the most memory that this process ever held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident() -> int:
    """Return the memory that this process holds, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(method: str, steps: int, answer: Connection) -> None:
    """Send (seconds, extra bytes, gradients)."""
    torch.manual_seed(0)
    every = "auto" if method.endswith("checkpoints") else None
    layer = torch.nn.LSTM(SIZE, SIZE) if method == "torch" else nn.LSTM(SIZE, SIZE, checkpoint_every=every)
    x, doutputs = torch.randn(steps, 1, SIZE, requires_grad=True), torch.randn(steps, 1, SIZE)
    wanted = [x, *layer.parameters()]
    torch.autograd.grad(layer(x[:10])[0].sum(), list(layer.parameters()))  # loads what is loaded at first use
    before = resident()
    times = []
    gradients = None
    for _ in range(REPEATS):
        del gradients
        start = time.perf_counter()
        gradients = torch.autograd.grad(layer(x)[0], wanted, doutputs)
        times.append(time.perf_counter() - start)
    made = 2 * doutputs.numel() * doutputs.element_size()  # outputs, and the gradient of x
    answer.send((statistics.median(times), peak() - before - made, [g.numpy() for g in gradients or ()]))


def main() -> None:
    """Measure the three methods and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    for method in METHODS:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=measure, args=(method, arguments.steps, theirs))
        process.start()
        found[method] = ours.recv()
        process.join()
    reference = found["ours"][2]
    figures = {
        method: {
            "seconds": round(seconds, 2),
            "MiB beyond inputs and outputs": round(extra / 2**20, 1),
            "largest relative difference of a gradient": max(
                float(abs(g - r).max() / abs(r).max()) for g, r in zip(gradients, reference, strict=True)
            ),
        }
        for method, (seconds, extra, gradients) in found.items()
    }
    if arguments.json:
        print(json.dumps({"steps": arguments.steps, "methods": figures}, indent=1))
        return
    for method, row in figures.items():
        print(f"{method:18} " + ", ".join(f"{name} {value:.4g}" for name, value in row.items()))


if __name__ == "__main__":
    main()
