"""Which rows go where, and what a forward pass needs to know of them.

Optimizer step k takes rows [k·batch, (k+1)·batch) of the table. Micro-batch j of rank r takes the run of `micro` rows
number j·P + r among them, P being the number of processes. Rows past the end of the table are padding.

Shapes: B rows, T positions, N predicting positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from structdsl_runtime.training.rows import PADDING, Rows


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of an optimizer step are shared out."""

    micro: int
    accumulation: int
    processes: int

    @property
    def batch(self) -> int:
        return self.micro * self.accumulation * self.processes


class MicroBatches(Sampler[list[int]]):
    """Row numbers of each micro-batch of one rank, in the order of the table, from optimizer step `start` on.

    The length is that of the whole stage: what a trainer counts its steps by.
    """

    def __init__(self, layout: Layout, rank: int, steps: int, start: int = 0) -> None:
        self._layout = layout
        self._rank = rank
        self._steps = steps
        self._start = start

    def __len__(self) -> int:
        return self._steps * self._layout.accumulation

    def __iter__(self) -> Iterator[list[int]]:
        layout = self._layout
        for number in range(self._start * layout.accumulation, len(self)):
            first = (number * layout.processes + self._rank) * layout.micro
            yield list(range(first, first + layout.micro))


class PackedRows(Dataset[dict[str, Any]]):
    """Rows by number, a micro-batch at a time, as tensors.

    `input_BT` token ids, `segment_BT` segment numbers, `position_BT` positions that restart with each segment,
    `predict_N` flat indices (b·T + t) of predicting positions, `target_N` what they predict, `source_N` the number of
    the corpus of each, `row` the first row, `predictions` positions that predict in the whole optimizer step, over all
    ranks.
    """

    def __init__(self, rows: Rows, batch: int) -> None:
        self._rows = rows
        self._batch = batch

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])

    def __getitems__(self, numbers: Sequence[int]) -> dict[str, Any]:
        first, size = numbers[0], len(numbers)
        length, count = self._rows.length, len(self._rows)
        shape = (size, length)
        real = slice(0, max(0, min(size, count - first)))
        taken = slice(first, first + real.stop)
        input_BT = np.zeros(shape, np.int64)
        segment_BT = np.full(shape, PADDING, np.int64)
        source_BT = np.full(shape, PADDING, np.int64)
        predicts_BT = np.zeros(shape, np.bool_)
        input_BT[real] = self._rows.input_RT[taken]
        segment_BT[real] = self._rows.segment_RT[taken]
        source_BT[real] = self._rows.source_RT[taken]
        predicts_BT[real] = self._rows.predicts_RT[taken]
        predict_N = np.flatnonzero(predicts_BT)
        step = first // self._batch * self._batch
        return {
            "input_BT": torch.from_numpy(input_BT),
            "segment_BT": torch.from_numpy(segment_BT),
            "position_BT": torch.from_numpy(positions(segment_BT)),
            "predict_N": torch.from_numpy(predict_N),
            "target_N": torch.from_numpy(input_BT.reshape(-1)[predict_N + 1]),
            "source_N": torch.from_numpy(source_BT.reshape(-1)[predict_N]),
            "row": first,
            "predictions": self._rows.predictions(step, step + self._batch),
        }


def as_is(batch: Any) -> Any:
    """The collator: `PackedRows` hands out whole micro-batches."""
    return batch


def positions(segment_BT: np.typing.NDArray[Any]) -> np.typing.NDArray[np.int64]:
    """Positions counted from the start of each segment; a change of number starts a segment."""
    place = np.arange(segment_BT.shape[1], dtype=np.int64)
    starts_BT = np.ones(segment_BT.shape, np.bool_)
    starts_BT[:, 1:] = segment_BT[:, 1:] != segment_BT[:, :-1]
    return place - np.maximum.accumulate(np.where(starts_BT, place, 0), axis=1)


def to_device(batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """The batch with its tensors on the device of the model; on a CPU the same tensors."""
    return {
        name: value.to(device, non_blocking=True) if isinstance(value, Tensor) else value
        for name, value in batch.items()
    }
