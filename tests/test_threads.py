"""Threads that wait sleep, small work takes one thread, and neither changes a bit."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from elman import nn, training
from elman.nn.threads import threads, torch_in_one_thread

SHOW = "import os; from elman.openmp import waiting; print(os.environ.get('OMP_WAIT_POLICY'), '|', waiting)"


def waits(code: str, **environment: str) -> str:
    """What a new process says of how its threads wait."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_threads_that_wait_sleep() -> None:
    assert waits(f"import elman; {SHOW}") == "PASSIVE | asleep"


def test_that_is_told_before_torch_is_imported() -> None:
    code = "import elman, os, sys; print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    assert waits(code) == "PASSIVE False"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"OMP_WAIT_POLICY": "active"}, "active | as OMP_WAIT_POLICY=active says"),
        ({"GOMP_SPINCOUNT": "500"}, "None | as GOMP_SPINCOUNT=500 says"),
    ],
)
def test_the_users_own_choice_stays(given: dict[str, str], said: str) -> None:
    assert waits(f"import elman; {SHOW}", **given) == said


def test_torch_that_came_first_is_told_of() -> None:
    said = waits(f"import torch, elman; {SHOW}")
    assert said == "None | spinning: torch was imported before elman; set OMP_WAIT_POLICY=PASSIVE"


@pytest.mark.usefixtures("two_threads")
def test_torch_takes_one_thread_and_the_kernels_keep_theirs() -> None:
    with torch_in_one_thread():
        assert (torch.get_num_threads(), threads()) == (1, 2)
        with torch_in_one_thread():
            assert (torch.get_num_threads(), threads()) == (1, 2)
        assert (torch.get_num_threads(), threads()) == (1, 2)
    assert (torch.get_num_threads(), threads()) == (2, 2)
    with pytest.raises(KeyError), torch_in_one_thread():
        raise KeyError
    assert (torch.get_num_threads(), threads()) == (2, 2)


@pytest.mark.usefixtures("two_threads")
def test_a_layer_computes_the_same_bits_there() -> None:
    torch.manual_seed(0)
    layer, x = nn.LSTM(40, 150, bidirectional=True), torch.randn(30, 9, 40)

    def results() -> list[torch.Tensor]:
        outputs, _ = layer(x)
        return [outputs, *torch.autograd.grad(outputs.sum(), list(layer.parameters()))]

    expected = results()
    with torch_in_one_thread():
        found = results()
    assert all(map(torch.equal, found, expected))


@pytest.mark.usefixtures("two_threads", "no_pictures")
def test_small_trainings_leave_torch_one_thread(
    files: dict[str, Path], settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run tells of the threads that it was given, and the weights are the same."""
    seen, fit = [], training.fit

    def watched(*arguments: Any) -> Any:
        seen.append((torch.get_num_threads(), threads()))
        return fit(*arguments)

    monkeypatch.setattr(training, "fit", watched)
    weights = []
    for name, small in (("small", training.SMALL), ("large", 0)):
        monkeypatch.setattr(training, "SMALL", small)
        run = training.train("ner", files["train"], dev=files["dev"], out=tmp_path / name, **settings)
        assert '"threads": "2"' in (tmp_path / name / "run.json").read_text()
        weights.append(run.model.state_dict())
        assert torch.get_num_threads() == 2
    assert seen == [(1, 2), (2, 2)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
