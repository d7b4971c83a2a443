"""What README.md, the pages of docs/ and the docstrings show is run here, so that it goes on being true.

In a page, `python` blocks run in order in one namespace; those written with >>> must print what they show.
`console` and `bash` blocks run the lines that begin with "$ ", each by itself; their output is for the
reader. A page has one temporary folder. A comment directly above a block exempts it:
<!-- not run: REASON -->.
Blocks in other languages are not code.
"""

import doctest
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import elman
from elman.cli import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = ["elman", *sorted(module.name for module in pkgutil.walk_packages(elman.__path__, "elman."))]
SHELL = ("bash", "console")
OTHER_SPELLINGS = ("py", "py3", "python3", "pycon", "sh", "shell", "shell-session", "zsh")  # would not be run


class Block(NamedTuple):
    """A fenced block: its language, its first line's number in the page, its text, and why it is not run."""

    language: str
    line: int
    text: str
    exempt: str | None


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page. Raises ValueError for one without a language, an end, or a reason."""
    found = []
    lines = page.splitlines()
    number = 0
    while number < len(lines):
        fence = re.fullmatch(r"(\s*)(`{3,}|~{3,})\s*(\S*).*", lines[number])
        if fence:
            indent, ticks, language = fence.groups()
            above = lines[number - 1].strip() if number else ""
            comment = re.fullmatch(r"<!--\s*not run:?(.*)-->", above)
            if comment and not comment[1].strip():
                raise ValueError(f"line {number}: say why the block is not run")
            if not language:
                raise ValueError(f"line {number + 1}: name the block's language, text if it is none")
            if language in OTHER_SPELLINGS:
                raise ValueError(f"line {number + 1}: say python or console instead of {language}")
            start = number + 1
            number = start
            while number < len(lines) and lines[number].strip() != ticks:
                number += 1
            if number == len(lines):
                raise ValueError(f"line {start}: the block has no end")
            text = "\n".join(line.removeprefix(indent) for line in lines[start:number])
            found.append(Block(language, start + 1, text, comment[1].strip() if comment else None))
        number += 1
    return found


def commands(block: Block) -> list[str]:
    """The commands of a shell block. Raises ValueError where there is none."""
    found: list[str] = []
    continued = False
    for line in block.text.splitlines():
        if continued:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        else:
            continue
        continued = line.endswith("\\")
    if not found:
        raise ValueError(f"line {block.line}: no line begins with '$ '; exempt the block, or call it text")
    return found


def run_command(command: str) -> None:
    """Run a command in the present folder: elman itself in this process, where a start costs no seconds."""
    words = shlex.split(command)
    if words[0] == "elman" and not set(command) & set("|<>&;$*"):
        cli.main(args=words[1:], prog_name="elman", standalone_mode=False)
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        env={**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stderr}"


def run(block: Block, page: str, namespace: dict[str, Any]) -> None:
    """Run a block in the present folder."""
    if block.language in SHELL:
        for command in commands(block):
            run_command(command)
    elif block.language == "python" and block.text.startswith(">>> "):
        parser = doctest.DocTestParser()
        example = parser.get_doctest(block.text + "\n", namespace, page, page, block.line - 1)
        report: list[str] = []
        doctest.DocTestRunner().run(example, out=report.append, clear_globs=False)
        namespace.update(example.globs)
        assert not report, "".join(report)
    elif block.language == "python":
        # Empty lines before it give the block the line numbers of its page in a traceback.
        exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), namespace)


# A page may show a cell of one's own, which says once in a process that it has no kernels.
@pytest.mark.filterwarnings(
    "ignore:recurrent layers run as plain torch operations.*the cell Independent:UserWarning"
)
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_code_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.exempt is None:
            try:
                run(block, str(page), namespace)
            except Exception as error:
                error.add_note(f"in the block at {page}:{block.line}")
                raise


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_what_a_block_is() -> None:
    page = """
```python
x = 1
```
<!-- not run: it needs the network -->
```console
$ git clone
```
- in a list:
  ```console
  $ echo \\
    one
  one
  ```
```text
```
"""
    assert blocks(page) == [
        Block("python", 3, "x = 1", None),
        Block("console", 7, "$ git clone", "it needs the network"),
        Block("console", 11, "$ echo \\\n  one\none", None),
        Block("text", 16, "", None),
    ]
    assert commands(blocks(page)[2]) == ["echo \\\n  one"]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- not run: -->\n```python\n```", "line 1: say why"),
        ("<!-- not run -->\n```python\n```", "line 1: say why"),
        ("```\nx = 1\n```", "line 1: name the block's language"),
        ("text\n```pycon\n>>> 1\n```", "line 2: say python or console instead of pycon"),
        ("```python\nx = 1", "line 1: the block has no end"),
    ],
)
def test_a_block_that_would_be_dropped_in_silence(page: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        blocks(page)


def test_what_fails_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    run(Block("console", 1, "$ echo 3 > x\n$ python --version", None), "page", namespace)
    run(
        Block("python", 1, "from pathlib import Path\nx = int(Path('x').read_text())", None),
        "page",
        namespace,
    )
    run(Block("python", 1, ">>> x\n3\n>>> y = 4", None), "page", namespace)
    run(Block("python", 1, "assert y == 4", None), "page", namespace)
    with pytest.raises(AssertionError, match="exit 7: exit code 7"):
        run(Block("console", 5, "$ exit 7\n$ echo", None), "page", namespace)
    with pytest.raises(AssertionError, match=r"Expected:\s+4\s+Got:\s+3"):
        run(Block("python", 1, ">>> x\n4", None), "page", namespace)
    with pytest.raises(ZeroDivisionError):
        run(Block("python", 1, "1 / 0", None), "page", namespace)
    with pytest.raises(ValueError, match="no line begins with"):
        run(Block("bash", 1, "scripts/demo", None), "page", namespace)


def test_pages_leave_each_other_room() -> None:
    """A reader goes from page to page in one folder, and elman writes over nothing."""
    made = re.compile(r'elman sample \w+ (\S+)|(?:--out |out=")(runs/[\w/]+)')
    pages = [page.read_text() for page in PAGES if page.stem != "results"]
    taken = Counter(folder for page in pages for folder in {a or b for a, b in made.findall(page)})
    assert [folder for folder, times in taken.items() if times > 1] == []


@pytest.mark.slow
def test_a_page_with_formulas_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Page\n\n$x_t = 1$\n", encoding="utf-8")
    build = [sys.executable, "-m", "sphinx", "-W", "-q", "-c", ROOT / "docs", tmp_path, tmp_path / "html"]
    subprocess.run(build, check=True, capture_output=True)
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script|img)[^>]* src="([^"?]+)|<link[^>]* href="([^"?]+)', page)
    files = [a or b for a, b in loaded]
    assert any("mathjax" in file for file in files)
    for file in files:
        assert (tmp_path / "html" / file).is_file(), file
