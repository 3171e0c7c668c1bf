"""What a digest sees of a table, and what it does not; what it sees of a folder."""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl_runtime.digest import NOTHING, folder_digest, table_sums
from structdsl_runtime.writer import ParquetTable

FIELDS: dict[str, pa.DataType] = {
    "a": pa.string(),
    "b": pa.string(),
    "n": pa.int64(),
    "d": pa.float64(),
    "l": pa.list_(pa.string()),
    "s": pa.struct([("x", pa.string()), ("y", pa.list_(pa.int32()))]),
}
SCHEMA = pa.schema(FIELDS)
TEXT = st.none() | st.text(alphabet=st.characters(codec="utf-8"), max_size=6)
ROW = st.fixed_dictionaries(
    {
        "a": TEXT,
        "b": TEXT,
        "n": st.none() | st.integers(-(2**63), 2**63 - 1),
        "d": st.none() | st.floats(allow_nan=False),
        "l": st.none() | st.lists(TEXT, max_size=3),
        "s": st.none()
        | st.fixed_dictionaries({"x": TEXT, "y": st.none() | st.lists(st.none() | st.integers(-9, 9), max_size=3)}),
    }
)
Row = dict[str, object]


def of_rows(rows: Sequence[Row], *, cut: int | None = None) -> str:
    """The digest of a table in one file, or in two; it is the same whether rows are hashed when written or read."""
    with tempfile.TemporaryDirectory() as folder:
        pieces = [rows] if cut is None else [rows[:cut], rows[cut:]]
        tables = [ParquetTable(Path(folder), str(number), SCHEMA, frozenset()) for number in range(len(pieces))]
        for table, piece in zip(tables, pieces, strict=True):
            table.write(pa.Table.from_pylist(list(piece), schema=SCHEMA))
            table.close()
        with duckdb.connect() as connection:
            shape, sums = table_sums(connection, [path for table in tables for path in table.files])
    assert sums == sum((table.sums for table in tables), start=NOTHING)
    assert sums.rows == len(rows)
    return sums.digest(shape)


def of_sql(select: str, tmp_path: Path) -> str:
    path = tmp_path / "t.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        shape, sums = table_sums(connection, [path])
        return sums.digest(shape)


@settings(max_examples=25)
@given(st.lists(ROW, max_size=6), st.randoms(use_true_random=False), st.integers(0, 6))
def test_order_and_files_do_not_count(rows: list[Row], chance: random.Random, cut: int) -> None:
    mixed = list(rows)
    chance.shuffle(mixed)
    assert of_rows(rows) == of_rows(mixed, cut=min(cut, len(mixed)))


@settings(max_examples=40)
@given(st.lists(ROW, max_size=3), st.lists(ROW, max_size=3))
def test_other_rows_are_another_digest(left: list[Row], right: list[Row]) -> None:
    def bag(rows: list[Row]) -> list[str]:
        return sorted(map(repr, pa.Table.from_pylist(rows, schema=SCHEMA).to_pylist()))

    assert (of_rows(left) == of_rows(right)) == (bag(left) == bag(right))


DISTINCT = (
    "SELECT NULL::VARCHAR AS a, 'x' AS b",
    "SELECT '' AS a, 'x' AS b",
    "SELECT 'x' AS a, NULL::VARCHAR AS b",
    "SELECT 'x' AS a, '' AS b",
    "SELECT 'xy' AS a, 'z' AS b",
    "SELECT 'x' AS a, 'yz' AS b",
    "SELECT 'x\",\"y' AS a, 'z' AS b",
    "SELECT 'null' AS a, 'x' AS b",
    "SELECT 'x' AS a, 'x' AS b UNION ALL SELECT 'x', 'x'",
    "SELECT 'x' AS a, 'x' AS b",
    "SELECT 'x' AS a, 'x' AS c",
    "SELECT ['a', 'b'] AS a",
    "SELECT ['a, b'] AS a",
    "SELECT [NULL, 'a'] AS a",
    "SELECT ['NULL', 'a'] AS a",
    "SELECT ['', 'a'] AS a",
    "SELECT []::VARCHAR[] AS a",
    "SELECT NULL::VARCHAR[] AS a",
    "SELECT 'null'::JSON AS a",
    "SELECT NULL::JSON AS a",
    "SELECT '{\"a\":1}'::JSON AS a",
    "SELECT '{\"a\": 1}'::JSON AS a",
    "SELECT 'nan'::DOUBLE AS a",
    "SELECT NULL::DOUBLE AS a",
    "SELECT 1::DOUBLE AS a",
    "SELECT 1::INTEGER AS a",
    "SELECT 1::BIGINT AS a",
    "SELECT '1' AS a",
    "SELECT 0.1 + 0.2::DOUBLE AS a",
    "SELECT 0.3::DOUBLE AS a",
    "SELECT 99999999999999999999.01::DECIMAL(30, 2) AS a",
    "SELECT 99999999999999999999.02::DECIMAL(30, 2) AS a",
    "SELECT {'x': 'a', 'y': NULL::VARCHAR} AS a",
    "SELECT {'x': NULL::VARCHAR, 'y': 'a'} AS a",
    "SELECT NULL::STRUCT(x VARCHAR, y VARCHAR) AS a",
    "SELECT MAP {'x': 1} AS a",
    "SELECT MAP {'x': 1, 'y': 1} AS a",
    "SELECT DATE '2026-01-01' AS a",
    "SELECT TIMESTAMP '2026-01-01' AS a",
    "SELECT 'x' AS a WHERE false",
    "SELECT 'x' AS b WHERE false",
)


def test_what_differs_differs(tmp_path: Path) -> None:
    digests = {select: of_sql(select, tmp_path) for select in DISTINCT}
    for one, two in itertools.combinations(DISTINCT, 2):
        assert digests[one] != digests[two], (one, two)


def test_a_digest_stays_what_it_was(tmp_path: Path) -> None:
    """Fixed values: a change here makes every store recompute, and needs a line in the changelog."""
    select = "SELECT i AS n, 'text ' || i AS t, i / 4 AS d, [i, NULL] AS l, {'x': i} AS s FROM range(100) AS r(i)"
    assert of_sql(select, tmp_path) == "0ba8db1d139849db4568f0ed092eba37"


def test_folders(tmp_path: Path) -> None:
    def made(files: dict[str, str]) -> str:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            for name, text in files.items():
                path = Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
            return folder_digest(Path(folder))

    one = made({"a": "1", "b/c": "2"})
    assert one == made({"b/c": "2", "a": "1"})
    others = [{"a": "2", "b/c": "1"}, {"a": "1", "b/d": "2"}, {"a": "1", "b/c": "2", ".hidden": ""}, {"a": "1"}, {}]
    assert len({one, *map(made, others)}) == len(others) + 1


def test_a_linked_file_counts_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "weights").symlink_to(tmp_path / "weights")
    before = folder_digest(tmp_path / "folder")
    (tmp_path / "weights").write_text("2", encoding="utf-8")
    assert folder_digest(tmp_path / "folder") != before
    (tmp_path / "folder" / "weights").unlink()
    (tmp_path / "folder" / "weights").write_text("1", encoding="utf-8")
    assert folder_digest(tmp_path / "folder") == before


@pytest.mark.parametrize("text", ["a\x00b", "\u2028", '"\\', "𝔘", "\r\n"])
def test_odd_characters(text: str) -> None:
    row: Row = {"a": text, "b": None, "n": None, "d": None, "l": [text], "s": None}
    assert of_rows([row]) != of_rows([{**row, "a": text + " "}])
