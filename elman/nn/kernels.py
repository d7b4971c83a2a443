"""The kernels of `csrc/`, loaded through ctypes: forward and back through time on the CPU.

The structures below are those of `csrc/layer.h`, field for field; what each pointer means
is said there. Where there is no kernel (`reason` says why), the layers run as plain torch operations.
"""

import ctypes
import functools
import importlib.metadata
import os
import struct
import warnings
from collections.abc import Sequence
from ctypes import POINTER, c_char_p, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from elman.nn.cells import GRU, LSTM, RNN, Cell

INSTRUCTION_SETS = ("avx512", "avx2", "baseline")  # the best first
TYPES = {torch.float32: "float", torch.float64: "double"}
CHOICE = "ELMAN_KERNELS"  # environment variable: one of INSTRUCTION_SETS, a library's path, or "none"


BAD_BATCH = (
    "batch_sizes must never grow, begin with at most B and have the sum N, "
    "and one-hot input must be from 0 to I-1"
)


class Direction(NamedTuple):
    """`ElmanDirection`: numbers and addresses, 0 for what is not there."""

    reverse: int = 0
    w_ih: int = 0
    w_hh: int = 0
    b_ih: int = 0
    b_hh: int = 0
    forward: int = 0
    back: int = 0
    outputs: int = 0
    h: int = 0
    c: int = 0
    gates: int = 0
    cells: int = 0
    doutputs: int = 0
    dh: int = 0
    dc: int = 0
    dgates: int = 0
    dw_ih: int = 0
    dw_hh: int = 0
    db_ih: int = 0
    db_hh: int = 0


class Layer(NamedTuple):
    """`ElmanLayer`, but for its directions, which follow."""

    steps: int = 0
    rows: int = 0
    batch: int = 0
    input: int = 0
    hidden: int = 0
    width: int = 0
    threads: int = 1
    batch_sizes: int = 0
    x: int = 0
    symbols: int = 0
    dx: int = 0
    add_dx: int = 0
    add_dw: int = 0
    dstate: int = 0
    packed: int = 0
    recompute: int = 0
    directions: int = 0


# Every field has 8 bytes; to build these structures through ctypes would take longer than a small layer.
_LAYOUT = struct.Struct(f"={len(Layer._fields) + 2 * len(Direction._fields)}q")
_NO_DIRECTION = Direction()


STEPS = 64  # of a room, at most
Room = c_int64 * (3 * STEPS + 9)  # `ElmanRoom`: x, h and c of each step, and then its numbers


class Sizes(ctypes.Structure):
    """`ElmanSizes`: elements that the caller makes room for."""

    _fields_ = tuple((name, c_int64) for name in ("gates", "cells", "dgates", "forward", "back"))


@dataclass(frozen=True)
class Library:
    """A loaded library and what it is; without one, why there is none."""

    instruction_set: str
    functions: ctypes.CDLL | None
    path: Path | None = None
    reason: str = ""
    threads: str = ""  # where they come from


class Kernels:
    """The kernels of one cell and one type."""

    def __init__(self, functions: ctypes.CDLL, name: str) -> None:
        def function(loop: str, *arguments: Any) -> Any:
            found = getattr(functions, f"elman_{name}_{loop}")
            found.argtypes = arguments or None
            return found

        self._sizes = function("sizes", c_int64, c_int64, POINTER(Sizes))
        self._loops = {loop: function(loop, c_char_p) for loop in ("pack", "forward", "backward")}
        self.addresses = [
            ctypes.cast(self._loops[loop], c_void_p).value or 0 for loop in ("forward", "backward")
        ]
        # Takes a `Room` and a number, as they are: what is declared to ctypes is converted, and takes longer.
        self.step = function("step")

    @functools.lru_cache(maxsize=256)  # noqa: B019 - there are as few kernels as cells
    def sizes(self, input_size: int, hidden_size: int) -> Sizes:
        """Return how many elements of each kind a layer of these sizes needs."""
        sizes = Sizes()
        self._sizes(input_size, hidden_size, ctypes.byref(sizes))
        return sizes

    def run(self, loop: str, layer: Layer, directions: Sequence[Direction]) -> None:
        """Run "pack", "forward" or "backward". Raises MemoryError; ValueError for a bad batch."""
        second = directions[1] if len(directions) > 1 else _NO_DIRECTION
        check(self._loops[loop](_LAYOUT.pack(*layer, *directions[0], *second)))


def check(status: int) -> None:
    """Raise what a kernel's return value stands for."""
    if status == 1:
        raise MemoryError("no memory for the scratch of a recurrent layer")
    if status:
        raise ValueError(BAD_BATCH)


@functools.cache
def library() -> Library:
    """Load the kernels for the best instruction set that this machine runs, once."""
    choice = os.environ.get(CHOICE) or None
    if choice == "none":
        return Library("", None, reason=f"{CHOICE} is none")
    if choice and choice not in INSTRUCTION_SETS:
        if not Path(choice).exists():
            known = f"{', '.join(INSTRUCTION_SETS)}, none, or a library"
            return Library("", None, reason=f"{CHOICE} must be one of {known}, got {choice!r}")
        return _load(Path(choice).stem, Path(choice))
    tried = [_load(name, path) for name, path in _paths().items() if choice in (None, name)]
    for loaded in tried:
        if loaded.functions:
            return loaded
    if tried:
        return Library("", None, reason="; ".join(loaded.reason for loaded in tried))
    if choice:
        return Library("", None, reason=f"{CHOICE} is {choice}, and there are no kernels for that")
    return Library("", None, reason="elman was installed where there was no C++ compiler (GCC or Clang)")


def describe() -> dict[str, Any]:
    """Return which library runs, or why none does, and what is known of each that was built."""
    used = library()
    libraries = {}
    for name in INSTRUCTION_SETS:
        path = _paths().get(name)
        if path is None:
            libraries[name] = "not built"
        elif path == used.path:
            libraries[name] = f"runs, {path}"
        else:
            libraries[name] = _load(name, path).reason or "would run"
    return {
        "instruction set": used.instruction_set or None,
        "reason": used.reason,
        "threads": used.threads,
        "quick calls": f"not built, so steps and small batches are slower: {_why}" if _why else "run",
        "libraries": libraries,
    }


def _paths() -> dict[str, Path]:
    """Return the libraries that were built, the best first.

    An install puts them beside this file; an editable one leaves them among the installed packages.
    """
    installed = Path(str(importlib.metadata.distribution("elman").locate_file("elman/nn")))
    found = {}
    for name in INSTRUCTION_SETS:
        for folder in (Path(__file__).parent, installed):
            if name not in found and (path := folder / f"_kernels.{name}.so").exists():
                found[name] = path
    return found


def _load(name: str, path: Path) -> Library:
    try:
        functions = ctypes.CDLL(str(path))
        runs_here = functions.elman_runs_here()
        sizes = (_LAYOUT.size, ctypes.sizeof(Room))
        theirs = runs_here and (functions.elman_bytes_of_layer(), functions.elman_bytes_of_room())
    except (OSError, AttributeError) as error:
        return Library("", None, path, f"{path} does not load: {error}")
    if not runs_here:
        return Library("", None, path, f"this machine does not run {name}")
    if theirs != sizes:
        return Library("", None, path, f"{path} was built from another version of elman; install again")
    openmp = _openmp()
    functions.elman_use_openmp.argtypes = [c_void_p] * 3
    functions.elman_use_openmp(*openmp)
    return Library(name, functions, path, threads="torch's own" if openmp[0] else "started for each call")


def _openmp() -> list[int | None]:
    """Find the entry points of torch's own OpenMP: a second pool of threads would fight it for the cores."""
    names = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
    for path in (Path(torch.__file__).parent / "lib").glob("libgomp*"):
        functions = [getattr(ctypes.CDLL(str(path)), name, None) for name in names]
        if all(functions):
            return [ctypes.cast(function, c_void_p).value for function in functions if function]
    return [None] * len(names)


def find(cell: Cell, dtype: torch.dtype) -> Kernels | None:
    """Return the kernels for a cell and a type of numbers, None where there are none (see `reason`)."""
    return _find(type(cell), getattr(cell, "nonlinearity", ""), dtype)


@functools.cache
def _find(kind: type, nonlinearity: str, dtype: torch.dtype) -> Kernels | None:
    name = {RNN: f"rnn_{nonlinearity}", GRU: "gru", LSTM: "lstm"}.get(kind)
    functions = library().functions
    return Kernels(functions, f"{name}_{TYPES[dtype]}") if functions and name and dtype in TYPES else None


def reason(cell: Cell, dtype: torch.dtype) -> str:
    """Say why `find` finds nothing."""
    if library().functions is None:
        return library().reason
    if dtype not in TYPES:
        return f"there are kernels for float32 and float64, not for {dtype}"
    return f"the cell {type(cell).__name__} has no kernels"


try:  # quick ways into `Stream.step` and `Recurrent.forward`, which are built where Python's headers are
    from elman.nn._ready import back as _back  # pyright: ignore[reportMissingImports]
    from elman.nn._ready import call as _call  # pyright: ignore[reportMissingImports]
    from elman.nn._ready import step as _step  # pyright: ignore[reportMissingImports]
except ImportError as error:
    _step, _call, _back, _why = None, None, None, str(error)
else:
    _why = ""
ready_step: Any = _step
ready_call: Any = _call
ready_back: Any = _back

_said: set[str] = set()


def say_once(message: str) -> None:
    """Warn, if this was not said before: law 9, a fast path that is not taken says so once."""
    if message not in _said:
        _said.add(message)
        warnings.warn(message, stacklevel=2)
