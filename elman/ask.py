"""What `elman predict` says: of texts that were typed, of a file, or of the lines of standard input."""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from elman.data.source import decoded_lines, missing_path, read_lines
from elman.run import Run

STDIN = Path("/dev/stdin")
_PATH = re.compile(r"\S*[^\s.]\.[a-z]{2,8}")  # a name and a suffix


def told(run: Run, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the answers as JSON holds them. Raises DataError.

    Args:
        run: that is asked.
        texts: questions; one path of a file; or nothing, or "-", for standard input.
    """
    if _is_stdin(texts):
        lines = [(number, line) for number, line in _stdin() if line.strip()]
        return run.predict([line for _, line in lines], [f"{STDIN}:{number}" for number, _ in lines])
    return run.predict_file(texts[0]) if _is_file(texts) else _predict(run, texts)


def shown(run: Run, texts: Sequence[str]) -> Iterator[str]:
    """Yield the answers as people read them; a blank line for a blank one. See `told`."""
    show = run.task.show
    if _is_stdin(texts):
        for number, line in _stdin():
            yield show(run.predict([line], [f"{STDIN}:{number}"])[0]) if line.strip() else ""
        return
    if not _is_file(texts):
        yield from map(show, _predict(run, texts))
        return
    answers = run.predict_file(texts[0])
    if not run.task.has_records(texts[0]):
        following = iter(answers)
        for _, line in read_lines(texts[0]):
            yield show(next(following)) if line.strip() else ""
        return
    if heading := run.task.heading(answers[0]):
        yield heading
    yield from map(run.task.record, answers)


def _stdin() -> Iterator[tuple[int, str]]:
    return decoded_lines(sys.stdin.buffer, STDIN)


def _is_stdin(texts: Sequence[str]) -> bool:
    return not texts or list(texts) == ["-"]


def _is_file(texts: Sequence[str]) -> bool:
    return len(texts) == 1 and _is_path(texts[0])


def _is_path(text: str) -> bool:
    try:
        return text != "" and Path(text).exists()
    except OSError:  # longer than a path may be
        return False


def _predict(run: Run, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Answer texts; warn of one that seems to be the path of a file."""
    answers = run.predict(texts)
    for text, answer in zip(texts, answers, strict=True):
        there = _is_path(text)
        if not {"path", "piece"} & answer.keys() and (there or _PATH.fullmatch(text)):
            why = "give one file at a time" if there else str(missing_path(Path(text)))
            print(f"warning: {text} is answered as a text, not as a file: {why}", file=sys.stderr)
    return answers
