"""Documents into chunks: paragraphs packed under their heading, up to a cap that is never passed.

The idea: estimate, then verify. The tokens of every paragraph are counted in one batch, paragraphs are packed
greedily by the sum of their counts, and the chunks are counted in one more batch. A sum differs from the count of the
joined text by a token or two; where it was too low, that section alone is packed again under a smaller estimate.
A section is what lies between two headings that have text below them; text never crosses into the next. Windows
know no sections: see `structdsl_runtime.text.windows`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, repeat
from typing import Final

from structdsl_runtime.text.markdown import blocks
from structdsl_runtime.text.sentences import runs, sentences, words
from structdsl_runtime.text.windows import Count, Span, too_small, windows

_UNKNOWN: Final = -1  # tokens of a unit that were not counted yet


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    title: str
    start: int  # byte offset of the heading line
    parent: int | None  # position of the nearest shallower heading before it


@dataclass(frozen=True, slots=True)
class Chunk:
    text: str
    tokens: int
    heading: int | None  # position of the deepest heading above
    start: int  # byte offsets in the normalised document
    end: int


@dataclass(frozen=True, slots=True)
class Chunked:
    """A document's headings and chunks, both in order."""

    headings: tuple[Heading, ...]
    chunks: tuple[Chunk, ...]


@dataclass(slots=True)
class _Section:
    """Text under one run of headings: its units in order and the tokens of each."""

    heading: int | None
    opened: int  # characters of the first unit that are its headings
    units: list[str]
    counts: list[int]

    def pairs(self) -> Iterator[tuple[str, int]]:
        return zip(self.units, self.counts, strict=True)


def chunk_documents(texts: Sequence[str], *, cap: int, count: Count, even: bool = False) -> list[Chunked]:
    """Chunks of each document, none above `cap` tokens; raises Fault E0710 where a single character is.

    A section above the cap is filled up piece by piece, or cut into as few chunks that are as `even` as can be.
    """
    outlines = [_read(text) for text in texts]
    sections = [section for _, parts in outlines for section in parts]
    _refine(sections, cap, count)
    packed = iter(_pack_all(sections, cap, count, even=even))
    return [_place(headings, [(section, next(packed)) for section in parts]) for headings, parts in outlines]


def window_documents(texts: Sequence[str], *, cap: int, overlap: int, count: Count) -> list[Chunked]:
    """Windows over each document, none above `cap` tokens; raises Fault E0710 where a single character is.

    A window begins where the one before it ends, or about `overlap` tokens before that; without what it repeats they
    concatenate to the document. It is below the heading at which it begins.
    """
    outlines = [_read(text) for text in texts]
    spans = windows(texts, cap=cap, overlap=overlap, count=count)
    return [
        _place_windows(text, headings, sections, found)
        for text, (headings, sections), found in zip(texts, outlines, spans, strict=True)
    ]


def titles_above(headings: Sequence[Heading], position: int | None) -> list[str]:
    """Titles from the outermost heading down to the one at `position`."""
    titles: list[str] = []
    while position is not None:
        titles.append(headings[position].title)
        position = headings[position].parent
    return titles[::-1]


def _read(text: str) -> tuple[list[Heading], list[_Section]]:
    """Headings, and sections whose units are paragraphs; the headings of a section are part of its first unit."""
    headings: list[Heading] = []
    sections: list[_Section] = []
    opened = ""  # headings that wait for their text
    offset = 0
    above: int | None = None
    trail: list[int] = []  # positions of the headings above, outermost first
    for block in blocks(text):
        if block.level:
            while trail and headings[trail[-1]].level >= block.level:
                trail.pop()
            start = offset + len(_blank_lines(block.text).encode())
            headings.append(Heading(block.level, block.title, start, trail[-1] if trail else None))
            above = len(headings) - 1
            trail.append(above)
            opened += block.text
        elif opened or not sections:
            sections.append(_Section(above, len(opened), [opened + block.text], [_UNKNOWN]))
            opened = ""
        else:
            sections[-1].units.append(block.text)
            sections[-1].counts.append(_UNKNOWN)
        offset += len(block.text.encode())
    if opened:
        sections.append(_Section(above, len(opened), [opened], [_UNKNOWN]))
    return headings, sections


def _blank_lines(text: str) -> str:
    """The blank lines that a text begins with."""
    indent = len(text) - len(text.lstrip())
    return text[: text.rfind("\n", 0, indent) + 1]


def _refine(sections: Sequence[_Section], cap: int, count: Count) -> None:
    """Count the units; those above the cap become sentences, then words, then runs of characters."""
    _count(sections, count)
    finers: Iterator[Callable[[str], list[str]] | None] = chain((sentences, words), repeat(None))
    while large := [section for section in sections if max(section.counts) > cap]:
        finer = next(finers)
        for section in large:
            _split(section, cap, finer)
        _count(large, count)


def _count(sections: Sequence[_Section], count: Count) -> None:
    """Count the units that have no count yet."""
    fresh = iter(count([unit for part in sections for unit, tokens in part.pairs() if tokens == _UNKNOWN]))
    for part in sections:
        part.counts = [next(fresh) if tokens == _UNKNOWN else tokens for tokens in part.counts]


def _split(section: _Section, cap: int, finer: Callable[[str], list[str]] | None) -> None:
    """Replace the units above the cap by their pieces; runs of characters where there is no finer piece to name."""
    units: list[str] = []
    counts: list[int] = []
    for unit, tokens in section.pairs():
        if tokens <= cap:
            units.append(unit)
            counts.append(tokens)
            continue
        if len(unit) == 1:
            raise too_small(cap, unit, tokens)
        opened = 0 if units else section.opened  # a heading never ends a chunk: it stays with the first piece
        pieces = (finer(unit[opened:]) or [""]) if finer else runs(unit, max(2, -(-tokens // cap)))
        units.extend([unit[:opened] + pieces[0], *pieces[1:]] if finer else pieces)
        counts.extend(repeat(_UNKNOWN, len(pieces)))
    section.units, section.counts = units, counts


def _pack_all(sections: Sequence[_Section], cap: int, count: Count, *, even: bool) -> list[list[tuple[str, int]]]:
    """Chunks of each section as (text, exact tokens)."""
    packed: list[list[tuple[str, int]]] = [[] for _ in sections]
    estimates = [cap] * len(sections)
    open_ = list(range(len(sections)))
    while open_:
        pack = _pack_evenly if even else _pack
        texts = [pack(sections[position], estimates[position]) for position in open_]
        exact = iter(count([text for part in texts for text in part]))
        for position, part in zip(open_, texts, strict=True):
            packed[position] = [(text, next(exact)) for text in part]
            estimates[position] -= max(0, max(tokens for _, tokens in packed[position]) - cap)
        open_ = [position for position in open_ if any(tokens > cap for _, tokens in packed[position])]
    return packed


def _pack(section: _Section, estimate: int) -> list[str]:
    """Units joined greedily while the sum of their counts stays within the estimate."""
    parts: list[list[str]] = []
    room = 0
    for unit, tokens in section.pairs():
        if not parts or tokens > room:
            parts.append([])
            room = estimate
        parts[-1].append(unit)
        room -= tokens
    return ["".join(part) for part in parts]


def _pack_evenly(section: _Section, estimate: int) -> list[str]:
    """As few joined units as `_pack` makes, the fullest of them as small as can be."""
    fewest = len(_pack(section, estimate))
    low, high = max(section.counts), estimate
    while low < high:
        middle = (low + high) // 2
        if len(_pack(section, middle)) <= fewest:
            high = middle
        else:
            low = middle + 1
    return _pack(section, max(low, min(estimate, high)))


def _place(headings: list[Heading], parts: list[tuple[_Section, list[tuple[str, int]]]]) -> Chunked:
    chunks: list[Chunk] = []
    offset = 0
    for section, texts in parts:
        for text, tokens in texts:
            end = offset + len(text.encode())
            chunks.append(Chunk(text, tokens, section.heading, offset, end))
            offset = end
    return Chunked(tuple(headings), tuple(chunks))


def _place_windows(text: str, headings: list[Heading], sections: Sequence[_Section], spans: Sequence[Span]) -> Chunked:
    begins = list(accumulate((sum(map(len, section.units)) for section in sections), initial=0))
    chunks: list[Chunk] = []
    at = byte = 0  # where the last window begins
    for start, end, tokens in spans:
        byte += len(text[at:start].encode())
        at = start
        section = sections[min(bisect_right(begins, start), len(sections)) - 1]
        chunks.append(Chunk(text[start:end], tokens, section.heading, byte, byte + len(text[start:end].encode())))
    return Chunked(tuple(headings), tuple(chunks))
