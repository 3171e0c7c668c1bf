"""reStructuredText with its section titles as headings of Markdown.

A title is a line in the first column that begins a block, with a line of one sign of punctuation below it, or above and
below; each such style is a level, in the order in which they appear. As docutils does, a line of four signs is enough
below whatever title. What is indented is no title, nor are rows of tables, items and fields.

https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from structdsl_runtime.text.headings import Code, Part, Title, is_title, written

_ADORNMENT: Final = re.compile(r"([!-/:-@\[-`{-~])\1*\Z")
_ENOUGH: Final = 4  # signs of an adornment, below a title of any length
_OTHER: Final = re.compile(
    r"(?:[-+*•‣⁃]|\.\.|__|>>>|\|)(?: |\Z)"  # items, explicit markup, targets, doctests, lines of verse
    r"|:(?![: ])(?:[^:\\]|\\.|:(?![ `]|\Z))*(?<! ):(?: |\Z)"  # fields
)
_TABLE: Final = re.compile(r"=+(?: +=+)+\Z")
_BORDER: Final = re.compile(r"=+[ =]*\Z")
_BORDERS: Final = 2  # below the first: under the head, and at the end
_ITEMS: Final = re.compile(r"\s*(?:(?:[-+*•‣⁃]|(?:\d{1,4}|[A-Za-z#])[.)]|\((?:\d{1,4}|[A-Za-z#])\))\s+)*")
_OPTION: Final = re.compile(r"\s*:[\w-]+:(?:\s|\Z)")
_ROLE: Final = re.compile(r":[A-Za-z][\w.+:-]{0,60}:`[!~]?([^`<>]{1,200}?)(?: ?<[^`<>]{0,200}>)?`")


def markdown_headings(text: str) -> str:
    """The text with ATX headings in place of its titles and their adornments."""
    return written(_parts(text.split("\n")))


def _parts(lines: Sequence[str]) -> Iterator[Part]:
    styles: dict[str, int] = {}
    at, within = 0, False  # a paragraph
    while at < len(lines):
        line = lines[at].rstrip()
        indented = line[:1].isspace()
        if line and not indented and not within:
            found = _title(line, lines[at + 1 : at + 3])
            if found is not None:
                style, words, size = found
                yield Title(styles.setdefault(style, len(styles) + 1), _ROLE.sub(r"`\1`", words))
                at += size
                continue
            if end := _table_end(lines, at):
                yield Code(lines[at:end])
                at = end
                continue
        within = bool(line) and not indented and (within or not (_OTHER.match(line) or _ADORNMENT.match(line)))
        yield lines[at]
        at += 1
        opened = _opened(line)
        if opened is None:
            continue
        while at < len(lines) and _OPTION.match(lines[at]) and _indent(lines[at]) > opened:
            yield lines[at]
            at += 1
        start, end = _block(lines, at, opened)
        yield from lines[at:start]
        if end > start:
            yield Code(lines[start:end])
            at, within = end, False


def _title(line: str, below: Sequence[str]) -> tuple[str, str, int] | None:
    """The style of a title, its words, and how many lines it takes; none where no title begins."""
    if not below or _OTHER.match(line):
        return None
    over = _ADORNMENT.match(line) is not None
    words, under = (below[0].strip(), below[-1].rstrip()) if over else (line, below[0].rstrip())
    if _ADORNMENT.match(under) is None or _ADORNMENT.match(words) is not None or not is_title(words):
        return None
    if len(under) < _ENOUGH and len(under) < _width(words):
        return None
    if over:
        return (under[0] * 2, words, 3) if len(below) > 1 and under == line else None
    return under[0], words, 2


def _width(words: str) -> int:
    """Columns: two for a wide character, none for one that combines."""
    if words.isascii():
        return len(words)
    columns = (0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF") for sign in words)
    return sum(columns)


def _table_end(lines: Sequence[str], at: int) -> int:
    """The line behind a simple table that begins here, or 0."""
    if _TABLE.match(lines[at].rstrip()) is None:
        return 0
    found = last = 0
    for here in range(at + 1, len(lines)):
        if _BORDER.match(lines[here].rstrip()):
            found, last = found + 1, here + 1
            if found == _BORDERS or last == len(lines) or not lines[last].strip():
                break
    return last


def _opened(line: str) -> int | None:
    """The column of what opens a block of its own, which is indented further: `::` at the end of a line, or `..`."""
    if not line.endswith("::") and ".." not in line:
        return None
    items = _ITEMS.match(line)
    column = items.end() if items else 0
    return column if line.endswith("::") or line[column:].startswith(".. ") or line[column:] == ".." else None


def _block(lines: Sequence[str], at: int, column: int) -> tuple[int, int]:
    """The lines that are indented further than a column, from the first that is not blank to the last."""
    start = end = at
    for here in range(at, len(lines)):
        if not lines[here].strip():
            continue
        if _indent(lines[here]) <= column:
            break
        start, end = (here if end == at else start), here + 1
    return start, end


def _indent(line: str) -> int:
    wide = line.expandtabs()
    return len(wide) - len(wide.lstrip())
