"""The library of kernels: its sigmoid and tanh, its instruction sets, and what happens where there is none.

`pytest -s -k ulp tests/nn/test_kernels.py` prints the largest errors.
"""

import ctypes
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from elman import cli, nn
from elman.nn import cells, kernels
from elman.nn.cells import Cell
from elman.nn.fused import Plan, unroll_fused
from elman.nn.kernels import INSTRUCTION_SETS, Library

FOUND = {name: kernels._load(name, path) for name, path in kernels._paths().items()}
if kernels.library().path not in [library.path for library in FOUND.values()]:
    FOUND["chosen"] = kernels.library()  # through ELMAN_KERNELS, as scripts/sanitize does
RUNS = {name: library for name, library in FOUND.items() if library.functions}
each_library = pytest.mark.parametrize("library", RUNS.values(), ids=RUNS)
TYPES = {"float": np.float32, "double": np.float64}
LOWEST = {"float": -87, "double": -708}  # from where on sigmoid's error is stated in ULP
Array = np.ndarray


def test_the_kernels_run_here() -> None:
    """Where they do not, the other tests would say nothing of them."""
    assert kernels.library().functions, kernels.library().reason
    chosen = os.environ.get(kernels.CHOICE)
    assert chosen or kernels.library().instruction_set == next(iter(RUNS))
    assert [name for name in INSTRUCTION_SETS if name in RUNS] == [n for n in RUNS if n != "chosen"]


def computed(library: Library, function: str, kind: str, x: Array) -> Array:
    y = x.copy()
    assert library.functions
    call = getattr(library.functions, f"elman_{function}_{kind}")
    call(y.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(len(y)))
    return y


def exact(function: str, x: Array) -> Array:
    """In the 64 bits of an x86's long double."""
    wide = np.clip(x.astype(np.longdouble), -2000, 2000)
    return np.tanh(wide) if function == "tanh" else 1 / (1 + np.exp(-wide))


def ulps(y: Array, truth: Array) -> Array:
    """The errors of y in units of its last place at the true value: of the binade in which this lies."""
    size = np.abs(truth).astype(y.dtype)
    below = np.where(size > np.abs(truth), np.nextafter(size, y.dtype.type(0)), size)
    return np.abs(y - truth) / np.spacing(below)


def arguments(kind: str, count: int = 100_000) -> Array:
    """All magnitudes alike, evenly up to where the functions end, and the borders."""
    dtype = TYPES[kind]
    limits, bits = np.finfo(dtype), {"float": np.uint32, "double": np.uint64}[kind]
    magnitudes = np.linspace(0, int(np.array(limits.max).view(bits)), count).astype(bits).view(dtype)
    evenly = np.linspace(0, -1.2 * LOWEST[kind], 2 * count).astype(dtype)
    near = np.exp(np.random.default_rng(0).uniform(-20, 7, 2 * count)).astype(dtype)
    borders = np.array([limits.tiny, limits.smallest_subnormal, limits.max, -LOWEST[kind], 20], dtype)
    x = np.concatenate([magnitudes, evenly, near, borders])
    return np.concatenate([x, -x])


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no number here is wider than a double")
@each_library
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_ulp_errors_are_as_stated(library: Library, function: str, kind: str) -> None:
    """csrc/activations.h states them."""
    x = arguments(kind)
    y = computed(library, function, kind, x)
    truth = exact(function, x)
    stated = x >= LOWEST[kind] if function == "sigmoid" else np.full(len(x), True)
    errors = ulps(y[stated], truth[stated])
    worst = int(errors.argmax())
    print(f"\n{library.instruction_set} {function} {kind}: {errors[worst]:.2f} ULP at {x[stated][worst]!r}")
    assert errors[worst] <= 3
    assert np.abs(y[~stated] - truth[~stated]).max(initial=0) < {"float": 2e-38, "double": 4e-308}[kind]
    assert np.abs(y).max() <= 1
    assert function == "tanh" or y.min() >= 0


@each_library
@pytest.mark.parametrize("kind", TYPES)
def test_special_numbers(library: Library, kind: str) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e30, -1e30], TYPES[kind])
    tanh = computed(library, "tanh", kind, x)
    np.testing.assert_array_equal(tanh, [0, 0, 1, -1, np.nan, np.nan, 1, -1])
    assert np.signbit(tanh[:2]).tolist() == [False, True]
    sigmoid = computed(library, "sigmoid", kind, x)
    np.testing.assert_array_equal(sigmoid[[0, 1, 2, 4, 5, 6]], [0.5, 0.5, 1, np.nan, np.nan, 1])
    assert np.all((sigmoid[[3, 7]] >= 0) & (sigmoid[[3, 7]] < 1e-37))
    bits = np.full(3, -1, f"i{x.itemsize}").view(x.dtype)  # not a number either, with the largest payload
    for function in ("tanh", "sigmoid"):
        assert np.isnan(computed(library, function, kind, bits)).all()
        assert np.isnan(computed(library, function, kind, -bits)).all()


@each_library
@pytest.mark.parametrize("count", range(1, 20))
def test_a_value_depends_on_no_place(library: Library, count: int) -> None:
    """The last vector may be a part of one; what lies behind it is not touched."""
    for kind, dtype in TYPES.items():
        x = np.linspace(-3, 3, 20).astype(dtype)
        for function in ("sigmoid", "tanh"):
            whole, y = computed(library, function, kind, x), x.copy()
            y[:count] = computed(library, function, kind, x[:count])
            np.testing.assert_array_equal(y[:count], whole[:count])


CELLS: dict[str, tuple[Cell, str]] = {
    "rnn_tanh": (cells.RNN(), "rnn_tanh"),
    "rnn_relu": (cells.RNN("relu"), "rnn_relu"),
    "gru": (cells.GRU(), "gru"),
    "lstm": (cells.LSTM(), "lstm"),
}


@each_library
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_library_agrees_with_torch(library: Library, name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    kind, options = {"rnn_tanh": (torch.nn.RNN, {}), "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
                     "gru": (torch.nn.GRU, {}), "lstm": (torch.nn.LSTM, {})}[name]  # fmt: skip
    theirs = kind(11, 19, bidirectional=True, dtype=dtype, **options)
    x = torch.randn(7, 5, 11, dtype=dtype, requires_grad=True)
    state = tuple(torch.randn(2, 5, 19, dtype=dtype, requires_grad=True) for _ in CELLS[name][0].states)
    weights = list(theirs.parameters())
    leaves = [x, *state, *weights]
    doutputs = torch.randn(7, 5, 38, dtype=dtype)

    def gradients(outputs: torch.Tensor, final: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        loss = (outputs.view(7, 5, 38) * doutputs).sum() + sum(s.square().sum() for s in final)
        return [outputs.reshape(7, 5, 38), *final, *torch.autograd.grad(loss, leaves)]

    outputs, final = theirs(x, state if len(state) != 1 else state[0])
    expected = gradients(outputs, final if isinstance(final, tuple) else (final,))
    assert library.functions
    ours = kernels.Kernels(library.functions, f"{CELLS[name][1]}_{kernels.TYPES[dtype]}")
    plan = Plan(torch.full((7,), 5), 35, 2)
    found = gradients(*unroll_fused(ours, plan, x.flatten(0, 1), weights, state))
    tolerance = 2e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in another process, and show what it says."""
    found = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert found.returncode == 0, found.stderr
    return found


RUN_TWICE = """
import torch
from elman import nn
torch.manual_seed(0)
layer = nn.GRU(3, 4)
x = torch.randn(5, 2, 3)
y = layer(x)[0]
assert torch.equal(y, layer(x)[0])
assert nn.LSTM(3, 4)(x)[0].shape == (5, 2, 4)
print(y.sum().item())
"""


def test_without_kernels_the_layers_run_and_say_so_once() -> None:
    without, usual = python(RUN_TWICE, ELMAN_KERNELS="none"), python(RUN_TWICE, ELMAN_KERNELS="")
    said = "recurrent layers run as plain torch operations, which are slower: ELMAN_KERNELS is none"
    assert without.stderr.count("UserWarning") == 1
    assert said in without.stderr
    assert usual.stderr == ""
    assert float(without.stdout) == pytest.approx(float(usual.stdout), rel=1e-5)


def chosen(choice: str, monkeypatch: pytest.MonkeyPatch) -> Library:
    """What another process would load."""
    monkeypatch.setenv(kernels.CHOICE, choice)
    return kernels.library.__wrapped__()


@pytest.mark.parametrize("name", [name for name in RUNS if name != "chosen"])
def test_an_instruction_set_can_be_chosen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RUNS[name].path
    assert chosen(name, monkeypatch).path == path
    assert chosen(str(path), monkeypatch).path == path
    assert chosen("", monkeypatch).instruction_set in RUNS


@pytest.mark.parametrize("name", [name for name, library in FOUND.items() if not library.functions])
def test_an_instruction_set_that_does_not_run_here_says_so(name: str) -> None:
    assert FOUND[name].reason == f"this machine does not run {name}"


def test_a_broken_library_gives_a_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"\x7fELF, and nothing more")
    assert kernels._load("broken", broken).reason.startswith(f"{broken} does not load: {broken}: ")
    other = next(Path(torch.__file__).parent.glob("lib/libgomp*"))  # a library of something else
    found = kernels._load("other", other)
    assert found.functions is None
    assert found.reason.startswith(f"{other} does not load: ")
    assert "elman_runs_here" in found.reason


@pytest.mark.parametrize("choice", ["avx1024", "/no/such/library.so", "None"])
def test_a_misspelt_choice_gives_a_reason(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = chosen(choice, monkeypatch)
    assert found.functions is None
    assert choice in found.reason


def test_a_warning_is_said_once() -> None:
    message = f"of {__name__}"
    with pytest.warns(UserWarning, match=message):
        kernels.say_once(message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernels.say_once(message)
    kernels._said.discard(message)


def test_why_there_is_no_kernel() -> None:
    class Other(cells.GRU):
        pass

    assert kernels.find(cells.GRU(), torch.float32) is not None
    for cell, dtype, reason in (
        (cells.GRU(), torch.float16, "there are kernels for float32 and float64, not for torch.float16"),
        (Other(), torch.float32, "the cell Other has no kernels"),
    ):
        assert kernels.find(cell, dtype) is None
        assert kernels.reason(cell, dtype) == reason


def test_every_cell_has_kernels() -> None:
    for kind in cells.CELLS.values():
        for dtype in kernels.TYPES:
            assert kernels.find(kind(), dtype), (kind, dtype)


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    cli.cli.main(["doctor", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_doctor_says_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = doctor(capsys).splitlines()
    assert lines[-1] == f"recurrent layers run in the kernels for {kernels.library().instruction_set}"
    found = json.loads(doctor(capsys, "--json"))
    assert list(found) == ["versions", "machine", "threads", "waiting", "kernels"]
    assert found["versions"]["numpy"] == np.__version__
    assert found["threads"] == torch.get_num_threads()
    told = found["kernels"]
    assert told["instruction set"] == kernels.library().instruction_set
    assert told["reason"] == ""
    assert list(told["libraries"]) == list(INSTRUCTION_SETS)
    for name, state in told["libraries"].items():
        library = FOUND.get(name)
        expected = "not built" if library is None else library.reason or "would run"
        if library is not None and library.path == kernels.library().path:
            expected = f"runs, {library.path}"
        assert state == expected
        assert f"{'kernels':12} {name}: {state}" in lines


def test_doctor_says_why_nothing_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without = chosen("none", monkeypatch)
    monkeypatch.setattr(kernels, "library", lambda: without)
    plain = "recurrent layers run as plain torch operations, which are slower: ELMAN_KERNELS is none"
    assert doctor(capsys).splitlines()[-1] == plain
    assert json.loads(doctor(capsys, "--json"))["kernels"]["instruction set"] is None


def test_kernels_serve_the_layers() -> None:
    """A layer whose cell has kernels never says that it is slow: warnings are errors here."""
    kernels._said.clear()
    for kind in (nn.RNN, nn.GRU, nn.LSTM):
        kind(3, 4)(torch.zeros(2, 1, 3))
    assert not kernels._said
