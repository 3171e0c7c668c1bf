r"""Titles with a line of `=` or `-` below them (setext headings), told from everything else that such a line may be.

The paragraph above the line is its title, all of it, if one is open there. Whether one is, the lines above say: those
of items and quotes, in which the line goes on with nothing, rules, tables, definitions of links, markup and code. So
lines are read in order, from one before which nothing is open, and as much is known of each block as tells where
paragraphs end. That is CommonMark's, and for tables and footnotes GitHub's; all markup ends at a blank line, as most of
it does there. The front matter of a file, between two lines of `---`, is no text.

https://spec.commonmark.org/0.31.2/#setext-headings
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from typing import Final

from structdsl_runtime.text.marks import fence_after, plain

_UNDER: Final = re.compile(r" {0,3}(=+|-+)[ \t]*\r?\n?\Z")
_ANY_UNDER: Final = re.compile(r"\n {0,3}(?:=+|-+)[ \t]*\r?(?:\n|\Z)")
_FRONT: Final = re.compile(r"---[ \t]*\r?\n(?=[A-Za-z_][\w .-]*:[ \t\r\n])(?:.*\n)*?(?:---|\.\.\.)[ \t]*\r?(?:\n|\Z)")

_QUOTE: Final = 0  # among the widths of what is open
_CODE: Final = 4  # columns that a line of code is indented
_LINE: Final = re.compile(r"#{1,6}(?: |\Z)|`{3,}[^`]*\Z|~{3,}|([-*_])(?: *\1){2,}\Z")  # headings, fences, rules
_ITEM: Final = re.compile(r"([-+*]|([0-9]{1,9})[.)])( +|\Z)")
_RAW: Final = (  # markup with ends of its own, and where they are
    (re.compile(r"<(?:script|pre|style|textarea)(?:[ >]|\Z)", re.IGNORECASE), r"</(?:script|pre|style|textarea)>"),
    (re.compile(r"<!--"), r"-->"),
    (re.compile(r"<\?"), r"\?>"),
    (re.compile(r"<!\[CDATA\["), r"\]\]>"),
    (re.compile(r"<![A-Za-z]"), r">"),
)
_TAG: Final = re.compile(
    r"</?(?:address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl"
    r"|dt|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header|hr|html|iframe|legend|li|link|main"
    r"|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|thead|title"
    r"|tr|track|ul)(?: |/?>|\Z)",
    re.IGNORECASE,
)
_ALONE: Final = re.compile(  # a line that is one tag
    r"<(?:/[A-Za-z][A-Za-z0-9-]* *"
    r"|[A-Za-z][A-Za-z0-9-]*(?: +[A-Za-z_:][\w.:-]*(?: *= *(?:[^ \"'=<>`]+|'[^']*'|\"[^\"]*\"))?)* */?)>\Z"
)
_BLANK: Final = re.compile(r"(?!)")  # the end of markup that only a blank line ends

_DEFINITION: Final = re.compile(
    r" {0,3}\[(?!\^)(?:[^\[\]\\]|\\.)+\]:[ \t]*(?:<[^<>]*>|[^\s<]\S*)(?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\Z"
)
_SIGNS: Final = re.compile(r"[ \t]*([-=*_~^#+.])(?:[ \t]*\1)*\s*\Z")  # a row of one sign, as above some titles
_NO_TITLE: Final = re.compile(  # rows of tables, footnotes
    r"[ \t]*\||\[\^[^\]]+\]:|(?=[^|]*\|)[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?\s*\Z"
)


@dataclass(frozen=True, slots=True)
class Title:
    """What a line underlines."""

    lines: int  # that it takes, the one below it included
    level: int
    words: str


@dataclass(slots=True)
class Paragraphs:
    """What is open after the lines that were read, outermost first."""

    fence: str = ""
    _open: list[int] = field(default_factory=list)  # columns that belong to each item; 0 for a quote
    _empty: bool = False  # the innermost item has nothing in it yet
    _lines: list[str] = field(default_factory=list)  # of the paragraph
    _titles: bool = False  # whether it may be a title, were it underlined
    _markup: re.Pattern[str] | None = None  # its end

    def copy(self) -> Paragraphs:
        """Another that reads on by itself."""
        return replace(self, _open=[*self._open], _lines=[*self._lines])

    def read(self, line: str) -> Title | None:
        """Go on with the next line of the text; the title that it makes of those before it."""
        inside, self.fence = self.fence, fence_after(line, self.fence)
        if inside:
            return None
        if not line.strip():
            self._blank(0)
            return None
        wide = line.rstrip(" \t\r\n").expandtabs(_CODE)
        depth, at = self._within(wide)
        if self.fence:
            self._end(depth)
            return None
        if self._markup is not None and depth == len(self._open):
            if self._markup.search(wide):
                self._markup = None
            return None
        return self._read(line, wide, depth, at)

    def _read(self, line: str, wide: str, depth: int, at: int) -> Title | None:
        """A line from a column on, within as many of the open blocks."""
        fresh = False  # whether it has opened one
        while True:
            body = wide[at:].lstrip(" ")
            indent = len(wide) - at - len(body)
            if indent >= _CODE or not body:
                break
            going_on = bool(self._lines) and not fresh and depth == len(self._open)
            if body[0] == ">":
                self._end(depth)
                self._open.append(_QUOTE)
                at += indent + (2 if body[1:2] == " " else 1)
            elif going_on and (found := self._underlined(line, body)) is not None:
                self._end(depth)
                return found if found.words else None
            elif _LINE.match(body):
                self._end(depth)
                return None
            elif (end := _markup_end(body, within=bool(self._lines) and not fresh)) is not None:
                self._end(depth)
                self._markup = None if end.search(body) else end
                return None
            elif (item := _ITEM.match(body)) and not (going_on and (item[3] == "" or item[2] not in {None, "1"})):
                self._end(depth)
                gap = len(item[3])
                width = indent + len(item[1]) + (gap if 0 < gap <= _CODE else 1)
                self._open.append(width)
                at += width
                self._empty = item[3] == ""
            else:
                break
            fresh, depth = True, len(self._open)
        self._take(line, wide, at, depth, fresh=fresh)
        return None

    def _take(self, line: str, wide: str, at: int, depth: int, *, fresh: bool) -> None:
        """What opens no block, or nothing more: text, code, or the end of a paragraph."""
        body = wide[at:].lstrip(" ")
        code = len(wide) - at - len(body) >= _CODE
        if fresh:
            self._lines, self._titles = [line] if body and not code else [], False
        elif not body:
            self._blank(depth)
        elif self._lines:  # it goes on, be it lazily
            self._lines.append(line)
        else:
            self._end(depth)
            self._lines = [] if code else [line]
            self._titles = _QUOTE not in self._open and not wide[:_CODE].isspace()

    def _underlined(self, line: str, body: str) -> Title | None:
        """The title that a line makes of the paragraph, without words where it is none of ours."""
        if body.strip("=") and body.strip("-"):
            return None
        first = next((n for n, each in enumerate(self._lines) if not _DEFINITION.match(each)), None)
        own = [] if first is None else self._lines[first:]
        named = list(dropwhile(_SIGNS.match, own))
        if not named or any(map(_NO_TITLE.match, own)):
            self._lines = []
            return None
        ours = self._titles and is_underline(line)
        words = plain(" ".join(each.strip() for each in named)) if ours else ""
        return Title(len(own) + 1, 1 if body[0] == "=" else 2, words)

    def _within(self, wide: str) -> tuple[int, int]:
        """How many of the open blocks a line is within, and the column at which it goes on there."""
        at = 0
        for depth, width in enumerate(self._open):
            body = wide[at:].lstrip(" ")
            indent = len(wide) - at - len(body)
            if width == _QUOTE:
                if indent >= _CODE or body[:1] != ">":
                    return depth, at
                at += indent + (2 if body[1:2] == " " else 1)
            elif indent >= width:
                at += width
            else:
                return depth, at
        return len(self._open), at

    def _end(self, depth: int) -> None:
        """End the paragraph, and the blocks but for so many."""
        del self._open[depth:]
        self._lines, self._markup, self._empty = [], None, False

    def _blank(self, depth: int) -> None:
        """End the paragraph, and the first quote that a blank line is not within, with what it holds."""
        quotes = [at for at in range(depth, len(self._open)) if self._open[at] == _QUOTE]
        self._end(min([*quotes, len(self._open) - self._empty]))


def is_underline(line: str) -> bool:
    """Whether a line makes a title of the paragraph above, if one is open there."""
    return ("-" in line or "=" in line) and _UNDER.match(line) is not None


def has_underline(text: str) -> bool:
    """Whether there is such a line below another."""
    return _ANY_UNDER.search(text) is not None


def front_matter(text: str) -> int:
    """Lines of the front matter that a text begins with: `---`, a name with a colon, and so on to the next `---`."""
    found = _FRONT.match(text) if text.startswith("---") else None
    return len(found[0].removesuffix("\n").split("\n")) if found else 0


def _markup_end(body: str, *, within: bool) -> re.Pattern[str] | None:
    """Where the markup ends that a line begins, `within` a paragraph perhaps; a tag alone does not end one."""
    if body[0] != "<":
        return None
    end = next((end for start, end in _RAW if start.match(body)), None)
    if end is not None:
        return re.compile(end, re.IGNORECASE)
    return _BLANK if _TAG.match(body) or (not within and _ALONE.match(body)) else None
