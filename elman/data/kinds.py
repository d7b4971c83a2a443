"""Files that are no text, told by how they begin, so that an error can name them and a way out."""

import re
from typing import NamedTuple


class Kind(NamedTuple):
    """What a file is, and what its owner can do."""

    name: str
    remedy: str


_UNPACK = "unpack it, and give a file that was in it"
_MEDIA = "for speech and video, give a manifest: a table whose column path names such files"
_ARRAY = "save its numbers as an array for the task series: numpy.save('NEW.npy', array)"
_TABLE = "save its table as CSV or JSON lines"
_WEIGHTS = "it holds a network; give a file of data"
_WORD2VEC = (
    "save it as text with gensim: "
    "KeyedVectors.load_word2vec_format(FILE, binary=True).save_word2vec_format(NEW)"
)

# The pattern of the first bytes. None can begin a text.
_KINDS = (
    (rb"PK\x03\x04.{26}.{0,99}(\[Content_Types\]|mimetype)", Kind("an office document", _TABLE)),
    (rb"PK\x03\x04.{26}.{0,99}/data\.pkl", Kind("a PyTorch file, which could run code", _WEIGHTS)),
    (rb"PK\x03\x04", Kind("a zip archive", _UNPACK)),
    (rb".{257}ustar", Kind("a tar archive", f"{_UNPACK}: tar xf FILE")),
    (rb"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (rb"Rar!\x1a\x07", Kind("a rar archive", _UNPACK)),
    (rb"\x28\xb5\x2f\xfd", Kind("a zstd file", "decompress it: zstd -d FILE")),
    (rb"\x04\x22\x4d\x18", Kind("an lz4 file", "decompress it: lz4 -d FILE NEW")),
    (rb"\x1f\x9d", Kind("a file of compress", "decompress it: gunzip FILE")),
    (rb"\x1f\x8b|BZh[1-9](1AY&SY|\x17rE8P\x90)|\xfd7zXZ\0", Kind("a file compressed twice", "decompress it")),
    (rb"\xba\x16\x4f\x2f", Kind("a model of fastText", "give its vectors as text, the file .vec beside it")),
    (rb"\x93NUMPY", Kind("an array of numpy", "give it to the task series, uncompressed, as NAME.npy")),
    (rb"MATLAB (5|7)\.\d MAT-file", Kind("a MATLAB file", _ARRAY)),
    (rb"\x89HDF\r\n\x1a\n", Kind("an HDF5 file", _ARRAY)),
    (rb"PAR1[\x15\0]", Kind("a Parquet file", _TABLE)),
    (rb"ARROW1\0\0", Kind("an Arrow file", _TABLE)),
    (rb"SQLite format 3\0", Kind("an SQLite database", _TABLE)),
    (rb"\x80[\x02-\x05]", Kind("a pickle, which could run code", "save its data as text")),
    (rb"\x08[\x01-\x1f][\x12\x1a\x3a\x42]", Kind("an ONNX file", _WEIGHTS)),  # its version, then a field
    (rb".{4}\0{4}\{\"", Kind("a safetensors file", _WEIGHTS)),
    (rb"GGUF[\x01-\x09]\0\0\0", Kind("a GGUF file", _WEIGHTS)),
    (rb"BAM\x01", Kind("a BAM file", "save it as FASTQ: samtools fastq FILE > NEW")),
    (rb"CRAM[\x01-\x04]", Kind("a CRAM file", "save it as FASTQ: samtools fastq FILE > NEW")),
    (rb"%PDF-\d", Kind("a PDF document", "save its text as a .txt file")),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind("an office document", _TABLE)),
    (rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP", Kind("an image", "give a file of text")),
    (rb"RIFF.{4}WAVE|fLaC\0|OggS\0|ID3[\x02-\x04]\0|\xff[\xfb\xf3\xf2]", Kind("a sound file", _MEDIA)),
    (rb"RIFF.{4}AVI |\x1a\x45\xdf\xa3|\0\0\0.ftyp", Kind("a film", _MEDIA)),
    (rb"MThd\0\0\0\x06", Kind("a MIDI file", "give it to the task music")),
)  # fmt: skip
_PATTERNS = [(re.compile(pattern, re.DOTALL), kind) for pattern, kind in _KINDS]
_FIRST_VECTOR = re.compile(rb"\d{1,18} \d{1,9}\n[^ \n]{1,200} ")
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1b]")  # characters that no text holds
HEAD = 2048  # bytes that are enough to tell


def kind_of(head: bytes) -> Kind | None:
    """The kind of file that begins so; None where it may be text."""
    for pattern, kind in _PATTERNS:
        if pattern.match(head):
            return kind
    if (vector := _FIRST_VECTOR.match(head)) and _CONTROL.search(head, vector.end()):
        return Kind("a binary file of word2vec", _WORD2VEC)
    return None
