"""`structdsl fix`: make the repairs that the compiler proposes and is sure of."""

from __future__ import annotations

import click

from structdsl.cli.common import EXIT_SPEC, Request, find_spec, read_spec, report, shown, spec_options
from structdsl.cli.rewrite import difference, write
from structdsl.cli.sweep import single


@click.command("fix")
@spec_options
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fix_command(
    request: Request,
    diff: bool,  # noqa: FBT001 - a flag of the command line
) -> None:
    """Repair what messages know a repair for, and print what is left.

    Files that the spec imports from its own folder are repaired as well. The exit code is 1 where errors are left.
    """
    from structdsl.diagnostics import Severity  # noqa: PLC0415
    from structdsl.repair import repair  # noqa: PLC0415

    place = find_spec(request)
    text = read_spec(place.spec, request.style)
    repaired = repair(text, place.spec, single(request, "fix").overrides, profile=request.profile)
    for path, after in repaired.after.items():
        if diff:
            click.echo(difference(shown(path), repaired.before[path], after), nl=False)
        else:
            write(path, after)
    if not diff:
        for fixed in repaired.fixed:
            click.echo(fixed)
    wrong = any(diagnostic.severity is Severity.ERROR for diagnostic in repaired.left)
    if not repaired.fixed:
        click.echo(f"{place.spec}: nothing {'that a message knows a repair for' if wrong else 'to fix'}", err=diff)
    report(list(repaired.left), request.style)
    if wrong:
        raise click.exceptions.Exit(EXIT_SPEC)
