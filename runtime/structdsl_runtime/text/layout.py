"""Headings, sections and paragraphs of many Markdown texts at once, as places in their bytes.

What a block is says `markdown.blocks`, line by line; here the same is asked of all lines together. Where lines begin
and which are blank is seen in the bytes. Only a line that begins as a heading or a fence does is read as a string, one
that may underline a title with those above it down from where nothing is open, and of those that begin with white space
the few that end with it too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from structdsl_runtime.text.marks import atx, fence_after
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.setext import Paragraphs, Title, front_matter, is_underline
from structdsl_runtime.text.spans import Flags, Spans, tiles
from structdsl_runtime.text.words import Bytes

_NEW_LINE: Final = ord("\n")
_SPACE: Final = ord(" ")
_TAB: Final = ord("\t")
_DASH: Final = ord("-")
_RULE: Final = 3  # dashes that front matter begins with
_INDENT: Final = 3  # spaces that a heading or a fence may stand behind
WHITE: Final = tuple(chr(code).encode() for code in range(0x3001) if chr(code).isspace())  # all that Unicode has


def _among(values: Iterable[int]) -> Flags:
    """Which bytes are among these."""
    found = np.zeros(256, np.bool_)
    found[list(values)] = True
    return found


_MARKS: Final = _among(b"#`~")
_UNDER: Final = _among(b"=-")
_ENDS: Final = _among(b" \t\r\n")  # what a line under a title has behind its signs
_WHITE_FIRST: Final = _among(each[0] for each in WHITE if each != b"\n")
_WHITE_LAST: Final = _among(each[-1] for each in WHITE)


@dataclass(frozen=True, slots=True)
class Headings:
    """Columns of equal length, in the order of the texts."""

    texts: list[int] = field(default_factory=list)  # which text it is of
    lines: list[int] = field(default_factory=list)  # which line it is
    levels: list[int] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    parents: list[int | None] = field(default_factory=list)  # the nearest shallower heading before it in its text

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(frozen=True, slots=True)
class Layout:
    """A section is what lies between two headings that have text below them, and begins with all that lead to it."""

    headings: Headings
    starts: Numbers  # of the lines of the headings, in the buffer
    sections: Spans  # end to end; none of an empty text
    begins: Numbers  # where the text of each begins, behind the headings that lead to it
    above: Numbers  # the deepest heading that each section is below, or -1
    paragraphs: Spans  # end to end; the first of a section has its headings too


def read(texts: Spans) -> Layout:
    """The structure of texts that lie end to end."""
    filled = texts.starts[texts.sizes > 0]
    found = _find(texts, filled)
    lines, headings = found.lines, found.headings
    blank = found.blank
    for first, last in found.apart:
        blank[first:last] = False
    blank[found.under] = True  # the other lines of a title part it from its text, as blank ones do
    is_heading = np.zeros(len(lines), np.bool_)
    is_heading[headings.lines] = True

    solid = np.flatnonzero(~blank)
    starts = lines.starts[solid]
    titled = is_heading[solid]
    opens = _first_at(starts, filled)  # the first of its text, as the first of all is
    follows = np.roll(titled, 1) & ~opens  # stands below a heading, with nothing between
    opens_run = titled & ~follows  # of headings
    ends_run = titled & ~np.roll(titled & follows, -1)
    sections = tiles(texts.data, _merged(filled, starts[opens_run & ~opens]))
    above = np.full(len(sections), -1, np.int64)
    opening = sections.holding(starts[opens_run])
    above[opening] = np.flatnonzero(ends_run[titled])
    begins = sections.starts.copy()
    begins[opening] = sections.ends[opening]
    below = starts[follows & ~titled]
    begins[sections.holding(below)] = below
    apart = np.diff(solid, prepend=-1) > 1
    paragraphs = tiles(texts.data, _merged(sections.starts, starts[apart & ~titled & ~opens & ~follows]))
    return Layout(headings, lines.starts[headings.lines], sections, begins, above, paragraphs)


def held(texts: Spans) -> Flags:
    """Which of the lines of texts that lie end to end say what others are.

    Those are headings, blank lines, those that open code, the one that tells front matter from text, and what stands
    above a line that would underline it, down from where nothing is open: without any of them, others might become
    headings, or cease to be.
    """
    found = _find(texts, texts.starts[texts.sizes > 0])
    flags = found.blank
    flags[[*found.headings.lines, *found.under]] = True
    for first, _ in found.apart:
        flags[first - 1] = True
    for first, last in found.told:
        flags[first:last] = True
    return flags


@dataclass(frozen=True, slots=True)
class _Found:
    """Lines of texts that lie end to end, and what is among them."""

    lines: Spans
    blank: Flags
    headings: Headings
    under: list[int]  # lines of titles but for the first of each
    apart: list[tuple[int, int]]  # runs of lines in which nothing is a heading, each below the line that says so
    told: list[tuple[int, int]]  # runs of lines that say whether the one that follows underlines a title


def _find(texts: Spans, filled: Numbers) -> _Found:
    """`filled` is where texts begin that are not empty."""
    data = texts.bytes
    lines = tiles(texts.data, _line_starts(data, filled))
    found = _Found(lines, _blank(data, lines), Headings(), [], [], [])
    _read_marked(data, texts, filled, found)
    return found


def _line_starts(data: Bytes, starts: Numbers) -> Numbers:
    """Lines begin behind a new line, and where a text does."""
    begins = np.zeros(len(data), np.bool_)
    np.equal(data[:-1], _NEW_LINE, out=begins[1:])
    begins[starts] = True
    return np.flatnonzero(begins)


def _blank(data: Bytes, lines: Spans) -> Flags:
    """Which lines hold nothing but white space."""
    first = data[lines.starts]
    blank: Flags = first == _NEW_LINE
    odd = np.flatnonzero(_WHITE_FIRST[first])
    last = lines.ends[odd] - 1
    odd = odd[_WHITE_LAST[data[last - (data[last] == _NEW_LINE)]]]
    blank[odd] = [line.isspace() for line in lines.take(odd)]
    return blank


def _read_marked(data: Bytes, texts: Spans, filled: Numbers, found: _Found) -> None:
    """Note what the lines that begin as headings and fences do, or underline a title, have among them."""
    lines, headings = found.lines, found.headings
    marked = _marked(data, lines)
    owners = texts.holding(lines.starts[marked])
    fronts = _fronts(data, texts, lines)
    current, fence, since, front = -1, "", 0, 0
    trail: list[int] = []  # the headings above, outermost first
    above = _Above(data, found, filled)
    for number, text, line in zip(marked.tolist(), owners.tolist(), lines.take(marked), strict=True):
        if text != current:
            if fence:
                found.apart.append((since, _line_at(lines, int(texts.ends[current]))))
            current, fence, trail = text, "", []
            if front := fronts.get(text, 0):
                found.apart.append((_line_at(lines, int(texts.starts[text])) + 2, front))
        if number < front:
            continue
        inside, fence = fence, fence_after(line, fence)
        if inside and not fence:
            found.apart.append((since, number + 1))
        elif fence and not inside:
            since = number + 1
        elif not inside:
            at, heading = number, atx(line)
            if heading is None:
                title = above.title(number, line, front)
                if title is None:
                    continue
                at += 1 - title.lines
                found.under.extend(range(at + 1, number + 1))
                heading = title.level, title.words
            _note(headings, trail, text, at, heading)
    if fence:
        found.apart.append((since, _line_at(lines, int(texts.ends[current]))))


def _note(headings: Headings, trail: list[int], text: int, line: int, heading: tuple[int, str]) -> None:
    """Put a heading below those above it."""
    level, title = heading
    while trail and headings.levels[trail[-1]] >= level:
        trail.pop()
    headings.parents.append(trail[-1] if trail else None)
    trail.append(len(headings))
    headings.texts.append(text)
    headings.lines.append(line)
    headings.levels.append(level)
    headings.titles.append(title)


class _Above:
    """Titles above the lines that underline them, read from where nothing is open, and no line twice."""

    def __init__(self, data: Bytes, found: _Found, filled: Numbers) -> None:
        self.data = data
        self.found = found
        self.opens = _first_at(found.lines.starts, filled)
        self.paragraphs = Paragraphs()
        self.done = 0  # lines that were read

    @cached_property
    def safe(self) -> list[int]:
        """The lines before which nothing is open, unless they are code."""
        blank, first = self.found.blank, self.data[self.found.lines.starts]
        safe = ~blank & np.roll(blank, 1) & (first != _SPACE) & (first != _TAB)
        return np.flatnonzero(safe | self.opens).tolist()

    def title(self, number: int, line: str, front: int) -> Title | None:
        """What a line underlines that is in no code; nothing before the line `front` is text."""
        found = self.found
        if not is_underline(line) or self.opens[number] or found.blank[number - 1]:
            return None
        start = max(self._start(number), front)
        if found.told and found.told[-1][0] == start:
            found.told.pop()
        found.told.append((start, number))
        if start >= self.done:
            self.paragraphs, self.done = Paragraphs(), start
        title = None
        for each in found.lines.take(np.arange(self.done, number + 1)):
            title = self.paragraphs.read(each)
        self.done = number + 1
        return title

    def _start(self, number: int) -> int:
        """The last line up to this one before which nothing is open."""
        start = self.safe[bisect_right(self.safe, number) - 1]
        for first, last in reversed(self.found.apart):
            if last <= start:
                break
            if first <= start:
                start = self.safe[bisect_right(self.safe, first - 1) - 1]
        return start


def _fronts(data: Bytes, texts: Spans, lines: Spans) -> dict[int, int]:
    """The line behind the front matter of each text that begins with one."""
    begin = texts.starts
    dashed = texts.sizes > _RULE
    for place in range(_RULE):
        dashed[dashed] = data[begin[dashed] + place] == _DASH
    chosen = np.flatnonzero(dashed)
    sizes = map(front_matter, texts.take(chosen))
    firsts = np.searchsorted(lines.starts, begin[chosen]).tolist()
    return {text: first + size for text, first, size in zip(chosen.tolist(), firsts, sizes, strict=True) if size}


def _marked(data: Bytes, lines: Spans) -> Numbers:
    """The lines that may be headings or fences, or underline a title."""
    first = data[lines.starts]
    marked = _MARKS[first]
    dashed = np.flatnonzero(_UNDER[first])
    marked[dashed] = _runs(data, lines.starts[dashed], lines.ends[dashed])
    indented = np.flatnonzero(first == _SPACE)
    at = lines.starts[indented]
    for _ in range(_INDENT):
        at = np.minimum(at + (data[at] == _SPACE), len(data) - 1)
    own = data[at]
    marked[indented] = _MARKS[own]
    under = _UNDER[own]
    marked[indented[under]] = _runs(data, at[under], lines.ends[indented[under]])
    return np.flatnonzero(marked)


def _runs(data: Bytes, at: Numbers, ends: Numbers) -> Flags:
    """Where what begins at a place may be one sign up to the end of the line, but for white space."""
    sign, following = data[at], data[np.minimum(at + 1, len(data) - 1)]
    last = data[ends - 1]
    last = data[np.maximum(ends - 1 - (last == _NEW_LINE), at)]
    runs: Flags = _ENDS[following] | (following == sign) | (at + 1 == ends)
    runs &= _ENDS[last] | (last == sign)
    return runs


def _line_at(lines: Spans, place: int) -> int:
    """The line that begins at a place, or would."""
    return int(np.searchsorted(lines.starts, place))


def _first_at(starts: Numbers, places: Numbers) -> Flags:
    """The first start at or behind each place."""
    first = np.zeros(len(starts) + 1, np.bool_)
    first[np.searchsorted(starts, places)] = True
    return first[:-1]


def _merged(one: Numbers, other: Numbers) -> Numbers:
    """Two rising rows of numbers as one."""
    return np.sort(np.concatenate((one, other)), kind="stable")
