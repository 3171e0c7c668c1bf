"""The literate pages of the tests as a guide: prose and specs as they stand, messages as a user sees them.

A page says of a spec only which messages it gets; here the spec is compiled again and the messages are shown in full.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from structdsl.compile import compile_text
from structdsl.diagnostics import Diagnostic, Label, render
from structdsl.syntax.source import Source
from structdsl.syntax.tree import Span

PAGES = Path(__file__).parents[1] / "tests" / "language"
FENCE = re.compile(
    r"^```(?P<kind>adapt prelude|adapt|says)(?P<file>[ ][\w/]+\.adapt)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
EDITION = "language 1\n"  # goes without saying on the pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """A page of the guide, and the messages that stand in it."""

    title: str
    text: str
    said: tuple[Diagnostic, ...]


def guide() -> dict[str, Guide]:
    """The pages by their names, in the order of the alphabet."""
    return {path.stem: _page(path.read_text(encoding="utf-8")) for path in sorted(PAGES.glob("*.md"))}


def _page(text: str) -> Guide:
    title = text.partition("\n")[0].removeprefix("# ").strip()
    said: list[Diagnostic] = []
    prelude, files, case = "", dict[str, str](), ""
    parts, done = [], 0
    for fence in FENCE.finditer(text):
        parts.append(text[done : fence.start()])
        done = fence.end()
        match fence["kind"]:
            case "adapt prelude":
                prelude = fence["text"]
                parts.append(_folded(prelude))
            case "adapt" if fence["file"]:
                name = fence["file"].strip()
                files[name] = EDITION + fence["text"]
                parts.append(f"`{name}`:\n```adapt\n{fence['text']}```")
            case "adapt":
                case = EDITION + fence["text"] + "\n" + prelude
                parts.append(fence[0])
            case "says":
                found = tuple(_shifted(diagnostic) for diagnostic in _said(case, files))
                said += found
                parts.append(f"```text\n{shown(found)}\n```")
    return Guide(title=title, text="".join([*parts, text[done:]]), said=tuple(said))


def shown(diagnostics: tuple[Diagnostic, ...]) -> str:
    """Messages in full, without the line that counts them."""
    lines = render(diagnostics).rstrip("\n").rpartition("\n\n")[0].split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _folded(prelude: str) -> str:
    return (
        "<details><summary>Every example of this page goes on with these blocks</summary>\n\n"
        f"```adapt\n{prelude}```\n\n</details>"
    )


def _said(text: str, files: dict[str, str]) -> Iterator[Diagnostic]:
    def read(path: Path) -> str:
        if path.as_posix() not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[path.as_posix()]

    _, sink = compile_text(text, Path("spec.adapt"), read=read, environment={"BUDGET": "3M tokens"})
    return (diagnostic.in_file() for diagnostic in sink)


def _shifted(diagnostic: Diagnostic) -> Diagnostic:
    """The same in a text without its first line, so that its line numbers are those of the page."""
    source = diagnostic.file
    if source is None or any(label.span.start < len(EDITION) for label in diagnostic.labels):
        return diagnostic
    return dataclasses.replace(
        diagnostic, source=_without(source), labels=tuple(_moved(label) for label in diagnostic.labels), fixes=()
    )


def _moved(label: Label) -> Label:
    span = Span(label.span.start - len(EDITION), label.span.end - len(EDITION))
    return dataclasses.replace(label, span=span, source=_without(label.source) if label.source else None)


def _without(source: Source) -> Source:
    return Source(source.path, source.text.removeprefix(EDITION))
