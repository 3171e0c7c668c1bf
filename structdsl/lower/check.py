"""A check: a table of the rows that fail, and a gate behind it that stops the run where there are too many.

The failing rows are a step of their own, so that they are there to be looked at when the gate has closed.
"""

from __future__ import annotations

from decimal import Decimal

from sqlglot import exp

from structdsl.lower.expectations import failing_rows, figures
from structdsl.lower.planner import Planner
from structdsl.plan import Column
from structdsl.promised import columns, columns_of
from structdsl.schema.check import Distribution, In, Rows
from structdsl.schema.quantities import plain
from structdsl.unit import Declaration

GATE = columns("failing BIGINT")


def lower_check(check: Declaration, planner: Planner) -> None:
    """The failing rows as `checks.<name>`, then the gate; a warning has no gate."""
    table = f"checks.{check.name}"
    over = _tables(check, planner)
    planner.select(
        check.address,
        _failing(check, planner),
        table,
        _columns(check, table, planner),
        at=check.span_of("expect", "violations"),
        reads=over,
        purpose="The rows that fail.",
        doc=check.block.doc,
    )
    if check.values.severity == "error":
        _gate(check, table, planner)


def _tables(check: Declaration, planner: Planner) -> tuple[str, ...]:
    """What a check reads, the table that it is about first."""
    values = check.values
    if isinstance(values, Rows):
        others = (expectation.table for expectation in values.expect if isinstance(expectation, In))
        return tuple(dict.fromkeys((values.over, *others)))
    if isinstance(values, Distribution):
        return (values.over,)
    return planner.unit.queries[f"{check.address}.violations"].reads


def _columns(check: Declaration, table: str, planner: Planner) -> tuple[Column, ...]:
    """Columns of the failing rows; those of a table as the plan makes it."""
    promised = columns_of(table, planner.unit) or ()
    if not isinstance(check.values, Rows):
        return promised
    address, _, output = planner.owners[check.values.over].rpartition(":")
    return (promised[0], *planner.steps[address].outputs[output].columns)


def _failing(check: Declaration, planner: Planner) -> str:
    values = check.values
    if isinstance(values, Rows):
        return failing_rows(check, values, planner)
    if isinstance(values, Distribution):
        return figures(values.over, values.expect)
    return planner.unit.queries[f"{check.address}.violations"].sql


def _gate(check: Declaration, table: str, planner: Planner) -> None:
    """Its guard is asked before anything that is downstream of the table."""
    most = getattr(check.values, "at_most", 0)
    share = isinstance(most, Decimal)
    relations: dict[str, str | tuple[str, ...]] = {"failing": table}
    holes: dict[str, object] = {"check": check.address, "most": exp.Literal.number(plain(Decimal(most)))}
    if isinstance(most, Decimal):
        relations["checked"] = check.values.over  # a share is of the rows of a table, and one of rows alone
        holes["percent"] = plain(most * 100)
    guard = planner.guard(
        "E0520",
        "gate_share" if share else "gate",
        at=check.span_of("expect", "violations"),
        tables=relations,
        holes=holes,
        helps=(
            f"look at them: SELECT * FROM {table}",  # noqa: S608 - a help, not a query
            "`severity = warning` lets the run go on",
        ),
    )
    planner.query(
        f"{check.address}.gate",
        "gate_passed_of" if share else "gate_passed",
        f"{table}_gate",
        GATE,
        at=check.block.head,
        tables=relations,
        guards=(guard,),
    )
