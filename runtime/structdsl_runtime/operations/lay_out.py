"""Which samples lie side by side: see `structdsl_runtime.text.packing` for what that does to their order, and
`structdsl_runtime.text.fits` for the methods. Nothing is read of the samples but their sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from structdsl.plan import LayOut
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.fits import METHODS
from structdsl_runtime.text.packing import AHEAD, Pieces, Rows, windows

TOGETHER: Final = 4 << 20  # positions of the rows that are filled together, but never less than a window


def lay_out(arguments: LayOut, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Rows of at most `length` positions; no sample is left out."""
    total, laid, written = inputs.count("tokens"), 0, 0
    together = max(AHEAD, TOGETHER // arguments.length)
    with outputs.table("layout") as layout:
        for window in windows(_pieces(inputs), arguments.length, METHODS[arguments.method]):
            rows = _table(window, written)
            while rows.num_rows:
                some = rows.slice(0, together - written % together)
                layout.write(some)
                written += some.num_rows
                if written % together == 0:
                    layout.cut()
                rows = rows.slice(some.num_rows)
            laid += len(window.pieces)
            context.progress(laid, total, "pieces")
    assert laid == total, f"{laid} of {total} pieces were laid out"


def _pieces(inputs: Inputs) -> Iterator[Pieces]:
    columns = ("position", "piece", "n_tokens")
    for batch in inputs.batches("tokens", columns=", ".join(columns), order="position, piece", rows=1 << 16):
        yield Pieces(*(batch.column(name).to_numpy().astype(np.int64) for name in columns))


def _table(window: Rows, first: int) -> pa.Table:
    pieces, bounds = window.pieces, window.bounds
    segments = pa.StructArray.from_arrays(
        [
            pa.array(pieces.position),
            pa.array(pieces.piece, pa.int32()),
            pa.array(window.start, pa.int32()),
            pa.array(pieces.size, pa.int32()),
        ],
        ["position", "piece", "start", "length"],
    )
    return pa.table(
        {
            "row": pa.array(np.arange(first, first + window.count)),
            "segments": pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), segments),
            "first": pa.array(np.minimum.reduceat(pieces.position, bounds[:-1])),
            "last": pa.array(np.maximum.reduceat(pieces.position, bounds[:-1])),
        }
    )
