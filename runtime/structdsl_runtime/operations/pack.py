"""Samples side by side in rows of `length` positions; `segments` says which sample lies where.

Best fit: a sample goes to the open row in which it leaves the least room, the oldest of equals, else it opens a row.
First fit: it goes to the oldest open row that has room. None: each has a row of its own. Only the last `OPEN` rows are
open. So memory is bounded, rows come out in the order of their first sample (the order of the mixture is kept up to
`OPEN` rows), and no chance has a part in it.

A label stands where its own token does, as transformers expects, which shifts them itself. The first token of a
segment has no label: what stands before it in the row belongs to another sample.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from structdsl.plan import Pack
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.ragged import Ids, from_arrow, to_arrow
from structdsl_runtime.training.rows import IGNORED

OPEN: Final = 64  # rows a sample may still go to
_WRITTEN: Final = 64  # rows written together


@dataclass(frozen=True, slots=True)
class Piece:
    """A sample, or a piece of one, on its way into a row."""

    position: int
    piece: int
    ids: Ids
    n_prompt: int


@dataclass(slots=True)
class PackedRow:
    number: int
    room: int
    pieces: list[Piece] = field(default_factory=list)


def pack(arguments: Pack, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Rows of exactly `length` positions, padded with the end of text; no token is lost."""
    total, laid, written = inputs.count("tokens"), 0, 0
    group: list[PackedRow] = []
    with outputs.table("packed") as packed:
        end = _end_of_text(inputs)
        for row in METHODS[arguments.method](_pieces(inputs), arguments.length):
            group.append(row)
            laid += len(row.pieces)
            if len(group) == _WRITTEN:
                packed.write(_table(group, arguments.length, end))
                written += len(group)
                group = []
                context.progress(laid, total, "samples")
        if group:
            packed.write(_table(group, arguments.length, end))
    assert laid == total, f"{laid} of {total} pieces were packed"
    context.progress(laid, total, "samples")


def best_fit(pieces: Iterator[Piece], length: int) -> Iterator[PackedRow]:
    """Rows in the order in which they were opened."""
    rows: deque[PackedRow] = deque()
    rooms: list[tuple[int, int]] = []  # (room, number) of the open rows with any room, ascending
    number = 0
    for piece in pieces:
        size = len(piece.ids)
        assert 0 < size <= length, f"sample {piece.position} has {size} tokens"
        place = bisect_left(rooms, (size, 0))
        if place < len(rooms):
            row = rows[rooms.pop(place)[1] - rows[0].number]
        else:
            if len(rows) == OPEN:
                closed = rows.popleft()
                if closed.room:
                    del rooms[bisect_left(rooms, (closed.room, closed.number))]
                yield closed
            row = PackedRow(number, length)
            rows.append(row)
            number += 1
        row.pieces.append(piece)
        row.room -= size
        if row.room:
            insort(rooms, (row.room, row.number))
    yield from rows


def first_fit(pieces: Iterator[Piece], length: int) -> Iterator[PackedRow]:
    """Rows in the order in which they were opened."""
    rows: deque[PackedRow] = deque()
    number = 0
    for piece in pieces:
        size = len(piece.ids)
        assert 0 < size <= length, f"sample {piece.position} has {size} tokens"
        row = next((row for row in rows if row.room >= size), None)
        if row is None:
            if len(rows) == OPEN:
                yield rows.popleft()
            row = PackedRow(number, length)
            rows.append(row)
            number += 1
        row.pieces.append(piece)
        row.room -= size
    yield from rows


def one_each(pieces: Iterator[Piece], length: int) -> Iterator[PackedRow]:
    """A row for each sample, or piece of one."""
    for number, piece in enumerate(pieces):
        yield PackedRow(number, length - len(piece.ids), [piece])


METHODS: Final = {"best_fit": best_fit, "first_fit": first_fit, "none": one_each}


def _pieces(inputs: Inputs) -> Iterator[Piece]:
    columns = "position, piece, n_prompt, input_ids"
    for batch in inputs.batches("tokens", columns=columns, order="position, piece"):
        plain = batch.select(["position", "piece", "n_prompt"]).to_pylist()
        for values, ids in zip(plain, from_arrow(batch.column("input_ids")), strict=True):
            yield Piece(ids=ids, **values)


def _end_of_text(inputs: Inputs) -> int:
    """The token that every sample ends with: the last of the last piece of the first sample."""
    for row in inputs.rows("tokens", columns="input_ids[-1] AS token", order="position, piece DESC"):
        return int(row["token"])
    return 0


def _table(rows: list[PackedRow], length: int, end: int) -> pa.Table:
    ids = np.full((len(rows), length), end, np.int32)
    labels = np.full((len(rows), length), IGNORED, np.int32)
    segments: list[list[dict[str, Any]]] = []
    used: list[int] = []
    for line, row in enumerate(rows):
        segments.append([])
        start = 0
        for part in row.pieces:
            stop = start + len(part.ids)
            ids[line, start:stop] = part.ids
            masked = max(1, part.n_prompt)
            labels[line, start + masked : stop] = part.ids[masked:]
            segments[-1].append(
                {"position": part.position, "piece": part.piece, "start": start, "length": len(part.ids)}
            )
            start = stop
        used.append(start)
    return pa.table(
        {
            "row": pa.array([row.number for row in rows], pa.int64()),
            "input_ids": to_arrow(list(ids)),
            "labels": to_arrow(list(labels)),
            "segments": pa.array(segments, _SEGMENTS),
            "n_supervised": pa.array((labels != IGNORED).sum(axis=1), pa.int32()),
            "density": pa.array(np.array(used) / length, pa.float64()),
        }
    )


_SEGMENTS: Final = pa.list_(
    pa.struct([("position", pa.int64()), ("piece", pa.int32()), ("start", pa.int32()), ("length", pa.int32())])
)
