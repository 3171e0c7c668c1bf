"""Who is left of a corpus while its documents are deduplicated, and which entry of `dedup` is at work."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from structdsl import sql
from structdsl.passes.places import call_span
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration


def staying(table: str, gone: Sequence[str]) -> sql.Relation:
    """The rows of a table whose documents are in none of the tables of those who left."""
    return columns_of_staying(table, gone, "*") if gone else table


def columns_of_staying(table: str, gone: Sequence[str], *columns: str) -> exp.Query:
    query = exp.select(*columns).from_(sql.table(table))
    for left in gone:
        query = query.join(sql.table(left), using=["doc_id"], join_type="anti")
    return query


def place(corpus: Declaration, suffix: str) -> Span:
    """The entry of `dedup` whose tables have this suffix."""
    return call_span(corpus, "dedup", int(suffix.removeprefix("_") or 1) - 1)
