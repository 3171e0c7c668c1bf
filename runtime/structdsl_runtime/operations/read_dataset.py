"""Data sets of the Hugging Face Hub, streamed: what is read goes into our tables and into no cache beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pyarrow as pa

from structdsl.plan import ReadDataset
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.reading.found import check
from structdsl_runtime.reading.part import Sink
from structdsl_runtime.reading.rows import Row, rows_of_batches
from structdsl_runtime.text.sources import unreadable

BATCH: Final = 512


def read_dataset(arguments: ReadDataset, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A document for each row of the split, up to `limit`.

    Raises Fault E0830 (no such data set, configuration or split, or no way to it), E0514 (a column that no row has),
    E0515 (a value that cannot be read), E0516 (nothing is left).
    """
    del inputs
    shown = "/".join(filter(None, [arguments.id, arguments.name, arguments.split]))
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        sink = Sink(arguments, arguments.split, shown, documents, faults, redactions, None, None, arguments.limit)
        try:
            sink.take(_counted(rows_of_batches(_batches(arguments)), context))
        except pa.ArrowInvalid as error:
            raise unreadable(shown, str(error)) from None
        found = sink.close()
    check(arguments, found, 1)


def _counted(rows: Iterator[Row], context: Context) -> Iterator[Row]:
    for row in rows:
        if row.number % BATCH == 0:
            context.progress(row.number, None, "rows")
        yield row


def _batches(arguments: ReadDataset) -> Iterator[pa.RecordBatch]:
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one

    try:
        streamed = datasets.load_dataset(
            arguments.id,
            arguments.name,
            split=arguments.split,
            revision=arguments.revision,
            token=os.environ.get(arguments.token) if arguments.token is not None else None,
            streaming=True,
        )
        for table in streamed.with_format("arrow").iter(batch_size=BATCH):
            yield from table.to_batches()
    except Exception as error:
        at = f" at `{arguments.revision}`" if arguments.revision is not None else ""
        reason = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        raise Fault(
            "E0830",
            f"`{arguments.id}`{at} cannot be read: {reason}",
            helps=("the page of the data set on the Hub lists its configurations and splits",),
        ) from error
