"""Lines of Markdown by themselves: headings, fences, and the words of a title without their markup."""

from __future__ import annotations

import re
from typing import Final

_ATX: Final = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*)\n?\Z")
_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})(.*)", re.DOTALL)

_SIGNS: Final = re.compile(r"[\[`<*_\\]")  # no markup is without one of these
_MARKUP: Final = (
    (re.compile(r"!?\[([^\]\[]*)\]\([^()]*\)"), r"\1"),  # links and images keep their words
    (re.compile(r"(`+)(.+?)\1"), r"\2"),
    (re.compile(r"</?[A-Za-z][A-Za-z0-9-]*(?: [^<>]*)?/?>"), ""),
    (re.compile(r"(?<!\\)(\*{1,3})(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w\\])(_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),  # backslash escapes
)


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
