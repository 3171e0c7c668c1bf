"""Data sets of the Hugging Face Hub and folders of the library `datasets`, streamed: what is read goes into our tables
and into no cache beside them.

The library takes what is nearest where it cannot have what it is asked for. Here that is a fault: a folder is the one
below the folder of the spec, wherever the run was started; a revision is that revision.
"""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from structdsl.plan import ReadDataset
from structdsl_runtime.files import data_set_folder
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.reading.found import check
from structdsl_runtime.reading.hub import in_part, of_hub
from structdsl_runtime.reading.opened import Opened, fault, quiet, telling
from structdsl_runtime.reading.part import Sink
from structdsl_runtime.reading.rows import Row, rows_of_batches
from structdsl_runtime.reading.snapshots import elsewhere
from structdsl_runtime.text.sources import CHANGED, below, check_listed, unreadable

BATCH: Final = 512
SPLIT: Final = "train"
"""What `split` is where the spec does not say."""


def read_dataset(arguments: ReadDataset, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A document for each row of the split, up to `limit`.

    Raises Fault E0830 (no such data set, configuration or split, or no way to it), E0514 (a column that no row has),
    E0515 (a value that cannot be read, a folder that changes while it is), E0516 (nothing is left).
    """
    del inputs
    shown = "/".join(filter(None, [arguments.id, arguments.name, arguments.split]))
    folder = data_set_folder(arguments.id, context.root)
    files = below(arguments.place, context.root) if arguments.place is not None else []
    check_listed(files, context.listing(arguments.place) if arguments.place is not None else None)
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        sink = Sink(arguments, arguments.split, shown, documents, faults, redactions, None, None, arguments.limit)
        try:
            sink.take(_counted(rows_of_batches(_batches(arguments, folder, context)), context))
        except pa.ArrowInvalid as error:
            raise unreadable(shown, str(error)) from None
        found = sink.close()
    if arguments.place is not None and below(arguments.place, context.root) != files:
        raise unreadable(shown, "it changed while it was read", CHANGED)
    check(arguments, found, 1)


def _counted(rows: Iterator[Row], context: Context) -> Iterator[Row]:
    for row in rows:
        if row.number % BATCH == 0:
            context.progress(row.number, None, "rows")
        yield row


def _batches(arguments: ReadDataset, folder: Path | None, context: Context) -> Iterator[pa.RecordBatch]:
    """The rows of the split; raises Fault E0830, and `pa.ArrowInvalid` where values do not lie within their batch."""
    with telling(arguments, folder):
        opened = of_hub(arguments, context) if folder is None else Opened(_of_folder(arguments, folder, context))
    rows = 0
    with telling(arguments, folder, opened.cache):
        tables = iter(opened.rows.with_format("arrow").iter(batch_size=BATCH))
    while True:
        with telling(arguments, folder, opened.cache):
            table: pa.Table | None = next(tables, None)
        if table is None:
            break
        rows += table.num_rows
        table.validate(full=True)
        yield from table.to_batches()
    if opened.wanted is not None and rows < opened.wanted:
        raise in_part(arguments, f"its card says {opened.wanted:,} rows, and {rows:,} are there")


def _of_folder(arguments: ReadDataset, folder: Path, context: Context) -> Any:
    """The split of a folder: of data files, or of what `save_to_disk` of the library wrote."""
    import datasets  # type: ignore[import-untyped]  # noqa: PLC0415 - slow, and only for specs that name one

    quiet()
    if not folder.is_dir():
        if not folder.exists():
            raise fault(arguments, folder, "there is no such folder")
        raise fault(arguments, folder, "it is no folder", f'`files("{arguments.id}")` reads a file')
    if context.root.resolve().is_relative_to(folder.resolve()):
        raise fault(arguments, folder, "the spec lies in it, and so does what runs write", "give the data a folder")
    for name in ("revision", "token"):
        if getattr(arguments, name) is not None:
            help_ = f"leave `{name}` out; a data set of the Hub is read where the folder has another name"
            raise fault(arguments, folder, f"it is a folder here, which has no `{name}`", help_)
    several, one = folder / "dataset_dict.json", folder / "state.json"
    if not several.is_file() and not one.is_file():
        return _of_data_files(arguments, folder)
    if arguments.name is not None:
        raise fault(arguments, folder, "what `save_to_disk` wrote has no configurations", "leave `name` out")
    if not several.is_file():
        if arguments.split != SPLIT:
            reason = f"it is one data set that `save_to_disk` wrote, which has no split `{arguments.split}`"
            raise fault(arguments, folder, reason, "leave `split` out")
        return datasets.Dataset.load_from_disk(str(folder))
    splits = json.loads(several.read_bytes())["splits"]
    if arguments.split not in splits:
        raise fault(arguments, folder, f"it has no split `{arguments.split}`", f"it has: {', '.join(splits)}")
    return datasets.Dataset.load_from_disk(str(folder / arguments.split))


def _of_data_files(arguments: ReadDataset, folder: Path) -> Any:
    import datasets  # noqa: PLC0415 - slow, as above

    if glob.has_magic(str(folder)):  # the library would read whatever matches it
        raise fault(arguments, folder, "`*`, `?` or `[` is in its path", "rename the folder")
    builder = datasets.load_dataset_builder(str(folder), arguments.name)
    if (stray := elsewhere(builder, arguments.split, folder)) is not None:
        reason = f"its card names `{stray}`, which is not in it"
        raise fault(arguments, folder, reason, "what changes there would not be seen: move it into the folder")
    return builder.as_streaming_dataset(split=arguments.split)
