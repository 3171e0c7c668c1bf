"""Lists of integers as Arrow stores them: one flat buffer and the offsets at which each list begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[np.int32]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ragged:
    """List i is `values[offsets[i]:offsets[i + 1]]`; the first offset is 0, the last the number of values."""

    values: Ids
    offsets: Numbers

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Numbers:
        return np.diff(self.offsets)

    def lists(self) -> list[Ids]:
        """Each list as a view of the values."""
        return [self.values[start:end] for start, end in pairwise(self.offsets.tolist())]

    def slice(self, start: int, stop: int) -> Ragged:
        """Lists `start` to `stop`, as views."""
        offsets = self.offsets[start : stop + 1]
        return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])

    def take(self, numbers: Numbers) -> Ragged:
        """These lists, in this order."""
        sizes, offsets = self.sizes[numbers], self.offsets[numbers]
        ends = starts(sizes)
        some = np.flatnonzero(sizes)  # what lies side by side here as there is copied together
        first = some[np.append(True, offsets[some[1:]] != (offsets + sizes)[some[:-1]])[: len(some)]]
        begin, taken = ends[first], np.diff(np.append(ends[first], ends[-1]))
        values = np.empty(ends[-1], np.int32)
        for to, start, size in zip(begin.tolist(), offsets[first].tolist(), taken.tolist(), strict=True):
            values[to : to + size] = self.values[start : start + size]
        return Ragged(values, ends)

    def to_arrow(self) -> pa.Array[Any]:
        """A list column; raises ArrowInvalid where the values are too many for one."""
        offsets = pa.array(self.offsets, pa.int64()).cast(pa.int32())
        assert isinstance(offsets, pa.Int32Array)
        lists: pa.Array[Any] = pa.ListArray.from_arrays(offsets, pa.array(self.values, pa.int32()))
        return lists


def starts(sizes: npt.NDArray[Any]) -> Numbers:
    """The offsets of lists of these sizes, one more than there are lists."""
    found = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=found[1:])
    return found


def of_lists(lists: Sequence[Sequence[int]]) -> Ragged:
    """Lists of Python as one buffer."""
    offsets = starts(np.fromiter(map(len, lists), np.int64, len(lists)))
    flat = (value for values in lists for value in values)
    return Ragged(np.fromiter(flat, np.int32, int(offsets[-1])), offsets)


def of_arrow(column: pa.Array[Any]) -> Ragged:
    """A list column as one buffer, without a copy where it has 32 bits; its lists are not null."""
    lists = column.cast(pa.list_(pa.int32()))
    assert isinstance(lists, pa.ListArray)
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return Ragged(np.asarray(lists.flatten(), dtype=np.int32), offsets - offsets[0])


def joined(parts: Iterable[Ragged]) -> Ragged:
    """The lists of all parts, one after the other."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    values = [part.values for part in parts]
    sizes = [part.sizes for part in parts]
    return Ragged(
        np.concatenate(values) if values else np.empty(0, np.int32),
        starts(np.concatenate(sizes) if sizes else np.empty(0, np.int64)),
    )
