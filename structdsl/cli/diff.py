"""`structdsl diff`: what a change of a spec means for its results, from two revisions of git, none checked out."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from structdsl.cli.common import Request, failure, find_spec, format_option, report, shown, spec_options, unreadable
from structdsl.cli.git import NoRepository, Repository, UnknownRevision, repository
from structdsl.cli.sweep import single

if TYPE_CHECKING:
    from collections.abc import Callable

    from structdsl.cli.outline import Entry, Line
    from structdsl.diagnostics import Diagnostic
    from structdsl.diff import BlockChange, Difference, StepChange
    from structdsl.plan import Plan
    from structdsl.syntax.source import Source
    from structdsl.unit import Unit

EXIT_RECOMPUTED = 3
SIGNS = {"new": "+", "recomputed": "~", "label": "=", "retired": "-"}
WORDS = {"new": "new", "recomputed": "to be recomputed", "label": "label only", "retired": "retired"}
GONE = frozenset({"new", "retired"})
PLAIN = GONE | {"its description changed"}  # reasons that many steps share
TREE = "working tree"


@click.command("diff", short_help="Compare the plans of a spec at two revisions of git.")
@click.argument("revisions", required=False, metavar="[A..B]")
@spec_options
@click.option("--exit-code", is_flag=True, help="Exit with 3 where a step would be recomputed.")
@click.option("--all", "everything", is_flag=True, help="Show every step, not a line for each block.")
@format_option("table", "json", text="Lines for people, or JSON for programs.")
def diff_command(
    revisions: str | None,
    request: Request,
    exit_code: bool,  # noqa: FBT001 - a flag of the command line
    everything: bool,  # noqa: FBT001 - the same
    format_: str,
) -> None:
    """Compare the plans of a spec at two revisions of git: what would be recomputed, and why.

    A..B are two revisions; A alone is held against the working tree, and so is HEAD where none is named. `+` is new,
    `~` is recomputed, `=` is another label, cost or place, `-` is retired.
    """
    if revisions is not None and request.spec is None and revisions.endswith(".adapt"):
        request, revisions = replace(request, spec=Path(revisions)), None
    path = find_spec(request).spec
    request = single(request, "diff")
    before, after = _sides(revisions, path, request.style)
    units = [_compiled(side, path, request) for side in (before, after)]
    if units == [None, None]:
        from structdsl.diagnostics import Diagnostic  # noqa: PLC0415

        message = f"`{path}` is neither in `{before.name}` nor in {after.shown}"
        raise failure([Diagnostic(code="E0822", message=message)], request.style)
    found = _compared(*units)
    if format_ == "json":
        click.echo(json.dumps(_values(found, before, after), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(_text(found, f"{shown(path)}: {before.name} → {after.name}", everything=everything)))
    if exit_code and found.steps.recomputes:
        raise click.exceptions.Exit(EXIT_RECOMPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: a commit of a repository, or the files as they lie there."""

    name: str  # as the user named it
    repository: Repository
    commit: str | None = None

    @property
    def shown(self) -> str:
        return "the working tree" if self.commit is None else f"`{self.name}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    steps: Difference
    blocks: list[BlockChange]
    before: Plan | None
    after: Plan | None


def _sides(revisions: str | None, spec: Path, style: str) -> tuple[Side, Side]:
    """What `A..B`, `A...B`, `A` or nothing asks for; E0820 outside of a repository, E0821 where a name is unknown."""
    from structdsl.diagnostics import Diagnostic, nearest  # noqa: PLC0415

    try:
        here = repository(spec.resolve().parent)
        first, dots, second = (revisions or "HEAD").partition("..")
        first, name = first or "HEAD", second.removeprefix(".") or "HEAD"
        if not dots:
            return Side(name=first, repository=here, commit=here.commit(first)), Side(name=TREE, repository=here)
        start = here.fork(first, name) if second.startswith(".") else here.commit(first)
        return (
            Side(name=first, repository=here, commit=start),
            Side(name=name, repository=here, commit=here.commit(name)),
        )
    except NoRepository as error:
        message = f"there is nothing to compare with: {error}"
        raise failure([Diagnostic(code="E0820", message=message)], style) from None
    except UnknownRevision as error:
        near = nearest(str(error), list(error.known))
        helps = (f"a revision with a similar name exists: {' or '.join(f'`{name}`' for name in near)}",) if near else ()
        diagnostic = Diagnostic(code="E0821", message=f"unknown revision `{error}`", helps=helps)
        raise failure([diagnostic], style) from None


def _compiled(side: Side, spec: Path, request: Request) -> Unit | None:
    """What a side is compiled to; none where it has no such spec. Its mistakes end the process with exit code 1."""
    from structdsl.compile import compile_unit  # noqa: PLC0415
    from structdsl.diagnostics import Severity  # noqa: PLC0415
    from structdsl.lock import lock_path  # noqa: PLC0415

    read, path = _reader(side, spec)
    text, lock = (_text_of(side, file, read, request.style) for file in (path, lock_path(path)))
    if text is None:
        return None
    unit, sink = compile_unit(text, path, request.overrides, profile=request.profile, read=read, lock=lock)
    errors = [diagnostic for diagnostic in sink if diagnostic.severity is Severity.ERROR]
    report([_at(side, diagnostic) for diagnostic in errors], request.style)
    if unit.plan is None:
        raise click.exceptions.Exit(1)
    return unit


def _text_of(side: Side, path: Path, read: Callable[[Path], str], style: str) -> str | None:
    """A file of a side; none where it has no such file."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise failure([unreadable(_shown(side, path), error)], style) from None


def _reader(side: Side, spec: Path) -> tuple[Callable[[Path], str], Path]:
    """How a side reads its files, and the path of the spec there: from the root of the repository in a commit."""
    from structdsl.unit import read_text  # noqa: PLC0415

    commit = side.commit
    if commit is None:
        return read_text, spec

    def read(path: Path) -> str:
        return side.repository.show(commit, posixpath.normpath(path.as_posix())).decode("utf-8-sig")

    return read, spec.resolve().relative_to(side.repository.root.resolve())


def _shown(side: Side, path: Path) -> Path:
    return path if side.commit is None else Path(f"{side.name}:{path.as_posix()}")


def _at(side: Side, diagnostic: Diagnostic) -> Diagnostic:
    """The same message, its files named as `REV:path`."""

    def placed(source: Source) -> Source:
        return replace(source, path=_shown(side, source.path))

    labels = tuple(
        label if label.source is None else replace(label, source=placed(label.source)) for label in diagnostic.labels
    )
    source = diagnostic.file
    return replace(diagnostic, source=None if source is None else placed(source), labels=labels)


def _compared(before: Unit | None, after: Unit | None) -> Compared:
    from structdsl.diff import changed_values, compare  # noqa: PLC0415

    plans = [unit.plan if unit is not None else None for unit in (before, after)]
    return Compared(steps=compare(*plans), blocks=changed_values(before, after), before=plans[0], after=plans[1])


def _text(found: Compared, head: str, *, everything: bool) -> list[str]:
    from structdsl.cli import outline  # noqa: PLC0415

    changes = {change.address: change for change in found.steps.steps}
    entries = [_entry(change, changes) for change in found.steps.steps if not _view(change, found)]
    lines = outline.whole(entries, {}) if everything else outline.folded(entries, PLAIN, {})
    listed = outline.show(_with_values(lines, found))
    return [outline.strong(head), "", *listed, *([""] if listed else []), _summary(found)]


def _view(change: StepChange, found: Compared) -> bool:
    """Whether a step is a view that only follows from others: nothing is computed for it."""
    steps = [step for plan in (found.before, found.after) if plan is not None for step in plan.steps]
    operation = next(step.operation.op for step in reversed(steps) if step.address == change.address)
    return operation == "view" and change.sort != "label" and not change.own


def _entry(change: StepChange, changes: dict[str, StepChange]) -> Entry:
    from structdsl.cli.outline import Entry  # noqa: PLC0415

    return Entry(
        sign=SIGNS[change.sort],
        address=change.address,
        own=_reasons(change),
        chain=change.chain if not change.own else (),
        root="; ".join(_reasons(changes[change.chain[-1]])) if change.chain else "",
        others=max(0, len(change.origins) - 1),
    )


def _reasons(change: StepChange) -> tuple[str, ...]:
    if change.sort in GONE:
        return (change.sort,)
    return tuple(part.text for part in change.own)


def _with_values(lines: list[Line], found: Compared) -> list[Line]:
    """The lines, below the first of each block what its author changed; a block without steps has a line of its own."""
    from structdsl.cli.outline import Line, between, block_of  # noqa: PLC0415

    waiting = {block.address: block for block in found.blocks}
    told = []
    for line in lines:
        block = waiting.pop(block_of(line.name), None)
        below = tuple(between(value.name, value.before, value.after) for value in block.values) if block else ()
        told.append(replace(line, below=below))
    quiet = "=" if not found.steps.recomputes else " "  # what a block without steps does shows at others
    own = [
        Line(
            sign={"new": "+", "retired": "-", "changed": quiet}[block.sort],
            name=block.address,
            text=block.sort if block.sort != "changed" else "",
            below=tuple(between(value.name, value.before, value.after) for value in block.values),
        )
        for block in waiting.values()
    ]
    return [*own, *told]


def _summary(found: Compared) -> str:
    counts = _counts(found)
    parts = [f"{counts[sort]} {word}" for sort, word in WORDS.items() if counts[sort]]
    return ", ".join([*parts, f"{found.steps.unchanged} unchanged"]) + " (steps, views included)"


def _counts(found: Compared) -> dict[str, int]:
    return {
        "new": len(found.steps.of_sort("new")),
        "recomputed": len(found.steps.of_sort("recomputed")),
        "label": len(found.steps.of_sort("label")),
        "retired": len(found.steps.of_sort("retired")),
    }


def _values(found: Compared, before: Side, after: Side) -> dict[str, Any]:
    """What programs read; keys are only ever added."""
    return {
        "before": {"revision": before.name, "commit": before.commit},
        "after": {"revision": after.name, "commit": after.commit},
        "steps": [
            {
                "address": change.address,
                "sign": SIGNS[change.sort],
                "change": change.sort,
                "own": [{"what": part.what, "before": part.before, "after": part.after} for part in change.own],
                "chain": list(change.chain),
                "origins": list(change.origins),
            }
            for change in found.steps.steps
        ],
        "blocks": [
            {
                "address": block.address,
                "change": block.sort,
                "values": [
                    {"name": value.name, "before": value.before, "after": value.after} for value in block.values
                ],
            }
            for block in found.blocks
        ],
        "summary": {**_counts(found), "unchanged": found.steps.unchanged},
    }
