"""A library that is not installed: the line that installs it works where elman itself is no package."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from elman.data.extras import MissingError, need

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINES = [
    "click>=8.1",
    'absent>=2,<3; extra == "one"',
    "absent>=2; extra == 'several'",
    "soxr>=0.3; extra == 'several'",
    'other>=4; extra == "another"',
]


@pytest.mark.parametrize(
    ("module", "extra", "command"),
    [
        ("absent", "one", "pip install 'absent>=2,<3'"),
        ("absent.part", "one", "pip install 'absent>=2,<3'"),
        ("absent", "several", "pip install 'absent>=2' 'soxr>=0.3'"),
        ("absent", "none", "pip install absent"),
    ],
)
def test_the_libraries_are_named(
    module: str, extra: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: LINES)
    with pytest.raises(MissingError) as caught:
        need(module, extra)
    assert str(caught.value) == f"absent is not installed; install it: {command}"


def test_a_checkout_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    with pytest.raises(MissingError) as caught:
        need("absent", "one")
    assert str(caught.value) == "absent is not installed; install it: pip install absent"


def test_extras_of_tasks_name_libraries() -> None:
    """So that each can be installed by name."""
    for extra in ("dna", "music", "speech", "text", "translation", "video"):
        for library in PROJECT["optional-dependencies"].get(extra, []):
            assert not library.startswith("elman")
