"""A library that is not installed: the line that installs it works where elman itself is no package."""

import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from elman.data.extras import MissingError, need

EXTRAS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("av", "video", "pip install 'av>=12'"),
        ("soxr", "speech", "pip install 'jiwer>=3' 'soundfile>=0.12' 'soxr>=0.3'"),
        ("sacrebleu.metrics", "translation", "pip install 'sacrebleu>=2.4' 'sentencepiece>=0.2'"),
    ],
)
def test_the_libraries_are_named(
    module: str, extra: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module.split(".")[0]
    asked = [f'{library}; extra == "{extra}"' for extra, some in EXTRAS.items() for library in some]
    monkeypatch.setattr(metadata, "requires", lambda _: ["click>=8.1", *asked])
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError) as caught:
        need(module, extra)
    assert str(caught.value) == f"{name} is not installed; install it: {command}"


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingError, match=r"^av is not installed; install it: pip install av$"):
        need("av", "video")


def test_extras_of_tasks_name_libraries() -> None:
    """So that each can be installed by name."""
    for extra in ("dna", "music", "speech", "text", "translation", "video"):
        assert not any(library.startswith("elman") for library in EXTRAS.get(extra, []))
