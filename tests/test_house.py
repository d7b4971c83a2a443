"""Law 8: imports go down the floors only, there is no circle, and every list is complete.

The checks are functions of a folder, so that the tests at the end can show each of them a house that is
wrong.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import elman
from elman.nn.cells import CELLS
from elman.nn.layers import LAYERS
from elman.tasks import TASKS, settings

PACKAGE = Path(elman.__file__).parent
# Each floor's modules, a name standing for all that is below it too. The longest name that fits decides.
FLOORS = {
    6: ("elman", "elman.cli", "elman.commands"),
    5: (
        "elman.ask",
        "elman.bench",
        "elman.doctor",
        "elman.training",
        "elman.folds",
        "elman.report",
        "elman.plots",
        "elman.export",
        "elman.serve",
        "elman.draw",
    ),
    4: ("elman.run",),
    3: ("elman.tasks",),
    2: ("elman.nn", "elman.learning"),
    1: ("elman.data", "elman.samples", "elman.storage", "elman.lock", "elman.openmp"),
}
# What a room may import of ours, where that is less than its floor allows.
ROOMS = {
    "elman.nn": ("elman.nn",),
    "elman.learning": ("elman.learning", "elman.data.batch"),
    "elman.data": ("elman.data",),
}
LONGEST = 400
LONG_FILE = "long file"  # so a module's docstring begins to say why it is longer
NAMELESS = ("utils", "util", "helpers", "helper", "common", "misc")
CODE_FROM_DATA = (
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "matplotlib.pyplot",
    "pylab",
)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(room + ".")


def floor(module: str) -> int | None:
    """The floor of a module; None if it has none. Directly in the package, each module must be named."""
    if module == "elman":
        return 6
    rooms = [
        (len(room), n)
        for n, names in FLOORS.items()
        for room in names
        if room != "elman" and within(module, room)
    ]
    return max(rooms)[1] if rooms else None


def modules_of(package: Path) -> dict[str, ast.Module]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), path)
    return found


def imports(tree: ast.Module, module: str, is_package: bool, known: set[str]) -> Iterator[tuple[int, str]]:
    """(line, module) of each import, those inside functions too.

    `from a import b` is a.b where that is a module, else a. `elman.__version__` may be known to any floor.
    """
    version_only = reads_only_the_version(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not (alias.name == "elman" and alias.asname is None and version_only):
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")
                up = here[: len(here) - node.level + is_package]
                base = ".".join([*up, *filter(None, [node.module])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole != "elman.__version__":
                    yield node.lineno, whole if whole in known else base


def reads_only_the_version(tree: ast.Module) -> bool:
    """Whether a module that imports `elman` uses it for nothing but `elman.__version__`."""
    names = sum(isinstance(node, ast.Name) and node.id == "elman" for node in ast.walk(tree))
    versions = sum(
        isinstance(node, ast.Attribute)
        and node.attr == "__version__"
        and isinstance(node.value, ast.Name)
        and node.value.id == "elman"
        for node in ast.walk(tree)
    )
    return names == versions


def graph(package: Path) -> dict[str, dict[str, int]]:
    """What each module imports of ours, with the line of the import."""
    trees = modules_of(package)
    known = set(trees)
    packages = {name for name in known if (package.parent / Path(*name.split(".")) / "__init__.py").exists()}
    found: dict[str, dict[str, int]] = {}
    for module, tree in trees.items():
        found[module] = {
            name: line
            for line, name in imports(tree, module, module in packages, known)
            if within(name, package.name)
        }
    return found


def faults_of_floors(package: Path) -> list[str]:
    """Imports that go up, or that a room forbids, and modules without a floor."""
    faults = []
    for module, targets in graph(package).items():
        here = floor(module)
        if here is None:
            faults.append(f"{module} stands on no floor: name it in FLOORS")
            continue
        for target, line in targets.items():
            there = floor(target)
            if there is not None and there > here:
                faults.append(f"{module}:{line} imports {target}: from floor {here} up to {there}")
            for room, allowed in ROOMS.items():
                if within(module, room) and not any(within(target, name) for name in allowed):
                    faults.append(
                        f"{module}:{line} imports {target}: {room} may import only {', '.join(allowed)}"
                    )
    return faults


def circle(package: Path) -> list[str]:
    """Modules that import each other in a circle, first and last the same; empty where there is none."""
    edges = graph(package)
    if package.name in edges:
        edges[package.name] = {}  # the front door imports `load` and `train` only when they are asked for
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in done:
            for target in edges.get(module, ()):
                if target != module and (found := walk(target, [*path, module])):
                    return found
            done.add(module)
        return []

    return next((found for module in edges if (found := walk(module, []))), [])


def faults_of_files(package: Path) -> list[str]:
    """Files too long without a reason, names that say nothing, and what could run code from data."""
    faults = []
    for path in sorted(package.rglob("*.py")):
        name, text = str(path.relative_to(package)), path.read_text(encoding="utf-8")
        tree, length = ast.parse(text), len(text.splitlines())
        beginning = " ".join((ast.get_docstring(tree) or "").splitlines()[:5]).lower()
        if length > LONGEST and LONG_FILE not in beginning:
            faults.append(f"{name} has {length} lines, more than {LONGEST}, and does not say at its top why")
        faults += [
            f"{name}: {part} says nothing of what is in it"
            for part in Path(name).parts
            if _stem(part) in NAMELESS
        ]
        faults += [f"{name}:{line}: {what}" for line, what in _dangers(tree)]
    return faults


def _stem(part: str) -> str:
    return part.removesuffix(".py")


def _dangers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{name}" for name in names]
            for name in names:
                if any(within(name, banned) for banned in (*CODE_FROM_DATA, "torch.load", "torch.save")):
                    yield node.lineno, f"imports {name}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("eval", "exec", "__import__"):
                yield node.lineno, f"calls {node.func.id}"
        elif isinstance(node, ast.Attribute):
            whole = ast.unparse(node)
            if whole in ("torch.load", "torch.save", "matplotlib.pyplot"):
                yield node.lineno, f"uses {whole}"
        elif (
            isinstance(node, ast.keyword)
            and node.arg == "allow_pickle"
            and ast.unparse(node.value) != "False"
        ):
            yield node.value.lineno, "allows pickle"


def missing(folder: Path, besides: set[str], listed: set[str]) -> set[str]:
    """Modules of a folder that are not in its list, and names in the list that are no module."""
    return ({path.stem for path in folder.glob("*.py")} - besides) ^ listed


def test_imports_go_down_the_floors_only() -> None:
    assert faults_of_floors(PACKAGE) == []


def test_there_is_no_circle() -> None:
    assert circle(PACKAGE) == []


def test_files_are_short_well_named_and_run_no_code_from_data() -> None:
    assert faults_of_files(PACKAGE) == []


def test_every_cell_and_every_task_is_in_its_list() -> None:
    assert missing(PACKAGE / "nn" / "cells", {"__init__", "cell"}, set(CELLS)) == set()
    shared = {"__init__", "task", "sampling", "words", "labels", "pretrained", "settings", "stored"}
    shared |= {"bases", "hearing", "playing", "spelling", "spoken_words", "texts"}  # parts of one task each
    shared |= {"carried"}  # a part of two
    assert missing(PACKAGE / "tasks", shared, set(TASKS)) == set()
    assert missing(PACKAGE / "tasks" / "declarations", {"__init__", "words"}, set(TASKS)) == set()
    assert tuple(LAYERS) == settings.CELLS


def test_type_checkers_are_told_that_the_package_has_types() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_the_checks_saw_the_whole_house() -> None:
    edges = graph(PACKAGE)
    assert len(edges) == len(list(PACKAGE.rglob("*.py")))
    assert "elman.nn.cells.cell" in edges["elman.nn.cells.lstm"]
    assert "elman.nn.cells" in edges["elman.nn.layers"]  # from elman.nn import cells
    assert "elman.tasks.task" in edges["elman.tasks.ner"]
    assert any(targets for module, targets in edges.items() if module == "elman.cli")


# A house that is wrong in one place: its files, and what the check says.


def build(folder: Path, files: dict[str, str]) -> Path:
    for name, text in {"__init__.py": "", **files}.items():
        path = folder / "elman" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name != "__init__.py":
            (path.parent / "__init__.py").touch()
        path.write_text(text, encoding="utf-8")
    return folder / "elman"


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"nn/a.py": "from elman.tasks.ner import Ner", "tasks/ner.py": ""},
            "elman.nn.a:1 imports elman.tasks.ner: from",
        ),
        ({"nn/a.py": "import elman.data.batch", "data/batch.py": ""}, "elman.nn may import only elman.nn"),
        (
            {"nn/a.py": "from elman.learning import fit", "learning/fit.py": ""},
            "imports elman.learning.fit: elman.nn may",
        ),
        (
            {"nn/a.py": "from ..data.batch import pack", "data/batch.py": ""},
            "imports elman.data.batch: elman.nn may",
        ),
        (
            {"nn/__init__.py": "from ..storage import x", "storage.py": ""},
            "elman.nn:1 imports elman.storage: elman.nn may",
        ),
        (
            {"data/a.py": "from elman import storage", "storage.py": ""},
            "elman.data may import only elman.data",
        ),
        (
            {"learning/a.py": "import elman.data.text", "data/text.py": ""},
            "only elman.learning, elman.data.batch",
        ),
        (
            {"learning/a.py": "from elman.nn import crf", "nn/crf.py": ""},
            "elman.learning.a:1 imports elman.nn.crf",
        ),
        (
            {"run.py": "def f():\n    from elman.training import train", "training.py": ""},
            "elman.run:2 imports elman.training",
        ),
        (
            {"report.py": "if True:\n    from .cli import main", "cli.py": ""},
            "elman.report:2 imports elman.cli: from floor 5",
        ),
        ({"samples/a.py": "from elman import load"}, "elman.samples.a:1 imports elman: from floor 1 up to 6"),
        ({"run.py": "import elman\nelman.train"}, "elman.run:1 imports elman: from floor 4 up to 6"),
        ({"garage.py": ""}, "elman.garage stands on no floor"),
    ],
)
def test_an_import_that_goes_up_is_found(files: dict[str, str], fault: str, tmp_path: Path) -> None:
    (found,) = {message for message in faults_of_floors(build(tmp_path, files)) if fault in message}
    assert found


@pytest.mark.parametrize(
    "files",
    [
        {
            "tasks/ner.py": "from elman.nn import crf\nfrom elman.data import batch",
            "nn/crf.py": "",
            "data/batch.py": "",
        },
        {"learning/fit.py": "from elman.data.batch import fill", "data/batch.py": ""},
        {"run.py": "import elman\nprint(elman.__version__)"},
        {"storage.py": "from elman import __version__"},
        {
            "__init__.py": "def f():\n    from elman.run import load",
            "run.py": "import elman\nelman.__version__",
        },
        {"training.py": "from elman import report", "report.py": ""},
        {"nn/crf.py": "import torch\nfrom elman.nn.unroll import steps", "nn/unroll.py": ""},
    ],
)
def test_what_is_allowed_is_no_fault(files: dict[str, str], tmp_path: Path) -> None:
    package = build(tmp_path, files)
    assert faults_of_floors(package) == []
    assert circle(package) == []


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (
            {"report.py": "import elman.plots", "plots.py": "from elman import report"},
            {"elman.report", "elman.plots"},
        ),
        (
            {
                "nn/a.py": "from . import b",
                "nn/b.py": "def f():\n    from .c import x",
                "nn/c.py": "import elman.nn.a",
            },
            {"elman.nn.a", "elman.nn.b", "elman.nn.c"},
        ),
        (
            {"nn/__init__.py": "from elman.nn.a import A", "nn/a.py": "from elman.nn import A"},
            {"elman.nn", "elman.nn.a"},
        ),
    ],
)
def test_a_circle_is_found(files: dict[str, str], modules: set[str], tmp_path: Path) -> None:
    found = circle(build(tmp_path, files))
    assert set(found) == modules
    assert found[0] == found[-1]


LONG = "x = 1\n" * LONGEST


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        (
            {"run.py": LONG + "y = 2\n"},
            r"run\.py has 401 lines, more than 400, and does not say at its top why",
        ),
        ({"nn/utils.py": ""}, r"nn/utils\.py: utils\.py says nothing"),
        ({"helpers/a.py": ""}, "helpers says nothing"),
        ({"run.py": "def f():\n    import pickle"}, r"run\.py:2: imports pickle"),
        ({"run.py": "from pickle import loads"}, r"run\.py:1: imports pickle\.loads"),
        ({"run.py": "import torch\ntorch.load('x')"}, r"run\.py:2: uses torch\.load"),
        ({"run.py": "from torch import load"}, r"run\.py:1: imports torch\.load"),
        ({"run.py": "x = eval('1')"}, r"run\.py:1: calls eval"),
        ({"run.py": "exec('1')"}, r"run\.py:1: calls exec"),
        ({"plots.py": "import matplotlib.pyplot as plt"}, r"plots\.py:1: imports matplotlib\.pyplot"),
        ({"plots.py": "from matplotlib import pyplot"}, r"plots\.py:1: imports matplotlib\.pyplot"),
        ({"run.py": "numpy.load(f, allow_pickle=True)"}, r"run\.py:1: allows pickle"),
    ],
)
def test_a_file_that_breaks_the_rules_is_found(files: dict[str, str], fault: str, tmp_path: Path) -> None:
    faults = faults_of_files(build(tmp_path, files))
    assert faults
    assert all(re.search(fault, message) for message in faults)


@pytest.mark.parametrize(
    "files",
    [
        {"run.py": LONG},
        {"run.py": f'"""A story.\n\n(A long file, because of its lists.)\n"""\n{LONG}'},
        {"run.py": "model.eval()\nnumpy.load(f, allow_pickle=False)\nsafetensors.torch.load(f)"},
    ],
)
def test_a_file_that_keeps_the_rules_is_no_fault(files: dict[str, str], tmp_path: Path) -> None:
    assert faults_of_files(build(tmp_path, files)) == []


def test_a_cell_or_task_that_is_not_listed_is_found(tmp_path: Path) -> None:
    package = build(tmp_path, {"tasks/task.py": "", "tasks/ner.py": "", "tasks/dna.py": ""})
    assert missing(package / "tasks", {"__init__", "task"}, {"ner"}) == {"dna"}
    assert missing(package / "tasks", {"__init__", "task"}, {"ner", "dna", "music"}) == {"music"}
    assert missing(package / "tasks", {"__init__", "task"}, {"ner", "dna"}) == set()
