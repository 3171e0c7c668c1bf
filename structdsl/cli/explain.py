"""`structdsl explain`: what a code means."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("code", required=False)
@click.option("--list", "listing", is_flag=True, help="List every code.")
def explain_command(code: str | None, listing: bool) -> None:  # noqa: FBT001  # a flag of the command line
    """Explain a diagnostic code, such as E0302."""
    from structdsl.diagnostics import CODES, nearest, page  # noqa: PLC0415

    if listing:
        for known, title in CODES.items():
            click.echo(f"{known}  {title}")
        return
    if code is None:
        message = "name a code, such as E0302, or pass --list"
        raise click.UsageError(message)
    if code.upper() not in CODES:
        found = nearest(code.upper(), list(CODES))
        hint = f"; did you mean {' or '.join(found)}?" if found else ""
        message = f"no code {code}{hint} (--list shows all)"
        raise click.UsageError(message)
    click.echo(page(code.upper()))
