"""Tables that are there already: files of rows, or a table of a DuckDB file (`lake.duckdb#articles`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from structdsl.plan import ReadTable
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.operations.read_files import read_portions
from structdsl_runtime.reading.found import check
from structdsl_runtime.reading.part import Sink
from structdsl_runtime.reading.rows import rows_of_batches
from structdsl_runtime.relations import identifier
from structdsl_runtime.text.sources import CHANGED, Source, below, check_listed, find, unreadable

BATCH: Final = 512


def read_table(arguments: ReadTable, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """A document for each row, up to `limit`.

    Raises Fault E0513 (no file), E0514 (a column that no row has), E0515 (cannot be read), E0516 (nothing is left).
    """
    del inputs
    if not arguments.is_of_database:
        read_portions(arguments, arguments.place, outputs, context)
        return
    found = find(arguments.place, context.root)
    log = below(arguments.log, context.root)
    check_listed(found, context.listing(arguments.place))
    check_listed(log, context.listing(arguments.log))
    _read_database(arguments, found, arguments.uri.partition("#")[2], outputs)
    if below(arguments.log, context.root) != log:
        raise unreadable(arguments.place, "it changed while it was read", CHANGED)


def _read_database(arguments: ReadTable, sources: list[Source], table: str, outputs: Outputs) -> None:
    if len(sources) != 1:
        raise unreadable(arguments.uri, f"{len(sources)} databases match, and a table is of one")
    source = sources[0]
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        offsets = stack.enter_context(outputs.table("offsets"))  # a row of a database has no place in its file
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        shown = f"{source.shown}#{table}" if table else source.shown
        sink = Sink(
            arguments, table or source.name, shown, documents, faults, redactions, offsets, None, arguments.limit
        )
        try:
            sink.take(rows_of_batches(_batches(source.path, table, shown)))
        except (duckdb.Error, pa.ArrowInvalid) as error:
            raise unreadable(source.shown, str(error).partition("\n")[0]) from None
        found = sink.close()
    if source.now() != source.stamp:
        raise unreadable(source.shown, "it changed while it was read", CHANGED)
    check(arguments, found, 1)


def _batches(path: Path, table: str, shown: str) -> Iterator[pa.RecordBatch]:
    """The rows of a table in the order in which they were put into it."""
    with duckdb.connect(path, read_only=True) as connection:
        known = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables ORDER BY table_schema <> 'main', 1, 2"
        ).fetchall()
        names = {name if schema == "main" else f"{schema}.{name}": (schema, name) for schema, name in known}
        own = [name for schema, name in known if schema == "main"]
        if not table and len(own) != 1:
            raise _which(shown, "name one of its tables behind a `#`" if names else "it has no table", names)
        asked = (table or own[0]).casefold().removeprefix("main.")  # as DuckDB has it, case counts for nothing
        found = next((place for name, place in names.items() if name.casefold() == asked), None)
        if found is None:
            raise _which(shown.removesuffix(f"#{table}"), f"it has no table `{table}`", names)
        connection.execute("SET threads = 1")
        query = f"FROM {identifier(found[0])}.{identifier(found[1])}"
        yield from connection.sql(query).to_arrow_reader(BATCH)


def _which(shown: str, reason: str, names: Iterable[str]) -> Fault:
    listed = ", ".join(f"`{name}`" for name in names)
    return unreadable(shown, reason, f"its tables: {listed}" if listed else None)
