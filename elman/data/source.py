"""Text files, compressed or not, as numbered lines, and the one error that all readers raise.

A line ends at LF or CR LF and nowhere else: U+2028, U+0085 and the vertical tab, at which `str.splitlines`
would also cut, are data.
"""

from __future__ import annotations

import codecs
import difflib
import itertools
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from elman.data.compression import CompressionError, decompressed
from elman.data.kinds import HEAD, kind_of

LONGEST_LINE = 1_000_000  # bytes; a longer one is never read whole

_QUOTED = 40  # characters of the user's text in a message
_PART = 400  # characters of each part of a message

# UTF-32 comes first, for its little-endian mark begins with that of UTF-16.
_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class DataError(Exception):
    """What a file holds cannot be used.

    `place` is "file", "file:line" or "file:line:column", all counted from 1; `found` and `expected` say what
    is there and what should be; `remedy` is one way out. The message has three short lines of printable
    characters, whatever the file holds.
    """

    longest = _PART

    def __init__(self, place: str, found: str, expected: str, remedy: str):
        super().__init__(place, found, expected, remedy)
        self.place, self.found, self.expected, self.remedy = place, found, expected, remedy

    def __str__(self) -> str:
        place, found, expected, remedy = (_printable(part, self.longest) for part in self.args)
        return f"{place}: found {found}\n  expected {expected}\n  {remedy}"


class MissingPathError(DataError):
    """There is no such file or folder; the message is one line."""

    def __str__(self) -> str:
        place, found, _, remedy = (_printable(part, self.longest) for part in self.args)
        return f"{found[0].upper()}{found[1:]}: {place}. {remedy}"


class UnseenError(DataError):
    """An answer that training never showed: no model can give it, so it counts as missed."""


def _printable(text: str, longest: int) -> str:
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:longest])
    return shown if len(text) <= longest else f"{shown}..."


def quote(text: str) -> str:
    """The user's own text in quotes: control characters escaped, and cut where it is long."""
    return repr(text) if len(text) <= _QUOTED else f"{text[:_QUOTED]!r}..."


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 sentence", "5,424 sentences"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def did_you_mean(word: str, known: list[str]) -> str | None:
    """The question "did you mean 'train.conll'?" where one of the `known` resembles the word, else None."""
    near = nearest(word, known)
    return None if near is None else f"did you mean {quote(near)}?"


def nearest(word: str, known: list[str]) -> str | None:
    """The one of the `known` that is spelt most like the word, or the shortest that begins with it.

    Case and leading hyphens count for nothing, and an underscore is a hyphen.

    >>> nearest("--learning_rat", ["--layers", "--learning-rate"])
    '--learning-rate'
    """
    if len(word) > _PART:  # no slip of a finger, and slow to compare
        return None
    plain = {_plain(name): name for name in reversed(known)}
    near = difflib.get_close_matches(_plain(word), plain, n=1)
    if not near and _plain(word):
        near = sorted((name for name in plain if name.startswith(_plain(word))), key=len)
    return plain[near[0]] if near else None


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-").lstrip("-")


def missing_path(path: Path, what: str = "file") -> MissingPathError:
    """The error of a file, or a folder, that is not there; it suggests a similar name, if there is one."""
    if similar := similar_path(path):
        remedy = f"Did you mean {similar}?"
    else:
        remedy = "Check the spelling." if path.parent.is_dir() else f"There is no folder {path.parent}."
    return MissingPathError(str(path), f"no such {what}", f"a {what}", remedy)


def similar_path(path: Path) -> Path | None:
    """A path that is there, and of which but one name is written otherwise."""
    wrong = path
    while not wrong.parent.is_dir() and wrong != wrong.parent:
        wrong = wrong.parent
    near = difflib.get_close_matches(wrong.name, {*_names(wrong.parent)} - {wrong.name})
    paths = (wrong.with_name(name) / path.relative_to(wrong) for name in near)
    return next((similar for similar in paths if similar.exists()), None)


def read_lines(path: str | Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    r"""The lines of a UTF-8 file with their numbers from 1, without line ends and without a byte order mark.

    The file is read as it is asked for, a line at a time; one of gzip, bzip2 or xz is decompressed so.

    Raises DataError when the file is absent, a folder, a pipe or not to be opened; for a kind of file that is
    no text, and for compressed bytes that are damaged or cut short; at bytes that are not UTF-8, a NUL byte,
    the byte order mark of another encoding, a carriage return within a line; at a line over `longest` bytes.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write("Ada\r\nLovelace".encode("utf-8-sig"))
    ...     file.flush()
    ...     list(read_lines(file.name))
    [(1, 'Ada'), (2, 'Lovelace')]
    """
    path = Path(path)
    with _open(path) as stream:
        yield from decoded_lines(stream, path, longest)


def decoded_lines(stream: BinaryIO, path: Path, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """The lines of a stream of bytes, as `read_lines` has them; `path` names it in errors."""
    stream = decompressed(stream)
    for number in itertools.count(1):
        try:
            if number == 1:
                _check_kind(stream.peek(HEAD), path)
            line = stream.readline(longest + len(codecs.BOM_UTF8 + b"\r\n"))
        except CompressionError as error:
            remedy = f"get the file again; {error.method} -t {_shell(path)} says whether it is whole"
            raise DataError(f"{path}:{number}", str(error), "a whole file", remedy) from None
        if number == 1:
            line = _without_byte_order_mark(line, path)
        if not line:
            return
        yield number, _decode(line.removesuffix(b"\n").removesuffix(b"\r"), path, number, longest)


def _check_kind(head: bytes, path: Path) -> None:
    if kind := kind_of(head):
        raise DataError(str(path), kind.name, "text", kind.remedy)


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            if (path / "run.json").is_file():
                remedy = "give a run before the file: elman evaluate RUN FILE"
                raise DataError(str(path), "the folder of a run", "a file of data", remedy)
            inside = ", ".join(map(quote, _names(path)[:3])) or "it shows none"
            raise DataError(str(path), "a folder", "a file", f"name a file in it: {inside}")
        if path.exists() and not path.is_file():  # what was read of it once would be gone
            raise DataError(
                str(path), "a pipe, which can be read only once", "a file", "save it as a file first"
            )
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        raise missing_path(path) from None
    except OSError as error:
        found = f"a file that does not open: {error.strerror or type(error).__name__}"
        raise DataError(str(path), found, "a readable file", f"see ls -l {_shell(path)}") from error


def _names(folder: Path) -> list[str]:
    """The names in a folder, in order; none where it cannot be listed, which is not the error to report."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _without_byte_order_mark(first: bytes, path: Path) -> bytes:
    for mark, encoding in _FOREIGN_MARKS:
        if first.startswith(mark):
            raise DataError(
                f"{path}:1", f"the byte order mark of {encoding}", "UTF-8", _convert(path, encoding)
            )
    return first.removeprefix(codecs.BOM_UTF8)


def _decode(line: bytes, path: Path, number: int, longest: int) -> str:
    """The text of one line, which may have been cut behind `longest` bytes."""
    if (at := line.find(b"\0")) >= 0:
        raise DataError(
            f"{path}:{number}:{_column(line, at)}",
            "a NUL byte: UTF-16 without a byte order mark, or a binary file",
            "UTF-8 text",
            f"if it is UTF-16: {_convert(path, 'UTF-16LE')}",
        )
    if (at := line.find(b"\r")) >= 0:
        raise DataError(
            f"{path}:{number}:{_column(line, at)}",
            "a carriage return within a line, the line end of the old Mac OS",
            "lines that end with LF or CR LF",
            f"convert it: tr '\\r' '\\n' < {_shell(path)} > NEW",
        )
    if len(line) > longest:
        raise DataError(
            f"{path}:{number}",
            f"a line of more than {longest:,} bytes, which begins with "
            + quote(line[: _QUOTED + 1].decode("utf-8", "replace")),
            f"lines of at most {longest:,} bytes",
            "check that this is the file you meant, and that its line ends are LF or CR LF",
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}:{number}:{_column(line, error.start)}",
            f"the byte 0x{line[error.start]:02x}, which is not UTF-8",
            "UTF-8 text",
            f"if it is Latin-1: {_convert(path, 'latin1')}",
        ) from None


def _column(line: bytes, at: int) -> int:
    return len(line[:at].decode("utf-8", "replace")) + 1


def _convert(path: Path, encoding: str) -> str:
    return f"iconv -f {encoding.lower()} -t utf-8 {_shell(path)} > NEW"


def _shell(path: Path) -> str:
    return shlex.quote(str(path))
