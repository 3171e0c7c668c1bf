# mypy: ignore-errors
# ruff: noqa: S608 - its own SQL
"""Job (a) in DuckDB: duplicates by a semi-join on row numbers, rules as SQL over small row groups, so that all
processors have work.
"""

import sys

import duckdb

from benchmarks.data.rule import SQL

corpus, out = sys.argv[1:]
connection = duckdb.connect(config={"preserve_insertion_order": False})
connection.execute(f"ATTACH '{out}/store.duckdb' AS store (ROW_GROUP_SIZE 2048)")
connection.execute("USE store")
connection.execute(
    f"CREATE TABLE documents AS SELECT * FROM read_json('{corpus}/part-*.jsonl', format = 'newline_delimited', "
    "columns = {id: 'VARCHAR', text: 'VARCHAR', url: 'VARCHAR', date: 'VARCHAR'})"
)
connection.execute(
    "CREATE TABLE first AS SELECT min(rowid) AS place FROM documents GROUP BY md5_number(text)",
)
connection.execute(
    f"""COPY (
        SELECT id, text, url, date FROM (
            SELECT *, list_filter(string_split_regex(text, '[ \\n]+'), lambda word: word <> '') AS words
            FROM documents WHERE rowid IN (SELECT place FROM first)
        ) WHERE {SQL}
    ) TO '{out}/kept.parquet' (COMPRESSION zstd)"""
)
