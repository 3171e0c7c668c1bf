"""Headings, sections and paragraphs of many Markdown texts at once, as places in their bytes.

What a block is says `markdown.blocks`, line by line; here the same is asked of all lines together. Where lines begin
and which are blank is seen in the bytes. Only a line that begins as a heading, a fence or the line under a title does
is read as a string, and of those that begin with white space the few that end with it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from structdsl_runtime.text.markdown import atx, fence_after, is_underline, underlined
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.spans import Flags, Spans, tiles
from structdsl_runtime.text.words import Bytes

_NEW_LINE: Final = ord("\n")
_SPACE: Final = ord(" ")
_INDENT: Final = 3  # spaces that a heading or a fence may stand behind
WHITE: Final = tuple(chr(code).encode() for code in range(0x3001) if chr(code).isspace())  # all that Unicode has


def _among(values: Iterable[int]) -> Flags:
    """Which bytes are among these."""
    found = np.zeros(256, np.bool_)
    found[list(values)] = True
    return found


_MARKS: Final = _among(b"#`~")
_UNDER: Final = _among(b"=-")
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
    above: Numbers  # the deepest heading that each section is below, or -1
    paragraphs: Spans  # end to end; the first of a section has its headings too


def read(texts: Spans) -> Layout:
    """The structure of texts that lie end to end."""
    data = texts.bytes
    filled = texts.starts[texts.sizes > 0]
    lines = tiles(texts.data, _line_starts(data, filled))
    blank = _blank(data, lines)
    headings, fenced, under = _read_marked(data, lines, texts, blank)
    for first, last in fenced:
        blank[first:last] = False
    blank[under] = True  # a line under a title parts it from its text, as a blank one does
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
    above[sections.holding(starts[opens_run])] = np.flatnonzero(ends_run[titled])
    apart = np.diff(solid, prepend=-1) > 1
    paragraphs = tiles(texts.data, _merged(sections.starts, starts[apart & ~titled & ~opens & ~follows]))
    return Layout(headings, lines.starts[headings.lines], sections, above, paragraphs)


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


def _read_marked(
    data: Bytes, lines: Spans, texts: Spans, blank: Flags
) -> tuple[Headings, list[tuple[int, int]], list[int]]:
    """The headings, the runs of lines below an open fence with that which closes it, and the lines under titles."""
    headings = Headings()
    fenced: list[tuple[int, int]] = []
    under: list[int] = []
    marked = _marked(data, lines.starts)
    current, fence, since = -1, "", 0
    trail: list[int] = []  # the headings above, outermost first
    candidates = zip(marked.tolist(), texts.holding(lines.starts[marked]).tolist(), lines.take(marked), strict=True)
    for number, text, line in candidates:
        if text != current:
            if fence:
                fenced.append((since, _line_at(lines, int(texts.ends[current]))))
            current, fence, trail = text, "", []
        inside, fence = fence, fence_after(line, fence)
        if inside and not fence:
            fenced.append((since, number + 1))
        elif fence and not inside:
            since = number + 1
        elif not inside:
            at, found = number, atx(line)
            if found is None:
                found = _above(line, lines, number, int(texts.starts[text]), blank, headings, under)
                if found is None:
                    continue
                under.append(number)
                at -= 1
            level, title = found
            while trail and headings.levels[trail[-1]] >= level:
                trail.pop()
            headings.parents.append(trail[-1] if trail else None)
            trail.append(len(headings))
            headings.texts.append(text)
            headings.lines.append(at)
            headings.levels.append(level)
            headings.titles.append(title)
    if fence:
        fenced.append((since, _line_at(lines, int(texts.ends[current]))))
    return headings, fenced, under


def _above(
    line: str, lines: Spans, number: int, opens: int, blank: Flags, headings: Headings, under: Sequence[int]
) -> tuple[int, str] | None:
    """Level and title of what a line underlines, if that begins a block of the text that `opens` at this byte."""
    if not is_underline(line) or lines.starts[number] == opens:
        return None
    before = number - 2
    ended = before in {*headings.lines[-1:], *under[-1:]}  # a heading does
    if lines.starts[number - 1] != opens and not blank[before] and not ended:
        return None
    return underlined(next(iter(lines.take(np.array([number - 1])))), line)


def _marked(data: Bytes, starts: Numbers) -> Numbers:
    """The lines that may be headings or fences, or underline a title."""
    first = data[starts]
    marked = _MARKS[first]
    dashed = _UNDER[first]
    marked[dashed] = _runs(data, starts[dashed])
    indented = np.flatnonzero(first == _SPACE)
    at = starts[indented]
    for _ in range(_INDENT):
        at = np.minimum(at + (data[at] == _SPACE), len(data) - 1)
    own = data[at]
    marked[indented] = _MARKS[own]
    dashed = _UNDER[own]
    marked[indented[dashed]] = _runs(data, at[dashed])
    return np.flatnonzero(marked)


def _runs(data: Bytes, at: Numbers) -> Flags:
    """Where three bytes are the same."""
    same: Flags = data[at] == data[np.minimum(at + 1, len(data) - 1)]
    same &= data[at] == data[np.minimum(at + 2, len(data) - 1)]
    return same


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
