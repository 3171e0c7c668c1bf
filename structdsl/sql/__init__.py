"""SQL templates: real `.sql` files, parsed once, whose holes are filled with syntax-tree nodes and never with text.

`:name` is a hole for a value or a list of columns; a table name of a template stands for a relation of the plan, and
stays as its alias. The comment that opens a template says what its rows are, and heads the emitted file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Part:
    """A query that is laid out already: the text of trees and of filled templates."""

    text: str


Relation = str | exp.Query | Part  # the name of a table, or a query that stands in the place of one


def union(queries: Sequence[exp.Query | Part]) -> Part:
    """All rows of all queries."""
    return Part("\nUNION ALL\n".join(text(query) for query in queries))


def all_rows(names: Sequence[str]) -> Part:
    """All rows of tables with the same columns."""
    return Part("\nUNION ALL\n".join(f"SELECT\n  *\nFROM {_name(name)}" for name in names))


def rows_of(names: Sequence[str]) -> Part | str:
    """All rows of tables with the same columns; one table is just its name."""
    return names[0] if len(names) == 1 else all_rows(names)


def tree(name: str, tables: Mapping[str, Relation], **holes: Any) -> exp.Query:
    """A template with its tables named and its holes filled, to be built upon; `fill` is quicker where it is not.

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
                body = sqlglot.parse_one(target.text, dialect=DIALECT) if isinstance(target, Part) else target.copy()
                assert isinstance(body, exp.Query)
                relation.replace(body.subquery(alias))
    return query


def redefine(query: exp.Query, name: str, body: exp.Query) -> exp.Query:
    """The query with another body for one of the relations that it defines itself."""
    for common in query.find_all(exp.CTE):
        if common.alias == name:
            common.set("this", body)
    return query


def text(query: exp.Expr | Part) -> str:
    """Readable SQL, the same on every machine; the tree is used up."""
    if isinstance(query, Part):
        return query.text
    return query.sql(dialect=DIALECT, pretty=True, comments=False, copy=False)


def part(name: str, tables: Mapping[str, Relation], **holes: Any) -> Part:
    """A filled template, to be joined with others."""
    return Part(fill(name, tables, **holes))


def fill(name: str, tables: Mapping[str, Relation], **holes: Any) -> str:
    """The text of a filled template.

    A template is laid out once, with marks for its tables and holes. What stands in the place of a mark is the text
    of a syntax-tree node, so that this is `text(tree(…))` at a tenth of the time, but for line breaks.

    Raises
    ------
    KeyError
        If the template has a hole that `holes` does not fill.

    """
    if [] in holes.values():  # nothing in the place of columns: the comma goes with them
        return text(tree(name, tables, **holes))
    given = frozenset(tables)
    filled: list[str] = []
    for piece, mark, indent in _layout(name, given):
        filled.append(piece)
        if not mark:
            continue
        kind, _, key = mark.partition(":")
        inserted = _relation(tables[key]) if kind == "table" else _value(holes[key])
        filled.append(inserted.replace("\n", f"\n{indent}"))
    return "".join(filled)


@cache
def _layout(name: str, given: frozenset[str]) -> tuple[tuple[str, str, str], ...]:
    """A template as text: each piece, the mark behind it ("table:draw", "hole:seed") and the indentation there."""
    marks: list[str] = []

    def mark(what: str) -> str:
        marks.append(what)
        return f"mark{len(marks) - 1}_"

    query = _template(name).copy()
    for node in list(query.find_all(exp.Placeholder)):
        node.replace(exp.column(mark(f"hole:{node.name}")))
    for relation in list(query.find_all(exp.Table)):
        if not relation.db and relation.name in given:
            alias = relation.alias or relation.name
            relation.replace(exp.alias_(exp.table_(mark(f"table:{relation.name}")), alias, table=True))
    laid_out = text(query)
    pieces, end = [], 0
    for found in re.finditer(r"mark(\d+)_", laid_out):
        line = laid_out[laid_out.rfind("\n", 0, found.start()) + 1 :]
        indent = line[: len(line) - len(line.lstrip(" "))]
        pieces.append((laid_out[end : found.start()], marks[int(found[1])], indent))
        end = found.end()
    return (*pieces, (laid_out[end:], "", ""))


def _relation(target: Relation) -> str:
    if isinstance(target, str):
        return _name(target)
    body = target.text if isinstance(target, Part) else text(target.copy())
    return "(\n  " + body.replace("\n", "\n  ") + "\n)"


@cache
def _name(target: str) -> str:
    return table(target).sql(dialect=DIALECT)


@cache
def _column(name: str, *, quoted: bool) -> str:
    return text(exp.column(name, quoted=quoted))


def _value(value: Any) -> str:
    """A value as a literal, an expression as it is, several one below the other."""
    match value:
        case int() if not isinstance(value, bool) and value >= 0:
            return str(value)
        case [exp.Expr(), *_]:
            return ",\n".join(_value(item) for item in value)
        case exp.Column() if not value.table:
            return _column(value.name, quoted=bool(value.this.args.get("quoted")))
        case exp.Expr():
            return text(value.copy())
        case _:
            return text(exp.convert(value))


def condition(predicate: str) -> exp.Expr:
    """A predicate of the user, as the tree that analysis accepted."""
    return sqlglot.parse_one(predicate, dialect=DIALECT)


def tables(query: str) -> list[exp.Table]:
    """The relations that a query reads, those that it defines itself left out."""
    parsed = sqlglot.parse_one(query, dialect=DIALECT)
    defined = {common.alias for common in parsed.find_all(exp.CTE)}
    return [node for node in parsed.find_all(exp.Table) if node.db or node.name not in defined]
