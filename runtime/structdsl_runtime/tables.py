"""What an operation is handed: its inputs as streams of rows, its outputs as writers and folders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from structdsl.plan import Column, Output
from structdsl_runtime.digest import Sums, files_digest, folder_digest, table_sums
from structdsl_runtime.engine import Engine, columns
from structdsl_runtime.files import link, walk
from structdsl_runtime.relations import identifier, literal
from structdsl_runtime.store import Produced
from structdsl_runtime.writer import ROWS, ParquetTable

_FEWER: Final = 4  # times fewer rows at once where memory did not suffice


@dataclass(frozen=True, slots=True, kw_only=True)
class StepInputs:
    """`Inputs` over tables that are views of the engine, and folders of the store.

    Every stream has a cursor of its own, so that several may be read side by side.
    """

    engine: Engine
    order: tuple[str, ...]  # the names, in the order of the plan
    tables: Mapping[str, str]  # name -> quoted name of the view
    folders: Mapping[str, Path]
    counts: Mapping[str, int] = field(default_factory=dict)  # rows of those tables that were counted before

    def names(self) -> tuple[str, ...]:
        return self.order

    def batches(
        self, name: str, *, columns: str = "*", where: str = "", order: str = "", rows: int = ROWS
    ) -> Iterator[pa.RecordBatch]:
        query = f"SELECT {columns} FROM {self.tables[name]}"  # noqa: S608 - written by operations, not users
        query += f" WHERE {where}" if where else ""
        query += f" ORDER BY {order}" if order else ""
        with self.engine.cursor() as cursor:
            yield from cursor.sql(query).to_arrow_reader(rows)

    def rows(self, name: str, *, columns: str = "*", order: str = "") -> Iterator[dict[str, Any]]:
        for batch in self.batches(name, columns=columns, order=order):
            yield from batch.to_pylist()

    def count(self, name: str) -> int:
        if name in self.counts:
            return self.counts[name]
        with self.engine.cursor() as cursor:
            counted = cursor.execute(f"SELECT count(*) FROM {self.tables[name]}").fetchone()  # noqa: S608 - quoted
        assert counted is not None
        return int(counted[0])

    def folder(self, name: str) -> Path:
        return self.folders[name]


class StepOutputs:
    """`Outputs` in the folder of one result; `finish` says what was made."""

    def __init__(self, engine: Engine, folder: Path, outputs: Mapping[str, Output]) -> None:
        self._engine = engine
        self._folder = folder
        self._outputs = outputs
        self._files: dict[str, list[Path]] = {}
        self._linked: set[str] = set()
        self._sums: dict[str, Sums] = {}  # of tables whose rows went through our hands

    def names(self) -> tuple[str, ...]:
        return tuple(self._outputs)

    @contextmanager
    def table(self, name: str) -> Iterator[ParquetTable]:
        schema = arrow_schema(self._engine, self._outputs[name].columns)
        json = frozenset(column.name for column in self._outputs[name].columns if column.type == "JSON")
        writer = ParquetTable(self._folder, self._claim(name, "table"), schema, json)
        try:
            yield writer
        finally:
            writer.close()
        self._files[name] = writer.files
        self._sums[name] = writer.sums

    def select(self, name: str, sql: str, *, by: str | None = None) -> None:
        """The rows of one SELECT over the inputs; types are cast to those of the plan, columns must be its own.

        Rows in the order of a column, `by`, are made in ranges of it where memory does not suffice for all at once.
        """
        self._claim(name, "table")
        sql = sql.strip().removesuffix(";")
        wanted = {column.name: column.type for column in self._outputs[name].columns}
        with self._engine.cursor() as cursor:
            found = columns(cursor, sql)
            if wanted and tuple(found) != tuple(wanted):
                raise ValueError(f"columns of `{name}` are {list(found)}, in the plan {list(wanted)}")
            if wanted and found != wanted:
                casts = ", ".join(
                    f"CAST({identifier(key)} AS {kind}) AS {identifier(key)}" for key, kind in wanted.items()
                )
                sql = f"SELECT {casts} FROM (\n{sql}\n)"  # noqa: S608 - names are quoted, types the plan's
        try:
            self._files[name] = [self._copy(name, sql)]
        except duckdb.OutOfMemoryException:
            bounds = self._bounds(sql, by) if by is not None else None
            if bounds is None:
                raise
            self._files[name] = self._copy_in_ranges(name, sql, *bounds)

    def _copy(self, name: str, sql: str, number: int = 0) -> Path:
        path = self._folder / f"{name}{f'-{number:04}' if number else ''}.parquet"
        options = f"FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {ROWS}"
        self._engine.carry_out(f"COPY (\n{sql}\n) TO {literal(str(path))} ({options})")
        return path

    def _bounds(self, sql: str, by: str) -> tuple[str, int, int] | None:
        """The quoted name of a column, its least value and its greatest; none where there are no rows."""
        column = identifier(by)
        with self._engine.cursor() as cursor:
            ((first, last),) = cursor.execute(f"SELECT min({column}), max({column}) FROM (\n{sql}\n)").fetchall()  # noqa: S608
        return None if first is None else (column, first, last)

    def _copy_in_ranges(self, name: str, sql: str, column: str, first: int, last: int) -> list[Path]:
        """The rows range by range of a column, into a file each: fewer at a time, until memory suffices for them."""
        files: list[Path] = []
        size = max(1, (last - first + 1) // _FEWER)
        while first <= last:
            some = f"SELECT * FROM (\n{sql}\n) WHERE {column} >= {first} AND {column} < {first + size}"  # noqa: S608
            try:
                files.append(self._copy(name, some, len(files)))
            except duckdb.OutOfMemoryException:
                if size == 1:
                    raise
                size = max(1, size // _FEWER)
            else:
                first += size
        return files

    def link(self, name: str, files: Sequence[Path]) -> None:
        """A table of Parquet files, linked; its digest is of their bytes, for nobody writes the same rows anew."""
        self._claim(name, "table")
        paths = [self._folder / f"{name}-{number:04}.parquet" for number in range(len(files))]
        for source, path in zip(files, paths, strict=True):
            link(source, path)
        self._files[name] = paths
        self._linked.add(name)

    def folder(self, name: str) -> Path:
        path = self._folder / self._claim(name, "folder")
        path.mkdir()
        self._files[name] = []
        return path

    def written(self) -> dict[str, list[Path]]:
        """The files of every output; one that was never written is an error of the operation."""
        unwritten = self._outputs.keys() - self._files.keys()
        if unwritten:
            raise ValueError(f"outputs never written: {sorted(unwritten)}")
        return self._files

    def table_made(self, name: str) -> tuple[dict[str, str], Sums]:
        """The columns of a table that was written, with their types as DuckDB reads them, and the sums of its rows."""
        if name in self._sums:
            wanted = self._outputs[name].columns
            if wanted not in self._engine.types:
                self._engine.types[wanted] = self._columns(name)
            return self._engine.types[wanted], self._sums[name]
        with self._engine.cursor() as cursor:
            return table_sums(cursor, self._files[name])

    def finish(self) -> dict[str, Produced]:
        """Every output with its size and digest."""
        self.written()
        return {name: self._made(name, output) for name, output in self._outputs.items()}

    def _made(self, name: str, output: Output) -> Produced:
        if output.kind == "folder":
            folder = self._folder / name
            files, found, rows, digest = walk(folder), {}, None, folder_digest(folder)
        else:
            files = self._files[name]
            if name in self._linked:
                found = self._columns(name)
                with self._engine.cursor() as cursor:
                    digest, rows = files_digest(cursor, files)
            else:
                found, sums = self.table_made(name)
                digest, rows = sums.digest(found), sums.rows
        return Produced(
            kind=output.kind,
            table=output.table,
            columns=found,
            files=tuple(path.relative_to(self._folder).as_posix() for path in files),
            rows=rows,
            bytes=sum(path.stat().st_size for path in files),
            digest=digest,
        )

    def _columns(self, name: str) -> dict[str, str]:
        with self._engine.cursor() as cursor:
            return columns(cursor, f"SELECT * FROM {literal(str(self._files[name][0]))}")  # noqa: S608 - quoted

    def _claim(self, name: str, kind: str) -> str:
        if self._outputs[name].kind != kind or name in self._files:
            raise ValueError(f"output `{name}` is a {self._outputs[name].kind}, to be written once")
        return name


def arrow_schema(engine: Engine, wanted: tuple[Column, ...]) -> pa.Schema:
    """The Arrow types of the columns of a plan, as DuckDB reads and writes them."""
    if wanted not in engine.schemas:
        values = ", ".join(f"CAST(NULL AS {column.type}) AS {identifier(column.name)}" for column in wanted)
        with engine.cursor() as cursor, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty result is copied gladly
            engine.schemas[wanted] = cursor.sql(f"SELECT {values} LIMIT 0").to_arrow_table().schema
    return engine.schemas[wanted]
