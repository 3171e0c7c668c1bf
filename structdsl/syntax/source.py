"""The text of one spec and where its lines begin."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """A spec's text; `path` is how the user named it, and is what messages show."""

    path: Path
    text: str

    @cached_property
    def data(self) -> bytes:
        return self.text.encode()

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(i + 1 for i, byte in enumerate(self.data) if byte == 0x0A)]

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a byte offset; columns count characters."""
        line = bisect.bisect_right(self._line_starts, offset) - 1
        start = self._line_starts[line]
        return line + 1, len(self.data[start:offset].decode(errors="replace")) + 1

    def line(self, number: int) -> str:
        """The text of line `number`, from 1, without its line break."""
        starts = self._line_starts
        end = starts[number] if number < len(starts) else len(self.data)
        return self.data[starts[number - 1] : end].decode().rstrip("\r\n")
