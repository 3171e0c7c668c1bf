"""The words of a spec together with what the parser passes over: comments, and where lines break.

Each token carries the comments that stand between it and the token before, so that nothing can be lost on the way:
whoever writes the token writes its comments.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK_OF_ORDER = "\xef\xbb\xbf"  # the byte order mark that some editors put first
TOKEN = re.compile(
    r"""
    (?P<newline>\n)
  | (?P<space>[ \t\r]+)
  | (?P<comment>\#[^\n]*)
  | (?P<string>r?\"\"\"(?:.|\n)*?\"\"\" | r"[^"\n]*" | "(?:[^"\\\n]|\\[^\n])*")
  | (?P<number>[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:%|[A-Za-z]*))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>[^ \t\r\n])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Comment:
    text: str  # from its `#` on, without trailing blanks
    own: bool  # it has a line of its own
    blank: bool  # an empty line comes before it


@dataclass(frozen=True, slots=True)
class Token:
    kind: str  # "name", "number", "string", "mark", or "end"
    text: str
    at: int  # its first byte
    comments: tuple[Comment, ...]  # between it and the token before
    broken: bool  # a line break comes between it and the token before
    blank: bool  # an empty line comes between it and whatever is before


def scan(data: bytes) -> list[Token]:
    """The tokens of a text without mistakes; the last is its end."""
    text = data.decode("latin-1")  # one character a byte, as in the parser
    position = len(MARK_OF_ORDER) if text.startswith(MARK_OF_ORDER) else 0
    tokens: list[Token] = []
    comments: list[Comment] = []
    breaks, broken = 0, False
    for match in TOKEN.finditer(text, position):
        kind = match.lastgroup
        assert kind is not None
        if kind == "newline":
            breaks += 1
            broken = True
        elif kind == "comment":
            begun = tokens or comments
            comments.append(Comment(_decoded(match[0].rstrip(" \t\r")), breaks > 0 or not begun, breaks > 1))
            breaks = 0
        elif kind != "space":
            tokens.append(Token(kind, _decoded(match[0]), match.start(), tuple(comments), broken, breaks > 1))
            comments = []
            breaks, broken = 0, False
    tokens.append(Token("end", "", len(text), tuple(comments), broken, breaks > 1))
    return tokens


def _decoded(text: str) -> str:
    return text if text.isascii() else text.encode("latin-1").decode()
