"""Columns that a source has beyond those of its role: fields of `meta`, until SQL of the spec says what type they have.

No one has read the source when a spec is compiled. A column is of the first type in which all that is asked of it
makes sense: text, else a number, else a truth value; where a value does not fit, it is NULL.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from sqlglot import exp

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.plan import Column
from structdsl.promised import UNTYPED, columns_of, promised_columns, signals_of
from structdsl.unit import Declaration

TYPES = ("VARCHAR", "DOUBLE", "BOOLEAN")
MOST = 6  # columns whose types are tried together


def own_columns(corpus: Declaration, planner: Planner) -> tuple[Column, ...]:
    """The columns of a corpus that its role does not promise, with their types."""
    promised = {column.name for column in promised_columns(corpus)}
    own = [c for c in columns_of(corpus.address, planner.unit) or () if c.name not in promised]
    untyped = [column.name for column in own if column.type == UNTYPED]
    types = _types(corpus, untyped, planner)
    return tuple(Column(name=c.name, type=types.get(c.name, c.type)) for c in own)


def _types(corpus: Declaration, names: list[str], planner: Planner) -> Mapping[str, str]:
    predicates = planner.unit.predicates.get(corpus.address, ())
    if not predicates or not names:
        return dict.fromkeys(names, "VARCHAR")
    import duckdb  # noqa: PLC0415 - only specs that use such columns pay for it

    used = [name for name in names if any(name in predicate for predicate in predicates)][:MOST]
    known = (*promised_columns(corpus), *signals_of(corpus, planner.unit))
    promised = {column.name: column.type for column in known}
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        for tried in itertools.product(TYPES, repeat=len(used)):
            types = dict.fromkeys(names, "VARCHAR") | dict(zip(used, tried, strict=True))
            row = exp.select(
                *(
                    exp.alias_(exp.cast(exp.null(), type_, dialect=sql.DIALECT), name, quoted=True)
                    for name, type_ in (promised | types).items()
                )
            )
            query = exp.select(*(sql.condition(text) for text in predicates)).from_(row.subquery("documents"))
            try:
                connection.sql(query.sql(dialect=sql.DIALECT))
            except (duckdb.BinderException, duckdb.ConversionException):
                continue
            return types
    return dict.fromkeys(names, "VARCHAR")


def add_own_columns(corpus: Declaration, documents: str, table: str, own: tuple[Column, ...], planner: Planner) -> None:
    """The documents with the fields of `meta` that the spec uses as columns of their own, as `table`."""
    name = corpus.address
    promised = tuple(column for column in promised_columns(corpus) if column.name != "n_tokens")
    fields = [
        exp.alias_(
            exp.TryCast(
                this=exp.func("json_extract_string", exp.column("meta"), exp.Literal.string(f'$."{column.name}"')),
                to=exp.DataType.build(column.type, dialect=sql.DIALECT),
            ),
            column.name,
            quoted=True,
        )
        for column in own
    ]
    guard = planner.guard(
        "E0514",
        "absent_columns",
        at=corpus.span_of("columns", "keep"),
        tables={"documents": documents},
        holes={"corpus": corpus.name, "names": [column.name for column in own]},
        helps=('name theirs with `columns = { …: "…" }`',),
    )
    query = exp.select(*(exp.column(column.name) for column in promised), *fields).from_(sql.table(documents))
    planner.select(
        f"{name}.columns",
        sql.text(query),
        table,
        (*promised, *own),
        at=corpus.span_of("columns", "keep"),
        reads=(documents,),
        purpose="Every document that could be read, with the columns of its source that the spec uses.",
        guards=(guard,),
    )
