"""Compressed streams of bytes: gzip, bzip2 and xz, told by how they begin.

Files of Python's own `bz2` and `lzma` end in silence where a second stream in them is damaged, and an xz file
may ask for any amount of memory. Here both are errors.
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

SUFFIXES = (".gz", ".bgz", ".bz2", ".xz")
_CHUNK = 1 << 16  # bytes that are read, or decompressed, at a time
_MOST_MEMORY = 1 << 28  # bytes that an xz file may ask for; `xz -9` makes one that asks for 65 MiB


class CompressionError(ValueError):
    """A compressed file that is damaged or was cut short; `method` is gzip, bzip2 or xz."""

    def __init__(self, method: str, why: str) -> None:
        super().__init__(f"{'an' if method == 'xz' else 'a'} {method} file that {why}")
        self.method = method


class _Decoder(Protocol):
    """Decompresses one stream piece by piece, as the classes of `bz2` and `lzma` do."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """The same for gzip, whose checksum zlib compares."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # 16: with the header of gzip

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _decoder(method: str) -> _Decoder:
    if method == "gzip":
        return _Gzip()
    if method == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)


_BEGINNINGS = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),  # of a first block, or of none
    "xz": re.compile(rb"\xfd7zXZ\0"),
}


class _Decompressed(io.RawIOBase):
    """What a compressed stream holds, all of it, however many streams it is made of.

    Reading raises CompressionError where it is damaged or cut short.
    """

    def __init__(self, stream: BinaryIO, method: str) -> None:
        self._stream, self._method = stream, method
        self._decoder = _decoder(method)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except (zlib.error, lzma.LZMAError, OSError) as error:
            raise CompressionError(self._method, f"is damaged ({error})") from None
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size: int) -> bytes:
        """Up to `size` bytes, none at the end."""
        data = b""
        while not data:
            compressed = b""
            if self._decoder.eof:
                if not (compressed := self._next_stream()):
                    break
                self._decoder = _decoder(self._method)
            elif self._decoder.needs_input and not (compressed := self._stream.read(_CHUNK)):
                raise CompressionError(self._method, "was cut short")
            data = self._decoder.decompress(compressed, size)
        return data

    def _next_stream(self) -> bytes:
        """The beginning of what follows a stream; zeros, with which files are filled up, are passed over."""
        data = self._decoder.unused_data
        while not (data := data.lstrip(b"\0")):
            if not (data := self._stream.read(_CHUNK)):
                break
        return data


def decompressed(stream: BinaryIO) -> io.BufferedReader[Any]:
    """The stream itself, or what it holds where it is compressed; either can `peek`."""
    plain = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    for method, beginning in _BEGINNINGS.items():
        if beginning.match(plain.peek(16)):
            return io.BufferedReader(_Decompressed(plain, method), _CHUNK)
    return plain


def plain_path(path: str | Path) -> Path:
    """The path without the suffix of a compression: that before it tells the method.

    >>> plain_path("train.csv.gz").suffix
    '.csv'
    """
    path = Path(path)
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path
