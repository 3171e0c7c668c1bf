"""`structdsl test`: the `test` blocks of a spec, run on their own rows, without data, models or a network."""

from __future__ import annotations

import fnmatch
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from structdsl.cli.common import Request, compile_spec, find_spec, report, spec_options
from structdsl.cli.sweep import single
from structdsl.cli.table import show

if TYPE_CHECKING:
    from structdsl.diagnostics import Diagnostic
    from structdsl.fixtures import Difference, Refused
    from structdsl.plan import Plan
    from structdsl.syntax.tree import Span
    from structdsl.unit import Declaration, Unit
    from structdsl_runtime.ask import Answer
    from structdsl_runtime.events import Failure

EXIT_GATE = 5
SHOWN = 8  # rows of a difference, on either side


@click.command("test")
@spec_options
@click.option("--filter", "pattern", metavar="NAME", help="Only tests of this name; * stands for any letters.")
def test_command(request: Request, pattern: str | None) -> None:
    """Run the tests of a spec: rows in, rows out.

    No data is opened: corpora that a test does not give are empty, and tokens are estimated. Exits with 5 where a
    test fails.
    """
    place = find_spec(request)
    unit, _ = compile_spec(place, single(request, "test"))
    tests = _chosen(unit, pattern)
    if not tests:
        click.echo(f"no tests in {place.spec}")
        return
    failed = 0
    width = max(len(test.name) for test in tests)
    with tempfile.TemporaryDirectory(prefix="structdsl-test-") as folder:
        for test in tests:
            started = time.perf_counter()
            wrong = _run(test, unit, place.root, Path(folder) / place.spec.stem)
            took = f"{time.perf_counter() - started:.1f} s"
            click.echo(f"{'✗' if wrong else '✓'} {test.name:<{width}}  {took}")
            for reason in wrong:
                if isinstance(reason, str):
                    click.echo(reason)
                else:
                    report([reason], request.style)
            failed += bool(wrong)
    click.echo(f"{len(tests) - failed} passed" + (f", {failed} failed" if failed else ""))
    if failed:
        raise click.exceptions.Exit(EXIT_GATE)


def _chosen(unit: Unit, pattern: str | None) -> list[Declaration]:
    """The tests of a spec, or those of them that `--filter` names."""
    from structdsl.diagnostics import nearest  # noqa: PLC0415

    tests = unit.of_kind("test")
    if pattern is None:
        return tests
    found = [test for test in tests if fnmatch.fnmatchcase(test.name, pattern)]
    if not found:
        names = [test.name for test in tests]
        near = nearest(pattern, names)
        hint = f"did you mean {near[0]}?" if near else f"tests: {', '.join(names) or 'none'}"
        message = f"no test {pattern}; {hint}"
        raise click.UsageError(message)
    return found


def _run(test: Declaration, unit: Unit, root: Path, store: Path) -> list[str | Diagnostic]:
    """What is wrong with the result of a test: nothing where it passes."""
    from structdsl.fixtures import Refused, compared, difference, plan_of_test  # noqa: PLC0415
    from structdsl.syntax.tree import Span  # noqa: PLC0415
    from structdsl_runtime.executor import run  # noqa: PLC0415

    assert unit.plan is not None, "a spec without errors has a plan"
    values = test.values
    roles = {corpus.address: corpus.values.role for corpus in unit.of_kind("corpus")}
    try:
        plan = plan_of_test(unit.plan, test.name, values.given, values.expect, roles)
        columns = {table: compared(table, rows, test.name) for table, rows in values.expect.items()}
        _require_built(plan, test.name)
    except Refused as refused:
        return [_blamed(refused, unit, test.block.head, "this test")]
    fault = run(plan, root=root, store=store).failure
    if fault is not None:
        place = Span(fault.place.start, fault.place.end)
        return [_blamed(fault, unit, place, f"asked for here, step `{fault.address}`")]
    wrong: list[str | Diagnostic] = []
    for table, rows in values.expect.items():
        found = _found(store, table, columns[table])
        different = difference(table, tuple(found.columns), rows, _values(found))
        if different is not None:
            wrong.append(_shown(different))
    return wrong


def _require_built(plan: Plan, test: str) -> None:
    """Refuse a test with a step that the runtime does not know."""
    from structdsl.fixtures import Refused  # noqa: PLC0415
    from structdsl_runtime.operations import OPERATIONS  # noqa: PLC0415

    for step in plan.steps:
        if step.operation.op not in OPERATIONS and step.operation.op != "view":
            message = f"test `{test}` needs `{step.address}`, and `{step.operation.op}` is not built yet"
            raise Refused("E0801", message)


def _blamed(fault: Refused | Failure, unit: Unit, span: Span, label: str) -> Diagnostic:
    from structdsl.diagnostics import Diagnostic, Label  # noqa: PLC0415

    return Diagnostic(
        code=fault.code,
        message=fault.message,
        source=unit.source,
        labels=(Label(span=span, text=label),),
        notes=fault.notes,
        helps=fault.helps,
    )


def _found(store: Path, table: str, columns: Sequence[str]) -> Answer:
    """The rows that a table has, in the columns that the test names; all of them where it expects no row."""
    from structdsl_runtime.ask import query  # noqa: PLC0415 - brings DuckDB
    from structdsl_runtime.relations import identifier  # noqa: PLC0415

    wanted = ", ".join(map(identifier, columns)) or "*"
    schema, _, name = table.partition(".")
    return query(store, f"SELECT {wanted} FROM {identifier(schema)}.{identifier(name)}")  # noqa: S608 - quoted


def _values(answer: Answer) -> list[tuple[Any, ...]]:
    """The rows of an answer, JSON read, so that it can be compared with maps and lists of the spec."""
    return [
        tuple(
            json.loads(value) if kind == "JSON" and isinstance(value, str) else value
            for kind, value in zip(answer.types, row, strict=True)
        )
        for row in answer.rows
    ]


def _shown(different: Difference) -> str:
    """The rows that differ, as in `-` expected, `+` found."""
    sides = (("-", different.missing), ("+", different.extra))
    rows = [(sign, *row) for sign, side in sides for row in side[:SHOWN]]
    head = (
        f"{different.table}: - {len(different.missing)} expected and not found, + {len(different.extra)} not expected"
    )
    lines = show(("", *different.columns), rows).splitlines()
    cut = sum(max(0, len(side) - SHOWN) for _, side in sides)
    if cut:
        lines.append(f"… {cut} more rows differ")
    return "\n".join([f"    {head}", *(f"      {line}" for line in lines)])
