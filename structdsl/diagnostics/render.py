"""Diagnostics as text: for people in full, for people in a hurry, and for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from structdsl.diagnostics.diagnostic import Diagnostic, Label, Severity
from structdsl.diagnostics.paint import Paint
from structdsl.diagnostics.snippet import snippet
from structdsl.syntax.source import Source


def render(diagnostics: Iterable[Diagnostic], *, style: str = "full", color: bool = False) -> str:
    """All diagnostics in one text that ends with a line break; empty where there are none.

    `style` is a key of `RENDERERS`: "full", "concise" (a line each) or "json" (a line each, for programs).
    """
    found = [diagnostic.in_file() for diagnostic in diagnostics]
    return RENDERERS[style](found, Paint(on=color)) if found else ""


def full(diagnostics: list[Diagnostic], paint: Paint) -> str:
    """Each with the lines of the spec that it is about."""
    blocks = [_full(diagnostic, paint) for diagnostic in diagnostics]
    return "\n\n".join([*blocks, _summary(diagnostics, paint)]) + "\n"


def concise(diagnostics: list[Diagnostic], paint: Paint) -> str:
    """A line each, as compilers do and editors know: `path:line:col: error[E0201]: message`."""
    lines = (f"{_where(diagnostic)}{_headline(diagnostic, paint)}" for diagnostic in diagnostics)
    return "\n".join([*lines, _summary(diagnostics, paint)]) + "\n"


def as_json(diagnostics: list[Diagnostic], _: Paint) -> str:
    """An object each, one a line; spans are byte offsets, lines and columns count from 1."""
    return "".join(json.dumps(_json(diagnostic), ensure_ascii=False) + "\n" for diagnostic in diagnostics)


RENDERERS: dict[str, Callable[[list[Diagnostic], Paint], str]] = {"full": full, "concise": concise, "json": as_json}


def _full(diagnostic: Diagnostic, paint: Paint) -> str:
    lines = [_headline(diagnostic, paint)]
    margin = 0
    file = diagnostic.file
    if file and diagnostic.labels:
        margin, body = snippet(file, diagnostic.labels, paint, diagnostic.severity)
        lines += body
    elif file:
        lines.append(paint.frame("  --> ") + str(file.path))
    footers = [*(("note", text) for text in diagnostic.notes), *(("help", text) for text in diagnostic.helps)]
    if margin and footers:
        lines.append(paint.frame(" " * margin + " |"))
    for kind, text in footers:
        first, *rest = text.split("\n")
        lines.append(f"{paint.strong(kind)}: {first}")
        lines += [f"{' ' * (len(kind) + 2)}{line}" for line in rest]
    return "\n".join(lines)


def _headline(diagnostic: Diagnostic, paint: Paint) -> str:
    kind = diagnostic.severity
    return f"{paint.severity(f'{kind.value}[{diagnostic.code}]', kind)}{paint.strong(f': {diagnostic.message}')}"


def _summary(diagnostics: list[Diagnostic], paint: Paint) -> str:
    """`error: 2 errors, 1 warning`."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [_count(errors, "error"), _count(warnings, "warning")]
    worst = Severity.ERROR if errors else Severity.WARNING
    return f"{paint.severity(worst.value, worst)}: {', '.join(count for count in counts if count)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _first(diagnostic: Diagnostic) -> Label | None:
    return next((label for label in diagnostic.labels if label.primary), next(iter(diagnostic.labels), None))


def _where(diagnostic: Diagnostic) -> str:
    label = _first(diagnostic)
    file = diagnostic.file
    if not file:
        return ""
    if not label:
        return f"{file.path}: "
    line, column = file.position(label.span.start)
    return f"{file.path}:{line}:{column}: "


def _json(diagnostic: Diagnostic) -> dict[str, object]:
    source = diagnostic.file
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "path": str(source.path) if source else None,
        "labels": [
            {
                **({"path": str(label.source.path)} if label.source else {}),
                **_place(label.source or source, label.span.start, label.span.end),
                "text": label.text,
                "primary": label.primary,
            }
            for label in diagnostic.labels
        ],
        "notes": list(diagnostic.notes),
        "helps": list(diagnostic.helps),
        "fixes": [{**_place(source, edit.span.start, edit.span.end), "text": edit.text} for edit in diagnostic.fixes],
    }


def _place(source: Source | None, start: int, end: int) -> dict[str, int]:
    place = {"start": start, "end": end}
    if source:
        place["line"], place["column"] = source.position(start)
        place["end_line"], place["end_column"] = source.position(end)
    return place
