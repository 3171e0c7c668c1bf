"""`structdsl compile`: check a spec and write its artefacts, offline."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import Request, build, compile_spec, find_spec, shown, spec_options
from structdsl.cli.sweep import single
from structdsl.counts import counted


@click.command("compile")
@spec_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The artefact folder itself [build/<spec> beside the spec].",
)
def compile_command(request: Request, out: Path | None) -> None:
    """Check a spec and write plan, SQL and training graph."""
    place = find_spec(request)
    unit, plan = compile_spec(place, single(request, "compile"))
    folder = out or place.build
    written = build(unit, plan, folder)
    queries = sum(path.suffix == ".sql" for path in written)
    numbers = {"step": len(plan.steps), "query": queries, "training stage": len(plan.training.nodes)}
    counts = ", ".join(counted(number, noun) for noun, number in numbers.items())
    click.echo(f"{place.spec}: {counts} → {shown(folder)}/")
