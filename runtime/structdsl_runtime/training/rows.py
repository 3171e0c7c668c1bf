"""Packed rows as a worker reads them: three memory-mapped arrays, laid out once by the parent process.

A position *predicts* when the token after it lies in the same segment and is supervised. That one bit replaces the
labels: what a position predicts is the next input. Rows keep the order of the table; the last batch is filled with
rows that predict nothing, so that every optimizer step sees exactly `batch` rows.

Shapes: R rows, T positions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from structdsl_runtime.operation import Inputs

PADDING: Final = -1  # segment number of positions that belong to no sample
IGNORED: Final = -100  # label of what is not supervised
COLUMNS: Final = "row, input_ids, labels, segments"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """`input_RT` int32; `segment_RT` int16, the number of the segment in its row or -1; `predicts_RT` bool."""

    input_RT: Array  # noqa: N815 - shape suffix
    segment_RT: Array  # noqa: N815 - shape suffix
    predicts_RT: Array  # noqa: N815 - shape suffix

    def __len__(self) -> int:
        return len(self.input_RT)

    @property
    def length(self) -> int:
        return int(self.input_RT.shape[1])

    def tokens(self, start: int, stop: int) -> int:
        """Real tokens of rows `start` to `stop`, padding left out."""
        return int((self.segment_RT[start:stop] != PADDING).sum())

    def predictions(self, start: int, stop: int) -> int:
        """Positions of these rows that predict: what a loss is the mean over."""
        return int(self.predicts_RT[start:stop].sum())


def write(inputs: Inputs, folder: Path, length: int) -> Rows:
    """Lay out the table `packed` below `folder`; the rows are streamed, memory stays bounded."""
    count = inputs.count("packed")
    folder.mkdir(parents=True, exist_ok=True)
    shape = (count, length)
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, dtype in (("input", np.int32), ("segment", np.int16), ("predicts", np.bool_))
        if count
    }
    start = 0
    for batch in inputs.batches("packed", columns=COLUMNS, order="row", rows=1024):
        stop = start + batch.num_rows
        for name, values in zip(arrays, convert(batch, length), strict=True):
            arrays[name][start:stop] = values
        start = stop
    assert start == count, f"{start} of {count} rows"
    for array in arrays.values():
        array.flush()
    return read(folder) if count else Rows(*(np.empty(shape, np.int32) for _ in range(3)))


def read(folder: Path) -> Rows:
    """The rows that `write` laid out, mapped, not loaded."""
    return Rows(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("input", "segment", "predicts")))


def convert(batch: pa.RecordBatch, length: int) -> Iterator[Array]:
    """Input ids, segment numbers and predicting positions of a record batch, each (rows, length)."""
    input_RT = _matrix(batch.column("input_ids"), length)
    label_RT = _matrix(batch.column("labels"), length)
    segment_RT = _segments(batch.column("segments"), batch.num_rows, length)
    supervised_RT = label_RT != IGNORED
    assert (label_RT == input_RT)[supervised_RT].all(), "a label is not its own token"
    predicts_RT = np.zeros(input_RT.shape, np.bool_)
    together = (segment_RT[:, 1:] == segment_RT[:, :-1]) & (segment_RT[:, 1:] != PADDING)
    predicts_RT[:, :-1] = supervised_RT[:, 1:] & together
    yield from (input_RT, segment_RT, predicts_RT)


def _matrix(column: Any, length: int) -> Array:
    values: Array = column.cast(pa.list_(pa.int32())).flatten().to_numpy()
    return values.reshape(-1, length)


def _segments(column: Any, rows: int, length: int) -> Array:
    """Segment numbers from lists of (start, length)."""
    lists = column.cast(pa.list_(pa.struct([(field.name, pa.int64()) for field in column.type.value_type])))
    flat = lists.flatten()
    starts, lengths = (flat.field(name).to_numpy() for name in ("start", "length"))
    counts = np.diff(lists.offsets.to_numpy())
    row = np.repeat(np.arange(rows), counts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    segment_RT = np.full(rows * length, PADDING, np.int16)
    segment_RT[np.repeat(row * length + starts, lengths) + within] = np.repeat(number, lengths)
    return segment_RT.reshape(rows, length)
