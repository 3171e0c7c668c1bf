"""A workshop for operations: inputs and outputs in memory, with the columns of the plan checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from structdsl import promised, sql
from structdsl.lower.languages import LANGUAGES
from structdsl.lower.structured import PLACES, SCPT_ROWS
from structdsl.plan import SMALL_TREE, BuildOutline, Column
from structdsl.promised import PROMISED
from structdsl.signals import SIGNALS
from structdsl_runtime.operation import Context
from structdsl_runtime.operations.build_outline import build_outline
from structdsl_runtime.text import tokens

ROLES = {
    role: ", ".join(f"{n} {t}" for n, t in columns.items() if n != "n_tokens") for role, columns in PROMISED.items()
}
COLUMNS = {
    "documents": promised.columns("doc_id VARCHAR, text VARCHAR, source VARCHAR, n_chars BIGINT"),  # without a role
    "faults": promised.DROPPED,
    "offsets": promised.OFFSETS,
    "redactions": promised.REDACTIONS,
    "verdicts": promised.DROPPED,
    "matches": promised.MATCHES,
    "counts": promised.COUNTS,
    "languages": LANGUAGES,
    "signals": (Column(name="doc_id", type="VARCHAR"), *SIGNALS),
    "chunks": promised.CHUNKS,
    "headings": promised.HEADINGS,
    "nodes": promised.NODES,
    "recalls": promised.RECALLS,
    "samples": promised.RENDERED,
    "tokens": promised.TOKENS,
    "rows": SCPT_ROWS,
    "layout": promised.LAYOUT,
    "packed": promised.PACKED,
    "signatures": promised.SIGNATURES,
    "similar": promised.SIMILAR,
    "clusters": promised.CLUSTERS,
    "lines": promised.LINES,
    "cut": promised.CUT_LINES,
    "emptied": promised.DROPPED,
}

RELATIONS = COLUMNS | {
    "documents": promised.columns("doc_id VARCHAR, corpus VARCHAR, title VARCHAR, source VARCHAR"),
    "draw": promised.MIXTURE,
    "pool": promised.POOL,
    "links": promised.links(()),
    "places": PLACES,
}

Table = list[dict[str, Any]]
Source = Table | pa.Table | Path


class FakeInputs:
    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._names = tuple(sources)
        self._folders = {name: source for name, source in sources.items() if isinstance(source, Path)}
        self._connection = duckdb.connect()
        for name, source in sources.items():
            if not isinstance(source, Path):
                table = pa.Table.from_pylist(source) if isinstance(source, list) else source
                self._connection.register("arrow", table)
                self._connection.execute(f'CREATE TABLE "{name}" AS FROM arrow')

    def names(self) -> tuple[str, ...]:
        return self._names

    def batches(
        self, name: str, *, columns: str = "*", where: str = "", order: str = "", rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        some, ordered = f" WHERE {where}" if where else "", f" ORDER BY {order}" if order else ""
        yield from self._connection.cursor().sql(f'SELECT {columns} FROM "{name}"{some}{ordered}').to_arrow_reader(rows)

    def rows(self, name: str, *, columns: str = "*", order: str = "") -> Iterator[dict[str, Any]]:
        for batch in self.batches(name, columns=columns, order=order):
            yield from batch.to_pylist()

    def count(self, name: str) -> int:
        return sum(batch.num_rows for batch in self.batches(name))

    def folder(self, name: str) -> Path:
        return self._folders[name]


class FakeWriter:
    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.parts: list[pa.Table] = []
        self.pending: Table = []
        self.cuts = 0

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        self._gather()
        assert set(batch.schema.names) == set(self.schema.names)
        table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
        self.parts.append(table.select(self.schema.names).cast(self.schema))

    def cut(self) -> None:
        self.cuts += 1

    def row(self, **values: Any) -> None:
        assert set(values) == set(self.schema.names)
        self.pending.append(values)

    def table(self) -> pa.Table:
        self._gather()
        return pa.concat_tables(self.parts) if self.parts else self.schema.empty_table()

    def _gather(self) -> None:
        if self.pending:
            self.parts.append(pa.Table.from_pylist(self.pending, schema=self.schema))
            self.pending = []


class FakeOutputs:
    def __init__(self, base: Path, role: str, signals: tuple[str, ...]) -> None:
        self._base = base
        self._signals = signals
        self._role = role
        self.tables: dict[str, pa.Table] = {}

    @contextmanager
    def table(self, name: str) -> Iterator[FakeWriter]:
        wanted = (*COLUMNS["signals"][:1], *(c for c in COLUMNS["signals"] if c.name in self._signals))
        columns = ", ".join(f'"{c.name}" {c.type}' for c in (wanted if name == "signals" else COLUMNS.get(name, ())))
        columns = ROLES[self._role] if name == "documents" and self._role else columns
        connection = duckdb.connect()
        connection.execute(f"CREATE TABLE t ({columns})")
        schema = connection.table("t").to_arrow_table().schema
        writer = FakeWriter(pa.schema([pa.field(column.name, _plain(column.type)) for column in schema]))
        yield writer
        self.tables[name] = writer.table()

    def folder(self, name: str) -> Path:
        path = self._base / name
        path.mkdir(parents=True)
        return path


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if isinstance(kind, pa.BaseExtensionType) else kind


@dataclass
class Workshop:
    """Runs operations in a temporary folder; `root` is the folder of the spec."""

    root: Path
    tokenizer: Path
    runs: int = 0
    warnings: list[str] = field(default_factory=list)
    messages: list[tuple[int, int | None, str]] = field(default_factory=list)

    def __call__(
        self, function: Callable[..., None], arguments: Any, inputs: Mapping[str, Source] | None = None
    ) -> dict[str, pa.Table]:
        self.runs += 1
        outputs = FakeOutputs(
            self.root / ".outputs" / str(self.runs), getattr(arguments, "role", ""), getattr(arguments, "signals", ())
        )
        context = Context(
            address="test",
            root=self.root,
            scratch=self.root,
            log=self.root / "log",
            progress=lambda done, total, unit, _=(): self.messages.append((done, total, unit)),
            warn=self.warnings.append,
            run=self.root,
            kept=self.root / ".kept",
            shared=self.root / ".shared",
            decides={},
        )
        function(arguments, FakeInputs(inputs or {}), outputs, context)
        return outputs.tables

    def nodes(self, corpora: Mapping[str, tuple[Table, Table | pa.Table]], depth: int, **arguments: Any) -> pa.Table:
        """The nodes of documents and their headings, by corpora and the titles of these."""
        rows: Table = []
        for documents, headings in corpora.values():
            rows += select("outline", {"documents": documents, "headings": headings}, depth=depth)
        outline = BuildOutline.model_validate({"titles": [(name, name.upper()) for name in corpora], **arguments})
        return self(build_outline, outline, {"documents": rows})["nodes"]

    def counted(self, documents: Table | pa.Table) -> pa.Table:
        """Documents with the number of their tokens, as corpora have it."""
        table = pa.Table.from_pylist(documents) if isinstance(documents, list) else documents
        counts = tokens.load(self.tokenizer).count_batch(map(str, table.column("text").to_pylist()))
        return table.append_column("n_tokens", pa.array(counts, pa.int64()))

    def output(self, name: str) -> Path:
        """The folder of that name that the last run wrote."""
        return self.root / ".outputs" / str(self.runs) / name

    def files(self, **texts: str | bytes) -> None:
        """Write files below the root; `__` in a name is a folder, the last `_` its dot."""
        for name, text in texts.items():
            path = self.root / ".".join(name.replace("__", "/").rsplit("_", 1))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())


def select(template: str, tables: Mapping[str, Table | pa.Table], **holes: Any) -> Table:
    """What a template of SQL makes of tables, as the plan carries it out."""
    connection = duckdb.connect()
    for name, rows in tables.items():
        columns = ", ".join(f'"{column.name}" {column.type}' for column in RELATIONS[name])
        connection.execute(f'CREATE TABLE "{name}" ({columns})')
        if rows:
            table = pa.Table.from_pylist(rows) if isinstance(rows, list) else rows
            connection.register("arrow", table)
            known = ", ".join(f'"{column.name}"' for column in RELATIONS[name] if column.name in table.column_names)
            connection.execute(f'INSERT INTO "{name}" BY NAME SELECT {known} FROM arrow')
    text = sql.fill(template, {name: f"main.{name}" for name in tables}, **holes)
    found: Table = connection.sql(text).to_arrow_table().to_pylist()
    return found


def scpt_rows(tables: Mapping[str, Table | pa.Table], seed: int) -> Table:
    """The rows of an scpt stage from `draw`, `pool`, `links` and `nodes`."""
    drawn = {name: tables[name] for name in ("draw", "links", "nodes")}
    recalls = select("recalls", drawn, small=SMALL_TREE, seed=seed)
    places = select("scpt_places", {**drawn, "recalls": recalls})
    known = {name: tables[name] for name in ("pool", "nodes")}
    return select("scpt_rows", {**known, "recalls": recalls, "places": places})


WORLD = """# Fish keeping

A tank of fish is a small world. The keeper looks after water, food and light, and the fish look after the rest.

## Water care

Water is tested before it is changed. Ammonia, nitrite and nitrate are read from strips; 5 mg/L is too much.

### Testing

Take a sample from the middle of the tank, not from the surface. Wait for two minutes; compare the colours.

### Changing

A quarter of the water goes every week. The new water has the temperature of the old one — within 2 °C.

## Feeding

Little and often. What is not eaten within 3 minutes is taken out again. 魚は少しずつ食べる。水は毎週替える。

### How often

Twice a day. Once on Sundays!
"""
