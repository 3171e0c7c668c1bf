"""Lines that many documents repeat: numbered document by document, counted in SQL, cut out of each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute

from structdsl.plan import DedupLines, NumberLines
from structdsl_runtime.dedup.lines import cut, leaving, lines
from structdsl_runtime.operation import Context, Inputs, Outputs, TableWriter
from structdsl_runtime.progress import counted
from structdsl_runtime.text.hashed import Hashes
from structdsl_runtime.text.words import blocks

pc: Any = compute  # its stubs know neither every array nor every result


def number_lines(arguments: NumberLines, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `lines`: of each document, the numbers of its lines that count, in order and each once."""
    del arguments
    done = 0
    batch: Any
    with outputs.table("lines") as table:
        for batch in inputs.batches("documents", columns="doc_id, text"):
            for first, texts in blocks(batch["text"]):
                found = lines(texts)
                text, numbers = found.text[found.counts], found.numbers[found.counts]
                order = np.lexsort((numbers, text))
                text, numbers = text[order], numbers[order]
                new = np.ones(len(text), np.bool_)
                new[1:] = (text[1:] != text[:-1]) | (numbers[1:] != numbers[:-1])
                ends = np.searchsorted(text[new], np.arange(len(texts) + 1)).astype(np.int32)
                listed: Any = pa.ListArray.from_arrays(pa.array(ends), pa.array(numbers[new]))  # type: ignore[call-overload]
                table.write(pa.table({"doc_id": batch["doc_id"].slice(first, len(texts)), "lines": listed}))
            done += batch.num_rows
            context.progress(done, None, "documents")


def dedup_lines(arguments: DedupLines, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `documents`, `cut` and `emptied`.

    A line that is cut is written with its number in the text, from 1, and with the bytes of the text that left with it.
    A document of which nothing is left stays among `documents`, without text, and is one of `emptied`.
    """
    del arguments
    parts = [np.asarray(batch["line"]) for batch in inputs.batches("repeated", columns="line")]
    repeated: Hashes = np.sort(np.concatenate([np.empty(0, np.uint64), *parts]))
    done = 0
    batch: Any
    with outputs.table("documents") as table, outputs.table("cut") as gone, outputs.table("emptied") as emptied:
        for batch in inputs.batches("documents"):
            for first, texts in blocks(batch["text"]):
                block = batch.slice(first, len(texts))
                table.write(_without(block, repeated, gone, emptied))
            done += batch.num_rows
            context.progress(done, None, "documents")


def _without(block: Any, repeated: Hashes, gone: TableWriter, emptied: TableWriter) -> Any:
    found = lines(block["text"])
    leaves = found.counts & _among(found.numbers, repeated)
    if not leaves.any():
        return block
    first_line = np.searchsorted(found.text, found.text[leaves])
    number = np.flatnonzero(leaves) - first_line + 1
    texts, begin_of_text = block["text"], found.ends[found.text[leaves]]
    begin, end = leaving(found, leaves)
    raw = pa.array([found.data[b:e].tobytes() for b, e in zip(found.begin[leaves], found.end[leaves], strict=True)])
    gone.write(
        pa.table(
            {
                "doc_id": block["doc_id"].take(pa.array(found.text[leaves])),
                "line": pa.array(number),
                "text": pc.utf8_trim_whitespace(raw.cast(pa.string())),
                "start_byte": pa.array(begin - begin_of_text),
                "end_byte": pa.array(end - begin_of_text),
            }
        )
    )
    left = pc.if_else(pc.is_null(texts), texts, cut(found, leaves))
    counts = np.bincount(found.text[leaves], minlength=len(texts))
    empty = np.flatnonzero((counts > 0) & np.asarray(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(left)), 0)))
    for at in empty.tolist():
        row = block.slice(at, 1)
        emptied.row(
            doc_id=row["doc_id"][0].as_py(),
            source=row["source"][0].as_py(),
            step="dedup",
            reason="lines",
            evidence=f"all of its text, {counted(int(counts[at]), 'line')}",
        )
    changed = pa.table(block)
    for name, values in (("text", left), ("n_chars", pc.utf8_length(left).cast(pa.int64()))):
        changed = changed.set_column(changed.schema.get_field_index(name), name, values)
    return changed


def _among(numbers: Hashes, few: Hashes) -> Any:
    if not len(few):
        return np.zeros(len(numbers), np.bool_)
    return few[np.minimum(np.searchsorted(few, numbers), len(few) - 1)] == numbers
