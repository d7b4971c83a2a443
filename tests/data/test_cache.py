"""The folder of what can be made again, also where there is no home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from elman.data.cache import cache_folder

# A container may run as a user of whom its list of users does not know.
UNKNOWN_USER = """if True:
    import pwd
    def unknown(_):
        raise KeyError("no such user")
    pwd.getpwuid = unknown
"""


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code where neither $HOME nor $XDG_CACHE_HOME is set, unless they are given."""
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    there = {**kept, "TMPDIR": str(folder), "PYTHONWARNINGS": "default", **environment}
    return subprocess.run(
        [sys.executable, "-c", UNKNOWN_USER + code], env=there, capture_output=True, text=True, check=False
    )


SAY = "    from elman.data.cache import cache_folder\n    print(cache_folder(), cache_folder(), sep='\\n')"


def test_it_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a" / "b"))
    assert cache_folder() == tmp_path / "a" / "b" / "elman"
    assert cache_folder().is_dir()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "elman"


@pytest.mark.parametrize("home", [None, "a file", "/proc"])
def test_without_a_home_it_is_a_temporary_folder_which_is_said_once(home: str | None, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    done = python(SAY, tmp_path, **({"HOME": str(tmp_path / home)} if home else {}))
    folder = tmp_path / f"elman-{os.getuid()}"
    assert (done.returncode, done.stdout) == (0, f"{folder}\n{folder}\n")
    assert done.stderr.count("no cache folder: ") == 1
    assert f"using {folder}. Set XDG_CACHE_HOME to a folder that lasts" in done.stderr
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["others may write", "link"])
def test_a_folder_that_somebody_else_may_have_made_is_not_used(trap: str, tmp_path: Path) -> None:
    folder = tmp_path / f"elman-{os.getuid()}"
    (tmp_path / "other").mkdir()
    if trap == "link":
        folder.symlink_to(tmp_path / "other")
    else:
        folder.mkdir()
        folder.chmod(0o777)
    done = python(SAY, tmp_path)
    assert done.returncode == 0
    used = Path(done.stdout.split()[0])
    assert used not in (folder, tmp_path / "other")
    assert used.parent == tmp_path


def test_the_tasks_are_listed_without_a_home(tmp_path: Path) -> None:
    code = "    import sys\n    from elman.cli import main\n    sys.argv[1:] = ['tasks']\n    main()"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "video" in done.stdout
    assert "cache" not in done.stderr
