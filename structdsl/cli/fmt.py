"""`structdsl fmt`: bring specs into the one style of the language."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from structdsl.cli.common import EXIT_SPEC, report, shown, unreadable
from structdsl.cli.rewrite import difference, write
from structdsl.counts import counted

if TYPE_CHECKING:
    from structdsl.diagnostics import Diagnostic

STDIN = Path("-")
SKIPPED = frozenset({"build", "node_modules"})  # folders of artefacts and of others; hidden ones are skipped as well


@dataclass(slots=True)
class Outcome:
    """What became of the files."""

    changed: int = 0
    same: int = 0
    failed: int = 0
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def summary(self) -> str:
        counts = ((self.changed, "formatted"), (self.same, "unchanged"), (self.failed, "not read"))
        return ", ".join(f"{counted(number, 'file')} {what}" for number, what in counts if number) or "no spec found"


@click.command("fmt", short_help="Bring specs into the one style of the language.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt_command(
    paths: tuple[Path, ...],
    check: bool,  # noqa: FBT001 - a flag of the command line
    diff: bool,  # noqa: FBT001 - the same
) -> None:
    """Format specs: files, or all .adapt files below folders [the current one].

    There is one style and nothing to set. With `-` the spec is read from standard input and written to standard
    output. A file with mistakes of syntax stays as it is, and the exit code is 1.
    """
    outcome = Outcome()
    for path in [STDIN] if STDIN in paths else _specs(paths or (Path(),)):
        _format(path, outcome, check=check, diff=diff)
    report(outcome.diagnostics, "full")
    if STDIN not in paths:
        verb = "formatted" if not (check or diff) else "to format"
        click.echo(outcome.summary.replace("formatted", verb), err=diff)
    if outcome.failed or (check and outcome.changed):
        raise click.exceptions.Exit(EXIT_SPEC)


def _format(path: Path, outcome: Outcome, *, check: bool, diff: bool) -> None:
    from structdsl.format import NotFormatted, format_text  # noqa: PLC0415
    from structdsl.syntax.source import Source  # noqa: PLC0415

    name = Path("stdin") if path == STDIN else shown(path)
    try:
        data = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
        text = data.decode("utf-8-sig")
        new = format_text(Source(name, text))
    except (OSError, UnicodeDecodeError) as error:
        outcome.failed += 1
        outcome.diagnostics.append(unreadable(name, error))
        return
    except NotFormatted as refusal:
        outcome.failed += 1
        outcome.diagnostics += refusal.diagnostics
        return
    changes = new.encode() != data
    outcome.changed += changes
    outcome.same += not changes
    if diff and changes:
        click.echo(difference(name, text, new), nl=False)
    elif path == STDIN and not (check or diff):
        sys.stdout.buffer.write(new.encode())
    elif changes and path != STDIN:
        if not check:
            write(path, new)
        click.echo(f"{'would format' if check else 'formatted'} {name}")


def _specs(paths: tuple[Path, ...]) -> list[Path]:
    """The files that are meant, each once, in the order of the command line and then of their names."""
    found: dict[Path, None] = {}
    for path in paths:
        found |= dict.fromkeys(_below(path) if path.is_dir() else [path])
    return list(found)


def _below(folder: Path) -> list[Path]:
    specs: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        specs += [Path(where, name) for name in names if name.endswith(".adapt") and not name.startswith(".")]
    return sorted(specs)
