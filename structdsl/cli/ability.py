"""Refusing a plan that the runtime cannot carry out, before its first step: every place of the spec at once."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from typing import TYPE_CHECKING

from structdsl.cli.common import failure

if TYPE_CHECKING:
    from structdsl.plan import Place, Plan
    from structdsl.syntax.source import Source, Sources
    from structdsl.syntax.tree import Span


def refuse_missing(plan: Plan, source: Sources, style: str, only: Collection[str] | None = None) -> None:
    """End the process with exit code 1 where a step of a plan, or of the part `only` of it, is not built yet."""
    from structdsl.diagnostics import Diagnostic, Label  # noqa: PLC0415
    from structdsl_runtime.ability import missing  # noqa: PLC0415

    needed: dict[tuple[Place, str], list[str]] = {}
    for found in missing(plan, only):
        needed.setdefault((found.place, found.what), []).append(found.address)
    diagnostics = []
    for (place, what), addresses in sorted(needed.items(), key=lambda item: (item[0][0].file, item[0][0].start)):
        file, span = located(place, source)
        others = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        label = Label(span=span, text=f"needed by `{addresses[0]}`{others}")
        diagnostics.append(Diagnostic(code="E0801", message=f"{what} is not built yet", source=file, labels=(label,)))
    if diagnostics:
        raise failure(diagnostics, style)


def located(place: Place, source: Sources) -> tuple[Source, Span]:
    """The file and the span of a place of the plan."""
    from structdsl.syntax.tree import Span  # noqa: PLC0415

    folder = source.path.parent.as_posix() or "."
    for file in source.files:
        if place.file in {str(file.path), posixpath.relpath(file.path.as_posix(), folder)}:
            return file, Span(place.start, place.end)
    return source.files[0], Span(place.start, place.end)
