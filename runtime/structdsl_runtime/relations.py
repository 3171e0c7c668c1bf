"""The tables of results, as SQL: what the connection of a run, the catalog and `query` all define the same way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from structdsl.identity import fingerprint
from structdsl.plan import Step, View
from structdsl_runtime.store import Manifest, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A view to define: its name in the catalog, its SELECT, and its comments."""

    table: str  # "corpus.notes_chunks"
    select: str
    doc: str
    columns: tuple[tuple[str, str], ...]  # (name, doc) of those that have one

    @property
    def schema(self) -> str:
        return self.table.partition(".")[0]

    @property
    def name(self) -> str:
        """Quoted, for SQL."""
        schema, _, table = self.table.partition(".")
        return f"{identifier(schema)}.{identifier(table)}"


def relations(step: Step, manifest: Manifest, store: Store) -> list[Relation]:
    """The tables of one result: its Parquet files by absolute path, or the SELECT of a view."""
    folder = store.folder(step, manifest.key).absolute()
    found = []
    for name, output in step.outputs.items():
        made = manifest.outputs[name]
        if output.table is None:
            continue
        if isinstance(step.operation, View):
            select = step.operation.sql.strip().removesuffix(";")
        else:
            paths = ", ".join(literal(str(folder / file)) for file in made.files)
            select = f"SELECT * FROM read_parquet([{paths}])"  # noqa: S608 - quoted above
        docs = tuple((column.name, column.doc) for column in output.columns if column.doc)
        found.append(Relation(table=output.table, select=select, doc=output.doc, columns=docs))
    return found


META_VERSION: Final = 2  # of the views that a catalog has besides


def stamp(found: Iterable[Relation]) -> str:
    """A hash of all that a catalog of these relations would say."""
    return fingerprint(
        [META_VERSION, *[[relation.table, relation.select, relation.doc, relation.columns] for relation in found]]
    )


def literal(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted name of SQL."""
    return '"' + name.replace('"', '""') + '"'
