"""What the commands share: finding the spec, reading `-p`, compiling, and reporting."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from structdsl.diagnostics import Diagnostic
    from structdsl.plan import Plan
    from structdsl.unit import Unit

EXIT_SPEC = 1
EXIT_STEP = 4
EXIT_GATE = 5  # a check or a requirement that failed
GATES = frozenset({"E0520", "E0722"})  # codes of faults that are gates


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks of the compiler."""

    spec: Path | None
    params: tuple[str, ...] = ()  # "name=value"
    profile: str | None = None
    style: str = "full"  # of messages

    @property
    def overrides(self) -> dict[str, str]:
        """The values of `-p` by the names of their params; raises `UsageError` where one has another form."""
        return dict(_assignment(text) for text in self.params)

    def using(self, params: tuple[str, ...]) -> Request:
        """The same with these params."""
        return replace(self, params=params)


def spec_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument and the options of every command that compiles, handed over as one `request`."""

    @functools.wraps(command)
    def asked(
        *, spec: Path | None, params: tuple[str, ...], profile: str | None, style: str, **others: object
    ) -> object:
        return command(request=Request(spec=spec, params=params, profile=profile, style=style), **others)

    decorators = (
        click.argument("spec", required=False, type=click.Path(path_type=Path)),
        click.option("-p", "params", multiple=True, metavar="NAME=VALUE", help="Set a param; may be repeated."),
        click.option("--profile", metavar="NAME", help="Lay a profile of the spec over it."),
        click.option(
            "--diagnostics",
            "style",
            type=click.Choice(["full", "concise", "json"]),
            default="full",
            show_default=True,
            help="How messages about the spec are printed.",
        ),
    )
    wrapped: Callable[..., Any] = asked
    for decorator in reversed(decorators):
        wrapped = decorator(wrapped)
    return wrapped


def format_option(first: str, *others: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--format`, of the command's own output; the first is what a person reads."""
    choice = click.Choice([first, *others])
    return click.option("--format", "format_", type=choice, default=first, show_default=True, help=text)


def find_spec(request: Request) -> Place:
    """The spec that was named, else the only one in the current folder."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

    if request.spec is not None:
        return Place(spec=request.spec)
    found = sorted(Path().glob("*.adapt"))
    if len(found) == 1:
        return Place(spec=found[0])
    if not found:
        diagnostic = Diagnostic(
            code="E0803",
            message="no spec in this folder",
            helps=("name one: `structdsl … path/to/spec.adapt`", "`structdsl init` writes one for what is here"),
        )
    else:
        names = ", ".join(f"`{path}`" for path in found)
        diagnostic = Diagnostic(
            code="E0803", message=f"{len(found)} specs in this folder: {names}", helps=("name one of them",)
        )
    raise failure([diagnostic], request.style)


def compile_spec(
    place: Place, request: Request, told: list[Diagnostic] | None = None, *, locked: bool = True
) -> tuple[Unit, Plan]:
    """All that is known of a spec without errors, its plan beside it.

    Ends the process with exit code 1, all messages printed, where there are errors. `told` are messages that were
    printed before, of the same spec under other params; it grows. `locked` says whether the lock beside it is read.
    """
    from structdsl.compile import compile_unit  # noqa: PLC0415

    text = read_spec(place.spec, request.style)
    unit, sink = compile_unit(
        text,
        place.spec,
        request.overrides,
        profile=request.profile,
        lock=_lock_text(place, request.style) if locked else None,
    )
    told = [] if told is None else told
    report([diagnostic for diagnostic in sink if diagnostic not in told], request.style)
    told += sink
    if unit.plan is None:
        raise click.exceptions.Exit(EXIT_SPEC)
    return unit, unit.plan


def read_spec(path: Path, style: str) -> str:
    """The text of a spec; ends the process with E0802 where it cannot be read."""
    from structdsl.unit import read_text  # noqa: PLC0415

    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise failure([unreadable(path, error)], style) from None


def unreadable(path: Path, error: OSError | UnicodeDecodeError) -> Diagnostic:
    """E0802, for a file that is not there or is no text."""
    from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

    if isinstance(error, UnicodeDecodeError):
        message = f"`{path}` is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
    else:
        message = f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}"
    return Diagnostic(code="E0802", message=message)


def unwritable(path: Path, error: OSError) -> click.UsageError:
    """What to raise where a file or a folder that the command line names cannot be written."""
    return click.UsageError(f"`{shown(path)}` cannot be written: {(error.strerror or str(error)).lower()}")


def _lock_text(place: Place, style: str) -> str | None:
    """The text of the lock beside a spec, where there is one."""
    from structdsl.lock import lock_path  # noqa: PLC0415

    path = lock_path(place.spec)
    return read_spec(path, style) if path.is_file() else None


def build(unit: Unit, plan: Plan, folder: Path) -> list[Path]:
    """Write the artefacts of a spec; a folder that is not ours, or that cannot be written, is an error of usage."""
    from structdsl.emit import NoBuild, write_build  # noqa: PLC0415
    from structdsl.resolve import resolved  # noqa: PLC0415

    try:
        return write_build(plan, resolved(unit), folder)
    except NoBuild:
        message = f"`{shown(folder)}` holds files that no compile wrote; empty it, or have it written elsewhere"
        raise click.UsageError(message) from None
    except OSError as error:
        raise unwritable(folder, error) from None


MOST_NAMED: Final = 10  # of the names that there are, where none is meant for certain


def unknown(what: str, name: str, known: Sequence[str], more: Sequence[str] = ()) -> click.UsageError:
    """What to raise for a name on the command line that nothing has: `book` may be meant for `corpus.book`.

    `more` may be meant as well, and are never listed.
    """
    from structdsl.diagnostics import nearest  # noqa: PLC0415

    near = [each for each in known if each.partition(".")[2] == name] or nearest(name, [*known, *more])
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {_some(name, known)}"
    return click.UsageError(f"no {what} {name}; {hint}")


def _some(name: str, known: Sequence[str]) -> str:
    """The names that there are, in their order; of many those that are nearest, and how many are left out."""
    from structdsl.diagnostics.suggest import distance  # noqa: PLC0415

    def away(known_name: str) -> int:
        return min(distance(name, each) for each in (known_name, known_name.partition(".")[2]))

    some = set(sorted(known, key=away)[:MOST_NAMED])
    names = ", ".join(each for each in known if each in some) or "none"
    return f"{names} and {len(known) - len(some)} more" if len(known) > len(some) else names


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
