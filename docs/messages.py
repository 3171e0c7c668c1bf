"""Every message side by side, so that one voice can be heard in all of them; and the list of their codes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from docs.literate import shown
from structdsl.compile import compile_text
from structdsl.diagnostics import CODES, Diagnostic, page

AREAS = {
    "E01": "Text",
    "E02": "Names",
    "E03": "Types and units",
    "E04": "Shape",
    "E05": "Data",
    "E06": "SQL",
    "E07": "Training",
    "E08": "Reproducibility and runtime",
    "W": "Warnings",
}
PAGES = "../../structdsl/diagnostics/pages"

OPENING = """\
Every message has a code, and every code a page: what happened, why it matters, an example, and what to write instead.
`structdsl explain E0201` shows it in the terminal; [messages](messages.md) shows them all as they are printed."""
SIDE_BY_SIDE = """\
Every message of the compiler, once for each way in which it is put. Those that only a run can find stand on the
[pages of their codes](diagnostics.md)."""


def index() -> str:
    """The codes by area, each with what it is called and its page."""
    parts = [
        "# Diagnostics",
        OPENING,
    ]
    for area, codes in _areas().items():
        rows = [f"| [{code}]({PAGES}/{code}.md) | {CODES[code]} |" for code in codes]
        parts.append("\n".join([f"## {area}\n", "| code | what it says |", "| --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def catalogue(said: Iterable[Diagnostic]) -> str:
    """Each different message once, under its code: those of the guide, then those of the pages of the codes."""
    known: dict[tuple[str, str], Diagnostic] = {}
    for diagnostic in (*said, *_examples()):
        known.setdefault((diagnostic.code, _pattern(diagnostic.message)), diagnostic)
    parts = [
        "# Messages",
        SIDE_BY_SIDE,
    ]
    for area, codes in _areas().items():
        parts.append(f"## {area}")
        for code in codes:
            found = tuple(diagnostic for (other, _), diagnostic in known.items() if other == code)
            if found:
                parts.append(f"### [{code}]({PAGES}/{code}.md): {CODES[code]}\n\n```text\n{shown(found)}\n```")
    return "\n\n".join(parts) + "\n"


def _areas() -> dict[str, list[str]]:
    areas: dict[str, list[str]] = {}
    for code in CODES:
        area = next((name for prefix, name in AREAS.items() if code.startswith(prefix)), "Others")
        areas.setdefault(area, []).append(code)
    return areas


def _examples() -> Iterable[Diagnostic]:
    """What is said of the examples of the pages; an example of a fault that only a run can find is silent."""
    for code in CODES:
        for text in re.findall(r"```adapt\n(.*?)```", page(code).partition("## Instead")[0], re.DOTALL):
            _, sink = compile_text(text, Path("spec.adapt"))
            yield from (diagnostic.in_file() for diagnostic in sink if diagnostic.code == code)


def _pattern(message: str) -> str:
    """A message without its names and numbers: what two of the same wording have in common."""
    return re.sub(r"`[^`]*`|\d[\d.,%]*", "…", message)
