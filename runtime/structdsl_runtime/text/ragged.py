"""Lists of integers as Arrow stores them: one flat buffer and the offsets at which each list begins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ids = npt.NDArray[np.int32]


def to_arrow(parts: Sequence[Ids]) -> pa.Array[Any]:
    """Arrays of ids as a list column."""
    ends = np.cumsum([0, *map(len, parts)])
    flat = np.concatenate(parts) if parts else np.empty(0, np.int32)
    lists: pa.Array[Any] = pa.ListArray.from_arrays(pa.array(ends.tolist(), pa.int32()), pa.array(flat, pa.int32()))
    return lists


def from_arrow(column: pa.Array[Any]) -> list[Ids]:
    """The lists of a column as views of one buffer."""
    lists = column.cast(pa.list_(pa.int32()))
    assert isinstance(lists, pa.ListArray)
    flat = np.asarray(lists.values, dtype=np.int32)
    return [flat[start:end] for start, end in pairwise(lists.offsets.to_pylist())]
