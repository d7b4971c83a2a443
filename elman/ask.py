"""What `elman predict` says: of texts that were typed, of a file, or of the lines of standard input."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from elman.data.source import decoded_lines, missing_path, read_lines
from elman.run import Inputs, Run

STDIN = Path("/dev/stdin")
_PATH = re.compile(r"\S*[^\s.]\.[a-z]{2,8}")  # a name and a suffix


def told(run: Run, texts: Sequence[str], *, skip_bad: bool = False) -> list[dict[str, Any]]:
    """Return the answers as JSON holds them. Raises DataError.

    Args:
        run: that is asked.
        texts: questions; one path of a file; or nothing, or "-", for standard input.
        skip_bad: leave out what cannot be read, and say how much.
    """
    inputs = _read(run, texts, skip_bad)
    answers = run.tell(inputs)
    if not _is_stdin(texts) and not _is_file(texts):
        _warn_of_paths(inputs, answers)
    return answers


def shown(run: Run, texts: Sequence[str], *, skip_bad: bool = False) -> Iterator[str]:
    """Yield the answers as people read them, or a file of records with answers added. See `told`.

    A line of plain text that is blank, or left out, is answered with a blank one.
    """
    show = run.task.show
    if _is_stdin(texts):
        for number, line in _stdin():
            yield "".join(map(show, run.tell(_lines(run, [(number, line)], STDIN, skip_bad))))
    elif not _is_file(texts):
        yield from map(show, told(run, texts, skip_bad=skip_bad))
    elif run.task.has_records(texts[0]):
        inputs = _read(run, texts, skip_bad)
        yield from run.written(inputs.examples, run.answers(inputs.examples))
    else:
        inputs = _read(run, texts, skip_bad)
        answer_at = dict(zip(inputs.places, run.tell(inputs), strict=True))
        for number, _ in read_lines(texts[0]):
            answer = answer_at.get(f"{texts[0]}:{number}")
            yield show(answer) if answer else ""


def _read(run: Run, texts: Sequence[str], skip_bad: bool) -> Inputs:
    """Read what is asked; say what was left out, and what is far longer than any in training."""
    if _is_stdin(texts):
        return _lines(run, _stdin(), STDIN, skip_bad)
    inputs = (run.read_inputs(texts[0], skip_bad=skip_bad) if _is_file(texts) else
              run.inputs(texts, skip_bad=skip_bad))  # fmt: skip
    _warn(run, inputs, skip_bad)
    return inputs


def _lines(run: Run, lines: Iterable[tuple[int, str]], path: Path, skip_bad: bool) -> Inputs:
    full = [(number, line) for number, line in lines if line.strip()]
    places = [f"{path}:{number}" for number, _ in full]
    inputs = run.inputs([line for _, line in full], places, skip_bad=skip_bad)
    _warn(run, inputs, skip_bad)
    return inputs


def _warn(run: Run, inputs: Inputs, skip_bad: bool) -> None:
    if skip_bad and inputs.description:
        _say(inputs.description)
    if long := run.long_inputs(inputs.examples, inputs.places):
        _say(f"warning: {long}")


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


def _warn_of_paths(inputs: Inputs, answers: Sequence[Mapping[str, Any]]) -> None:
    """Warn of a text that seems to be the path of a file."""
    for text, answer in zip(inputs.texts, answers, strict=True):
        there = _is_path(str(text))
        if not {"path", "piece"} & answer.keys() and (there or _PATH.fullmatch(str(text))):
            why = "give one file at a time" if there else str(missing_path(Path(str(text))))
            _say(f"warning: {text} is answered as a text, not as a file: {why}")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
