"""Sample data of the dna task: FASTA files in which two motifs decide by their order and distance.

Every sequence has both motifs, once each, somewhere. A gene is on where the first stands before the second at
the right distance. Where it is off, they stand the other way round, or too close, or too far apart. So each
short word of bases (k-mer) is as frequent in one class as in the other, and no place of a sequence tells
anything: a count of k-mers fails, and so does a table of positions.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from elman.storage import write_whole

SIZES = {"train": 1200, "dev": 300, "test": 300}
FIRST, SECOND = "TATAAA", "CAGGTG"
RIGHT = (9, 14)  # bases between the two where the gene is on, and where only their order is wrong
CLOSE, FAR = (3, 5), (24, 34)
LENGTH = (60, 110)  # of a sequence
WIDTH = 60  # of a line


def write(folder: Path, seed: int = 0) -> list[Path]:
    """Write train.fa, dev.fa and test.fa into `folder`, made where absent; return their paths.

    Equal seeds give equal bytes, and no sequence stands in two files.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write(Path(folder))]
    ['train.fa', 'dev.fa', 'test.fa']
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for part, size in SIZES.items():
        records = _records(part, size, Random(f"{part} {seed}"))
        paths.append(folder / f"{part}.fa")
        write_whole(paths[-1], "".join(records).encode())
    return paths


def _records(part: str, size: int, random: Random) -> Iterator[str]:
    """Yield `size` records, as many on as off, in random order."""
    labels = ["on", "off"] * (size // 2)
    random.shuffle(labels)
    for i, label in enumerate(labels, 1):
        bases = _sequence(label, random)
        lines = [bases[start : start + WIDTH] for start in range(0, len(bases), WIDTH)]
        yield "\n".join([f">{part}{i} label={label}", *lines, ""])


def _sequence(label: str, random: Random) -> str:
    one, other, room = FIRST, SECOND, RIGHT
    if label == "off":
        one, other, room = random.choice(
            [(SECOND, FIRST, RIGHT), (SECOND, FIRST, RIGHT), (FIRST, SECOND, CLOSE), (FIRST, SECOND, FAR)]
        )
    while True:
        gap = random.randint(*room)
        rest = random.randint(*LENGTH) - len(one) - gap - len(other)
        before = random.randint(0, rest)
        parts = (_bases(before, random), one, _bases(gap, random), other, _bases(rest - before, random))
        bases = "".join(parts)
        if bases.count(FIRST) == bases.count(SECOND) == 1:
            return bases


def _bases(number: int, random: Random) -> str:
    return "".join(random.choices("ACGT", k=number))
