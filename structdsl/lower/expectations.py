"""What a check expects, as SQL: the condition that a row fails by, the figure that is out of bounds."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.schema.check import (
    MOST_FREQUENT,
    Between,
    Count,
    Distinct,
    Holds,
    In,
    Matches,
    Mean,
    NotNull,
    OneOfValues,
    Quantile,
    RowExpectation,
    Rows,
    Share,
    TableExpectation,
    Unique,
)
from structdsl.schema.quantities import plain
from structdsl.unit import Declaration


def failing_rows(check: Declaration, rows: Rows, planner: Planner) -> str:
    """Every row of the table that fails, once for each expectation that it fails."""
    queries = []
    for name, breach, together in _breaches(check, rows, planner):
        template = "failing_together" if together else "failing_rows"
        queries.append(sql.tree(template, {"checked": rows.over}, expectation=name, breach=breach))
    return sql.text(sql.union(queries))


def _breaches(check: Declaration, rows: Rows, planner: Planner) -> Iterator[tuple[str, exp.Expr, bool]]:
    """Each expectation as it reads, the condition that a row fails by, and whether that looks at other rows."""
    for index, expectation in enumerate(rows.expect):
        match expectation:
            case Unique():
                columns = [_column(name) for name in expectation.columns]
                window = exp.Window(this=exp.Count(this=exp.Star()), partition_by=columns)
                name = f"unique({', '.join(expectation.columns)})"
                yield name, exp.GT(this=window, expression=exp.Literal.number(1)), True
            case NotNull():
                for column in expectation.columns:
                    yield f"not_null({column})", _column(column).is_(exp.null()), False
            case Holds():
                condition = sql.condition(planner.unit.queries[f"{check.address}.expect.{index}"].sql)
                name = f"holds({expectation.condition.text.value.strip()})"
                yield name, exp.not_(exp.func("coalesce", exp.paren(condition), exp.false())), False
            case _:
                yield _called(expectation), _breach(expectation), False


def _breach(expectation: OneOfValues | Between | Matches | In) -> exp.Expr:
    """The condition under which a value is not as it should be; a missing one is no value."""
    column = _column(expectation.column)
    match expectation:
        case OneOfValues():
            return exp.not_(column.isin(*(_value(value) for value in expectation.values)))
        case Between():
            low, high = expectation.low, expectation.high
            below = [] if low is None else [exp.LT(this=column, expression=_value(low))]
            above = [] if high is None else [exp.GT(this=column.copy(), expression=_value(high))]
            return exp.or_(*below, *above)
        case Matches():
            arguments = [column, _value(expectation.pattern)]
            return exp.not_(exp.Anonymous(this="regexp_full_match", expressions=arguments))
        case In():
            other = exp.column(expectation.other or expectation.column, table="others", quoted=True)
            others = exp.alias_(sql.table(expectation.table), "others", table=True)
            same = exp.EQ(this=other, expression=column)
            absent = exp.not_(exp.Exists(this=exp.select("1").from_(others).where(same)))
            return exp.and_(exp.not_(column.copy().is_(exp.null())), absent)


def figures(over: str, expectations: tuple[TableExpectation, ...]) -> str:
    """A row for each figure that is out of bounds."""
    return sql.text(sql.union([_figure(over, expectation) for expectation in expectations]))


def _figure(over: str, expectation: TableExpectation) -> exp.Query:
    relation: str | exp.Query = over
    match expectation:
        case Count():
            measure = "count(*)"
        case Distinct():
            measure = f"count(DISTINCT {_quoted(expectation.column)})"
        case Mean():
            measure = f"avg({_quoted(expectation.column)})"
        case Quantile():
            measure = f"quantile_cont({_quoted(expectation.column)}, {plain(expectation.share)})"
        case Share() if expectation.value == MOST_FREQUENT:
            measure = "max(value)"
            column = exp.column(expectation.column, quoted=True)
            relation = sql.tree("most_frequent", {"checked": over}, value=column)
        case Share():
            wanted = _value(expectation.value).sql(dialect=sql.DIALECT)
            measure = f"avg(CAST({_quoted(expectation.column)} IS NOT DISTINCT FROM {wanted} AS INTEGER))"
    return sql.tree(
        "figure",
        {"checked": relation},
        measure=sqlglot.parse_one(measure, dialect=sql.DIALECT),
        expectation=_called(expectation),
        low=_value(expectation.at_least),
        high=_value(expectation.at_most),
    )


def _column(name: str) -> exp.Column:
    return exp.column(name, table="checked", quoted=True)


def _quoted(name: str) -> str:
    return exp.column(name, quoted=True).sql(dialect=sql.DIALECT)


def _value(value: Any) -> exp.Expr:
    """A value of the spec as SQL writes it."""
    if isinstance(value, Decimal):
        return exp.Literal.number(plain(value)) if value >= 0 else exp.Neg(this=exp.Literal.number(plain(-value)))
    return exp.convert(value)


def _called(expectation: RowExpectation | TableExpectation) -> str:
    """An expectation as the spec writes it, near enough to find it."""
    name = type(expectation).__name__
    call = {"OneOfValues": "one_of"}.get(name, name.lower())
    return f"{call}({getattr(expectation, 'column', '')})"
