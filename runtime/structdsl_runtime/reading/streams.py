"""Bytes of a file, line by line and in bounded memory, whatever is around them: a compression, another encoding."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

import pyarrow as pa

from structdsl_runtime.reading.formats import Format
from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.text import encodings
from structdsl_runtime.text.sources import BUFFER, Readable, unreadable

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
        self._decoder = encodings.incremental(encoding)
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


@dataclass(frozen=True, slots=True)
class Utf8:
    """A file as UTF-8, whatever it is in."""

    file: BinaryIO
    encoding: str | None = None  # that it is in, where that is another one
    start: int | None = 0  # the byte of the file at which its text starts; none where places in it are not known
    size: Callable[[bytes], int] = len  # how many bytes of the file a stretch of the text is, else those of the text


def in_utf8(portion: Portion) -> Utf8:
    """The file as UTF-8.

    JSON is UTF-8 unless a mark says otherwise, and a line of it that is not is left out; CSV is what it seems to be.
    A row of either that has a NUL in it is left out.
    """
    file = opened(portion.source, portion.format)
    with file:
        head = file.read(4)
        encoding = encodings.marked(head)
        if encoding is None and portion.format.name != "json lines":
            encoding = _seen_encoding(head, file, portion.source.shown)
    file = opened(portion.source, portion.format)
    if encoding is None:
        return Utf8(file)
    size, recoded = encodings.size_in(encoding), Recoded.buffered(file, encoding)
    if size is None:
        return Utf8(recoded, encoding, None)
    return Utf8(recoded, encoding, encodings.behind_mark(encoding, head)[1], lambda data: size(data.decode()))


def _seen_encoding(head: bytes, file: BinaryIO, shown: str) -> str | None:
    decoder = encodings.incremental("utf-8")
    before, held = b"", head + file.read(encodings.SAMPLE)
    try:
        while held:
            decoder.decode(held)
            if b"\0" in held and (found := encodings.wide(before + held)) is not None:
                return found
            before, held = held, file.read(encodings.SAMPLE)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        found = encodings.guessed(before + held)
        if found is None:
            raise unreadable(shown, f"it is not in UTF-8: byte 0x{error.object[error.start]:02x}") from None
        return found
    return None
