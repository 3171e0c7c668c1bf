"""What the commands share: finding the spec, reading `-p`, compiling, and reporting."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from structdsl.diagnostics import Diagnostic
    from structdsl.plan import Plan
    from structdsl.syntax.source import Sources
    from structdsl.unit import Unit

EXIT_SPEC = 1
EXIT_STEP = 4
EXIT_GATE = 5  # a check or a requirement that failed
GATES = frozenset({"E0520", "E0722"})  # codes of faults that are gates

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spec on disk, and the folders that belong to it."""

    spec: Path

    @property
    def root(self) -> Path:
        """Relative paths of the spec start here."""
        return self.spec.resolve().parent

    @property
    def build(self) -> Path:
        return self.root / "build" / self.spec.stem

    @property
    def store(self) -> Path:
        return self.root / ".structdsl" / self.spec.stem


def spec_options(command: Command) -> Command:
    """The argument and the options of every command that compiles."""
    decorators = (
        click.argument("spec", required=False, type=click.Path(path_type=Path)),
        click.option("-p", "params", multiple=True, metavar="NAME=VALUE", help="Set a param; may be repeated."),
        click.option(
            "--diagnostics",
            "style",
            type=click.Choice(["full", "concise", "json"]),
            default="full",
            show_default=True,
            help="How messages about the spec are printed.",
        ),
    )
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def find_spec(spec: Path | None, style: str) -> Place:
    """The spec that was named, else the only one in the current folder."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

    if spec is not None:
        return Place(spec=spec)
    found = sorted(Path().glob("*.adapt"))
    if len(found) == 1:
        return Place(spec=found[0])
    if not found:
        diagnostic = Diagnostic(
            code="E0803", message="no spec in this folder", helps=("name one: `structdsl … path/to/spec.adapt`",)
        )
    else:
        names = ", ".join(f"`{path}`" for path in found)
        diagnostic = Diagnostic(
            code="E0803", message=f"{len(found)} specs in this folder: {names}", helps=("name one of them",)
        )
    raise failure([diagnostic], style)


def compile_place(
    place: Place, params: tuple[str, ...], style: str, told: list[Diagnostic] | None = None
) -> tuple[Plan, Sources]:
    """The plan of a spec, and the text that it is the plan of: the file may change meanwhile."""
    unit = compile_spec(place, params, style, told)
    assert unit.plan is not None, "a spec without errors has a plan"
    return unit.plan, unit.source


def compile_spec(place: Place, params: tuple[str, ...], style: str, told: list[Diagnostic] | None = None) -> Unit:
    """All that is known of a spec without errors.

    Ends the process with exit code 1, all messages printed, where there are errors. `told` are messages that were
    printed before, of the same spec under other params; it grows.
    """
    from structdsl.compile import compile_unit  # noqa: PLC0415
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

    overrides = dict(_assignment(text) for text in params)
    try:
        text = place.spec.read_bytes().decode("utf-8-sig")
    except OSError as error:
        message = f"`{place.spec}` cannot be read: {(error.strerror or str(error)).lower()}"
        raise failure([Diagnostic(code="E0802", message=message)], style) from None
    except UnicodeDecodeError as error:
        message = f"`{place.spec}` is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise failure([Diagnostic(code="E0802", message=message)], style) from None
    unit, sink = compile_unit(text, place.spec, overrides)
    told = [] if told is None else told
    report([diagnostic for diagnostic in sink if diagnostic not in told], style)
    told += sink
    if unit.plan is None:
        raise click.exceptions.Exit(EXIT_SPEC)
    return unit


def build(plan: Plan, folder: Path) -> list[Path]:
    """Write the artefacts of a plan; a folder that is not ours, or that cannot be written, is an error of usage."""
    from structdsl.emit import NoBuild, write_build  # noqa: PLC0415

    try:
        return write_build(plan, folder)
    except NoBuild:
        message = f"`{shown(folder)}` holds files that no compile wrote; empty it, or have it written elsewhere"
        raise click.UsageError(message) from None
    except OSError as error:
        message = f"`{shown(folder)}` cannot be written: {(error.strerror or str(error)).lower()}"
        raise click.UsageError(message) from None


def shown(path: Path) -> Path:
    """A path as messages name it: relative to the current folder where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def report(diagnostics: list[Diagnostic], style: str) -> None:
    """Print messages on standard error, coloured where a person reads them."""
    from structdsl.diagnostics import render  # noqa: PLC0415

    if diagnostics:
        color = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        sys.stderr.write(render(diagnostics, style=style, color=color))
        sys.stderr.flush()


def failure(diagnostics: list[Diagnostic], style: str, code: int = EXIT_SPEC) -> click.exceptions.Exit:
    """What to raise to end with these messages printed, and this exit code."""
    report(diagnostics, style)
    return click.exceptions.Exit(code)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        message = f"`-p {text}` must have the form NAME=VALUE"
        raise click.UsageError(message)
    return name.strip(), value.strip()
