"""The Morse sample: its code is Morse code, its files are sound, and its order matters."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from elman.data.recordings import read_recordings
from elman.samples import speech

pytest.importorskip("soundfile")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("morse")
    speech.write(folder)
    return folder


def rows(folder: Path, part: str) -> list[list[str]]:
    lines = (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "path\ttext"
    return [line.split("\t") for line in lines[1:]]


def test_the_files_hold_what_they_say(folder: Path) -> None:
    for part, size in speech.SIZES.items():
        assert len(rows(folder, part)) == size
    read = read_recordings(folder / "dev.tsv", "text", lambda _: None)
    assert all(0.4 < one.seconds < 8 for one in read.recordings)
    assert {one.held.rate_hz for one in read.recordings if one.held} == {speech.RATE_HZ}


def test_it_is_morse_code() -> None:
    """The samples, decoded by the rule: where the tone is on, and for how long."""
    random = speech.Random(1)
    for text in ("sos", "te mo", "wk a"):
        samples = np.abs(speech._keyed(text, random))
        level = np.convolve(samples, np.ones(160) / 160, "same") > 0.2
        edges = np.flatnonzero(np.diff(level.astype(int)))
        lengths = np.diff(edges)
        tones, pauses = lengths[::2], lengths[1::2]
        unit = min(np.median(pauses[pauses < 2 * pauses.min()]), tones.max())
        code = ""
        for tone, pause in zip(tones, [*pauses, 0], strict=True):
            end = "" if pause < 2 * unit else " " if pause < 5 * unit else " / "
            code += ".-"[int(tone > 2 * unit)] + end
        assert code == " / ".join(" ".join(speech.CODE[letter] for letter in word) for word in text.split())


def test_equal_seeds_give_equal_files(folder: Path, tmp_path: Path) -> None:
    speech.write(tmp_path / "again")
    speech.write(tmp_path / "other", seed=1)
    for path in ("train.tsv", "wav/test007.wav"):
        assert (tmp_path / "again" / path).read_bytes() == (folder / path).read_bytes()
        assert (tmp_path / "other" / path).read_bytes() != (folder / path).read_bytes()


def test_no_text_is_frequent_and_every_letter_is_trained(folder: Path) -> None:
    texts = [text for _, text in rows(folder, "train")]
    assert Counter(texts).most_common(1)[0][1] < 0.05 * len(texts)
    letters = Counter("".join(texts))
    assert set(letters) == {*speech.CODE, " "}
    assert min(letters.values()) > 20


def test_mirrored_letters_differ_by_order_alone() -> None:
    """As a and n do: what is heard of them is the same, but for its order."""
    codes = set(speech.CODE.values())
    assert sum(code[::-1] in codes and code[::-1] != code for code in codes) >= 6
