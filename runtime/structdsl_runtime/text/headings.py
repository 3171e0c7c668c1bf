"""Headings of other markups written as Markdown has them, and nothing else taken for one.

What reads a markup tells its lines, titles and code apart; here they become a text. A title is an ATX heading. Every
other line stays as it is, unless Markdown would see a heading or a fence in it: code in which it would stands in a
fence, any other such line behind a backslash, and one that would make a title of the lines above below a blank one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from structdsl_runtime.text.markdown import blocks
from structdsl_runtime.text.marks import atx, fence_after
from structdsl_runtime.text.setext import Paragraphs, front_matter, is_underline

_DEEPEST: Final = 6
_TICKS: Final = re.compile(r"`{3,}")
_CLOSED: Final = re.compile(r"[ \t]#+\Z")  # what an ATX heading may end with


@dataclass(frozen=True, slots=True)
class Title:
    """A heading; level 1 is the highest."""

    level: int
    words: str


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are no prose; `fenced` where they stand in a fence whatever they are."""

    lines: Sequence[str]
    fenced: bool = False
    language: str = ""


Part = str | Title | Code


def is_title(words: str) -> bool:
    """Whether a heading can be called that."""
    return bool(words.strip("# \t"))


def written(parts: Iterable[Part]) -> str:
    """The parts as one text, a line each."""
    lines: list[str] = []
    above, done = Paragraphs(), 0  # lines that it has read, or that nothing below depends on
    first = 0  # lines before the first title
    for part in parts:
        fresh = list(_lines(part))
        if any(map(is_underline, fresh)):
            for line in lines[done:]:
                above.read(line)
            done = len(lines)
            if any(map(above.copy().read, fresh)):
                fresh.insert(0, "")
        if isinstance(part, Title):
            first = first or len(lines)
            above, done = Paragraphs(), len(lines) + len(fresh)
        lines += fresh
    if first and front_matter("\n".join(lines)) > first:
        lines.insert(0, "")
    return "\n".join(lines)


def _lines(part: Part) -> Iterator[str]:
    match part:
        case Title(level, words):
            yield f"{'#' * min(level, _DEEPEST)} {words}{' #' if _CLOSED.search(words) else ''}"
        case Code(lines, fenced):
            yield from _fenced(part) if fenced or _is_misread(lines) else lines
        case line if atx(line) or fence_after(line, ""):
            bare = line.lstrip(" ")
            yield f"{line[: len(line) - len(bare)]}\\{bare}"
        case line:
            yield line


def _is_misread(lines: Sequence[str]) -> bool:
    """Whether Markdown sees more in these lines than paragraphs."""
    return any(fence_after(line, "") for line in lines) or any(block.level for block in blocks("\n".join(lines)))


def _fenced(code: Code) -> Iterator[str]:
    """The lines in a fence as far to the right as they are, and longer than any within."""
    ticks = max((len(run) for line in code.lines for run in _TICKS.findall(line)), default=2)
    indent = min((len(line) - len(line.lstrip(" ")) for line in code.lines if line.strip()), default=0)
    fence = " " * min(indent, 3) + "`" * (ticks + 1)
    return iter((f"{fence}{code.language}", *code.lines, fence))
