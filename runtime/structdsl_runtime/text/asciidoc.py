"""AsciiDoc with its section titles as headings of Markdown, and its listings in fences.

A title is `== Title` or `## Title`, or a line above one of `=`, `-`, `~`, `^` or `+` that is as long as it, give or
take one; it begins a block, and stands in no other: what is between two delimiters has none. A delimiter that nothing
closes delimits nothing.

https://docs.asciidoctor.org/asciidoc/latest/sections/titles-and-levels/
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from structdsl_runtime.text.headings import Code, Part, Title, is_title, written

_TITLE: Final = re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)\Z")
_LEVELS: Final = "=-~^+"  # of what is below a title
_SHORTEST: Final = 3  # line of those
_DELIMITER: Final = re.compile(r"([-.+/=*_])\1{3,}\Z|--\Z|[|,:!]={3,}\Z|(```)([\w+#-]*)\Z")
_VERBATIM: Final = "-.+/"  # delimiters of listings, literals, passthroughs and comments
_ANCHOR: Final = re.compile(r"\[\[[^\[\]]*\]\]")
_APART: Final = re.compile(  # lines that belong to the block below them, or to none
    r"\[.*\]\Z|:!?\w[^:]*:(?:\s|\Z)|//|[\w-]+::[^\s\[]*\[.*\]\Z|\.[^\s.]|(?:'''|<<<|---|\*\*\*)\Z"
)


def markdown_headings(text: str) -> str:
    """The text with ATX headings in place of its titles, and fences in place of the delimiters of its listings."""
    return written(_parts(text.split("\n")))


def _parts(lines: Sequence[str]) -> Iterator[Part]:
    places = _places(lines)
    ends: list[int] = []  # of the blocks that are open, outermost first
    at, within = 0, False  # a paragraph
    while at < len(lines):
        line = lines[at].rstrip()
        if ends and at == ends[-1]:
            yield lines[at]
            ends.pop()
            at, within = at + 1, False
            continue
        if not within and not ends and (found := _title(line, lines[at + 1 : at + 2])):
            title, size = found
            yield title
            at += size
            continue
        if (delimiter := _DELIMITER.match(line)) and (end := _end(places, delimiter, at, ends)):
            if delimiter[2] or (delimiter[1] and delimiter[1] in _VERBATIM):
                yield Code(lines[at + 1 : end], fenced=True, language=delimiter[3] or "")
                at = end
            else:
                yield lines[at]
                ends.append(end)
            at, within = at + 1, False
            continue
        if not within and line[:1] in {" ", "\t"}:
            start = at
            while at < len(lines) and lines[at][:1] in {" ", "\t"} and lines[at].strip():
                at += 1
            yield Code(lines[start:at])
            within = True
            continue
        apart = _APART.match(line) is not None and (not within or line.startswith("["))
        within = bool(line) and not apart
        yield lines[at]
        at += 1


def _title(line: str, below: Sequence[str]) -> tuple[Title, int] | None:
    """A title that begins with this line, and how many lines it takes."""
    if (found := _TITLE.match(line)) is not None:
        mark, words = found.groups()
        if words.endswith((f" {mark}", f"\t{mark}")):  # `== Title ==`
            words = words.removesuffix(mark)
        return (Title(len(mark), words), 1) if is_title(words := _words(words)) else None
    under = below[0].rstrip() if below else ""
    if len(under) < _SHORTEST or abs(len(line) - len(under)) > 1 or under[0] not in _LEVELS or {*under} != {under[0]}:
        return None
    if line[0] in " \t." or _APART.match(line) or not re.search(r"\w", line) or not is_title(words := _words(line)):
        return None
    return Title(_LEVELS.index(under[0]) + 1, words), 2


def _words(title: str) -> str:
    return _ANCHOR.sub("", title).strip()


def _places(lines: Sequence[str]) -> dict[str, list[int]]:
    """Where each delimiter stands."""
    places: dict[str, list[int]] = defaultdict(list)
    for at, line in enumerate(lines):
        if _DELIMITER.match(bare := line.rstrip()):
            places[bare].append(at)
    return places


def _end(places: dict[str, list[int]], opening: re.Match[str], at: int, ends: Sequence[int]) -> int:
    """The line that closes a block within those that are open, or 0."""
    found = places.get(opening[2] or opening[0], [])
    place = bisect_right(found, at)
    return found[place] if place < len(found) and (not ends or found[place] < ends[-1]) else 0
