"""`structdsl fix`: make the repairs that the compiler proposes and is sure of."""

from __future__ import annotations

from pathlib import Path

import click

from structdsl.cli.common import EXIT_SPEC, failure, find_spec, report, shown, spec_options
from structdsl.cli.rewrite import difference, unreadable, write
from structdsl.cli.sweep import single


@click.command("fix")
@spec_options
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fix_command(
    spec: Path | None,
    params: tuple[str, ...],
    style: str,
    diff: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Repair what messages know a repair for, and print what is left.

    Files that the spec imports from its own folder are repaired as well. The exit code is 1 where errors are left.
    """
    from structdsl.diagnostics import Severity  # noqa: PLC0415
    from structdsl.repair import repair  # noqa: PLC0415
    from structdsl.unit import read_text  # noqa: PLC0415

    place = find_spec(spec, style)
    overrides = dict(_assignment(text) for text in single(params, "fix"))
    try:
        text = read_text(place.spec)
    except (OSError, UnicodeDecodeError) as error:
        raise failure([unreadable(place.spec, error)], style) from None
    repaired = repair(text, place.spec, overrides)
    for path, after in repaired.after.items():
        if diff:
            click.echo(difference(shown(path), repaired.before[path], after), nl=False)
        else:
            write(path, after)
    if not diff:
        for fixed in repaired.fixed:
            click.echo(fixed)
    if not repaired.fixed:
        click.echo(f"{place.spec}: nothing to fix", err=diff)
    report(list(repaired.left), style)
    if any(diagnostic.severity is Severity.ERROR for diagnostic in repaired.left):
        raise click.exceptions.Exit(EXIT_SPEC)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        message = f"`-p {text}` must have the form NAME=VALUE"
        raise click.UsageError(message)
    return name.strip(), value.strip()
