"""What was kept of a teacher, laid out for a stage: one row a predicting position, in the order of the packed rows.

The table `states` holds a text once; a stage may read it several times, and finds it by what it reads (see
`teacher_states`).

Shapes: R rows, P predicting positions of all rows, D hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.operation import Inputs
from structdsl_runtime.training import teacher_states
from structdsl_runtime.training.rows import Rows

HIDDEN: Final = "hidden.npy"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A text of the stage: which of its tokens is the first to be predicted, and where that one goes each time."""

    first: int
    places: list[int] = field(default_factory=list)


def starts(rows: Rows) -> Array:
    """Number of the first predicting position of each row, int64 (R + 1,)."""
    counts = np.asarray(rows.predicts_RT).sum(axis=1, dtype=np.int64)
    return np.concatenate(([0], np.cumsum(counts)))


def create(rows: Rows, width: int, folder: Path) -> Any:
    """A memory-mapped array (P, D) to fill, with one place for each predicting position of `rows`."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (int(starts(rows)[-1]), width)
    return np.lib.format.open_memmap(folder / HIDDEN, mode="w+", dtype=np.float32, shape=shape)


def write(inputs: Inputs, rows: Rows, folder: Path) -> None:
    """Lay the table `states` out as `hidden.npy` (P, D) in 32 bits below `folder`, for the table `packed`."""
    wanted = _wanted(inputs, rows)
    total, filled = int(starts(rows)[-1]), 0
    hidden_PD: Any = None  # until its width is known
    for batch in inputs.batches("states", columns='text, "offset", hidden', rows=1024):
        texts: list[Any] = batch.column("text").to_pylist()
        offset_N = batch.column("offset").to_numpy()
        lists: Any = batch.column("hidden")
        values = lists.flatten().to_numpy(zero_copy_only=False).reshape(batch.num_rows, -1)
        if hidden_PD is None:
            hidden_PD = create(rows, values.shape[1], folder)
        changes = [0, *(place for place in range(1, len(texts)) if texts[place] != texts[place - 1]), len(texts)]
        for start, stop in pairwise(changes):
            text = wanted.get(texts[start])
            if text is None:
                continue  # of another stage
            for place in text.places:
                hidden_PD[place - text.first + offset_N[start:stop]] = values[start:stop]
                filled += stop - start
    assert filled == total, f"the teacher was kept for {filled} of {total} predicting positions"
    if hidden_PD is not None:
        hidden_PD.flush()


def _wanted(inputs: Inputs, rows: Rows) -> dict[str, Wanted]:
    """By their names, the texts of which something is predicted."""
    found: dict[str, Wanted] = {}
    first = starts(rows)
    for number, row in enumerate(inputs.rows("packed", columns="row, segments", order="row")):
        before = np.concatenate(([0], np.cumsum(rows.predicts_RT[number])))
        for segment in row["segments"]:
            start, length = segment["start"], segment["length"]
            masked = length - int(before[start + length] - before[start])
            if masked < length:
                name = teacher_states.name_of(rows.input_RT[number, start : start + length], masked)
                place = int(first[number] + before[start])
                found.setdefault(name, Wanted(masked)).places.append(place)
    return found
