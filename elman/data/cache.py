"""The folder of what elman can make again: decoded frames, hashes of large files."""

import functools
import os
import stat
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/elman, or ~/.cache/elman, made where absent.

    A container may have no home, or one that cannot be written to. Then it is a temporary folder, and a
    warning says so once.
    """
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(base) / "elman"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: neither $HOME nor the list of users tells
        return _temporary_folder(str(error))
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return _temporary_folder(f"{folder} cannot be written to")
    return folder


@functools.cache
def _temporary_folder(why: str) -> Path:
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"elman-{user}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    there = folder.lstat()
    # Anybody can make a folder of this name. One that others can write to is not to be trusted.
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != user or there.st_mode & 0o022:
        folder = Path(tempfile.mkdtemp(prefix="elman-"))
    warnings.warn(
        f"no cache folder: {why}; using {folder}. Set XDG_CACHE_HOME to a folder that lasts",
        stacklevel=3,
    )
    return folder
