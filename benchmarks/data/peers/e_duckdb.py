# mypy: ignore-errors
# ruff: noqa: S608 - its own SQL
"""Exact duplicates in DuckDB under a limit of 256 MB: digests grouped, then a semi-join on files and rows."""

import sys

import duckdb

corpus, out = sys.argv[1:]
connection = duckdb.connect(
    config={"memory_limit": "256MB", "temp_directory": f"{out}/spill", "preserve_insertion_order": False}
)
read = (
    f"read_json('{corpus}/part-*.jsonl', format = 'newline_delimited', "
    "columns = {id: 'VARCHAR', text: 'VARCHAR', url: 'VARCHAR', date: 'VARCHAR'})"
)
connection.execute(f"CREATE TABLE first AS SELECT min(id) AS id FROM {read} GROUP BY md5_number(text)")
connection.execute(
    f"COPY (SELECT * FROM {read} WHERE id IN (FROM first)) TO '{out}/kept.parquet' "
    "(COMPRESSION zstd, ROW_GROUP_SIZE 2048)"
)
