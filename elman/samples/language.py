"""Sample data for language models: names of a language of our own, one a line.

The language has two laws, and both are about order. The vowels of a name go together: all of them are dark
(a o u) or all are light (e i y). And a name ends as it began: its last syllable is its first one again, as in
"tomurato" or "kelmiriken". What lies between is longer than what an n-gram sees, so that the end must be
remembered, not guessed. No name stands in two files.
"""

from pathlib import Path
from random import Random

from elman.storage import write_whole

SIZES = {"train": 3000, "dev": 300, "test": 300}
VOWELS = ("aou", "eiy")
BEGINNINGS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "br", "dr", "kl", "tr", "st")
MIDDLES = ("b", "d", "g", "k", "l", "m", "n", "r", "s", "t", "v", "lm", "nd", "rk", "st")
ENDINGS = ("", "", "n", "s")
BETWEEN = (2, 3)  # syllables between the first and the last


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.txt, dev.txt and test.txt into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.txt', 'dev.txt', 'test.txt']
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = Random(seed)
    names: dict[str, None] = {}
    while len(names) < sum(SIZES.values()):
        names[_name(random)] = None
    rest, paths = iter(names), []
    for part, size in SIZES.items():
        path = folder / f"{part}.txt"
        write_whole(path, "".join(f"{next(rest)}\n" for _ in range(size)).encode())
        paths.append(path)
    return paths


def _name(random: Random) -> str:
    vowels = random.choice(VOWELS)
    first = random.choice(BEGINNINGS) + random.choice(vowels)
    between = [random.choice(MIDDLES) + random.choice(vowels) for _ in range(random.choice(BETWEEN))]
    return "".join((first, *between, first, random.choice(ENDINGS)))
