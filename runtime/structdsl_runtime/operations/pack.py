"""Samples side by side in rows of `length` positions; `segments` says which sample lies where.

Samples are read in order, and laid out a window at a time: see `structdsl_runtime.text.packing` for what that does to
the order, and `structdsl_runtime.text.fits` for the methods.

A label stands where its own token does, as transformers expects, which shifts them itself. The first token of a
segment has no label: what stands before it in the row belongs to another sample.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import Final

import numpy as np
import pyarrow as pa

from structdsl.plan import Pack
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text import ragged
from structdsl_runtime.text.fits import METHODS
from structdsl_runtime.text.packing import Packed, Pieces, windows
from structdsl_runtime.text.ragged import Ragged, starts
from structdsl_runtime.training.rows import IGNORED

WAITING: Final = 64 << 20  # bytes of rows that wait for the writer: a row group, which it encodes at one go


def pack(arguments: Pack, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Rows of exactly `length` positions, padded with the end of text; no token is lost."""
    total, laid, written = inputs.count("tokens"), 0, 0
    order = "" if _is_sorted(inputs) else "position, piece"  # to sort ids costs more than all the rest
    writing: deque[tuple[Future[None], int]] = deque()  # and of how many bytes
    with outputs.table("packed") as packed, ThreadPoolExecutor(1) as beside:
        end, pieces = _with_end_of_text(_pieces(inputs, order))
        for window in windows(pieces, arguments.length, METHODS[arguments.method]):
            table = _table(window, arguments.length, end, written)
            writing.append((beside.submit(packed.write, table), table.nbytes))  # it takes as long as all the rest
            while sum(size for _, size in writing) > WAITING:
                writing.popleft()[0].result()
            written += window.rows
            laid += len(window.pieces)
            context.progress(laid, total, "samples")
        while writing:
            writing.popleft()[0].result()
    assert laid == total, f"{laid} of {total} pieces were packed"


def _pieces(inputs: Inputs, order: str) -> Iterator[Pieces]:
    for batch in inputs.batches("tokens", columns="position, piece, n_prompt, input_ids", order=order):
        position, piece, n_prompt = (
            batch.column(name).to_numpy().astype(np.int64) for name in ("position", "piece", "n_prompt")
        )
        yield Pieces(ragged.of_arrow(batch.column("input_ids")), position, piece, n_prompt)


def _is_sorted(inputs: Inputs) -> bool:
    before = (-1, -1)
    for batch in inputs.batches("tokens", columns="position, piece", rows=1 << 16):
        position, piece = (batch.column(name).to_numpy().astype(np.int64) for name in ("position", "piece"))
        if not len(position):
            continue
        step, turn = np.diff(position, prepend=before[0]), np.diff(piece, prepend=before[1])
        if ((step < 0) | ((step == 0) & (turn <= 0))).any():
            return False
        before = (int(position[-1]), int(piece[-1]))
    return True


def _with_end_of_text(batches: Iterator[Pieces]) -> tuple[int, Iterator[Pieces]]:
    """The token that every sample ends with, the last of the last piece of the first sample; and all pieces still."""
    token, first, read = 0, None, []
    for batch in batches:
        read.append(batch)
        if not len(batch):
            continue
        first = batch.position[0] if first is None else first
        of_first = int((batch.position == first).sum())
        if of_first:
            token = int(batch.ids.values[batch.ids.offsets[of_first] - 1])
        if of_first < len(batch):
            break
    return token, chain(read, batches)


def _table(window: Packed, length: int, end: int, first: int) -> pa.Table:
    pieces, count = window.pieces, window.rows
    sizes = pieces.ids.sizes
    used = np.bincount(window.row, weights=sizes, minlength=count).astype(np.int64)
    ids, labels = np.empty(count * length, np.int32), np.empty(count * length, np.int32)
    taken = 0
    for begin, size in zip(range(0, count * length, length), used.tolist(), strict=True):
        filled, room = slice(begin, begin + size), slice(begin + size, begin + length)  # room is at the end of a row
        ids[filled] = labels[filled] = pieces.ids.values[taken : taken + size]
        ids[room], labels[room] = end, IGNORED
        taken += size
    masked = np.maximum(1, pieces.n_prompt)
    first_masked = window.row * length + window.start
    within = np.arange(masked.sum()) - np.repeat(starts(masked)[:-1], masked)
    labels[np.repeat(first_masked, masked) + within] = IGNORED
    supervised = used - np.bincount(window.row, weights=masked, minlength=count).astype(np.int64)
    rows = np.arange(0, (count + 1) * length, length)
    segments = pa.StructArray.from_arrays(
        [
            pa.array(pieces.position),
            pa.array(pieces.piece, pa.int32()),
            pa.array(window.start, pa.int32()),
            pa.array(sizes, pa.int32()),
        ],
        ["position", "piece", "start", "length"],
    )
    bounds = pa.array(starts(np.bincount(window.row, minlength=count)), pa.int32())
    return pa.table(
        {
            "row": pa.array(np.arange(first, first + count), pa.int64()),
            "input_ids": Ragged(ids, rows).to_arrow(),
            "labels": Ragged(labels, rows).to_arrow(),
            "segments": pa.ListArray.from_arrays(bounds, segments),
            "n_supervised": pa.array(supervised, pa.int32()),
            "density": pa.array(used / length, pa.float64()),
        }
    )
