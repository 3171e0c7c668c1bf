"""`structdsl run`: compile, then bring the store up to date, resuming where an earlier run stopped."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import util
from typing import TYPE_CHECKING

import click

from structdsl.cli.ability import located, refuse_missing
from structdsl.cli.common import (
    EXIT_GATE,
    EXIT_STEP,
    GATES,
    Place,
    Request,
    build,
    compile_spec,
    failure,
    find_spec,
    spec_options,
    unknown,
)
from structdsl.cli.lock import require_lock
from structdsl.cli.outline import block_of
from structdsl.cli.sweep import REPORT, Finished, combinations, compare, compile_all, heading
from structdsl.cli.table import show

if TYPE_CHECKING:
    from structdsl.diagnostics import Diagnostic
    from structdsl.plan import Plan
    from structdsl.syntax.source import Sources
    from structdsl.unit import Unit
    from structdsl_runtime.events import Failure
    from structdsl_runtime.executor import RunResult
    from structdsl_runtime.operation import Fault
    from structdsl_runtime.training.torchrun import Node

DATA_PACKAGES = ("numpy", "pyarrow", "tokenizers")  # of the `runtime` extra: what steps over tables import
MODEL_PACKAGES = ("accelerate", "deepspeed", "safetensors", "torch", "transformers")
TREE = "SELECT depth, title, n_chunks, n_tokens FROM {table} ORDER BY position LIMIT 12"
MIX = "SELECT * FROM {table}"
WRONG = "SELECT model, prompt, parsed, answer, path FROM {table} WHERE score = 0 LIMIT 10"
UNMEASURED = (
    "retention not measured: add a corpus of `role = probe`, or `holdout = 1%` to one that is trained on, "
    "and the scores say what each model forgot"
)
MODEL_OPERATIONS = frozenset(
    {
        "cache_teacher",
        "closed_book",
        "divergence",
        "embed_documents",
        "fetch_model",
        "merge_models",
        "perplexity",
        "score_rows",
        "scratch_model",
        "train",
    }
)


@click.command("run")
@spec_options
@click.option(
    "--select",
    "select",
    multiple=True,
    metavar="ADDRESS",
    help="Only this step and what it is made from; may be repeated.",
)
@click.option("--locked", is_flag=True, help="Refuse to run where the lock is stale or absent.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that share the work on documents [as many as there are processors].",
)
@click.option("--verify", is_flag=True, help="Hash every source again, also files whose size and times are the same.")
def run_command(
    request: Request,
    select: tuple[str, ...],
    locked: bool,  # noqa: FBT001 - a flag of the command line
    workers: int | None,
    verify: bool,  # noqa: FBT001 - the same
) -> None:
    """Execute a spec; steps whose result is in the store are skipped.

    Several values of a param (-p anchor=20%,50% -p seed=1..3) are a run each: all combinations, in that order.
    """
    from structdsl_runtime.machine import unmap_what_is_free  # noqa: PLC0415

    unmap_what_is_free()  # before a compilation imports DuckDB
    place, style = find_spec(request), request.style
    asked = combinations(request.params)
    told: list[Diagnostic] = []
    compiled = compile_all(asked, lambda values: compile_spec(place, request.using(values), told))
    for unit, plan in compiled:
        refuse_missing(plan, unit.source, style, _addresses(plan, select))
        _require_packages(plan, _addresses(plan, select))
        if locked:
            require_lock(plan, place, style, asking="earlier", params=False)
    finished = []
    for number, (combination, (unit, plan)) in enumerate(zip(asked, compiled, strict=True), 1):
        heading(combination, number, len(asked))
        node = _node(unit, plan, style)
        if node is not None and node.rank > 0:
            _take_part(unit, plan, place, style, node)
            continue
        chosen = _addresses(plan, select)
        result = _execute(unit, plan, place, style, chosen, workers=workers, verify=verify, node=node)
        tables = _tables(plan, {*result.ran, *result.reused})
        reports = tuple(table for table in plan.reports if table in tables)
        finished.append(Finished(combination=combination, run_id=result.run_id, reports=reports))
        if result.ran and not combination.varied:
            _print_scores(plan, place, tables)
    if asked[0].varied and finished:
        compare(place.store, finished)


def _execute(
    unit: Unit,
    plan: Plan,
    place: Place,
    style: str,
    addresses: list[str] | None,
    *,
    workers: int | None,
    verify: bool,
    node: Node | None,
) -> RunResult:
    """Run a plan to its end, or end the process with what stopped it."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415
    from structdsl_runtime.executor import Interrupted, run  # noqa: PLC0415
    from structdsl_runtime.lock import StoreInUse, StoreUnusable  # noqa: PLC0415
    from structdsl_runtime.progress import shown  # noqa: PLC0415
    from structdsl_runtime.room import StoreFull  # noqa: PLC0415

    for note in plan.notes:
        click.echo(f"note[{note.code}]: {note.message}", err=True)
    try:
        result = run(
            plan,
            root=place.root,
            store=place.store,
            observer=shown(sys.stderr),
            only=addresses,
            prepare=lambda: build(unit, plan, place.build),
            workers=workers,
            verify=verify,
            node=node,
        )
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    except StoreInUse as error:
        helps = ("`structdsl query` reads its tables meanwhile",)
        raise failure([Diagnostic(code="E0804", message=str(error), helps=helps)], style, EXIT_STEP) from None
    except StoreFull as error:
        full = error.fault
        raise failure(
            [Diagnostic(code=full.code, message=full.message, notes=full.notes, helps=full.helps)], style, EXIT_STEP
        ) from None
    except Interrupted:
        click.echo("`structdsl run` continues", err=True)
        raise click.exceptions.Exit(130) from None
    if result.failure is not None:
        if result.failure.code in GATES:
            tables = _tables(plan, {*result.ran, *result.reused})
            _print_scores(plan, place, tables)
        raise _blamed(result.failure, unit.source, style)
    return result


def _node(unit: Unit, plan: Plan, style: str) -> Node | None:
    """Which node of the plan this machine is, where torchrun's environment says so."""
    from structdsl_runtime.operation import Fault  # noqa: PLC0415
    from structdsl_runtime.training.torchrun import this_node  # noqa: PLC0415

    try:
        return this_node(plan, os.environ)
    except Fault as fault:
        raise _of_nodes(fault, unit, plan, style) from None


def _take_part(unit: Unit, plan: Plan, place: Place, style: str, node: Node) -> None:
    """Do the share of a node that is not the first, or end the process as node 0 has ended its run."""
    from structdsl_runtime.lock import StoreUnusable  # noqa: PLC0415
    from structdsl_runtime.operation import Fault  # noqa: PLC0415
    from structdsl_runtime.training.joining import join  # noqa: PLC0415
    from structdsl_runtime.training.torchrun import mark  # noqa: PLC0415

    try:
        end = join(place.store.absolute(), node, mark(plan), lambda text: click.echo(text, err=True))
    except Fault as fault:
        raise _of_nodes(fault, unit, plan, style) from None
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    click.echo(f"node 0 has ended the run: {end.said or end.state}", err=True)
    if end.state == "interrupted":
        raise click.exceptions.Exit(130)
    if end.state != "done":
        raise click.exceptions.Exit(EXIT_GATE if end.code in GATES else EXIT_STEP)


def _of_nodes(fault: Fault, unit: Unit, plan: Plan, style: str) -> click.exceptions.Exit:
    """The end of a node that no run could begin or go on with, reported at the cluster that asks for several."""
    from structdsl_runtime.events import blamed  # noqa: PLC0415
    from structdsl_runtime.training.torchrun import spread  # noqa: PLC0415

    step = spread(plan)[0]
    return _blamed(blamed(step, fault, step.places.get("launcher", step.place)), unit.source, style)


def _require_packages(plan: Plan, addresses: list[str] | None) -> None:
    """Refuse a run for which the `runtime` extra is not installed, before it begins."""
    from structdsl_runtime.order import selected  # noqa: PLC0415

    operations = {step.operation.op for step in selected(plan, addresses)}
    names = DATA_PACKAGES + (MODEL_PACKAGES if operations & MODEL_OPERATIONS else ())
    missing = [name for name in names if util.find_spec(name) is None]
    if missing:
        message = f"to run this, pip install 'structdsl[runtime]': {', '.join(missing)} not installed"
        raise click.UsageError(message)


def _addresses(plan: Plan, select: tuple[str, ...]) -> list[str] | None:
    """Steps that were selected: by their own address, or all steps of a block."""
    if not select:
        return None
    known = [step.address for step in plan.steps]
    chosen = []
    for name in select:
        found = [address for address in known if address == name or address.startswith(f"{name}.")]
        if not found:
            blocks = list(dict.fromkeys(block_of(address) for address in known))
            raise unknown("step or block", name, blocks, [each for each in known if each not in blocks])
        chosen += found
    return chosen


def _blamed(fault: Failure, source: Sources, style: str) -> click.exceptions.Exit:
    """The end of a run with a failed step, reported at the line of the spec that asked for it."""
    from structdsl.diagnostics import Diagnostic, Label  # noqa: PLC0415

    file, span = located(fault.place, source)
    label = Label(span=span, text=f"asked for here, step `{fault.address}`")
    diagnostic = Diagnostic(
        code=fault.code,
        message=fault.message,
        source=file,
        labels=(label,),
        notes=fault.notes,
        helps=fault.helps,
    )
    return failure([diagnostic], style, EXIT_GATE if fault.code in GATES else EXIT_STEP)


def _tables(plan: Plan, steps: set[str]) -> list[str]:
    """The tables that these steps made."""
    return [
        output.table for step in plan.steps if step.address in steps for output in step.outputs.values() if output.table
    ]


def _print_scores(plan: Plan, place: Place, tables: Sequence[str]) -> None:
    """The score tables that a run made, and queries to go on with."""
    reports = [table for table in plan.reports if table in tables]
    if not reports:
        return
    from structdsl_runtime.ask import query  # noqa: PLC0415

    for table in reports:
        answer = query(place.store, REPORT.format(table=table))
        click.echo()
        click.echo(show(answer.columns, answer.rows))
        if not measures_retention(plan, table.removesuffix("_scores")):
            click.echo(UNMEASURED)
    click.echo("\nlook further with `structdsl query`:")
    for suggestion in suggestions(plan, tables):
        click.echo(f'  structdsl query "{suggestion}"')


def measures_retention(plan: Plan, evaluation: str) -> bool:
    """Whether an evaluation asks how well its models still predict a text."""
    asked = {step.operation.op for step in plan.steps if block_of(step.address) == evaluation}
    return not asked.isdisjoint({"perplexity", "divergence"})


def suggestions(plan: Plan, tables: Sequence[str]) -> list[str]:
    """Queries to go on with: the structure, the mix, the questions that were answered wrong."""
    steps = {output.table: step for step in plan.steps for output in step.outputs.values()}
    asked = {block_of(step.address) for step in plan.steps if step.operation.op == "closed_book"}
    whole = [table for table in tables if steps[table].address == table]
    found = [
        (TREE, [table for table in whole if table.startswith("taxonomy.")]),
        (MIX, [table for table in tables if table.startswith("mixture.") and table.endswith("_summary")]),
        (WRONG, [table for table in whole if table in asked]),
    ]
    return [text.format(table=names[-1]) for text, names in found if names] + ["SELECT * FROM meta.steps"]
