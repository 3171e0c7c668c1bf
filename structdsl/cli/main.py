"""`structdsl`: the group of commands, and the last line of defence against our own mistakes."""

from __future__ import annotations

import gc
import sys
import traceback

import click
from click.exceptions import NoArgsIsHelpError

import structdsl
from structdsl.cli.compile import compile_command
from structdsl.cli.diff import diff_command
from structdsl.cli.explain import explain_command
from structdsl.cli.fix import fix_command
from structdsl.cli.fmt import fmt_command
from structdsl.cli.graph import graph_command
from structdsl.cli.init import init_command
from structdsl.cli.inspect import inspect_command
from structdsl.cli.lock import lock_command
from structdsl.cli.plan import plan_command
from structdsl.cli.query import query_command
from structdsl.cli.run import run_command
from structdsl.cli.test import test_command

EXIT_BUG = 70
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(structdsl.__version__, prog_name="structdsl")
def cli() -> None:
    r"""Adapt language models to a domain, from a spec in one file.

    A spec names corpora, their structure, a mixture, training stages and an evaluation. `compile` checks it,
    `run` executes it, and every table on the way is open to `query`.

    \b
    Exit codes: 0 ok, 1 the spec has errors, 2 usage, 3 changes (--exit-code)
    or a stale lock, 4 a step failed, 5 a check or a test failed, 70 a bug of
    structdsl, 130 interrupted.
    """


for command in (
    init_command,
    compile_command,
    plan_command,
    run_command,
    query_command,
    test_command,
    diff_command,
    inspect_command,
    graph_command,
    lock_command,
    fmt_command,
    fix_command,
    explain_command,
):
    cli.add_command(command)


def main() -> None:
    """Entry point of the console script."""
    gc.set_threshold(50_000)  # nearly all that imports and a compile make stays: looking through it sooner is lost time
    try:
        sys.exit(cli(prog_name="structdsl", standalone_mode=False))  # click hands back the exit code of `Exit`
    except click.ClickException as error:
        click.echo(_shown(error), err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception:  # noqa: BLE001  # the outermost frame: everything that arrives here is our bug
        traceback.print_exc()
        click.echo("\nthis is a bug of structdsl, not of your spec; please report it with the lines above", err=True)
        sys.exit(EXIT_BUG)


def _shown(error: click.ClickException) -> str:
    """A misuse of the command line, worded as messages about a spec are; `structdsl` alone shows its help."""
    if isinstance(error, NoArgsIsHelpError):
        return error.format_message()
    text = error.format_message().removesuffix(".")
    lines = [f"error: {text[:1].lower()}{text[1:]}"]
    ours = type(error) is click.UsageError  # what the parser of click refuses is a subclass
    if isinstance(error, click.UsageError) and error.ctx is not None and not ours:
        lines.append(f"help: `{error.ctx.command_path} --help` lists what there is")
    return "\n".join(lines)
