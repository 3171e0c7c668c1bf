"""Documents into chunks: paragraphs packed under their heading, up to a cap that is never passed.

The idea: a section within the cap is a chunk, and all sections are counted in one batch. Of those above it the
paragraphs are counted in another, packed greedily by the sum of their counts, and the chunks are counted in one more. A
sum differs from the count of the joined text by a token or two; where it was too low, that section alone is packed
again under a smaller estimate. A section is what lies between two headings that have text below them; text never
crosses into the next. Windows know no sections: see `structdsl_runtime.text.windows`.

Documents lie end to end in one buffer, and everything found in them is a place in it: see `text.spans`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice, repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from structdsl_runtime.text import layout
from structdsl_runtime.text.layout import Layout
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.ragged import starts as begins
from structdsl_runtime.text.sentences import runs, sentences, words
from structdsl_runtime.text.spans import Flags, Spans, tiles
from structdsl_runtime.text.windows import Count, too_small, windows


@dataclass(frozen=True, slots=True)
class Chunked:
    """The chunks of documents in order, and what stands above each."""

    layout: Layout
    chunks: Spans
    tokens: Numbers
    above: Numbers  # the deepest heading above, or -1


@dataclass(slots=True)
class _Section:
    """A section above the cap: its units in order and the tokens of each."""

    begins: int  # where its text does, behind its headings, in the buffer
    edges: list[int]  # where units begin, and where the last one ends
    counts: list[int]


def chunk_documents(
    texts: Spans, *, cap: int, count: Count, known: Numbers | None = None, even: bool = False
) -> Chunked:
    """Chunks of documents, none above `cap` tokens; raises Fault E0710 where a single character is.

    Those that are one section need no count where their tokens are `known`. A section above the cap is filled up piece
    by piece, or cut into as few chunks that are as `even` as can be.
    """
    found = layout.read(texts)
    sections = found.sections
    tokens = _tokens_of(sections, texts, count, known)
    large = tokens > cap
    cut = _large_sections(found, large, tokens, count)
    _refine(cut, texts.data, cap, count)
    edges, counts = _pack_all(cut, texts.data, cap, count, even=even)
    starts = np.concatenate((sections.starts[~large], edges))
    order = np.argsort(starts, kind="stable")
    chunks = tiles(texts.data, starts[order])
    return Chunked(
        found, chunks, np.concatenate((tokens[~large], counts))[order], found.above[sections.holding(chunks.starts)]
    )


def window_documents(texts: Spans, *, cap: int, overlap: int, count: Count) -> Chunked:
    """Windows over documents, none above `cap` tokens; raises Fault E0710 where a single character is.

    A window begins where the one before it ends, or about `overlap` tokens before that; without what it repeats they
    concatenate to the document. It is below the heading at which it begins.
    """
    found = layout.read(texts)
    strings = list(texts)
    starts: list[int] = []
    ends: list[int] = []
    tokens: list[int] = []
    spans = windows(strings, cap=cap, overlap=overlap, count=count)
    for text, first, own in zip(strings, texts.starts.tolist(), spans, strict=True):
        at, byte = 0, first  # where the last window begins
        for start, end, number in own:
            byte += len(text[at:start].encode())
            at = start
            starts.append(byte)
            ends.append(byte + len(text[start:end].encode()))
            tokens.append(number)
    chunks = Spans(texts.data, np.array(starts, np.int64), np.array(ends, np.int64))
    return Chunked(found, chunks, np.array(tokens, np.int64), found.above[found.sections.holding(chunks.starts)])


def _tokens_of(sections: Spans, texts: Spans, count: Count, known: Numbers | None) -> Numbers:
    """Tokens of each section, those of a whole document as they are known."""
    if known is None:
        return np.array(count(sections), np.int64)
    own = texts.holding(sections.starts)
    whole = sections.sizes == texts.sizes[own]
    tokens = known[own]
    tokens[~whole] = count(sections.take(~whole))
    return tokens


def _large_sections(found: Layout, large: Flags, tokens: Numbers, count: Count) -> list[_Section]:
    """The sections above the cap, whose units are paragraphs; headings are part of the first."""
    paragraphs, sections = found.paragraphs, found.sections
    firsts = np.searchsorted(paragraphs.starts, sections.starts)
    numbers = np.diff(firsts, append=len(paragraphs))  # of paragraphs
    chosen = np.repeat(large, numbers)
    counts = np.repeat(tokens, numbers)  # which is that of its section where it is alone
    fresh = chosen & (np.repeat(numbers, numbers) > 1)
    counts[fresh] = count(paragraphs.take(fresh))
    starts, sizes = paragraphs.starts.tolist(), counts.tolist()
    return [
        _Section(begins, [*starts[first : first + number], end], sizes[first : first + number])
        for first, number, begins, end in zip(
            firsts[large].tolist(),
            numbers[large].tolist(),
            found.begins[large].tolist(),
            sections.ends[large].tolist(),
            strict=True,
        )
    ]


def _refine(sections: Sequence[_Section], data: pa.Buffer, cap: int, count: Count) -> None:
    """Units above the cap become sentences, then words, then runs of characters."""
    for finer in chain((sentences, words), repeat(None)):
        large = [section for section in sections if max(section.counts) > cap]
        if not large:
            return
        cuts = [
            {unit: _cut(section, unit, data, cap, finer) for unit, n in enumerate(section.counts) if n > cap}
            for section in large
        ]
        counts = iter(count(_between(data, [edges for cut in cuts for edges in cut.values()])))
        for section, cut in zip(large, cuts, strict=True):
            _replace(section, cut, counts)


def _cut(section: _Section, unit: int, data: pa.Buffer, cap: int, finer: Callable[[str], list[str]] | None) -> Numbers:
    """The edges of the pieces of a unit: runs of characters where there is no finer piece to name."""
    start, end = section.edges[unit : unit + 2]
    text = str(memoryview(data)[start:end], "utf-8")
    if len(text) == 1:
        raise too_small(cap, text, section.counts[unit])
    if finer is None:
        pieces = runs(text, max(2, -(-section.counts[unit] // cap)))
    else:
        headings = max(0, section.begins - start)  # which never end a chunk: they stay with the first piece
        opened = len(str(memoryview(data)[start : start + headings], "utf-8"))
        first, *others = finer(text[opened:]) or [""]
        pieces = [text[:opened] + first, *others]
    sizes = map(len, pieces if text.isascii() else map(str.encode, pieces))
    return start + begins(np.fromiter(sizes, np.int64, len(pieces)))


def _replace(section: _Section, cut: Mapping[int, Numbers], fresh: Iterator[int]) -> None:
    """The pieces in place of the units that were cut."""
    edges, counts = section.edges[:1], []
    done = 0  # units
    for unit, own in cut.items():
        edges += [*section.edges[done + 1 : unit + 1], *own[1:].tolist()]
        counts += [*section.counts[done:unit], *islice(fresh, len(own) - 1)]
        done = unit + 1
    section.edges = edges + section.edges[done + 1 :]
    section.counts = counts + section.counts[done:]


def _between(data: pa.Buffer, edges: Sequence[npt.ArrayLike]) -> Spans:
    """The texts between edges, row by row."""
    rows = [np.asarray(row, np.int64) for row in edges] or [np.empty(0, np.int64)]
    return Spans(data, np.concatenate([row[:-1] for row in rows]), np.concatenate([row[1:] for row in rows]))


def _pack_all(
    sections: Sequence[_Section], data: pa.Buffer, cap: int, count: Count, *, even: bool
) -> tuple[Numbers, Numbers]:
    """Where the chunks of the sections begin, and their exact tokens."""
    pack = _pack_evenly if even else _pack
    packed: list[tuple[list[int], list[int]]] = [([], [])] * len(sections)
    estimates = [cap] * len(sections)
    open_ = list(range(len(sections)))
    while open_:
        edges = [pack(sections[position], estimates[position]) for position in open_]
        exact = iter(count(_between(data, edges)))
        for position, row in zip(open_, edges, strict=True):
            packed[position] = row[:-1], list(islice(exact, len(row) - 1))
            estimates[position] -= max(0, max(packed[position][1]) - cap)
        open_ = [position for position in open_ if max(packed[position][1]) > cap]
    starts, tokens = ([n for part in packed for n in part[side]] for side in (0, 1))
    return np.array(starts, np.int64), np.array(tokens, np.int64)


def _pack(section: _Section, estimate: int) -> list[int]:
    """The edges of units joined greedily while the sum of their counts stays within the estimate."""
    totals = list(accumulate(section.counts, initial=0))
    edges = section.edges[:1]
    first = 0
    while first < len(section.counts):
        first = max(first + 1, bisect_right(totals, totals[first] + estimate, first) - 1)
        edges.append(section.edges[first])
    return edges


def _pack_evenly(section: _Section, estimate: int) -> list[int]:
    """As few joined units as `_pack` makes, the fullest of them as small as can be."""
    fewest = len(_pack(section, estimate))
    low, high = min(max(section.counts), estimate), estimate
    while low < high:
        middle = (low + high) // 2
        if len(_pack(section, middle)) <= fewest:
            high = middle
        else:
            low = middle + 1
    return _pack(section, low)
