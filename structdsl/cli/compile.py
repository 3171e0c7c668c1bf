"""`structdsl compile`: check a spec and write its artefacts, offline."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import build, compile_place, find_spec, shown, spec_options
from structdsl.cli.sweep import single


@click.command("compile")
@spec_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The artefact folder itself [build/<spec> beside the spec].",
)
def compile_command(spec: Path | None, params: tuple[str, ...], style: str, out: Path | None) -> None:
    """Check a spec and write plan, SQL and training graph."""
    place = find_spec(spec, style)
    plan, _ = compile_place(place, single(params, "compile"), style)
    folder = out or place.build
    written = build(plan, folder)
    queries = sum(path.suffix == ".sql" for path in written)
    counts = f"{len(plan.steps)} steps, {queries} queries, {len(plan.training.nodes)} training stages"
    click.echo(f"{place.spec}: {counts} → {shown(folder)}/")
