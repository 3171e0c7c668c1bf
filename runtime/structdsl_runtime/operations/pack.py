"""The rows of a layout, filled: tokens, and labels where they are learnt.

A label stands where its own token does, as transformers expects, which shifts them itself. The first token of a
segment has no label: what stands before it in the row belongs to another sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import Pack
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text import ragged
from structdsl_runtime.text.ragged import Numbers, Ragged, starts
from structdsl_runtime.training.rows import IGNORED

AT_ONCE: Final = 1 << 20  # positions that are filled at one go


def pack(arguments: Pack, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Rows of exactly `length` positions, padded with the end of text; no token is lost."""
    length = arguments.length
    read = list(inputs.batches("layout"))
    with outputs.table("packed") as packed:
        if not read:
            return
        layout = pa.Table.from_batches(read)
        samples = _samples(inputs, pc.min(layout["first"]).as_py(), pc.max(layout["last"]).as_py())
        step = max(1, AT_ONCE // length)
        for start in range(0, layout.num_rows, step):
            packed.write(_filled(layout.slice(start, step).combine_chunks(), samples, length))
            context.progress(min(start + step, layout.num_rows), layout.num_rows, "rows")


@dataclass(frozen=True, slots=True)
class _Samples:
    """Samples in pieces, and the token that ends them."""

    key: Numbers  # ascending; of a sample and a piece of it
    ids: Ragged
    n_prompt: Numbers
    first: int  # the least position
    end: int

    def numbers(self, position: Numbers, piece: Numbers) -> Numbers:
        """Where these pieces are."""
        wanted = _key(position - self.first, piece)
        found = np.searchsorted(self.key, wanted)
        assert (self.key[found] == wanted).all(), "every piece of the layout is there"
        return found


def _key(place: Numbers, piece: Numbers) -> Numbers:
    """Of samples, by their places from the first one, and pieces of them."""
    return (place << 32) + piece


def _samples(inputs: Inputs, first: int, last: int) -> _Samples:
    """The samples between two positions, however they are ordered."""
    columns = "position, piece, n_prompt, input_ids"
    read = inputs.batches("tokens", columns=columns, where=f"position BETWEEN {first} AND {last}")
    table = pa.Table.from_batches(read).combine_chunks()
    position, piece, n_prompt = (table[name].to_numpy().astype(np.int64) for name in ("position", "piece", "n_prompt"))
    ids = ragged.joined(ragged.of_arrow(chunk) for chunk in table["input_ids"].chunks)
    key = _key(position - first, piece)
    if (np.diff(key) <= 0).any():
        order = np.argsort(key)
        key, ids, n_prompt = key[order], ids.take(order), n_prompt[order]
    ends = ids.values[ids.offsets[1:][np.append(np.diff(key >> 32) > 0, True)] - 1]
    assert (ends == ends[0]).all(), "every sample ends with the end of text"
    return _Samples(key, ids, n_prompt, first, int(ends[0]))


def _filled(layout: pa.Table, samples: _Samples, length: int) -> pa.Table:
    segments: Any = layout["segments"].chunk(0)
    position, piece, start, size = (column.to_numpy().astype(np.int64) for column in segments.flatten().flatten())
    bounds = segments.offsets.to_numpy().astype(np.int64)
    count, row = layout.num_rows, np.repeat(np.arange(layout.num_rows), np.diff(bounds))
    number = samples.numbers(position, piece)
    taken, masked = samples.ids.take(number).values, np.maximum(1, samples.n_prompt[number])
    used = np.bincount(row, weights=size, minlength=count).astype(np.int64)
    ids, labels = np.empty(count * length, np.int32), np.empty(count * length, np.int32)
    done = 0
    for begin, filled in zip(range(0, count * length, length), used.tolist(), strict=True):
        there, room = slice(begin, begin + filled), slice(begin + filled, begin + length)  # room is at the end of a row
        ids[there] = labels[there] = taken[done : done + filled]
        ids[room], labels[room] = samples.end, IGNORED
        done += filled
    within = np.arange(masked.sum()) - np.repeat(starts(masked)[:-1], masked)
    labels[np.repeat(row * length + start, masked) + within] = IGNORED
    supervised = used - np.bincount(row, weights=masked, minlength=count).astype(np.int64)
    rows = np.arange(0, (count + 1) * length, length)
    return pa.table(
        {
            "row": layout["row"].combine_chunks(),
            "input_ids": Ragged(ids, rows).to_arrow(),
            "labels": Ragged(labels, rows).to_arrow(),
            "segments": segments,
            "n_supervised": pa.array(supervised, pa.int32()),
            "density": pa.array(used / length, pa.float64()),
        }
    )
