"""How fast a run of the translation task translates, and in how much memory: greedily, and with its beam.

    python benchmarks/translation.py RUN FILE

FILE has a sentence a line; all of them are translated once each way. The memory is the most that the process
ever held, Python and torch included: behind the greedy translations, and behind the beam's.
"""

import argparse
import resource
import time
from dataclasses import replace
from pathlib import Path

import torch

import elman


def main() -> None:
    """Translate the file and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", help="folder of the run")
    parser.add_argument("file", type=Path, help="a sentence a line")
    arguments = parser.parse_args()
    run = elman.load(arguments.run)
    questions = [run.task.question(line) for line in arguments.file.read_text(encoding="utf-8").splitlines()]
    widest = run.task.settings.beam
    run.answers(questions[:10])  # loads what is loaded at first use
    print(f"{len(questions):,} sentences, {torch.get_num_threads()} threads")
    for width in (1, widest):
        run.task.settings = replace(run.task.settings, beam=width)
        start = time.perf_counter()
        run.answers(questions)
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"beam {width}: {len(questions) / seconds:.0f} sentences/s, {memory:,} MiB")


if __name__ == "__main__":
    main()
