"""What types cannot say about checks and tests: columns that are there, bounds that bound, rows that fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from structdsl.diagnostics import did_you_mean, nearest, respelling_inside
from structdsl.lineage import TEXT_ROLES
from structdsl.passes.check_corpora import COMPUTED
from structdsl.passes.finding import Finding
from structdsl.passes.patterns import wrong_pattern
from structdsl.passes.places import call_span, item_span, key_span, row_span
from structdsl.promised import PROMISED, columns_of, finds_clusters, maker_of
from structdsl.schema.check import Between, Distribution, In, Matches, RowExpectation, Rows, Share, TableExpectation
from structdsl.schema.taxonomy import Structurise
from structdsl.syntax.source import Sources
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration, Unit


def tables_are_made(unit: Unit) -> Iterator[Finding]:
    """Whoever refers to a table of a block: the block must be of the kind that makes it."""
    for block in (*unit.of_kind("check"), *unit.of_kind("corpus"), *unit.of_kind("test")):
        over = getattr(block.values, "over", ())
        for table in (over,) if isinstance(over, str) else over:
            yield from _made(table, item_span(block, "over", table), unit)
        for index, expectation in enumerate(getattr(block.values, "expect", ()) if block.kind == "check" else ()):
            if isinstance(expectation, In):
                yield from _made(expectation.table, call_span(block, "expect", index), unit)
        for table in block.values.expect if block.kind == "test" else ():
            yield from _made(table, key_span(block, "expect", table), unit)
    for evaluation in unit.of_kind("evaluation"):
        for task in evaluation.values.tasks.values():
            if isinstance(table := getattr(task, "corpus", None), str):
                yield from _made(table, evaluation.span_of("tasks"), unit)


def _made(table: str, span: Span, unit: Unit) -> Iterator[Finding]:
    block = maker_of(table, unit)
    if block is None or block.values is None or block.address == table:
        return
    values, suffix = block.values, table.removeprefix(f"{block.address}_")
    missing: tuple[str, str] | None = None
    match block.kind, suffix:
        case "corpus", "chunks" if values.role not in TEXT_ROLES:
            missing = f"a corpus of role {values.role} is not cut into chunks", f"read `{block.address}`"
        case "corpus", "heldout" if values.holdout is None:
            missing = "it holds nothing out", f"write `holdout = 1%` in `{block.address}`"
        case "corpus", "clusters" if not finds_clusters(block):
            missing = "it looks for no documents that are alike", f"write `dedup = exact` in `{block.address}`"
        case "corpus", "matches" if block.address not in unit.screened:
            missing = "it is held against nothing", f"write `decontaminate = ngrams(13)` in `{block.address}`"
        case "stage", _ if block.variant == "merge":
            missing = "it joins weights, and trains on nothing", "read a table of a stage that trains"
        case "stage", _ if table.startswith("teacher.") and columns_of(table, unit) is None:
            missing = "it keeps nothing of a teacher", "write `distill = lssd(cache = topk(64))`"
        case "taxonomy", "titles" | "attempts" if not any(isinstance(r, Structurise) for r in values.rules.values()):
            missing = "none of its rules asks a model", f"`{block.address}` has the titles of its nodes"
    if missing is not None:
        message = f"there is no table `{table}`: {missing[0]}"
        yield Finding("E0517", message, span, f"not made by `{block.address}`", helps=(missing[1],))


def checks_read_what_they_are_over(unit: Unit) -> Iterator[Finding]:
    """A check by query reads each table that it says it is over."""
    for check in unit.of_kind("check"):
        query = unit.queries.get(f"{check.address}.violations")
        if query is None:
            continue
        for table in check.values.over:
            if table not in query.reads:
                message = f"`{check.address}` is over `{table}`, and its query does not read it"
                helps = (f"take `{table}` out of `over`, or read `${{{table}}}`",)
                yield Finding("E0503", message, item_span(check, "over", table), "not read", helps=helps)


def expectations_name_columns(unit: Unit) -> Iterator[Finding]:
    for check in unit.of_kind("check"):
        if not isinstance(check.values, Rows | Distribution):
            continue
        for index, expectation in enumerate(check.values.expect):
            span = call_span(check, "expect", index)
            for name in _columns(expectation):
                yield from _column(name, check.values.over, span, unit)
            if isinstance(expectation, In):
                yield from _column(expectation.other or expectation.column, expectation.table, span, unit)
            yield from _bounded(expectation, span)


def _columns(expectation: RowExpectation | TableExpectation) -> tuple[str, ...]:
    several = getattr(expectation, "columns", None)
    one = getattr(expectation, "column", None)
    return tuple(several or (() if one is None else (one,)))


def _column(name: str, table: str, span: Span, unit: Unit) -> Iterator[Finding]:
    columns = columns_of(table, unit)
    if columns is None or name.casefold() in {column.name.casefold() for column in columns}:
        return
    known = [column.name for column in columns]
    near = nearest(name, known)
    yield Finding(
        "E0602",
        f"unknown column `{name}`",
        span,
        f"not a column of `{table}`",
        notes=(f"columns of `{table}`: {', '.join(known)}",),
        helps=did_you_mean(near),
        fixes=respelling_inside(unit.source, span, name, near),
    )


def _bounded(expectation: RowExpectation | TableExpectation, span: Span) -> Iterator[Finding]:
    if isinstance(expectation, Matches) and (reason := wrong_pattern(expectation.pattern)) is not None:
        message = f"the pattern of `matches` is no regular expression of RE2: {reason}"
        yield Finding("E0601", message, span, "cannot be read")
    names = ("low", "high") if isinstance(expectation, Between) else ("at_least", "at_most")
    if not all(hasattr(expectation, name) for name in names):
        return
    low, high = (getattr(expectation, name) for name in names)
    what = type(expectation).__name__.lower()
    if low is None and high is None:
        helps = (f"give it `{names[0]}`, `{names[1]}` or both",)
        yield Finding("E0518", f"`{what}` without a bound expects nothing", span, "always met", helps=helps)
    elif low is not None and high is not None and low > high:
        message = f"`{what}` can never be met: `{names[0]}` is greater than `{names[1]}`"
        yield Finding("E0518", message, span, "no value fits")
    elif isinstance(expectation, Share) and (low, high) in {(0, None), (None, 1), (0, 1)}:
        yield Finding("E0518", f"`{what}` without a bound expects nothing", span, "always met")


def fixtures_fit_their_tables(unit: Unit) -> Iterator[Finding]:
    for test in unit.of_kind("test"):
        for name, rows in test.values.given.items():
            corpus = unit.blocks[name]
            if corpus.values is not None:
                yield from _rows(test, "given", name, rows, _readable(corpus), unit.source)
        for name, rows in test.values.expect.items():
            columns = columns_of(name, unit)
            if columns is not None:
                types = {column.name: column.type for column in columns}
                yield from _rows(test, "expect", name, rows, types, unit.source)


def _readable(corpus: Declaration) -> dict[str, str]:
    """What a row of a source may hold: what the role reads, and what is mapped."""
    read = {
        name: type_ for name, type_ in PROMISED[corpus.values.role].items() if name not in COMPUTED[corpus.values.role]
    }
    return read | {"meta": "JSON"} | {name: "" for name in corpus.values.columns if name not in read}


def _rows(
    test: Declaration,
    attribute: str,
    table: str,
    rows: tuple[dict[str, Any], ...],
    types: dict[str, str],
    source: Sources,
) -> Iterator[Finding]:
    for number, row in enumerate(rows):
        for name, value in row.items():
            span = row_span(test, attribute, table, number, name)
            if name not in types:
                near = nearest(name, list(types))
                yield Finding(
                    "E0602",
                    f"unknown column `{name}`",
                    span,
                    f"not a column of `{table}`",
                    notes=(f"columns: {', '.join(types)}",),
                    helps=did_you_mean(near),
                    fixes=respelling_inside(source, span, name, near, row),
                )
            elif not _fits(value, types[name]):
                message = f"`{name}` of `{table}` is of type {types[name]}"
                yield Finding("E0519", message, span, f"this is {_called(value)}")


def _fits(value: Any, type_: str) -> bool:
    """Whether a value of a fixture can stand in a column of this type; an empty type is not known."""
    if value is None or type_ in {"", "JSON"}:
        return True
    if type_.endswith("[]"):
        return isinstance(value, list) and all(_fits(item, type_.removesuffix("[]")) for item in value)
    if type_ == "VARCHAR":
        return isinstance(value, str)
    if type_ == "BOOLEAN":
        return isinstance(value, bool)
    if type_ in {"BIGINT", "INTEGER"}:
        return isinstance(value, int) and not isinstance(value, bool)
    if type_ in {"DOUBLE", "FLOAT"}:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return True


def _called(value: Any) -> str:
    names = {bool: "a truth value", int: "a number", float: "a number", str: "text", list: "a list", dict: "a map"}
    return names[type(value)]
