"""Runs that somebody made to do harm: every failure is named, short, and costs little time and memory.

What is changed is sealed again, so that the checks behind the checksum are what is tested.

(A long file, because all of it needs the same runs.)
"""

import hashlib
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import save

from elman.data.source import DataError
from elman.run import Run
from elman.storage import DamagedError
from elman.tasks import TASKS, find

ZEROS = b"0" * 64
LONGEST = 700  # characters of a message, path and all
TYPED = (DataError, DamagedError)

# Runs by name: task, and the settings that are not the default.
MADE: dict[str, tuple[str, dict[str, Any]]] = {name: (name, {}) for name in TASKS} | {
    "subwords": ("language", {"unit": "subword", "largest": 60}),
    "words": ("sentiment", {"unit": "word", "init": "language-words"}),
    "spoken words": ("speech", {"label": "text"}),
    "helped speech": ("speech", {"lm": "language"}),
}
SMALL: dict[str, Any] = {"hidden": 5, "layers": 1}
SIZED = ("language", "translation", "music")  # tasks whose embedding has a size


def write(folder: Path, name: str, texts: list[str] | None = None) -> None:
    """Write a run of a task that saw a few examples of its sample, and whose network was never trained."""
    task, chosen = MADE.get(name, ("language", {"unit": "word", "min_count": 1}))
    kind, data = find(task), folder.parent / "data" / task
    if not data.exists():
        shorten(kind.sample(data)[0])
    path = sorted(data.glob("train*"))[0]
    settings = {**SMALL, **({"size": 6} if task in SIZED else {}), **chosen}
    for option in ("init", "lm"):
        if option in settings:
            settings[option] = str(folder.parent / settings[option])
            if not (folder.parent / chosen[option]).exists():
                write(folder.parent / chosen[option], chosen[option])
    if task == "translation":
        settings["largest"] = 120
    made = kind.settings_type.of(settings)
    learned = kind.learn(kind.read(str(path), made).examples[:60], made)
    torch.manual_seed(0)
    run = Run(learned, learned.model(), folder)
    folder.mkdir()
    run.save_facts({}, ["elman", "train", task])
    run.save_weights()


def shorten(path: Path) -> None:
    """Keep few of the media that a sample names or holds: they take long to read."""
    if path.is_dir():
        for extra in sorted(path.iterdir())[8:]:
            extra.unlink()
    elif path.suffix == ".tsv" and path.read_text().startswith("path"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:9]))


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each kind."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in MADE:
        if not (folder / name).exists():
            write(folder / name, name)
    return {name: folder / name for name in MADE}


# Sealing


def sealed(content: bytes) -> bytes:
    """The content, whose checksum is zeros, with its own."""
    return content.replace(ZEROS, hashlib.sha256(content).hexdigest().encode(), 1)


def facts_of(run: Path) -> dict[str, Any]:
    facts = json.loads((run / "run.json").read_bytes())
    del facts["sha256"]
    return facts


def json_file(facts: Any) -> bytes:
    """As elman writes it, without its checks."""
    return sealed(json.dumps({"sha256": ZEROS.decode(), **facts}, indent=1).encode() + b"\n")


def raw_json(body: str) -> bytes:
    """A file whose text behind the checksum is `body`."""
    return sealed(b'{\n "sha256": "' + ZEROS + b'",\n ' + body.encode() + b"}\n")


def header_file(header: dict[str, Any], data: bytes = b"", facts: Any = None) -> bytes:
    """A safetensors file of ours with this header."""
    inner = json.dumps({"sha256": ZEROS.decode(), "facts": {} if facts is None else facts})
    text = json.dumps({"__metadata__": {"elman": inner}, **header}).encode()
    text += b" " * (-len(text) % 8)
    return sealed(struct.pack("<Q", len(text)) + text + data)


def tensor_file(tensors: dict[str, torch.Tensor]) -> bytes:
    return sealed(save(tensors, {"elman": json.dumps({"sha256": ZEROS.decode(), "facts": {}})}))


def parts(run: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a run's weights, without ours, and the bytes behind it."""
    content = (run / "model.safetensors").read_bytes()
    stop = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:stop])
    del header["__metadata__"]
    return header, content[stop:]


# Loading


def outcome(run: Path) -> str | None:
    """What loading a run says, None where it loads. Fails for an error without a type or a file's name."""
    try:
        Run.load(run)
    except TYPED as error:
        message = str(error)
        assert str(run) in message
        assert len(message) < LONGEST
        return message
    return None


def damaged(runs: dict[str, Path], name: str, file: str, content: bytes, to: Path) -> str:
    """What loading says of a run with one of its files replaced: there must be something to say."""
    shutil.copytree(runs[name], to)
    (to / file).write_bytes(content)
    message = outcome(to)
    assert message is not None
    assert str(to / file) in message
    return message


def test_a_run_of_each_task_loads_as_it_was_written(runs: dict[str, Path]) -> None:
    for run in runs.values():
        assert outcome(run) is None


def test_what_checks_a_run_loads_no_compiler_of_torch(runs: dict[str, Path]) -> None:
    """Some operations without memory would: loading would take seconds."""
    code = (
        "import sys\nfrom elman.run import Run\nfor path in sys.argv[1:]: Run.load(path)\n"
        "print(*sorted({'torch._dynamo', 'sympy'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, *map(str, runs.values())]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "\n"


DEEP = "[" * 100_000

FACTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no task": lambda f: f.pop("task"),
    "another task": lambda f: f.update(task="video"),
    "a task that is a list": lambda f: f.update(task=["ner"]),
    "a task with a long name": lambda f: f.update(task="n" * 1_000_000),
    "no settings": lambda f: f.pop("settings"),
    "settings that are a list": lambda f: f.update(settings=[]),
    "a setting more": lambda f: f["settings"].update({"x" * 1_000_000: 1}),
    "a text for a size": lambda f: f["settings"].update(hidden="8"),
    "half a unit": lambda f: f["settings"].update(hidden=8.5),
    "a truth for a size": lambda f: f["settings"].update(hidden=True),
    "a list for a size": lambda f: f["settings"].update(hidden=[8]),
    "nothing for a size": lambda f: f["settings"].update(hidden=None),
    "no size": lambda f: f["settings"].update(hidden=0),
    "less than no size": lambda f: f["settings"].update(hidden=-8),
    "a size over 32 bits": lambda f: f["settings"].update(hidden=10**10),
    "a thousand million units": lambda f: f["settings"].update(hidden=10**9),
    "a size over 64 bits": lambda f: f["settings"].update(hidden=10**30),
    "a size of 4,000 digits": lambda f: f["settings"].update(hidden=int("9" * 4000)),
    "a hundred thousand layers": lambda f: f["settings"].update(layers=10**5),
    "one layer more": lambda f: f["settings"].update(layers=2),
    "another cell": lambda f: f["settings"].update(cell="rnn"),
    "no cell": lambda f: f["settings"].update(cell={}),
    "infinite dropout": lambda f: f["settings"].update(dropout=float("inf")),
    "a dropout that is none": lambda f: f["settings"].update(dropout=float("nan")),
    "nothing learned": lambda f: f.pop("learned"),
    "a list learned": lambda f: f.update(learned=[]),
    "a number learned": lambda f: f.update(learned=1e999),
}


@pytest.mark.parametrize("name", ["ner", "sentiment", "music", "speech"])
@pytest.mark.parametrize("change", FACTS)
def test_facts_that_fit_no_network(change: str, name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    facts = facts_of(runs[name])
    FACTS[change](facts)
    shutil.copytree(runs[name], tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(json_file(facts))
    assert outcome(tmp_path / "run")


WRONG: list[Any] = [
    None,
    True,
    7,
    -1,
    0.5,
    10**30,
    "text",
    "",
    [],
    [[]],
    [1],
    ["a", 2],
    {},
    {"a": 1},
    [None] * 5,
]


@pytest.mark.parametrize("name", MADE)
def test_what_was_learned_must_be_there_and_of_its_type(
    name: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(runs[name], tmp_path / "run")
    for place in places_in(facts_of(runs[name])["learned"]):
        for value in (..., *WRONG):
            facts = facts_of(runs[name])
            change(facts["learned"], place, value)
            (tmp_path / "run" / "run.json").write_bytes(json_file(facts))
            message = outcome(tmp_path / "run")
            # A setting that is not there has its default; what stands in a list has no name.
            named = isinstance(place[-1], str) and "settings" not in place
            assert message or value is not ... or not named, f"{place} may be absent"


def places_in(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to the values in an object: all keys, and the first and last of a list."""
    inside = value.items() if isinstance(value, dict) else []
    if isinstance(value, list) and value:
        inside = [(number, value[number]) for number in {0, len(value) - 1}]
    for key, inner in inside:
        yield (*above, key)
        yield from places_in(inner, (*above, key))


def change(facts: Any, place: tuple[Any, ...], value: Any) -> None:
    """Put a value at a place; `...` removes what is there."""
    for key in place[:-1]:
        facts = facts[key]
    if value is ...:
        del facts[place[-1]]
    else:
        facts[place[-1]] = value


BODIES = [
    f'"task": {DEEP}',
    f'"task": {DEEP}{"]" * 100_000}',
    '"task": ' + '{"a":' * 50_000,
    f'"learned": {{"words": [{"1," * 600_000}1]}}',
    '"learned": {' + ",".join(f'"{n}":{{}}' for n in range(300_000)) + "}",
    '"settings": {"hidden": ' + "9" * 5000 + "}",
    f'"task": "{"n" * (17 << 20)}"',
    '"task": "\\ud800"',
    '"task": "ner", "task": "ner", "settings": NaN',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:20])
def test_json_that_is_too_deep_too_large_or_none(body: str, runs: dict[str, Path], tmp_path: Path) -> None:
    damaged(runs, "ner", "run.json", raw_json(body), tmp_path / "run")


@pytest.mark.parametrize(
    ("types", "told"),
    [(100_000, "1,000 at most"), (900, "not the weights that run.json speaks of")],
)
def test_many_types_are_no_square_of_them(
    types: int, told: str, runs: dict[str, Path], tmp_path: Path
) -> None:
    facts = facts_of(runs["ner"])
    facts["learned"]["types"] = [f"T{n}" for n in range(types)]
    shutil.copytree(runs["ner"], tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(json_file(facts))
    with pytest.raises(DamagedError) as raised:
        Run.load(tmp_path / "run")
    assert told in str(raised.value)


# Headers


def entry(shape: list[Any], begin: Any, end: Any, kind: Any = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


def many_tensors(count: int) -> bytes:
    text = (
        b"{"
        + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % n for n in range(count))
        + b"}"
    )
    return struct.pack("<Q", len(text)) + text


HEADERS: dict[str, Callable[[], bytes]] = {
    "empty": bytes,
    "short": lambda: b"\x08\0\0\0",
    "no header": lambda: struct.pack("<Q", 0),
    "a header of 100 MB": lambda: struct.pack("<Q", 100 << 20) + b"{" + b" " * 1000,
    "a header of all bytes": lambda: struct.pack("<Q", 2**64 - 1) + b"{}" + b" " * 1000,
    "a header that is long": lambda: header_file({"x" * (5 << 20): entry([0], 0, 0)}),
    "a million tensors": lambda: many_tensors(1_000_000),
    "thirty thousand tensors": lambda: header_file({str(n): entry([0], 0, 0) for n in range(30_000)}),
    "too deep": lambda: struct.pack("<Q", 100_006) + b'{"a": ' + DEEP.encode(),
    "a list": lambda: struct.pack("<Q", 8) + b"[1,2,3] ",
    "negative places": lambda: header_file({"a": entry([1], -4, 0)}),
    "places back to front": lambda: header_file({"a": entry([1], 4, 0)}, bytes(4)),
    "places that are texts": lambda: header_file({"a": entry([1], "0", "4")}, bytes(4)),
    "half a place": lambda: header_file({"a": entry([1], 0.5, 4)}, bytes(4)),
    "places over the end": lambda: header_file({"a": entry([10**9], 0, 4 * 10**9)}, bytes(4)),
    "a shape over 64 bits": lambda: header_file({"a": entry([2**70], 0, 4)}, bytes(4)),
    "a negative shape": lambda: header_file({"a": entry([-1], 0, 4)}, bytes(4)),
    "a shape that is none": lambda: header_file({"a": {"dtype": "F32", "data_offsets": [0, 4]}}, bytes(4)),
    "a type that is none": lambda: header_file({"a": entry([1], 0, 4, "F33")}, bytes(4)),
    "a type that is a list": lambda: header_file({"a": entry([1], 0, 4, ["F32"])}, bytes(4)),
    "a number for a tensor": lambda: header_file({"a": 1}),
    "facts that are a list": lambda: header_file({}, facts=[]),
    "no tensors": lambda: header_file({}),
    "bytes behind": lambda: header_file({}, bytes(100)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_none(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    damaged(runs, "tagging", "model.safetensors", HEADERS[name](), tmp_path / "run")


def test_tensors_that_overlap(runs: dict[str, Path], tmp_path: Path) -> None:
    header, data = parts(runs["video"])
    names = sorted(header, key=lambda name: header[name]["data_offsets"])
    header[names[-1]]["data_offsets"] = [n - 4 for n in header[names[-1]]["data_offsets"]]
    damaged(runs, "video", "model.safetensors", header_file(header, data[:-4]), tmp_path / "run")


# Weights


def weights(run: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in Run.load(run).model.state_dict().items()}


def with_number(number: float) -> Callable[[torch.Tensor], torch.Tensor]:
    def spoil(tensor: torch.Tensor) -> torch.Tensor:
        tensor.view(-1)[-1] = number
        return tensor

    return spoil


SPOILS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], str]] = {
    "NaN": (with_number(float("nan")), "numbers that are not finite"),
    "infinity": (with_number(float("-inf")), "numbers that are not finite"),
    "whole numbers": (lambda tensor: tensor.long(), "int64"),
    "float64": (lambda tensor: tensor.double(), "float64"),
    "float16": (lambda tensor: tensor.half(), "float16"),
    "truths": (lambda tensor: tensor.bool(), "bool"),
    "a row less": (lambda tensor: tensor[:-1], "and should be float32"),
    "flat": (lambda tensor: tensor.flatten()[None, None], "and should be float32"),
}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("name", MADE)
def test_weights_that_are_none(name: str, spoil: str, runs: dict[str, Path], tmp_path: Path) -> None:
    tensors, (change, told) = weights(runs[name]), SPOILS[spoil]
    chosen = next(
        name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.dim() == 2
    )
    tensors[chosen] = change(tensors[chosen])
    message = damaged(runs, name, "model.safetensors", tensor_file(tensors), tmp_path / "run")
    assert told in message
    assert chosen in message


@pytest.mark.parametrize("name", ["sentiment", "dna", "series", "video", "spoken words", "ner", "speech"])
def test_what_was_chosen_on_dev_must_be_finite(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    tensors = weights(runs[name])
    for chosen in [name for name, tensor in tensors.items() if tensor.dim() == 0]:
        spoilt = {**tensors, chosen: torch.tensor(float("inf"))}
        message = damaged(runs, name, "model.safetensors", tensor_file(spoilt), tmp_path / chosen)
        assert f"{chosen} has numbers that are not finite" in message


def test_a_tensor_more_or_less(runs: dict[str, Path], tmp_path: Path) -> None:
    tensors = weights(runs["music"])
    more = {**tensors, "another": torch.zeros(1)}
    message = damaged(runs, "music", "model.safetensors", tensor_file(more), tmp_path / "more")
    assert "another is float32 [1], and should be absent" in message
    name = sorted(tensors)[0]
    message = damaged(
        runs,
        "music",
        "model.safetensors",
        tensor_file({n: t for n, t in tensors.items() if n != name}),
        tmp_path / "less",
    )
    assert f"{name} is absent, and should be float32" in message


@pytest.mark.parametrize("list_", ["words", "characters", "types"])
def test_a_dictionary_of_another_size(list_: str, runs: dict[str, Path], tmp_path: Path) -> None:
    facts = facts_of(runs["ner"])
    facts["learned"][list_].append("one more")
    shutil.copytree(runs["ner"], tmp_path / "run")
    (tmp_path / "run" / "run.json").write_bytes(json_file(facts))
    message = outcome(tmp_path / "run")
    assert message
    assert "not the weights that run.json speaks of" in message


# Files of another kind


def other_kinds() -> dict[str, tuple[Callable[[Path], Any], str]]:
    import io
    import zipfile

    import numpy as np

    def torch_file(path: Path) -> None:
        torch.save({"a": torch.zeros(2)}, path)

    def old_torch_file(path: Path) -> None:
        torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)

    def zipped(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.txt", "a")

    def array(path: Path) -> None:
        content = io.BytesIO()
        np.save(content, np.zeros(3))
        path.write_bytes(content.getvalue())

    onnx = b'\x08\x08\x12\x07pytorch\x1a\x051.0.0:\x10\n\x0e\n\x01x\x12\x01y"\x04Relu'
    return {
        "pt": (torch_file, "a PyTorch file, which could run code"),
        "old pt": (old_torch_file, "a pickle, which could run code"),
        "zip": (zipped, "a zip archive"),
        "npy": (array, "an array of numpy"),
        "onnx": (lambda path: path.write_bytes(onnx), "an ONNX file"),
        "lfs": (
            lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
            "a pointer of Git LFS, whose file was not fetched (git lfs pull)",
        ),
    }


@pytest.mark.parametrize("kind", ["pt", "old pt", "zip", "npy", "onnx", "lfs"])
@pytest.mark.parametrize("file", ["run.json", "model.safetensors"])
def test_a_file_of_another_kind_is_named(kind: str, file: str, runs: dict[str, Path], tmp_path: Path) -> None:
    make, told = other_kinds()[kind]
    make(tmp_path / "other")
    message = damaged(runs, "ner", file, (tmp_path / "other").read_bytes(), tmp_path / "run")
    assert f"found {told}\n  expected a " in message
    with pytest.raises(DataError, match=r"\n  expected the folder of a run\n") as raised:
        Run.load(tmp_path / "other")
    assert str(raised.value).startswith(f"{tmp_path / 'other'}: found {told}")


def test_weights_of_another_program_are_named(runs: dict[str, Path], tmp_path: Path) -> None:
    for metadata in (None, {"format": "pt"}):
        content = save({"a": torch.zeros(2)}, metadata)
        to = tmp_path / str(metadata)
        message = damaged(runs, "ner", "model.safetensors", content, to)
        assert "found a safetensors file of another program\n" in message
        assert "found a safetensors file\n" in damaged(
            runs, "ner", "run.json", content, tmp_path / f"{metadata}2"
        )


# The large battery

SCALARS: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 10**5, 10**9, 2**31, 2**63, 10**30, -(10**18), 0.5, -0.0, 1e-320,
    1e308, float("inf"), float("nan"), "", "a", "ner", "\0", "\u2028", "a" * 10_000, [], {}, [[]], [{}],
    [0] * 1000, ["a"] * 1000, {"a": 0}, [[0, 1], [2]], [1e308, -1e308],
]  # fmt: skip


def mutated_facts(run: Path, random: Random) -> bytes:
    """One to three changes anywhere in run.json."""
    facts = facts_of(run)
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        places = list(places_in(facts))
        # What decides most lies in few places: a setting or something learned, as a rule.
        chosen = [p for p in places if p[0] in ("settings", "learned")]
        place = random.choice(chosen if chosen and random.random() < 0.9 else places)
        above = facts
        for key in place[:-1]:
            above = above[key]
        key, kind = place[-1], random.random()
        if kind < 0.15:
            del above[key]
        elif kind < 0.3 and isinstance(above[key], list):
            above[key] = above[key] * random.choice([0, 2, 100])
        elif kind < 0.4 and isinstance(above[key], (int, float)):
            above[key] = above[key] * random.choice([-1, 2, 10**3, 10**9, 10**18]) + random.choice([0, 1])
        elif kind < 0.5:
            above[key] = random.choice([[above[key]], {"a": above[key]}, str(above[key])[:1000]])
        else:
            above[key] = deepcopy(random.choice(SCALARS))
    return json_file(facts)


def mutated_weights(run: Path, random: Random) -> bytes:
    """A change in the header of model.safetensors, or in what is behind it."""
    header, data = parts(run)
    names = list(header)
    kind = random.randrange(12)
    name = random.choice(names)
    if kind == 0:
        header[name]["shape"] = random.choice([[], [0], [-1], [2**63], [1, 2, 3], "x", None, [True], [1e9]])
    elif kind == 1:
        header[name]["dtype"] = random.choice(["F64", "I64", "F16", "BOOL", "C64", "", None, [], 7])
    elif kind == 2:
        at = random.choice([-4, 0, 1, len(data), 2**63, 2**64, "0", None, 0.5])
        header[name]["data_offsets"][random.randrange(2)] = at
    elif kind == 3:
        del header[name]
    elif kind == 4:
        header[random.choice(["", "a", "\0", "x" * 100_000, "__metadata__ "])] = header.pop(name)
    elif kind == 5:
        header |= {f"{name}{n}": entry([0], 0, 0) for n in range(random.choice([1, 100, 20_000]))}
    elif kind == 6:
        header[name] = deepcopy(random.choice(SCALARS))
    elif kind == 7:
        del header[name][random.choice(["dtype", "shape", "data_offsets"])]
    elif kind == 8:
        data = random.choice([data[:-1], data + b"\0", b"", data * 3])
    elif kind == 9:
        one, other = random.choice(names), random.choice(names)
        header[one], header[other] = header[other], header[one]
    elif kind == 10:
        number = struct.pack("<f", random.choice([float("nan"), float("inf"), -float("inf")]))
        floats = [
            h["data_offsets"][0] for h in header.values() if h["dtype"] == "F32" and h["data_offsets"][1]
        ]
        at = random.choice(floats)
        data = data[:at] + number + data[at + 4 :]
    else:
        content = bytearray(header_file(header, data))
        length = random.choice([0, 1, 7, len(content), 100 << 20, 2**63, 2**64 - 1])
        return bytes(struct.pack("<Q", length) + content[8:])
    return header_file(header, data, random.choice([{}, {}, {}, [], None, 1, {"a": 1}]))


def measured(run: Path) -> tuple[str, float, int]:
    """Load in a process of its own: what came of it, CPU seconds, and how many bytes its memory grew."""
    read, written = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(100)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        try:
            found = outcome(run)
            said = "loads" if found is None else "refused"
        except BaseException as error:
            said = f"{type(error).__name__}: {str(error)[:200]}"
        seconds = time.process_time() - began
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        os.write(written, json.dumps([said, seconds, grown * 1024]).encode())
        os._exit(0)
    os.close(written)
    with os.fdopen(read, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        return f"died of {status}", 0.0, 0
    said, seconds, grown = json.loads(content)
    return said, seconds, grown


CASES = {"run.json": (mutated_facts, 1000), "model.safetensors": (mutated_weights, 500)}


@pytest.mark.slow
@pytest.mark.parametrize("file", CASES)
def test_changed_files_are_refused_or_load(file: str, runs: dict[str, Path], tmp_path: Path) -> None:
    mutate, count = CASES[file]
    random, said = Random(0), []
    copies = {name: shutil.copytree(run, tmp_path / name) for name, run in runs.items()}
    for number in range(count):
        name = list(runs)[number % len(runs)]
        (copies[name] / file).write_bytes(mutate(runs[name], random))
        said.append((*measured(copies[name]), name, number))
        (copies[name] / file).write_bytes((runs[name] / file).read_bytes())
    refused = sum(what == "refused" for what, *_ in said)
    slowest, largest = max(said, key=lambda one: one[1]), max(said, key=lambda one: one[2])
    print(f"\n{file}: {count} changes, {refused} refused", end="; ")
    print(f"slowest {slowest[1]:.2f} s ({slowest[3]} {slowest[4]})", end=", ")
    print(f"largest {largest[2] / 1e6:.0f} MB ({largest[3]} {largest[4]})")
    assert [one for one in said if one[0] not in ("refused", "loads")] == []
    assert largest[2] < 256e6


def large(run: Path, place: tuple[Any, ...], value: Any) -> bytes:
    facts = facts_of(run)
    change(facts, place, value)
    return json_file(facts)


MANY = [f"w{n}" for n in range(440_000)]
LARGE: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    "words": ("ner", ("learned", "words"), ["<padding>", "<unknown>", *MANY]),
    "tags": ("tagging", ("learned", "labels"), MANY),
    "types": ("ner", ("learned", "types"), MANY[:1000]),
    "labels": ("sentiment", ("learned", "labels"), dict.fromkeys(MANY, 1)),
    "units": (
        "language",
        ("learned", "units", "symbols"),
        ["<padding>", "<unknown>", "<begin>", "<end>", *MANY],
    ),
    "more labels": ("video", ("learned", "labels"), MANY),
    "symbols": ("speech", ("learned", "symbols"), MANY),
    "channels": ("series", ("learned", "channels"), MANY),
    "pieces": ("subwords", ("learned", "units", "model"), "Cg8KBTxwYWQ+FQAAAAAYAw" * 200_000),
    "a text": ("ner", ("learned", "words", 2), "\u00e9" * (7 << 20)),
    "a wide text": ("ner", ("learned", "words", 2), "\U0001f600" + "a" * (15 << 20)),
    "layers": ("ner", ("settings", "layers"), 100),
    "more layers": ("helped speech", ("learned", "language", "settings", "layers"), 100),
    "pretrained layers": ("words", ("learned", "sizes", "layers"), 100),
    "n-grams": ("sentiment", ("learned", "ngrams"), [[10**15] * 3, [10**18] * 5]),
    "evidence": ("sentiment", ("learned", "ngrams"), [[1] * 400_000]),
}


@pytest.mark.slow
def test_the_largest_files_cost_little(runs: dict[str, Path], tmp_path: Path) -> None:
    files = {
        f"{name}: {what}": ("run.json", name, large(runs[name], *rest))
        for what, (name, *rest) in LARGE.items()
    }
    files |= {what: ("model.safetensors", "tagging", make()) for what, make in HEADERS.items()}
    files |= {body[:30]: ("run.json", "ner", raw_json(body)) for body in BODIES}
    said = []
    for what, (file, name, content) in files.items():
        copy = shutil.copytree(runs[name], tmp_path / name, dirs_exist_ok=True)
        (copy / file).write_bytes(content)
        said.append((*measured(copy), what))
        shutil.copy(runs[name] / file, copy / file)
    for how, seconds, grown, what in sorted(said, key=lambda one: -one[1])[:12]:
        print(f"\n{what}: {how}, {seconds:.2f} s, {grown / 1e6:.0f} MB", end="")
    assert [one for one in said if one[0] not in ("refused", "loads")] == []
    assert max(one[2] for one in said) < 256e6
