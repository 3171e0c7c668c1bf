"""DuckDB as the runtime uses it: in memory, bounded, offline, with the tables of results defined as views."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import duckdb

from structdsl_runtime.machine import memory_limit, processors
from structdsl_runtime.operation import Fault
from structdsl_runtime.relations import Relation, identifier, literal

if TYPE_CHECKING:
    import pyarrow as pa

    from structdsl.plan import Column

VALUES = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException)


def misfit(address: str, error: duckdb.Error) -> Fault:
    """Fault E0603: what one of `VALUES` says of the SQL of a step, such as text that is cast to a number."""
    first, *_ = str(error).splitlines()
    return Fault(
        "E0603",
        f"a value does not fit the SQL of `{address}`",
        notes=(first,),
        helps=("`try_cast` gives NULL where a value cannot be converted",),
    )


def connect(scratch: Path, memory: int | None = None, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection that spills to `scratch`, loads nothing from the network and counts time in UTC.

    It takes what the machine has unless it is told how many bytes and threads are its own.
    """
    settings: Mapping[str, str] = {
        "memory_limit": f"{memory or memory_limit()}B",
        "threads": str(threads or processors()),
        "temp_directory": str(scratch),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(":memory:", config=dict(settings))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    return connection


class Engine:
    """A connection and its cursors; `interrupt_all` stops, from another thread, what all of this process are at."""

    _open: ClassVar[set[Engine]] = set()

    def __init__(self, scratch: Path, memory: int | None = None, threads: int | None = None) -> None:
        self.connection = connect(scratch, memory, threads)
        self._memory = memory or memory_limit()
        self._cursors: list[duckdb.DuckDBPyConnection] = []
        self.schemas: dict[tuple[Column, ...], pa.Schema] = {}  # of tables that are written, by the columns of the plan
        self.types: dict[tuple[Column, ...], dict[str, str]] = {}  # as which they are read
        self._shown: dict[str, str] = {}  # by quoted name, the SELECT
        self._open.add(self)

    def show(self, relations: Iterable[Relation]) -> None:
        """Have views of these and nothing else, in an order in which they can be defined; what is the same stays."""
        wanted = {relation.name: relation for relation in relations}
        for name in self._shown.keys() - wanted.keys():
            self.connection.execute(f"DROP VIEW {name}")
            del self._shown[name]
        for name, relation in wanted.items():
            if self._shown.get(name) != relation.select:
                view(self.connection, relation)
                self._shown[name] = relation.select

    @contextmanager
    def limited(self, memory: int) -> Iterator[None]:
        """With fewer bytes for a while, which others use."""
        self.connection.execute(f"SET memory_limit = '{min(memory, self._memory)}B'")
        try:
            yield
        finally:
            self.connection.execute(f"SET memory_limit = '{self._memory}B'")

    def carry_out(self, sql: str) -> None:
        """Execute a statement that leaves nothing behind where it fails; in one thread, where memory runs out in more.

        Each thread that sorts or joins has blocks in memory that it does not let go of.
        """
        with self.cursor() as cursor:
            try:
                cursor.execute(sql)
            except duckdb.OutOfMemoryException:
                ((threads,),) = cursor.execute("SELECT current_setting('threads')").fetchall()
                if threads == 1:
                    raise
            else:
                return
            cursor.execute("SET threads = 1")
            try:
                cursor.execute(sql)
            finally:
                cursor.execute(f"SET threads = {threads}")

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own, so that several results may be read side by side."""
        cursor = self.connection.cursor()
        self._cursors.append(cursor)
        try:
            yield cursor
        finally:
            self._cursors.remove(cursor)
            cursor.close()

    @classmethod
    def interrupt_all(cls) -> None:
        for engine in tuple(cls._open):
            for cursor in (engine.connection, *engine._cursors):  # noqa: SLF001 - its own
                cursor.interrupt()

    def close(self) -> None:
        self._open.discard(self)
        self.connection.close()


def view(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Create the view; raises `duckdb.Error` where the SQL does not bind."""
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(relation.schema)}")
    connection.execute(f"CREATE OR REPLACE VIEW {relation.name} AS {relation.select}")


def define(connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
    """Create the view, and the comments that whoever looks at a catalog reads."""
    view(connection, relation)
    if relation.doc:
        connection.execute(f"COMMENT ON VIEW {relation.name} IS {literal(relation.doc)}")
    for column, doc in relation.columns:
        connection.execute(f"COMMENT ON COLUMN {relation.name}.{identifier(column)} IS {literal(doc)}")


def columns(connection: duckdb.DuckDBPyConnection, select: str) -> dict[str, str]:
    """Names and types of the result of a SELECT, or of a table."""
    return {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {select}").fetchall()}
