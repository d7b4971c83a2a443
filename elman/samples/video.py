"""Sample data for video: clips of a shape that moves, as MP4, each called by the way it moves.

A disc, a square or a cross rises, falls or swings up and down; who leaves the frame comes back at its other
end. Place, size, colours, speed and where it starts are drawn alike for every label: no frame tells which it
is, and neither does the mean of all frames. Only their order does.
"""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from elman.data.extras import need
from elman.storage import write_whole

WAYS = ("falling", "rising", "swinging")
SIZES = {"train": 60, "dev": 24, "test": 24}  # clips
SIDE, FRAMES, RATE = 64, 24, 12  # pixels, frames a clip, frames a second


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.tsv, dev.tsv and test.tsv into `folder`, their clips below it; return their paths.

    A row is the path of a clip, a tab and its label. Equal seeds give equal clips.
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    paths = []
    for split, size in SIZES.items():
        random, rows = Random(f"{split} {seed}"), ["path\tlabel\n"]
        for number in range(size):
            way = WAYS[number % len(WAYS)]
            clip = f"clips/{split}{number:03}.mp4"
            _film(folder / clip, _frames(way, random))
            rows.append(f"{clip}\t{way}\n")
        path = folder / f"{split}.tsv"
        write_whole(path, "".join(rows).encode())
        paths.append(path)
    return paths


def _frames(way: str, random: Random) -> np.ndarray:
    """Draw a clip, [FRAMES, SIDE, SIDE, 3] bytes."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    ground, ink = (np.array([random.randrange(*shades) for _ in "rgb"]) for shades in ((0, 90), (150, 256)))
    size, column = random.uniform(5, 8), random.uniform(16, 48)
    start, speed = random.uniform(0, SIDE), random.uniform(1.5, 3)  # pixels, pixels a frame
    shape = random.choice(("disc", "square", "cross"))
    grain = np.random.default_rng(random.randrange(2**32))
    film = np.empty((FRAMES, SIDE, SIDE, 3), np.uint8)
    for number in range(FRAMES):
        row = {
            "falling": start + speed * number,
            "rising": start - speed * number,
            "swinging": start + 6 * speed * np.sin(number / 3),
        }[way]
        dy, dx = (rows - row + SIDE / 2) % SIDE - SIDE / 2, columns - column
        inside = {
            "disc": dy**2 + dx**2 < size**2,
            "square": np.maximum(abs(dy), abs(dx)) < 0.85 * size,
            "cross": (np.minimum(abs(dy), abs(dx)) < 0.4 * size) & (np.maximum(abs(dy), abs(dx)) < size),
        }[shape]
        noise = grain.normal(0, 6, (SIDE, SIDE, 1))
        film[number] = np.clip(np.where(inside[..., None], ink, ground) + noise, 0, 255)
    return film


def _film(path: Path, frames: np.ndarray) -> None:
    av: Any = need("av", "video")
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"threads": "1", "preset": "veryfast"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())
