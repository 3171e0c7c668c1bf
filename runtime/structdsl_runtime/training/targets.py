"""What was kept of a teacher, laid out for a stage: one row a predicting position, in the order of the packed rows.

The table `teacher.<stage>` holds a text once; a stage may read it in several epochs. A sample is found by its id, and
where it reads differently from time to time, by the last `position` at or before its own from which on it reads so.

Shapes: R rows, P predicting positions of all rows, D hidden.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.operation import Inputs
from structdsl_runtime.training.rows import Rows

HIDDEN: Final = "hidden.npy"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens of one sample that are predicted one after the other: the first's offset in it, how many, and where."""

    offset: int
    count: int
    place: int


def starts(rows: Rows) -> Array:
    """Number of the first predicting position of each row, int64 (R + 1,)."""
    counts = np.asarray(rows.predicts_RT).sum(axis=1, dtype=np.int64)
    return np.concatenate(([0], np.cumsum(counts)))


def write(inputs: Inputs, rows: Rows, folder: Path) -> None:
    """Lay the table `targets` out as `hidden.npy` (P, D) in 32 bits below `folder`, for the table `packed`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(inputs, rows)
    total, filled = int(starts(rows)[-1]), 0
    hidden_PD: Any = None  # a memory-mapped array, once its width is known
    for batch in inputs.batches("targets", columns='position, "offset", hidden', rows=1024):
        position, offset = (batch.column(name).to_numpy() for name in ("position", "offset"))
        lists: Any = batch.column("hidden")
        values = lists.flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
        if hidden_PD is None:
            shape = (total, values.shape[1])
            hidden_PD = np.lib.format.open_memmap(folder / HIDDEN, mode="w+", dtype=np.float32, shape=shape)
        breaks = np.flatnonzero((np.diff(position) != 0) | (np.diff(offset) != 1)) + 1
        for start, stop in zip((0, *breaks), (*breaks, len(position)), strict=True):
            first = int(offset[start])
            for run in wanted.get(int(position[start]), ()):
                low, high = max(first, run.offset), min(first + stop - start, run.offset + run.count)
                if low < high:
                    place = run.place + low - run.offset
                    hidden_PD[place : place + high - low] = values[start + low - first : start + high - first]
                    filled += high - low
    assert filled == total, f"the teacher was kept for {filled} of {total} predicting positions"
    if hidden_PD is not None:
        hidden_PD.flush()


def _wanted(inputs: Inputs, rows: Rows) -> dict[int, list[Run]]:
    """By the position under which the table keeps a sample: what is wanted of it."""
    kept: dict[str, set[int]] = defaultdict(set)
    for row in inputs.rows("targets", columns="sample_id, position"):
        kept[row["sample_id"]].add(row["position"])
    order = {sample: sorted(positions) for sample, positions in kept.items()}
    names = {row["position"]: row["sample_id"] for row in inputs.rows("samples", columns="position, sample_id")}
    pieces: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)  # piece, length, predicted, place
    first = starts(rows)
    for number, row in enumerate(inputs.rows("packed", columns="row, segments", order="row")):
        before = np.concatenate(([0], np.cumsum(rows.predicts_RT[number])))
        for segment in row["segments"]:
            start, length = segment["start"], segment["length"]
            count = int(before[start + length] - before[start])
            place = int(first[number] + before[start])
            pieces[segment["position"]].append((segment["piece"], length, count, place))
    wanted: dict[int, list[Run]] = defaultdict(list)
    for position, parts in pieces.items():
        offset = 0
        for _, length, count, place in sorted(parts):
            offset += length
            if count:
                known = order[names[position]]
                source = known[bisect_right(known, position) - 1]
                wanted[source].append(Run(offset - count, count, place))
    return wanted
