r"""Markdown, as far as structure needs it: text into blocks, and headings into titles.

A block is a heading line or a paragraph *with the blank lines that follow it*, so that blocks laid end to end are the
text, byte for byte. Headings are ATX headings (`## Title`) outside fenced code; `####` with no title names nothing and
is text. A heading is as well a paragraph of one line over a line of three or more `=` or `-` (setext, CommonMark 4.3).
Paragraphs of several lines, which CommonMark would take whole, are text, and so is a line that nothing blank parts from
what is above it: `---` is as often a rule or the end of front matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_ATX: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)\n?\Z")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)

_UNDERLINE: Final = re.compile(r" {0,3}(={3,}|-{3,})[ \t]*\r?\n?\Z")
_UNDERLINED: Final = re.compile(
    r" {0,3}(?![>|<]|#{1,6}[ \t\r\n]|(?:[-+*]|[0-9]{1,9}[.)])[ \t\r\n]"  # quotes, rows, markup, headings, items
    r"|`{3}|~{3}|\[[^\]]*\]:|([-=*_])(?:[ \t]*\1)*[ \t]*\r?\n?\Z)(\S.*)\n?\Z"  # fences, targets of links, rules
)

_SIGNS: Final = re.compile(r"[\[`<*_\\]")  # no markup is without one of these
_MARKUP: Final = (
    (re.compile(r"!?\[([^\]\[]*)\]\([^()]*\)"), r"\1"),  # links and images keep their words
    (re.compile(r"(`+)(.+?)\1"), r"\2"),
    (re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?: [^<>]*)?/?>"), ""),
    (re.compile(r"(?<!\\)(\*{1,3})(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w\\])(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),  # backslash escapes
)


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
    below = False  # a title that this line underlines
    for line, following in zip(lines, (*lines, "")[1:], strict=True):
        if below:
            held.append(line)
            below = False
            continue
        inside, fence = fence, fence_after(line, fence)
        found = None if inside or fence else atx(line)
        blank = not inside and not line.strip()
        if not (found or inside or fence or (full and not gap and not heading)):
            found = underlined(line, following)
            below = found is not None
        if full and not blank and (gap or heading or found):
            yield _block(held, heading)
            held, heading, full, gap = [], None, False, False
        heading = heading or found
        gap = gap or (full and blank)
        full = full or not blank
        held.append(line)
    if held:
        yield _block(held, heading)


def atx(line: str) -> tuple[int, str] | None:
    """Level and title of an ATX heading, or None."""
    if "#" not in line[:4]:
        return None
    match = _ATX.match(line)
    if match is None:
        return None
    title = match[2].rstrip(" \t")
    if title.endswith("#") and (rest := title.rstrip("#")).endswith((" ", "\t")):
        title = rest.rstrip(" \t")  # `## Title ##`
    return (len(match[1]), plain(title)) if title.strip("# \t") else None


def underlined(line: str, below: str) -> tuple[int, str] | None:
    """Level and title of a setext heading where the line begins a block, or None."""
    under = is_underline(below)
    match = _UNDERLINED.match(line) if under else None
    return (1 if "=" in below else 2, plain(match[2].rstrip(" \t"))) if match else None


def is_underline(line: str) -> bool:
    """Whether a line makes a title of the one above, if that may be one."""
    return ("---" in line or "===" in line) and _UNDERLINE.match(line) is not None


def fence_after(line: str, fence: str) -> str:
    """The fence that is open after this line ("" where none is)."""
    match = _FENCE.match(line) if "```" in line or "~~~" in line else None
    if match is None:
        return fence
    if not fence:
        return "" if match[1][0] == "`" and "`" in match[2] else match[1]
    closes = match[1][0] == fence[0] and len(match[1]) >= len(fence) and not match[2].strip()
    return "" if closes else fence


def plain(title: str) -> str:
    """A title without its markup, on one line: `**A *b*** [c](d)` is `A b c`."""
    stripped = title
    for pattern, words in _MARKUP if _SIGNS.search(title) else ():
        stripped = pattern.sub(words, stripped)
    return " ".join(stripped.split()) or " ".join(title.split())


def first_title(text: str) -> str | None:
    """The first heading of level 1."""
    if "#" not in text and "===" not in text:
        return None
    return next((block.title for block in blocks(text) if block.level == 1), None)


def opens_with(text: str, title: str) -> bool:
    """Whether the headings that a text begins with include this title."""
    first, _, rest = text.partition("\n")
    if first.strip():  # most often that line tells, and the rest need not be looked at
        found = atx(first) or underlined(first, rest.partition("\n")[0])
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
