"""The texts that a spec is made of, and where their lines begin.

A spec and the files that it imports share one run of offsets, as if they were one text: a span says by itself in
which file it lies, and no pass has to carry a file along. `locate` leads back to the file and its own offsets.
"""

from __future__ import annotations

import bisect
import posixpath
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from structdsl.syntax.tree import Span


@dataclass(frozen=True)
class Source:
    """One text; `path` is how the user named it, and is what messages show."""

    path: Path
    text: str

    @cached_property
    def data(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, byte in enumerate(self.data) if byte == 0x0A)]

    @property
    def files(self) -> tuple[Source, ...]:
        return (self,)

    def index(self, offset: int) -> int:  # noqa: ARG002 - there is only one file
        """Which of `files` an offset lies in."""
        return 0

    def locate(self, span: Span) -> tuple[Source, Span]:
        """The file that a span lies in, and the span in it."""
        return self, span

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a byte offset; columns count characters."""
        line = bisect.bisect_right(self._line_starts, offset) - 1
        start = self._line_starts[line]
        return line + 1, len(self.data[start:offset].decode(errors="replace")) + 1

    def shown(self, file: Source) -> str:
        """One of `files` as seen from the folder of the spec, the same on every machine."""
        return file.path.name

    def line(self, number: int) -> str:
        """The text of line `number`, from 1, without its line break."""
        starts = self._line_starts
        end = starts[number] if number < len(starts) else len(self.data)
        return self.data[starts[number - 1] : end].decode().rstrip("\r\n")


@dataclass(frozen=True)
class SourceMap:
    """A spec (the first of `files`) and all that it imports; each file begins where the one before it ended."""

    files: tuple[Source, ...]

    @cached_property
    def starts(self) -> list[int]:
        """The offset at which each file begins, and the one at which the next would."""
        found = [0]
        for file in self.files:
            found.append(found[-1] + len(file.data) + 1)
        return found

    @property
    def path(self) -> Path:
        """The path of the spec itself."""
        return self.files[0].path

    def index(self, offset: int) -> int:
        """Which of `files` an offset lies in."""
        return min(max(bisect.bisect_right(self.starts, offset) - 1, 0), len(self.files) - 1)

    def locate(self, span: Span) -> tuple[Source, Span]:
        """The file that a span lies in, and the span in it."""
        index = self.index(span.start)
        start = self.starts[index]
        return self.files[index], Span(span.start - start, span.end - start)

    def shown(self, file: Source) -> str:
        """One of `files` as seen from the folder of the spec; one of the library as it is imported."""
        path = file.path.as_posix()
        return path if path.startswith("std:") else posixpath.relpath(path, self.path.parent.as_posix() or ".")

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, in the file that the offset lies in."""
        file, span = self.locate(Span(offset, offset))
        return file.position(span.start)


Sources = Source | SourceMap
