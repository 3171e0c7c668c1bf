"""Bytes of a file, line by line and in bounded memory, whatever is around them: a compression, another encoding."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

import pyarrow as pa

from structdsl_runtime.reading.formats import Format
from structdsl_runtime.text.encodings import incremental
from structdsl_runtime.text.sources import BUFFER, Readable

MOST_BYTES: Final = 64 << 20
"""Of one document: what is longer is left out, so that memory is bounded by what is sane and not by what is there."""


def opened(source: Readable, found: Format) -> BinaryIO:
    """The bytes of a file without the compression around them; raises OSError, also where they end too early."""
    if found.codec is not None and source.size == 0:  # what is compressed has a head, though nothing be in it
        raise OSError("truncated compressed stream")
    file = source.open()
    if found.codec is None:
        return file
    stream = pa.CompressedInputStream(cast("io.IOBase", file), found.codec)
    return cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", stream), BUFFER))


def lines(file: BinaryIO, most: int = MOST_BYTES) -> Iterator[bytes | int]:
    """The lines of a file with their ends, or the length in bytes of a line that is longer than `most`."""
    while line := file.readline(most + 1):
        if len(line) <= most or line.endswith(b"\n"):
            yield line
            continue
        length = len(line)
        while more := file.readline(BUFFER):
            length += len(more)
            if more.endswith(b"\n"):
                break
        yield length


class Bounded(io.RawIOBase):
    """A file of which nobody asks for more bytes than it has, whatever length stands in it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, self._size) if size >= 0 else -1)


class Recoded(io.RawIOBase):
    """The UTF-8 form of a file in another encoding; raises UnicodeDecodeError where it is not in it."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder = incremental(encoding)
        self._held = b""

    @classmethod
    def buffered(cls, file: BinaryIO, encoding: str) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(cls(file, encoding), BUFFER))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        while not self._held:
            block = self._file.read(BUFFER)
            self._held = self._decoder.decode(block, final=not block).encode()
            if not block:
                break
        size = min(len(view), len(self._held))
        view[:size], self._held = self._held[:size], self._held[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
