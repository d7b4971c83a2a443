"""Answer the clips of a folder with a video run, on one core: frames a second, decoding included.

Usage: python benchmarks/watching.py RUN FOLDER
"""

import sys
import time
from pathlib import Path

import av
import torch

import elman
from elman.data.manifest import Clip
from elman.data.video import read_clip
from elman.tasks.video import Film


def main() -> None:
    """Print the frames of film a second; without the cache of frames, so that each is decoded."""
    torch.set_num_threads(1)
    run = elman.load(sys.argv[1])
    paths = sorted(Path(sys.argv[2]).glob("*.mp4"))
    frames = 0
    for path in paths:
        with av.open(str(path)) as film:
            frames += film.streams.video[0].frames
    start = time.process_time()
    films = [Film(read_clip(path), None, Clip(path, {"path": str(path)}, str(path))) for path in paths]
    decoded = time.process_time()
    run.answers(films)
    end = time.process_time()
    sampled = sum(len(film.frames) for film in films)
    print(f"{frames:,} frames of {len(paths)} clips, {sampled:,} of them sampled")
    print(f"decoding {frames / (decoded - start):,.0f} frames a second")
    print(f"network {sampled / (end - decoded):,.0f} sampled frames a second")
    print(f"together {frames / (end - start):,.0f} frames a second")


if __name__ == "__main__":
    main()
