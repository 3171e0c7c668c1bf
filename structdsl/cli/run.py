"""`structdsl run`: compile, then bring the store up to date, resuming where an earlier run stopped."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structdsl.cli.common import EXIT_STEP, Place, build, compile_place, failure, find_spec, spec_options
from structdsl.cli.table import show

if TYPE_CHECKING:
    from structdsl.plan import Plan
    from structdsl.syntax.source import Source
    from structdsl_runtime.events import Failure

DATA_PACKAGES = ("numpy", "pyarrow", "tokenizers")  # of the `runtime` extra: what steps over tables import
MODEL_PACKAGES = ("accelerate", "deepspeed", "safetensors", "torch", "transformers")
MODEL_OPERATIONS = frozenset({"scratch_model", "train", "closed_book", "perplexity"})


@click.command("run")
@spec_options
@click.option(
    "--select",
    "select",
    multiple=True,
    metavar="ADDRESS",
    help="Only this step and what it is made from; may be repeated.",
)
def run_command(spec: Path | None, params: tuple[str, ...], style: str, select: tuple[str, ...]) -> None:
    """Execute a spec; steps whose result is in the store are skipped."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415
    from structdsl_runtime.executor import Interrupted, run, selected  # noqa: PLC0415
    from structdsl_runtime.lock import StoreInUse, StoreUnusable  # noqa: PLC0415
    from structdsl_runtime.progress import shown  # noqa: PLC0415

    place = find_spec(spec, style)
    plan, source = compile_place(place, params, style)
    addresses = _addresses(plan, select)
    _require_packages({step.operation.op for step in selected(plan, addresses)})
    for note in plan.notes:
        click.echo(f"note[{note.code}]: {note.message}", err=True)
    try:
        result = run(
            plan,
            root=place.root,
            store=place.store,
            observer=shown(sys.stderr),
            only=addresses,
            prepare=lambda: build(plan, place.build),
        )
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    except StoreInUse as error:
        raise failure([Diagnostic(code="E0804", message=str(error))], style, EXIT_STEP) from None
    except Interrupted as error:
        click.echo(f"interrupted with {len(error.left)} steps left; `structdsl run` continues", err=True)
        raise click.exceptions.Exit(130) from None
    if result.failure is not None:
        raise _blamed(result.failure, source, style)
    if result.ran:
        _print_scores(plan, place, {*result.ran, *result.reused})


def _require_packages(operations: set[str]) -> None:
    """Refuse a run for which the `runtime` extra is not installed, before it begins."""
    names = DATA_PACKAGES + (MODEL_PACKAGES if operations & MODEL_OPERATIONS else ())
    missing = [name for name in names if util.find_spec(name) is None]
    if missing:
        message = f"to run this, pip install 'structdsl[runtime]': {', '.join(missing)} not installed"
        raise click.UsageError(message)


def _addresses(plan: Plan, select: tuple[str, ...]) -> list[str] | None:
    """Steps that were selected: by their own address, or all steps of a block."""
    if not select:
        return None
    from structdsl.diagnostics import nearest  # noqa: PLC0415

    known = [step.address for step in plan.steps]
    chosen = []
    for name in select:
        found = [address for address in known if address == name or address.startswith(f"{name}.")]
        if not found:
            near = nearest(name, known)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            message = f"no step or block {name}{hint}"
            raise click.UsageError(message)
        chosen += found
    return chosen


def _blamed(fault: Failure, source: Source, style: str) -> click.exceptions.Exit:
    """The end of a run with a failed step, reported at the line of the spec that asked for it."""
    from structdsl.diagnostics import Diagnostic, Label  # noqa: PLC0415
    from structdsl.syntax.tree import Span  # noqa: PLC0415

    label = Label(span=Span(fault.place.start, fault.place.end), text=f"asked for here, step `{fault.address}`")
    diagnostic = Diagnostic(
        code=fault.code,
        message=fault.message,
        source=source,
        labels=(label,),
        notes=fault.notes,
        helps=fault.helps,
    )
    return failure([diagnostic], style, EXIT_STEP)


def _print_scores(plan: Plan, place: Place, steps: set[str]) -> None:
    """The score tables that the steps of a run made, and queries to go on with."""
    tables = [
        output.table for step in plan.steps if step.address in steps for output in step.outputs.values() if output.table
    ]
    reports = [table for table in plan.reports if table in tables]
    if not reports:
        return
    from structdsl_runtime.ask import query  # noqa: PLC0415

    for table in reports:
        answer = query(place.store, REPORT.format(table=table))
        click.echo()
        click.echo(show(answer.columns, answer.rows))
    click.echo("\nlook further with `structdsl query`:")
    for suggestion in suggestions(tables):
        click.echo(f'  structdsl query "{suggestion}"')


REPORT = """
SELECT
  task, metric, model, round(value, 3) AS value,
  coalesce(format('{{:.3f}} – {{:.3f}}', low, high), '–') AS "95% interval", n
FROM {table} ORDER BY task, metric DESC, model
"""


def suggestions(tables: Sequence[str]) -> list[str]:
    """Three queries to these tables: structure, mix, answers."""
    found = []
    for suffix, text in (
        ("taxonomy.", "SELECT depth, title, n_chunks, n_tokens FROM {} ORDER BY position LIMIT 12"),
        ("mixture.", "SELECT * FROM {}"),
        ("evaluation.", "SELECT model, prompt, parsed, answer, path FROM {} WHERE score = 0 LIMIT 10"),
    ):
        names = [name for name in tables if name.startswith(suffix)]
        if suffix == "mixture.":
            names = [name for name in names if name.endswith("_summary")]
        elif names:
            names = [min(names, key=len)]
        found += [text.format(name) for name in names[-1:]]
    return found
