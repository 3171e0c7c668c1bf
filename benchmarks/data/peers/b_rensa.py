# mypy: ignore-errors
# ruff: noqa: S608 - its own SQL
"""Job (b) put together from parts: shingles in NumPy, signatures by rensa, bands and components in DuckDB.

A word's hash is a polynomial in its bytes, taken for all words of a batch at once from running sums; similarity is not
verified. 14 bands of 8; of a component the document that was read first stays.
"""

import multiprocessing
import os
import sys
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from rensa import RMinHash

BANDS, ROWS, WORDS = 14, 8, 5
BASE = np.uint64(0x9E3779B97F4A7C15)
INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 2**64))
MIX = np.uint64(0xBF58476D1CE4E5B9)


def powers(base: np.uint64, count: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.concatenate(([np.uint64(1)], np.cumprod(np.full(count, base, np.uint64))))


def shingles(texts: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of five words, and where those of each text begin."""
    data = np.frombuffer(b"\n".join(text.encode() for text in texts) + b"\n", np.uint8)
    space = data <= 32
    inside = np.diff(np.concatenate(([True], space)).astype(np.int8))
    first, last = np.flatnonzero(inside == -1), np.flatnonzero(inside == 1)
    raised = powers(BASE, len(data))
    sums = np.concatenate(([np.uint64(0)], np.cumsum((data.astype(np.uint64) + np.uint64(1)) * raised[:-1])))
    hashes = (sums[last] - sums[first]) * powers(INVERSE, len(data))[first]
    runs = np.zeros(len(hashes) - WORDS + 1, np.uint64)
    for place in range(WORDS):
        runs = runs * MIX + hashes[place : len(hashes) - WORDS + 1 + place]
    runs ^= runs >> np.uint64(31)
    runs *= MIX
    lengths = np.array([len(text.encode()) + 1 for text in texts])
    ends = np.searchsorted(first, np.cumsum(lengths))
    begins = np.concatenate(([0], ends[:-1]))
    counts = np.maximum(0, ends - begins - WORDS + 1)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], counts)
    return runs[places], offsets.astype(np.uint64)


def bands(path: str) -> pa.Table:
    """A table of document, band and the hash of what is in it."""
    columns = "columns = {id: 'VARCHAR', text: 'VARCHAR'}"
    query = f"SELECT id, text FROM read_json('{path}', format = 'newline_delimited', {columns})"
    names, texts = zip(*duckdb.connect(config={"threads": 1}).execute(query).fetchall(), strict=True)
    hashes, offsets = shingles(texts)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, num_perm=BANDS * ROWS, seed=1)
    signature = np.array(matrix.to_rows(), np.uint64).reshape(len(names), BANDS, ROWS)
    found = np.zeros((len(names), BANDS), np.uint64)
    for row in range(ROWS):
        found = (found ^ signature[:, :, row]) * MIX
        found ^= found >> np.uint64(29)
    full = np.flatnonzero(np.diff(offsets.astype(np.int64)))
    return pa.table(
        {
            "id": np.repeat(np.array(names)[full], BANDS),
            "band": np.tile(np.arange(BANDS, dtype=np.int32), len(full)),
            "hash": found[full].ravel(),
        }
    )


def main() -> None:
    corpus, out = sys.argv[1:]
    with multiprocessing.Pool(len(os.sched_getaffinity(0))) as pool:
        made = pa.concat_tables(pool.map(bands, sorted(map(str, Path(corpus).glob("part-*.jsonl"))), chunksize=1))
    connection = duckdb.connect()
    connection.register("made", made)
    connection.execute(
        "CREATE TABLE edges AS SELECT DISTINCT id AS a, first AS b FROM "
        "(SELECT id, min(id) OVER (PARTITION BY band, hash) AS first FROM made) WHERE id <> first"
    )
    connection.execute(
        "CREATE TABLE labels AS SELECT id, id AS label FROM (SELECT a AS id FROM edges UNION SELECT b FROM edges)"
    )
    while True:
        connection.execute(
            """CREATE OR REPLACE TABLE fresh AS SELECT id, min(label) AS label FROM (
                SELECT id, label FROM labels
                UNION ALL SELECT a, label FROM edges JOIN labels ON id = b
                UNION ALL SELECT b, label FROM edges JOIN labels ON id = a
            ) GROUP BY id"""
        )
        moved = connection.execute(
            "SELECT count(*) FROM labels JOIN fresh USING (id) WHERE labels.label <> fresh.label"
        )
        done = moved.fetchone() == (0,)
        connection.execute("CREATE OR REPLACE TABLE labels AS FROM fresh")
        if done:
            break
    connection.execute(
        f"COPY (SELECT id, text, url FROM read_json('{corpus}/part-*.jsonl', format = 'newline_delimited', "
        "columns = {id: 'VARCHAR', text: 'VARCHAR', url: 'VARCHAR'}) "
        f"ANTI JOIN (SELECT id FROM labels WHERE id <> label) USING (id)) TO '{out}/kept.parquet' (COMPRESSION zstd)"
    )


if __name__ == "__main__":
    main()
