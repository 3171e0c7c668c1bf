"""Block strings move with the code around them, and say what they said.

Their text loses the indentation of the closing quotes, so that quotes and text may move together. Where the quotes
share a line with text nothing is taken off, and nothing is moved.
"""

from __future__ import annotations

BLANKS = " \t"


def indented(literal: str, margin: str, ending: str) -> list[str]:
    """The lines of a block string whose closing quotes stand behind `margin`; `ending` is the file's line break."""
    written = literal.split("\n")
    lines = [line.removesuffix("\r") for line in written]
    if ending == "\n" and any(line.endswith("\r") for line in lines):
        return written  # a carriage return of the text itself, which one more or less would change
    first, *middle, last = lines
    start = first.index('"""') + 3
    opening, text = first[:start], first[start:]
    old = last.removesuffix('"""')
    if old.strip(BLANKS) or (text.strip(BLANKS) and text[0] in BLANKS):
        return lines
    moved = [_moved(line, len(old), margin) for line in middle]
    return [opening + (text if text.strip(BLANKS) else ""), *moved, margin + '"""']


def _moved(line: str, old: int, margin: str) -> str:
    text = line.lstrip(BLANKS)
    if not text:
        return ""
    return margin + line[min(old, len(line) - len(text)) :]
