"""FASTQ: records of four lines, which are @ and a header, the bases, a + and the qualities of the bases.

The format is that of Cock et al. 2010, "The Sanger FASTQ file format for sequences with quality scores". The
header may stand behind the + again. Qualities are checked, and kept only to be written again.
"""

import re
from collections.abc import Iterator
from itertools import islice

from elman.data.source import DataError, counted, quote, read_lines

_NO_QUALITY = re.compile("[^!-~]")
_WAY_OUT = "correct the record, or leave it out with --skip-bad"


def fastq_records(path: str) -> Iterator[tuple[int, str, list[tuple[int, str]], str, DataError | None]]:
    """Yield the line of each record's header, the header, its row of bases, its qualities, and its fault.

    Raises DataError where it cannot be told where a record begins or ends.
    """
    lines = ((number, text.rstrip()) for number, text in read_lines(path))
    for line, header in lines:
        if not header:
            continue
        record = [header, *(text for _, text in islice(lines, 3))]
        for offset, begin in ((0, "@"), (2, "+")):
            if len(record) > offset and not record[offset].startswith(begin):
                raise DataError(
                    f"{path}:{line + offset}",
                    f"{quote(record[offset])} where a record's line {offset + 1} should be",
                    f"{begin}, for a record has four lines: @id label=name, its bases, + and their qualities",
                    "if sequences are broken into lines, join them: seqtk seq FILE > NEW",
                )
        if len(record) < 4:
            raise DataError(
                f"{path}:{line}",
                f"a record of {counted(len(record), 'line')} at the end of the file",
                "four lines: @id label=name, its bases, + and their qualities",
                "get the file again: it may have been cut off",
            )
        bases = record[1]
        yield line, header[1:], [(line + 1, bases)] if bases else [], record[3], _fault(path, line, record)


def _fault(path: str, line: int, record: list[str]) -> DataError | None:
    header, bases, again, qualities = record
    if again not in ("+", f"+{header[1:]}"):
        place, found, expected = line + 2, f"the header {quote(again)}", f"+ or {quote(f'+{header[1:]}')}"
    elif len(qualities) != len(bases):
        found, expected = (
            f"{len(qualities):,} qualities of {counted(len(bases), 'base')}",
            "one for each base",
        )
        place = line + 3
    elif wrong := _NO_QUALITY.search(qualities):
        place, found, expected = line + 3, f"the quality {quote(wrong[0])}", "printable ASCII, from ! to ~"
    else:
        return None
    return DataError(f"{path}:{place}", found, expected, _WAY_OUT)
