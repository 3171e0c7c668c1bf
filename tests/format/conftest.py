"""Every text of the repository that can be read, to be formatted."""

from __future__ import annotations

import re
from pathlib import Path

from structdsl.diagnostics import Sink
from structdsl.syntax import parse
from structdsl.syntax.source import Source

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```adapt[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = re.compile(r"^language ", re.MULTILINE)
PAGES = ("tests/language", "structdsl/diagnostics/pages")


def readable(text: str) -> bool:
    sink = Sink()
    parse(Source(Path("x.adapt"), text), sink)
    return not sink.failed


def texts() -> dict[str, str]:
    """Specs, and the snippets of the pages, by where they stand."""
    found: dict[str, str] = {}
    for folder in ("specs", "examples", "tests", "structdsl"):
        for path in sorted((ROOT / folder).rglob("*.adapt")):
            if not {".structdsl", "build"} & set(path.parts):
                found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    for page in PAGES:
        for path in sorted((ROOT / page).glob("*.md")):
            text = path.read_text(encoding="utf-8")
            for fence in FENCE.finditer(text):
                snippet = fence[1] if HEAD.search(fence[1]) else f"language 1\n{fence[1]}"
                found[f"{path.stem}:{text.count(chr(10), 0, fence.start()) + 1}"] = snippet
    return {place: text for place, text in found.items() if readable(text)}


TEXTS = texts()
