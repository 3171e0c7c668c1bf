"""`structdsl compile`: check a spec and write its artefacts, offline."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import compile_place, find_spec, spec_options


@click.command("compile")
@spec_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The artefact folder itself [build/<spec> beside the spec].",
)
def compile_command(spec: Path | None, params: tuple[str, ...], style: str, out: Path | None) -> None:
    """Check a spec and write plan, SQL and training graph."""
    from structdsl.emit import write_build  # noqa: PLC0415

    place = find_spec(spec, style)
    plan = compile_place(place, params, style)
    folder = out or place.build
    try:
        written = write_build(plan, folder)
    except FileExistsError:
        message = f"{folder} holds files that no compile wrote; empty it, or choose another --out"
        raise click.UsageError(message) from None
    queries = sum(path.suffix == ".sql" for path in written)
    counts = f"{len(plan.steps)} steps, {queries} queries, {len(plan.training.nodes)} training stages"
    click.echo(f"{place.spec}: {counts} → {_shown(folder)}/")


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
