"""Sample data for speech: Morse code as WAV, with its text.

A letter is short and long tones; a pause of three units ends a letter, one of seven a word. The pitch, the
noise and the length of a unit are drawn for each recording, and the unit drifts while the key is pressed: how
long a tone is says little, and which letter it belongs to is heard only from the tones before and after.
"""

import io
import wave
from pathlib import Path
from random import Random

import numpy as np

from elman.storage import write_whole

CODE = {
    "a": ".-", "d": "-..", "e": ".", "g": "--.", "i": "..", "k": "-.-", "m": "--",
    "n": "-.", "o": "---", "r": ".-.", "s": "...", "t": "-", "u": "..-", "w": ".--",
}  # fmt: skip
SIZES = {"train": 600, "dev": 50, "test": 50}  # recordings
RATE_HZ = 8_000
UNIT_S = 0.045, 0.09  # of a recording
DRIFT = 0.1  # standard deviation of the logarithm of a tone's or a pause's length
PITCH_HZ = 500, 800
NOISE = 0.01, 0.15  # standard deviation, where the tone is 0.5 high
RAMP_S = 0.004  # in which a tone rises and falls


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.tsv, dev.tsv and test.tsv into `folder`, their recordings below it; return their paths.

    A row is the path of a recording, a tab and its text. Equal seeds give equal recordings.
    """
    (folder / "wav").mkdir(parents=True, exist_ok=True)
    paths = []
    for part, size in SIZES.items():
        random, rows = Random(f"{part} {seed}"), ["path\ttext\n"]
        for number in range(size):
            words = ["".join(random.choices(sorted(CODE), k=random.randint(1, 3))) for _ in range(2)]
            path, text = f"wav/{part}{number:03}.wav", " ".join(words[: random.randint(1, 2)])
            write_whole(folder / path, _wav(_keyed(text, random)))
            rows.append(f"{path}\t{text}\n")
        path = folder / f"{part}.tsv"
        write_whole(path, "".join(rows).encode())
        paths.append(path)
    return paths


def _keyed(text: str, random: Random) -> np.ndarray:
    """Send a text; return its samples, from -1 to 1."""
    unit, tone_on, silence = random.uniform(*UNIT_S), [], random.uniform(3, 6)
    for word in text.split():
        for letter in word:
            for tone in CODE[letter]:
                tone_on += [(False, silence), (True, 1 if tone == "." else 3)]
                silence = 1
            silence = 3
        silence = 7
    tone_on.append((False, random.uniform(3, 6)))
    samples = [
        np.full(round(RATE_HZ * unit * units * random.lognormvariate(0, DRIFT)), on, float)
        for on, units in tone_on
    ]
    ramp = np.hanning(round(RATE_HZ * RAMP_S))
    level = np.convolve(np.concatenate(samples), ramp / ramp.sum(), "same")
    sine = np.sin(2 * np.pi * random.uniform(*PITCH_HZ) / RATE_HZ * np.arange(len(level)))
    noise = np.random.default_rng(random.randrange(2**32)).normal(0, random.uniform(*NOISE), len(level))
    return np.clip(0.5 * level * sine + noise, -1, 1)


def _wav(samples: np.ndarray) -> bytes:
    """Return samples as a WAV file of 16 bits a sample."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE_HZ)
        sound.writeframes((samples * 32_767).astype("<i2").tobytes())
    return file.getvalue()
