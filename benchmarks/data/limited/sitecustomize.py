"""DuckDB under a limit of memory, whoever connects to it: for processes with `DUCKDB_MB` in their environment."""

from __future__ import annotations

import os
from functools import wraps
from typing import Any, Final

import duckdb

LIMIT: Final = f"{os.environ['DUCKDB_MB']}MB"
_connect: Any = duckdb.connect


@wraps(duckdb.connect)
def connect(*arguments: Any, config: dict[str, Any] | None = None, **others: Any) -> duckdb.DuckDBPyConnection:
    made: duckdb.DuckDBPyConnection = _connect(*arguments, config={**(config or {}), "memory_limit": LIMIT}, **others)
    return made


setattr(duckdb, "connect", connect)  # noqa: B010 - its type is another
