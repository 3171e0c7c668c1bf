"""`structdsl`: the group of commands, and the last line of defence against our own mistakes."""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
import threading
from contextlib import suppress
from importlib import import_module

import click
from click.exceptions import NoArgsIsHelpError

import structdsl

EXIT_BUG = 70
EXIT_UNWRITTEN = 120
EXIT_INTERRUPTED = 130


COMMANDS = (
    "init",
    "compile",
    "plan",
    "run",
    "query",
    "test",
    "diff",
    "inspect",
    "graph",
    "export",
    "lock",
    "fmt",
    "fix",
    "explain",
)


class Commands(click.Group):
    """The commands, in the order in which one meets them; each is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the same everywhere
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"structdsl.cli.{cmd_name}"), f"{cmd_name}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not ctx.resilient_parsing:  # as where a shell asks how a line could go on
            _refuse_misspelt(args[0], ctx)
        return super().resolve_command(ctx, args)


def _refuse_misspelt(name: str, ctx: click.Context) -> None:
    """Name the commands that may be meant; any other that is unknown is left to click."""
    from structdsl.diagnostics import nearest  # noqa: PLC0415

    if near := nearest(name, COMMANDS):
        raise click.UsageError(f"no such command '{name}'; did you mean {' or '.join(near)}?", ctx)


CODES = """\b
Exit codes:
    0  ok
    1  the spec has errors
    2  usage
    3  changes (--exit-code) or a stale lock
    4  a step failed
    5  a check or a test failed
   70  a bug of structdsl
  120  no room for the output
  130  interrupted"""


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=CODES
)
@click.version_option(structdsl.__version__, prog_name="structdsl")
def cli() -> None:
    """Adapt language models to a domain, from a spec in one file.

    A spec names corpora, their structure, a mixture, training stages and an evaluation. `compile` checks it,
    `run` executes it, and every table on the way is open to `query`.
    """


def main() -> None:
    """Entry point of the console script."""
    gc.set_threshold(50_000)  # nearly all that imports and a compile make stays: looking through it sooner is lost time
    _end(_outcome())


def _outcome() -> int:
    """Carry out what the command line asks for; the exit code."""
    try:
        code = cli(prog_name="structdsl", standalone_mode=False)  # click hands back the exit code of `Exit`
    except click.ClickException as error:
        click.echo(_shown(error), err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; what was finished is kept", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _bug()
        click.echo("error: the output cannot be written: no space left on the device", err=True)
        return EXIT_UNWRITTEN
    except Exception:  # noqa: BLE001  # the outermost frame: everything that arrives here is our bug
        return _bug()
    return int(code or 0)


def _bug() -> int:
    import traceback  # noqa: PLC0415 - only where it is needed

    traceback.print_exc()
    click.echo("\nthis is a bug of structdsl, not of your spec; please report it with the lines above", err=True)
    return EXIT_BUG


def _end(code: int) -> None:
    """Leave as Python does, but that nothing is taken apart first: that takes half a second after a run.

    What could not be written is an error as it is there, except to a reader that has gone.
    """
    with suppress(KeyboardInterrupt):
        threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - threads and what waits for them
    atexit._run_exitfuncs()  # noqa: SLF001 - what libraries have to tidy up
    for stream in (sys.stdout, sys.stderr):  # none where the caller closed it
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BrokenPipeError:
            continue
        except OSError:
            code = code or EXIT_UNWRITTEN
    os._exit(code)


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
