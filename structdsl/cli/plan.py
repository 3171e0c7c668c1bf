"""`structdsl plan`: what a run would do, and why."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import compile_place, find_spec, spec_options

EXIT_CHANGES = 3
SIGNS = {"run": "+", "maybe": "~", "reuse": "="}


@click.command("plan")
@spec_options
@click.option("--exit-code", is_flag=True, help="Exit with 3 where a run would do something.")
@click.option("--all", "everything", is_flag=True, help="Show steps that are up to date as well.")
def plan_command(
    spec: Path | None,
    params: tuple[str, ...],
    style: str,
    exit_code: bool,  # noqa: FBT001 - a flag of the command line
    everything: bool,  # noqa: FBT001 - the same
) -> None:
    """Compare a spec with its store: which steps would run, and why."""
    from structdsl_runtime.explain import preview  # noqa: PLC0415
    from structdsl_runtime.lock import StoreUnusable  # noqa: PLC0415

    place = find_spec(spec, style)
    plan, _ = compile_place(place, params, style)
    try:
        previews = preview(plan, root=place.root, store=place.store)
    except StoreUnusable as error:
        raise click.UsageError(str(error)) from None
    views = {step.address for step in plan.steps if step.operation.op == "view"}
    shown = [p for p in previews if p.address not in views and (everything or p.action != "reuse")]
    width = max((len(p.address) for p in shown), default=0)
    for entry in shown:
        click.echo(f"{SIGNS[entry.action]} {entry.address:<{width}}  {'; '.join(entry.reasons) or 'up to date'}")
    counts = {action: sum(p.action == action and p.address not in views for p in previews) for action in SIGNS}
    if shown:
        click.echo()
    undecided = f"{counts['maybe']} to run unless their inputs come out the same, " if counts["maybe"] else ""
    click.echo(f"{counts['run']} to run, {undecided}{counts['reuse']} up to date")
    if exit_code and counts["run"] + counts["maybe"]:
        raise click.exceptions.Exit(EXIT_CHANGES)
