"""`structdsl graph`: a spec as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import Request, compile_spec, find_spec, shown, spec_options, unwritable
from structdsl.cli.sweep import single
from structdsl.counts import counted

PICTURES = frozenset({".dot", ".gif", ".jpeg", ".jpg", ".pdf", ".png", ".webp"})  # ends of names that promise another


@click.command("graph")
@spec_options
@click.option("--training", is_flag=True, help="The training graph: what starts from what, and who teaches it.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["mermaid", "svg"]),
    help="What is written [svg for a file of that name, else mermaid].",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not to the screen.")
def graph_command(  # one parameter an option
    request: Request,
    *,
    training: bool,
    format_: str | None,
    out: Path | None,
) -> None:
    """Draw the blocks of a spec and what they hand to each other.

    Mermaid is text that GitHub and editors draw; an SVG file opens in any browser.
    """
    from structdsl.graph.blocks import block_diagram, shares  # noqa: PLC0415
    from structdsl.graph.mermaid import mermaid  # noqa: PLC0415
    from structdsl.graph.svg import svg  # noqa: PLC0415
    from structdsl.graph.training import training_diagram  # noqa: PLC0415

    place = find_spec(request)
    unit, plan = compile_spec(place, single(request, "graph"))
    diagram = training_diagram(plan) if training else block_diagram(plan, shares(unit))
    if format_ is None and out is not None and out.suffix in PICTURES:
        message = f"`{shown(out)}` would be a picture of another format; name an .svg file, or one of Mermaid, .mmd"
        raise click.UsageError(message)
    if format_ is None:
        format_ = "svg" if out is not None and out.suffix == ".svg" else "mermaid"
    text = {"mermaid": mermaid, "svg": svg}[format_](diagram)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise unwritable(out, error) from None
    click.echo(
        f"{place.spec}: {counted(len(diagram.nodes), 'box')}, {counted(len(diagram.edges), 'arrow')} → {shown(out)}"
    )
