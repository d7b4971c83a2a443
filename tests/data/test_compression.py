"""Every text format in every compression: what is read, what a damaged file says, and what it costs."""

import bz2
import gzip
import io
import lzma
import pickle
import re
import sqlite3
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from elman.data.events import read_steps
from elman.data.manifest import read_manifest
from elman.data.source import DataError, decoded_lines, read_lines
from elman.data.vectors import read_vectors
from elman.tasks import find


def in_two(compress: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Two streams in one file, as parallel programs and those of genomes write."""
    return lambda text: compress(text[: len(text) // 2]) + compress(text[len(text) // 2 :])


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip in two": in_two(gzip.compress),
    "bzip2 in two": in_two(bz2.compress),
    "xz in two": in_two(lzma.compress),
    "gzip, filled up": lambda text: gzip.compress(text) + b"\0" * 1000,
    "gzip, a line a stream": lambda text: b"".join(map(gzip.compress, text.splitlines(keepends=True))),
}
SUFFIXES = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz"}


def by_task(task: str, **chosen: Any) -> Callable[[Path], Any]:
    kind = find(task)

    def read(path: Path) -> Any:
        reading = kind.read(str(path), kind.settings_type.of(chosen))
        return [*reading.examples], reading.description

    return read


def vectors(path: Path) -> Any:
    found = read_vectors(path, lambda word: True, 9)
    return found.words, found.rows.tolist()


CONLL = "-DOCSTART-\n\nAda B-PER\nwrote O\n\n# c c\nto O\nM\u00fcller I-PER\n"
CONLLU = "# a\n1\tAda\tada\tPROPN\tN\t_\t0\troot\t_\t_\n2\twrote\twrite\tVERB\tV\t_\t1\tx\t_\t_\n\n"
TOKENS = '{"tokens": ["Ada", "wrote"], "ner_tags": ["B-PER", "O"]}\n{"tokens": ["x"], "ner_tags": ["O"]}\n'
# The name of a file, its text, and what reads it.
FORMATS: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "ner: CoNLL": ("a.conll", CONLL, by_task("ner")),
    "ner: JSONL": ("a.jsonl", TOKENS, by_task("ner")),
    "tagging: CoNLL": ("a.conll", CONLL, by_task("tagging")),
    "tagging: CoNLL-U": ("a.conllu", CONLLU, by_task("tagging")),
    "tagging: JSONL": ("a.jsonl", TOKENS, by_task("tagging")),
    "sentiment: CSV": ("a.csv", 'text,label\n"Good,\nreally",pos\nbad,neg\n', by_task("sentiment")),
    "sentiment: TSV": ("a.tsv", "text\tlabel\nGood\tpos\nbad\tneg\n", by_task("sentiment")),
    "sentiment: JSONL": ("a.jsonl", '{"text": "Good", "label": 1}\n', by_task("sentiment")),
    "dna: FASTA": ("a.fa", ">a label=x\nACG\nTT\n>b label=y\nNN\n", by_task("dna")),
    "dna: FASTQ": ("a.fq", "@a label=x\nACG\n+\nIII\n@b label=y\nNN\n+\n!!\n", by_task("dna")),
    "dna: CSV": ("a.csv", "sequence,label\nACG,x\nTTT,y\n", by_task("dna")),
    "translation: TSV": ("a.tsv", "en\tde\none\teins\n", by_task("translation", source="en", target="de")),
    "language: text": ("a.txt", "Ada\n\nwrote \u00e9\n", by_task("language")),
    "language: lines": ("a.txt", "Ada\n\nwrote \u00e9\n", by_task("language", lines=True)),
    "series: .ts": ("a.ts", "@classLabel true x\n@data\n1,2:x\n3:x\n", by_task("series")),
    "series: CSV": ("a.csv", "series,v,label\na,1,x\na,2,x\nb,3,y\n", by_task("series")),
    "music: JSON": ("a.json", "[[[60, 64], [62]], [[61]]]\n", read_steps),
    "manifest": ("a.tsv", "path\ttext\nb.wav\tyes\n", read_manifest),
    "vectors": ("a.txt", "2 3\nAda 1 2 3\nwrote -1 .5 1e3\n", vectors),
}


def told(value: Any, path: Path) -> str:
    """What was read, as text that does not depend on the name of the file."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(told(part, path) for part in value)}]"
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    parts = vars(value) if hasattr(value, "__dict__") else str(value)
    if isinstance(parts, dict):
        return f"{{{', '.join(f'{name}: {told(part, path)}' for name, part in parts.items())}}}"
    return parts.replace(str(path), "FILE")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("how", COMPRESSIONS)
def test_formats_and_compressions(name: str, how: str, tmp_path: Path) -> None:
    file, text, read = FORMATS[name]
    (tmp_path / "b.wav").touch()
    plain = tmp_path / file
    plain.write_text(text, encoding="utf-8")
    expected = told(read(plain), plain)
    packed = plain.with_name(file + SUFFIXES[how.split()[0].strip(",")])
    packed.write_bytes(COMPRESSIONS[how](text.encode()))
    assert told(read(packed), packed) == expected
    plain.write_bytes(packed.read_bytes())  # the bytes tell, not the name
    assert told(read(plain), plain) == expected


@pytest.mark.parametrize("how", SUFFIXES)
def test_both_sides_of_a_pair(how: str, tmp_path: Path) -> None:
    read = by_task("translation", source="en", target="de")
    for side, text in {"en": "one\ntwo\n", "de": "eins\nzwei\n"}.items():
        (tmp_path / f"a.{side}").write_text(text)
    expected = told(read(tmp_path / "a"), tmp_path)
    for side in ("en", "de"):
        plain = tmp_path / f"a.{side}"
        packed = plain.with_name(plain.name + SUFFIXES[how])
        packed.write_bytes(COMPRESSIONS[how](plain.read_bytes()))
        plain.unlink()
        found = told(read(tmp_path / "a"), tmp_path)
        assert found.replace(SUFFIXES[how], "") == expected
    with pytest.raises(DataError, match=f"Give both sides at once, without the suffix: {tmp_path}/a$"):
        read(tmp_path / f"a.en{SUFFIXES[how]}")


@pytest.mark.parametrize("how", SUFFIXES)
def test_standard_input(how: str) -> None:
    stream = io.BytesIO(COMPRESSIONS[how]("Ada\nM\u00fcller\n".encode()))
    assert list(decoded_lines(stream, Path("stdin"))) == [(1, "Ada"), (2, "M\u00fcller")]


LINES = [f"line {i}: {i * i * 7919 % 10007}" for i in range(40)]
TEXT = "".join(f"{line}\n" for line in LINES).encode()


def read(path: Path, content: bytes) -> list[str] | str:
    """The lines, or how the error begins."""
    path.write_bytes(content)
    try:
        return [line for _, line in read_lines(path)]
    except DataError as error:
        message = str(error)
        assert message.startswith(f"{path}:")
        return message.removeprefix(str(path))


@pytest.mark.parametrize("how", SUFFIXES)
def test_a_cut_file(how: str, tmp_path: Path) -> None:
    path, packed = tmp_path / "cut", COMPRESSIONS[how](TEXT)
    for stop in range(10, len(packed)):
        said = read(path, packed[:stop])
        assert isinstance(said, str)
        assert re.match(rf":\d+: found an? {how} file that was cut short\n  expected a whole file\n", said)
        assert f"{how} -t {path} says whether it is whole" in said
    assert read(path, packed) == LINES


@pytest.mark.parametrize("how", SUFFIXES)
def test_no_flipped_bit_changes_a_line(how: str, tmp_path: Path) -> None:
    path, packed = tmp_path / "flipped", COMPRESSIONS[how](TEXT)
    errors = 0
    for at in range(len(packed)):
        said = read(path, packed[:at] + bytes([packed[at] ^ 1 << at % 8]) + packed[at + 1 :])
        errors += said != LINES
        assert said == LINES or isinstance(said, str)
    assert errors > 0.9 * len(packed)  # all but the time and such in the head of gzip


@pytest.mark.parametrize("how", SUFFIXES)
@pytest.mark.parametrize("tail", [b"x", b"\0\0x", b"BZh9", b"\x1f\x8b"])
def test_nothing_behind_the_end_is_passed_over(how: str, tail: bytes, tmp_path: Path) -> None:
    said = read(tmp_path / "file", COMPRESSIONS[how](TEXT) + tail)
    assert isinstance(said, str)
    assert re.match(rf":41: found an? {how} file that (is damaged|was cut short)", said)


@pytest.mark.parametrize("how", SUFFIXES)
def test_a_second_stream_that_is_damaged(how: str, tmp_path: Path) -> None:
    first = COMPRESSIONS[how](TEXT)
    both = bytearray(first + COMPRESSIONS[how](TEXT))
    both[len(first)] ^= 1
    assert ":41: found a" in read(tmp_path / "file", bytes(both))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*SUFFIXES]), st.lists(st.binary(max_size=300_000), max_size=3), st.integers(1, 10))
def test_what_is_compressed_is_read(tmp_path: Path, how: str, parts: list[bytes], often: int) -> None:
    text = b"".join(parts).hex().encode() * often + b"\n"
    path = tmp_path / "file"
    path.write_bytes(COMPRESSIONS[how](text))
    if len(text) > 1_000_000:
        with pytest.raises(DataError, match="a line of more than 1,000,000 bytes"):
            list(read_lines(path))
    else:
        assert list(read_lines(path)) == [(1, text[:-1].decode())]


def greedy_xz() -> bytes:
    """An xz file that asks for a window of 4 GiB."""
    packed = bytearray(lzma.compress(TEXT))
    size = (packed[12] + 1) * 4
    at = packed.index(b"\x21\x01", 12) + 2
    packed[at] = 40
    packed[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(packed[12 : 12 + size - 4]))
    return bytes(packed)


def test_an_xz_file_that_asks_for_gigabytes(tmp_path: Path) -> None:
    assert "found an xz file that is damaged (Memory usage limit exceeded)" in read(
        tmp_path / "f", greedy_xz()
    )


@pytest.mark.parametrize("how", SUFFIXES)
@pytest.mark.parametrize(("byte", "size"), [(b"x", 100_000_000), (b"\n", 1_000_000)], ids=["a line", "lines"])
def test_a_bomb_takes_no_memory(how: str, byte: bytes, size: int, tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(COMPRESSIONS[how](byte * size))
    program = (
        "import resource, sys\n"
        "from elman.data.columns import read_columns\n"
        "from elman.data.source import DataError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    read_columns(sys.argv[1])\n"
        "except DataError as error:\n    print(error.found)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, path], cwd=root, check=True, capture_output=True, text=True
    )
    found, grown = done.stdout.splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    assert found.startswith(("a line of more than 1,000,000 bytes", "no sentence"))
    assert int(grown) * unit < 40_000_000


# Files that are no text.


def word2vec() -> bytes:
    rows = np.random.default_rng(0).normal(size=(3, 50)).astype("<f4")
    words = zip((b"the", b"of", "M\u00fcller".encode()), rows, strict=True)
    return b"3 50\n" + b"".join(word + b" " + row.tobytes() for word, row in words)


def in_memory(write: Callable[[io.BytesIO], Any]) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def archive(**names: bytes) -> bytes:
    def write(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w") as packed:
            for name, content in names.items():
                packed.writestr(name, content)

    return in_memory(write)


def tar() -> bytes:
    def write(file: io.BytesIO) -> None:
        with tarfile.open(fileobj=file, mode="w") as packed:
            packed.addfile(tarfile.TarInfo("a.txt"))

    return in_memory(write)


def matlab() -> bytes:
    from scipy.io import savemat

    return in_memory(lambda file: savemat(file, {"x": np.ones(3)}))


def pytorch() -> bytes:
    content = io.BytesIO()
    torch.save({"a": torch.ones(3)}, content)
    return content.getvalue()


def safetensors() -> bytes:
    return save({"a": torch.ones(3)}, {"format": "pt"})


def database(folder: Path) -> bytes:
    with sqlite3.connect(folder / "db") as opened:
        opened.execute("create table t (x)")
    opened.close()
    return (folder / "db").read_bytes()


BINARY: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "word2vec": (word2vec, "a binary file of word2vec", "binary=True).save_word2vec_format(NEW)"),
    "fastText": (lambda: struct.pack("<ii", 793712314, 12) + bytes(99), "a model of fastText", ".vec"),
    "MATLAB": (matlab, "a MATLAB file", "numpy.save('NEW.npy', array)"),
    "MATLAB 7.3": (lambda: b"MATLAB 7.3 MAT-file, Platform: X" + bytes(512), "a MATLAB file", "numpy.save"),
    "HDF5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file", "numpy.save"),
    "npy": (lambda: in_memory(lambda f: np.save(f, np.ones(3))), "an array of numpy", "NAME.npy"),
    "npz": (lambda: in_memory(lambda f: np.savez(f, x=np.ones(3))), "a zip archive", "unpack it"),
    "zip": (lambda: archive(a=b"text"), "a zip archive", "unpack it, and give a file that was in it"),
    "xlsx": (lambda: archive(**{"[Content_Types].xml": b"", "a": b""}), "an office document", "as CSV"),
    "ods": (lambda: archive(mimetype=b"application/vnd.oasis"), "an office document", "as CSV"),
    "tar": (tar, "a tar archive", "tar xf FILE"),
    "tar.gz": (lambda: gzip.compress(tar()), "a tar archive", "tar xf FILE"),
    "gz of gz": (lambda: gzip.compress(gzip.compress(b"a")), "a file compressed twice", "decompress it"),
    "zstd": (lambda: b"\x28\xb5\x2f\xfd\x04\x00", "a zstd file", "zstd -d FILE"),
    "pickle": (lambda: pickle.dumps([1]), "a pickle, which could run code", "as text"),
    "PyTorch": (pytorch, "a PyTorch file, which could run code", "it holds a network"),
    "ONNX": (lambda: b"\x08\x08\x12\x07pytorch", "an ONNX file", "it holds a network"),
    "safetensors": (safetensors, "a safetensors file", "it holds a network"),
    "GGUF": (lambda: b"GGUF\x03\0\0\0" + bytes(16), "a GGUF file", "it holds a network"),
    "BAM": (lambda: gzip.compress(b"BAM\x01\0\0"), "a BAM file", "samtools fastq FILE > NEW"),
    "PDF": (lambda: b"%PDF-1.4\n%\xe2\xe3", "a PDF document", "as a .txt file"),
    "WAV": (lambda: b"RIFF\x24\x08\0\0WAVEfmt ", "a sound file", "a manifest: a table whose column path"),
    "MP4": (lambda: b"\0\0\0\x20ftypisom", "a film", "a manifest"),
    "PNG": (lambda: b"\x89PNG\r\n\x1a\n\0", "an image", "a file of text"),
    "MIDI": (lambda: b"MThd\0\0\0\x06\0\0", "a MIDI file", "the task music"),
    "Parquet": (lambda: b"PAR1\x15\x04", "a Parquet file", "as CSV or JSON lines"),
}


@pytest.mark.parametrize("kind", BINARY)
@pytest.mark.parametrize(
    "reader", ["ner: CoNLL", "sentiment: CSV", "dna: FASTA", "language: text", "vectors"]
)
def test_a_file_that_is_no_text_is_named(kind: str, reader: str, tmp_path: Path) -> None:
    make, name, remedy = BINARY[kind]
    path = tmp_path / "file"
    path.write_bytes(make())
    with pytest.raises(DataError) as caught:
        FORMATS[reader][2](path)
    assert str(caught.value).startswith(f"{path}: found {name}\n  expected text\n")
    assert remedy in caught.value.remedy


def test_a_database_is_named(tmp_path: Path) -> None:
    assert ": found an SQLite database\n" in read(tmp_path / "f", database(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "PK",
        "BZh9 is how bzip2 begins",
        "RIFF and WAVE",
        "2 3\nthe 1 2 3",
        "12 50\nM\u00fcller a\x0bb\x1c \u00e9",
        "MThd",
        "PAR1 a",
        "ID3 tags",
        "Rar!",
        "GIF89",
        "CRAM it",
        "BAM",
        "%PDF",
    ],
)
def test_text_that_begins_alike_is_text(text: str, tmp_path: Path) -> None:
    assert read(tmp_path / "file", text.encode()) == text.split("\n")
