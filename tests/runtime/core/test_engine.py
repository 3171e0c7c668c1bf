"""DuckDB within what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from structdsl_runtime.engine import Engine

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = "COPY (SELECT one.range AS n FROM range(2000000) AS one JOIN range(1, 2000000) AS other USING (range)) TO '{}'"


def test_one_thread_carries_out_what_many_have_no_memory_for(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "spill", memory=40 << 20, threads=32)
    sql = PAIRS.format(tmp_path / "pairs.parquet")
    with pytest.raises(duckdb.OutOfMemoryException):
        engine.connection.execute(sql)
    engine.carry_out(sql)
    assert engine.connection.sql(f"SELECT count(*) FROM '{tmp_path / 'pairs.parquet'}'").fetchall() == [(1_999_999,)]
    assert engine.connection.sql("SELECT current_setting('threads')").fetchall() == [(32,)]
    engine.close()


def test_what_one_thread_has_no_memory_for_is_said_to_have_none(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "spill", memory=1 << 20, threads=2)
    with pytest.raises(duckdb.OutOfMemoryException):
        engine.carry_out(PAIRS.format(tmp_path / "pairs.parquet"))
    engine.close()
