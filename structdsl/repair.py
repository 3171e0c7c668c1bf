"""Apply the fixes that diagnostics carry, and compile again, until there is nothing left that can be fixed.

All of this happens in memory: what comes out are texts, and whether they are written is for the caller to say. The
fixes of one diagnostic belong together, and go in as a whole or not at all; where two touch the same place the first
goes in, and the other has its turn in the next round, if it is still needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from structdsl.compile import compile_unit
from structdsl.diagnostics import Diagnostic, Edit, Sink
from structdsl.syntax.source import Source
from structdsl.unit import read_text

ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """One diagnostic that was repaired, and where it stood when it was."""

    path: Path
    line: int
    column: int
    code: str
    change: str  # "lerning_rate → learning_rate"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.code} fixed: {self.change}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    before: Mapping[Path, str]  # the files that changed
    after: Mapping[Path, str]
    fixed: tuple[Fixed, ...]
    left: tuple[Diagnostic, ...]  # what is still to be said


def repair(
    text: str, path: Path, overrides: Mapping[str, str] | None = None, *, profile: str | None = None
) -> Repaired:
    """Repair a spec and what it imports; files outside its folder, such as the standard library, stay as they are."""
    root = path.resolve().parent
    before: dict[Path, str] = {}
    after = {path: text}
    fixed: list[Fixed] = []

    def read(imported: Path) -> str:
        return after[imported] if imported in after else read_text(imported)

    for _ in range(ROUNDS):
        _, sink = compile_unit(after[path], path, overrides, profile=profile, read=read)
        chosen = _chosen(sink, root)
        if not chosen:
            break
        for source, found in chosen.items():
            before.setdefault(source.path, source.text)
            after[source.path] = applied(source, [edit for _, edits in found for edit in edits])
            fixed += [_fixed(source, diagnostic, edits) for diagnostic, edits in found]
    else:
        _, sink = compile_unit(after[path], path, overrides, profile=profile, read=read)
    return Repaired(before=before, after={path: after[path] for path in before}, fixed=tuple(fixed), left=tuple(sink))


def applied(source: Source, edits: list[Edit]) -> str:
    """The text with these edits, no two of which may touch."""
    data = source.data
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        data = data[: edit.span.start] + edit.text.encode() + data[edit.span.end :]
    return data.decode()


def _chosen(sink: Sink, root: Path) -> dict[Source, list[tuple[Diagnostic, list[Edit]]]]:
    """The fixes of one round, by file; a file that was imported twice is one file."""
    sources: dict[Path, Source] = {}
    chosen: dict[Source, list[tuple[Diagnostic, list[Edit]]]] = {}
    for diagnostic in sink:
        source = diagnostic.file
        if source is None or not diagnostic.fixes or not _ours(source.path, root):
            continue
        source = sources.setdefault(source.path, source)
        taken = [edit for _, edits in chosen.get(source, []) for edit in edits]
        edits = [
            edit for edit in diagnostic.fixes if source.data[edit.span.start : edit.span.end] != edit.text.encode()
        ]
        if edits and not any(_touch(edit, other) for edit in edits for other in taken):
            chosen.setdefault(source, []).append((diagnostic, edits))
    return chosen


def _ours(path: Path, root: Path) -> bool:
    return path.is_file() and path.resolve().is_relative_to(root)


def _touch(one: Edit, other: Edit) -> bool:
    """Whether two edits share a byte, or put text into the same gap."""
    a, b = one.span, other.span
    return (a.start < b.end and b.start < a.end) or a.start == b.start


def _fixed(source: Source, diagnostic: Diagnostic, edits: list[Edit]) -> Fixed:
    primary = next((label.span for label in diagnostic.labels if label.primary), edits[0].span)
    line, column = source.position(primary.start)
    change = ", ".join(_change(source, edit) for edit in edits)
    return Fixed(path=source.path, line=line, column=column, code=diagnostic.code, change=change)


def _change(source: Source, edit: Edit) -> str:
    written = source.data[edit.span.start : edit.span.end].decode()
    old, new = " ".join(written.split()), " ".join(edit.text.split())
    if not old:
        return f"added {new}" if new else "joined with the line above" if "\n" in written else "spaced"
    return f"{old} → {new}" if new else f"removed {old}"
