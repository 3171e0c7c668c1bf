"""Packed rows as a worker reads them: four memory-mapped arrays, laid out once by the parent process.

A position *predicts* when the token after it lies in the same segment and is supervised. That one bit replaces the
labels: what a position predicts is the next input. Rows keep the order of the table; the last batch is filled with
rows that predict nothing, so that every optimizer step sees exactly `batch` rows.

Shapes: R rows, T positions, S sources.
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
from structdsl_runtime.training.sources import ONE, Sources

PADDING: Final = -1  # segment and source number of positions that belong to no sample
IGNORED: Final = -100  # label of what is not supervised
COLUMNS: Final = "row, input_ids, labels, segments"
TYPES: Final[dict[str, Any]] = {"input": np.int32, "segment": np.int16, "predicts": np.bool_, "source": np.int16}

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """`input_RT` int32; `segment_RT` int16, the number of the segment in its row or -1; `predicts_RT` bool;
    `source_RT` int16, the number of the corpus of the sample or -1.
    """

    input_RT: Array  # noqa: N815 - shape suffix
    segment_RT: Array  # noqa: N815 - shape suffix
    predicts_RT: Array  # noqa: N815 - shape suffix
    source_RT: Array  # noqa: N815 - shape suffix

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

    def predictions_S(self, start: int, stop: int, sources: int) -> Array:  # noqa: N802 - shape suffix
        """The same for each of `sources` sources."""
        predicting = self.source_RT[start:stop][self.predicts_RT[start:stop]]
        return np.bincount(predicting, minlength=sources)

    def squares(self, start: int, stop: int) -> int:
        """The sum of the squared lengths of the segments of these rows: what attention costs goes with it."""
        segment_RT = self.segment_RT[start:stop].astype(np.int64)
        if not segment_RT.size:
            return 0
        number_RT = np.where(segment_RT == PADDING, PADDING, segment_RT + np.arange(len(segment_RT))[:, None] * 2**16)
        lengths = np.unique(number_RT[number_RT != PADDING], return_counts=True)[1]
        return int((lengths**2).sum())


def write(inputs: Inputs, folder: Path, length: int, sources: Sources = ONE) -> Rows:
    """Lay out the table `packed` below `folder`; the rows are streamed, memory stays bounded."""
    count = inputs.count("packed")
    arrays = create(folder, count, length)
    start = 0
    for batch in inputs.batches("packed", columns=COLUMNS, order="row", rows=1024):
        stop = start + batch.num_rows
        for array, values in zip(arrays, convert(batch, length, sources), strict=True):
            array[start:stop] = values
        start = stop
    assert start == count, f"{start} of {count} rows"
    for array in arrays:
        if isinstance(array, np.memmap):
            array.flush()
    return read(folder) if count else Rows(*arrays)


def create(folder: Path, count: int, length: int) -> list[Array]:
    """Arrays of `count` rows to fill, in the order of `Rows`; files below `folder`, but where there is no row."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (count, length)
    if not count:
        return [np.empty(shape, dtype) for dtype in TYPES.values()]
    return [
        np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=dtype, shape=shape)
        for name, dtype in TYPES.items()
    ]


def read(folder: Path) -> Rows:
    """The rows that `write` laid out, mapped, not loaded."""
    return Rows(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in TYPES))


def convert(batch: pa.RecordBatch, length: int, sources: Sources) -> Iterator[Array]:
    """Input ids, segment numbers, predicting positions and source numbers of a record batch, each (rows, length)."""
    input_RT = _matrix(batch.column("input_ids"), length)
    label_RT = _matrix(batch.column("labels"), length)
    segment_RT, source_RT = _segments(batch.column("segments"), batch.num_rows, length, sources)
    supervised_RT = label_RT != IGNORED
    assert (label_RT == input_RT)[supervised_RT].all(), "a label is not its own token"
    predicts_RT = np.zeros(input_RT.shape, np.bool_)
    together = (segment_RT[:, 1:] == segment_RT[:, :-1]) & (segment_RT[:, 1:] != PADDING)
    predicts_RT[:, :-1] = supervised_RT[:, 1:] & together
    yield from (input_RT, segment_RT, predicts_RT, source_RT)


def _matrix(column: Any, length: int) -> Array:
    values: Array = column.cast(pa.list_(pa.int32())).flatten().to_numpy()
    return values.reshape(-1, length)


def _segments(column: Any, rows: int, length: int, sources: Sources) -> tuple[Array, Array]:
    """Numbers of segments and of their sources from lists of (position, start, length)."""
    lists = column.cast(pa.list_(pa.struct([(field.name, pa.int64()) for field in column.type.value_type])))
    flat = lists.flatten()
    places, starts, lengths = (flat.field(name).to_numpy() for name in ("position", "start", "length"))
    counts = np.diff(lists.offsets.to_numpy())
    row = np.repeat(np.arange(rows), counts)
    number = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    place = np.repeat(row * length + starts, lengths) + within
    found = []
    for values in (number, sources.of(places)):
        array = np.full(rows * length, PADDING, np.int16)
        array[place] = np.repeat(values, lengths)
        found.append(array.reshape(rows, length))
    return found[0], found[1]
