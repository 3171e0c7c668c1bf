"""Chunks the plain way: one document after the other, line by line, every unit a string. What the quick way is held to.

Also the chunks that either way makes as parts that a test can read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from structdsl_runtime.text.chunking import Chunked
from structdsl_runtime.text.markdown import blocks
from structdsl_runtime.text.sentences import runs, sentences, words
from structdsl_runtime.text.spans import of_arrow
from structdsl_runtime.text.windows import Count

Finer = Callable[[str], list[str]]


@dataclass(frozen=True)
class Heading:
    level: int
    title: str
    start: int
    parent: int | None


@dataclass(frozen=True)
class Part:
    text: str
    tokens: int
    heading: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Made:
    headings: list[Heading]
    chunks: list[Part]


def parts_of(texts: Sequence[str], cut: Callable[..., Chunked], **options: object) -> list[Made]:
    """What is made of each text, its headings and bytes counted from its own."""
    spans = of_arrow(pa.array(texts, pa.string()))
    found = cut(spans, **options)
    documents = [Made([], []) for _ in texts]
    own = found.layout.headings
    first = [own.texts.index(text) if text in own.texts else 0 for text in range(len(texts))]
    for text, level, title, start, parent in zip(
        own.texts, own.levels, own.titles, found.layout.starts.tolist(), own.parents, strict=True
    ):
        begin = int(spans.starts[text])
        above = None if parent is None else parent - first[text]
        documents[text].headings.append(Heading(level, title, start - begin, above))
    for text, part, tokens, heading, start, end in zip(
        spans.holding(found.chunks.starts).tolist(),
        found.chunks.to_arrow().to_pylist(),
        found.tokens.tolist(),
        found.above.tolist(),
        found.chunks.starts.tolist(),
        found.chunks.ends.tolist(),
        strict=True,
    ):
        begin = int(spans.starts[text])
        above = None if heading < 0 else heading - first[text]
        documents[text].chunks.append(Part(part, tokens, above, start - begin, end - begin))
    return documents


def plainly(text: str, *, cap: int, count: Count, even: bool = False) -> Made:
    made = Made([], [])
    offset = 0
    for heading, opened, units in _sections(text, made.headings):
        whole = "".join(units)
        packed = [whole]
        if count([whole])[0] > cap:
            packed = _packed(_fine(units, opened, cap, count), cap, count, even=even)
        for part in packed:
            end = offset + len(part.encode())
            made.chunks.append(Part(part, count([part])[0], heading, offset, end))
            offset = end
    return made


def _sections(text: str, headings: list[Heading]) -> list[tuple[int | None, int, list[str]]]:
    """The deepest heading of each section, the characters of its headings, and its paragraphs."""
    sections: list[tuple[int | None, int, list[str]]] = []
    opened, offset = "", 0
    for block in blocks(text):
        above = len(headings) - 1 if headings else None
        if block.level:
            parent = above
            while parent is not None and headings[parent].level >= block.level:
                parent = headings[parent].parent
            blank = block.text[: block.text.rfind("\n", 0, len(block.text) - len(block.text.lstrip())) + 1]
            headings.append(Heading(block.level, block.title, offset + len(blank.encode()), parent))
            opened += block.text
        elif opened or not sections:
            sections.append((above, len(opened), [opened + block.text]))
            opened = ""
        else:
            sections[-1][2].append(block.text)
        offset += len(block.text.encode())
    return sections + ([(len(headings) - 1, len(opened), [opened])] if opened else [])


def _fine(units: list[str], opened: int, cap: int, count: Count) -> list[str]:
    """Units as small as they must be."""

    def finer(unit: str, opened: int, ways: tuple[Finer, ...]) -> list[str]:
        tokens = count([unit])[0]
        if tokens <= cap:
            return [unit]
        pieces = ways[0](unit[opened:]) or [""] if ways else runs(unit, max(2, -(-tokens // cap)))
        pieces[0] = unit[:opened] + pieces[0] if ways else pieces[0]
        return [each for n, piece in enumerate(pieces) for each in finer(piece, 0 if n else opened, ways[1:])]

    return [each for n, unit in enumerate(units) for each in finer(unit, 0 if n else opened, (sentences, words))]


def _packed(units: list[str], cap: int, count: Count, *, even: bool) -> list[str]:
    sizes = count(units)
    room = cap
    while True:
        packed = _filled(units, sizes, room)
        if even:
            ways = (_filled(units, sizes, least) for least in range(min(room, max(sizes)), room + 1))
            packed = next(way for way in ways if len(way) <= len(packed))
        above = max(count(packed)) - cap
        if above <= 0:
            return packed
        room -= above


def _filled(units: list[str], sizes: Sequence[int], room: int) -> list[str]:
    packed: list[str] = []
    left = 0
    for unit, size in zip(units, sizes, strict=True):
        if packed and size <= left:
            packed[-1] += unit
        else:
            packed.append(unit)
            left = room
        left -= size
    return packed
