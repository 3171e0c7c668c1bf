r"""Markdown, as far as structure needs it: text into blocks, and headings into titles.

A block is a heading or a paragraph *with the blank lines that follow it*, so that blocks laid end to end are the text,
byte for byte. Headings are ATX headings (`## Title`) outside fenced code and front matter, and paragraphs over a line
of `=` or `-` (see `text.setext`); `####` with no title names nothing and is text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from structdsl_runtime.text.marks import atx, fence_after
from structdsl_runtime.text.setext import Paragraphs, Title, front_matter, has_underline

_GAP: Final = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Block:
    """A heading line (`level` 1–6) or a paragraph (`level` 0), with the blank lines after it."""

    text: str
    level: int = 0
    title: str = ""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text; their texts concatenate to it. Blank lines at the start belong to the first block."""
    held: list[str] = []  # lines of the block that is being read
    heading: tuple[int, str] | None = None  # what it is, where it is a heading
    full = gap = False  # whether it has a line that is not blank, and a blank line after that
    fence = ""
    lines = _lines(text)
    front = front_matter(text)
    titles = _underlined(lines, front) if has_underline(text) else {}
    below = 0  # lines of the title that is being read
    for number, line in enumerate(lines):
        if below:
            held.append(line)
            below -= 1
            continue
        inside, fence = bool(fence) or number < front, fence_after(line, fence) if number >= front else ""
        found = None if inside or fence else atx(line)
        blank = not inside and not line.strip()
        if (title := titles.get(number)) is not None:
            found, below = (title.level, title.words), title.lines - 1
        if full and not blank and (gap or heading or found):
            yield _block(held, heading)
            held, heading, full, gap = [], None, False, False
        heading = heading or found
        gap = gap or (full and blank)
        full = full or not blank
        held.append(line)
    if held:
        yield _block(held, heading)


def _underlined(lines: Sequence[str], front: int) -> dict[int, Title]:
    """The titles with a line below them, by the number of their first line."""
    read = Paragraphs().read
    found = ((number, read(line)) for number, line in enumerate(lines[front:], start=front))
    return {number + 1 - title.lines: title for number, title in found if title is not None}


def first_title(text: str) -> str | None:
    """The first heading of level 1."""
    if "#" not in text and not ("=" in text and has_underline(text)):
        return None
    return next((block.title for block in blocks(text) if block.level == 1), None)


def opens_with(text: str, title: str) -> bool:
    """Whether the headings that a text begins with include this title."""
    first = text.partition("\n")[0]
    if first.strip():  # most often that line tells, or those up to a blank one, and the rest need not be looked at
        found = atx(first)
        if found is None:
            gap = _GAP.search(text)
            opening = text[: gap.end()] if gap else text
            block = next(blocks(opening)) if has_underline(opening) else Block(opening)
            found = (block.level, block.title) if block.level else None
        if found is None or found[1] == title:
            return found is not None
    for block in blocks(text):
        if not block.level:
            return False
        if block.title == title:
            return True
    return False


def _lines(text: str) -> list[str]:
    r"""Lines with their `\n`; unlike `str.splitlines`, form feeds and Unicode separators do not end a line."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _block(lines: list[str], heading: tuple[int, str] | None) -> Block:
    return Block("".join(lines), *heading) if heading else Block("".join(lines))
