"""What the indentation says about brackets, for a text in which some bracket is missing or wrong.

A line that ends in an open bracket is closed by the next line that stands just as far in, if that one begins with a
bracket. People indent with more care than they count brackets, so that this holds where counting goes astray.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from structdsl.syntax.outline import MARK, Outline

OPENING, CLOSING = "([{", ")]}"
HEADER = re.compile(
    r"""
    [A-Za-z_]\w* (?:[ \t]+[A-Za-z_]\w*)? (?:[ \t]*:[ \t]*[A-Za-z_]\w*)? (?:[ \t]+extends[ \t]+[\w.]+)?
  | [A-Za-z_]\w* [ \t]* =
    """,
    re.ASCII | re.VERBOSE,
)
LONE_BRACE = re.compile(r"[ \t]*\{")


@dataclass(slots=True)
class Indentation:
    """Where brackets belong; offsets of the text."""

    closers: dict[int, int] = field(default_factory=dict)  # an open bracket, and the bracket that begins its last line
    headers: dict[int, int] = field(default_factory=dict)  # a `}`, and the end of the line in which its `{` is missing
    orphans: dict[int, int] = field(default_factory=dict)  # a `}`, and where the lines begin whose header is missing


@dataclass(slots=True)
class _Line:
    indent: int
    end: int
    opener: int | None  # the one bracket that is open where the line ends
    header: bool
    below: int | None = None  # where the first line below it begins that stands further in


def indentation(outline: Outline) -> Indentation:
    """Read the lines of a text; what stands inside strings is none."""
    result = Indentation()
    open_lines = [_Line(-1, 0, None, header=False)]
    for start, end, marks in _lines(outline):
        bare = _bare(outline, start, end)
        word = bare.strip()
        if not word:
            continue
        indent = len(bare) - len(bare.lstrip())
        inner: _Line | None = None
        while open_lines[-1].indent > indent:
            inner = open_lines.pop()
        above = open_lines[-1]
        if inner is not None and above.indent < indent:  # nothing stands as far in: the lines above have no header
            above = _Line(indent, start, None, header=False, below=above.below)
        at = start + indent
        lone = word in OPENING and above.indent == indent and above.opener is not None
        if above.indent == indent and (word[0] in CLOSING or lone):
            _close(result, above, at, outline.text)
        line = _Line(indent, end, _open(outline.text, marks, at if lone else None), bool(HEADER.fullmatch(word)))
        if word[-1] in CLOSING and HEADER.fullmatch(word[:-1].rstrip()):
            line.opener = start + len(bare.rstrip()) - 1
        if open_lines[-1].indent == indent:
            open_lines[-1] = line
        else:
            if open_lines[-1].below is None:
                open_lines[-1].below = start
            open_lines.append(line)
    return result


def _close(result: Indentation, above: _Line, at: int, text: str) -> None:
    if above.opener is not None:
        result.closers[above.opener] = at
    elif text[at] == "}" and above.below is not None:
        if brace := LONE_BRACE.match(text, above.below):
            result.closers[brace.end() - 1] = at
        elif above.header:
            result.headers[at] = above.end
        else:
            result.orphans[at] = above.below


def _open(text: str, marks: list[tuple[int, str]], without: int | None) -> int | None:
    """The bracket that is open at the end of a line, where it is the only one and the last of its line."""
    stack: list[int] = []
    for at, mark in marks:
        if mark in OPENING and at != without:
            stack.append(at)
        elif mark in CLOSING and stack:
            stack.pop()
    brackets = [at for at, mark in marks if mark in OPENING + CLOSING]
    return stack[0] if len(stack) == 1 and stack[0] == brackets[-1] and text[stack[0]] in OPENING else None


def _lines(outline: Outline) -> list[tuple[int, int, list[tuple[int, str]]]]:
    """Start, end and marks of each line; a line break inside a string ends none."""
    lines: list[tuple[int, int, list[tuple[int, str]]]] = []
    start = 0
    inside: list[tuple[int, str]] = []
    for at, mark in outline.marks:
        if mark == "\n":
            lines.append((start, at, inside))
            start, inside = at + 1, []
        else:
            inside.append((at, mark))
    return [*lines, (start, len(outline.text), inside)]


def _bare(outline: Outline, start: int, end: int) -> str:
    """A line without its comment."""
    comments = (match.start() for match in MARK.finditer(outline.text, start, end) if match.lastgroup == "comment")
    return outline.text[start : next(comments, end)]
