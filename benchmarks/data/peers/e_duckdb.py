# mypy: ignore-errors
# ruff: noqa: S608 - its own SQL
"""Exact duplicates of a table in DuckDB under 256 MB: digests grouped, then a semi-join on files and rows."""

import sys

import duckdb

table, out = sys.argv[1:]
connection = duckdb.connect(
    config={"memory_limit": "256MB", "temp_directory": f"{out}/spill", "preserve_insertion_order": False}
)
read = f"read_parquet('{table}/*.parquet', filename = true, file_row_number = true)"
connection.execute(
    f"COPY (SELECT id, text FROM {read} SEMI JOIN ("
    "SELECT arg_min(filename, id) AS filename, arg_min(file_row_number, id) AS file_row_number "
    f"FROM {read} GROUP BY md5_number(text)) USING (filename, file_row_number)) TO '{out}/kept.parquet' "
    "(COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 2048)"
)
