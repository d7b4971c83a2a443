"""The sample of names: its laws hold, no name stands in two files, and its seed decides it."""

from pathlib import Path

import pytest

from elman.samples.language import BEGINNINGS, ENDINGS, SIZES, VOWELS, write


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    return [path.read_text().splitlines() for path in write(tmp_path_factory.mktemp("names"))]


def test_no_name_stands_twice(files: list[list[str]]) -> None:
    assert [len(names) for names in files] == list(SIZES.values())
    names = [name for part in files for name in part]
    assert len(set(names)) == len(names)


def test_the_laws_hold_for_every_name(files: list[list[str]]) -> None:
    """Its vowels go together, and it ends as it began."""
    syllables = {b + v for b in BEGINNINGS for vowels in VOWELS for v in vowels}
    for name in (name for part in files for name in part):
        used = set(name) & set("".join(VOWELS))
        assert any(used <= set(vowels) for vowels in VOWELS)
        first = max((s for s in syllables if name.startswith(s)), key=len)
        assert any(name.endswith(first + ending) for ending in ENDINGS)
        assert len(name) > 2 * len(first)


def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    def content(folder: str, seed: int) -> list[bytes]:
        return [path.read_bytes() for path in write(tmp_path / folder, seed)]

    assert content("a", 1) == content("b", 1) != content("c", 2)
