"""A table of a finished run to a file of its own, as a user would copy it for another tool."""

import sys

import duckdb

(table,) = sys.argv[1:]
connection = duckdb.connect(".structdsl/job/catalog.duckdb", read_only=True)
connection.execute("SET temp_directory = 'spill'; SET preserve_insertion_order = false")
connection.execute(
    f"COPY (SELECT doc_id AS id, text FROM {table}) TO 'kept.parquet' "  # noqa: S608 - a name of ours
    "(COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 2048)"
)
