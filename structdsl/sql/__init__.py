"""SQL templates: real `.sql` files, parsed once, whose holes are filled with syntax-tree nodes and never with text.

`:name` is a hole for a value or a list of columns; a table name of a template stands for a relation of the plan, and
stays as its alias. The comment that opens a template says what its rows are, and heads the emitted file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

DIALECT = "duckdb"


@cache
def _template(name: str) -> exp.Query:
    tree = sqlglot.parse_one((Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8"), dialect=DIALECT)
    assert isinstance(tree, exp.Query)
    return tree


@cache
def purpose(name: str) -> str:
    """The opening comment of a template: what its rows are."""
    lines = (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    comment = []
    for line in lines:
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())
    return " ".join(comment)


def table(name: str) -> exp.Table:
    """A relation by its name in the catalog, such as `corpus.notes_chunks`."""
    schema, _, relation = name.partition(".")
    return exp.table_(relation, db=schema)


def union(queries: Sequence[exp.Query]) -> exp.Query:
    """All rows of all queries."""
    first, *others = queries
    for other in others:
        first = exp.union(first, other, distinct=False, copy=False)
    return first


def all_rows(names: Sequence[str]) -> exp.Query:
    """All rows of tables with the same columns."""
    return union([exp.select("*").from_(table(name)) for name in names])


def rows_of(names: Sequence[str]) -> exp.Query | str:
    """All rows of tables with the same columns; one table is just its name."""
    return names[0] if len(names) == 1 else all_rows(names)


def tree(name: str, tables: Mapping[str, str | exp.Query], **holes: Any) -> exp.Query:
    """A template with its tables named and its holes filled.

    Raises
    ------
    KeyError
        If the template has a hole that `holes` does not fill.

    """
    query = _template(name).copy()
    for node in list(query.find_all(exp.Placeholder)):
        value = holes[node.name]
        if isinstance(value, list) and all(isinstance(item, exp.Expr) for item in value):
            parent = node.parent
            assert parent is not None, "a hole stands in a query"
            siblings = [item for child in parent.expressions for item in (value if child is node else [child])]
            parent.set("expressions", siblings)
        else:
            node.replace(value if isinstance(value, exp.Expr) else exp.convert(value))
    for relation in list(query.find_all(exp.Table)):
        if not relation.db and relation.name in tables:
            target, alias = tables[relation.name], relation.alias or relation.name
            if isinstance(target, str):
                relation.replace(exp.alias_(table(target), alias, table=True))
            else:
                relation.replace(target.copy().subquery(alias))
    return query


def text(query: exp.Expr) -> str:
    """Readable SQL, the same on every machine."""
    return query.sql(dialect=DIALECT, pretty=True, comments=False)


def fill(name: str, tables: Mapping[str, str | exp.Query], **holes: Any) -> str:
    """The text of a filled template."""
    return text(tree(name, tables, **holes))


def condition(predicate: str) -> exp.Expr:
    """A predicate of the user, as the tree that analysis accepted."""
    return sqlglot.parse_one(predicate, dialect=DIALECT)


def tables(query: str) -> list[exp.Table]:
    """The relations that a query reads, those that it defines itself left out."""
    parsed = sqlglot.parse_one(query, dialect=DIALECT)
    defined = {common.alias for common in parsed.find_all(exp.CTE)}
    return [node for node in parsed.find_all(exp.Table) if node.db or node.name not in defined]
