"""Texts as places in one buffer of UTF-8, as Arrow keeps a column of strings: cut anew without a copy.

A text becomes a string only where somebody looks at it; its size, where it begins and the column that all of them make
are arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.words import offsets_of

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Spans(Iterable[str]):
    """Text i is the bytes from `starts[i]` to `ends[i]` of `data`; the starts rise."""

    data: pa.Buffer
    starts: Numbers
    ends: Numbers

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[str]:
        view = memoryview(self.data)
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield str(view[start:end], "utf-8")

    @property
    def sizes(self) -> Numbers:
        """Bytes of each."""
        return self.ends - self.starts

    @property
    def bytes(self) -> npt.NDArray[np.uint8]:
        """The whole buffer."""
        return np.frombuffer(memoryview(self.data), np.uint8)

    def take(self, chosen: Numbers | Flags) -> Spans:
        """Those with these numbers, or those that are flagged."""
        return Spans(self.data, self.starts[chosen], self.ends[chosen])

    def holding(self, places: Numbers) -> Numbers:
        """Which text a byte is of, where one begins at it or before it and they lie end to end."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def to_arrow(self) -> pa.Array[Any]:
        """A column of strings, over the same buffer where the texts lie end to end."""
        if np.array_equal(self.starts[1:], self.ends[:-1]):
            edges = np.append(self.starts, self.ends[-1:] if len(self) else 0).astype(np.int32)
            return pa.StringArray.from_buffers(len(self), pa.py_buffer(edges.data), self.data)
        return pa.array(list(self), pa.string())


def tiles(data: pa.Buffer, starts: Numbers) -> Spans:
    """Texts that each end where the next one begins, the last one with the buffer."""
    return Spans(data, starts, np.append(starts[1:], data.size)[: len(starts)])


def of_arrow(column: pa.Array[Any]) -> Spans:
    """A column of strings, none of them null, without a copy; raises ArrowInvalid where it has more than 2 GB."""
    strings = column.cast(pa.string())
    edges = offsets_of(strings)
    first, last = int(edges[0]), int(edges[-1])
    data = strings.buffers()[2] or pa.py_buffer(b"")
    return Spans(data.slice(first, last - first), edges[:-1] - first, edges[1:] - first)
