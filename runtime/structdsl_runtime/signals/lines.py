"""Signals of lines and paragraphs: how they begin and end, how many are short, which were there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.signals.characters import QUOTE, SPACE, TERMINAL, UNSPACED, Bytes, Places
from structdsl_runtime.signals.slab import NEWLINE, Floats, Slab, Words

pc: Any = compute
Flags = npt.NDArray[np.bool_]

SHORT: Final = 30  # characters of a short line, as FineWeb has it
FEW: Final = 5  # words of a line that C4 keeps
POLICIES: Final = (b"terms of use", b"privacy policy", b"cookie policy", b"uses cookies", b"use of cookies",
                   b"use cookies")  # fmt: skip
"""What makes C4 leave out a line."""
_ELLIPSIS: Final = "…".encode()
_BULLET: Final = "•".encode()


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a slab, in order: line k is `data[starts[k] : ends[k]]`, without its newline."""

    starts: Places
    ends: Places
    full: Flags  # whether there is more than white space in it
    first: Places  # the first byte that is not white space, where it is full
    last: Places  # behind the last byte that is not white space, where it is full
    bounds: Places  # lines of text i are those from `bounds[i]` to `bounds[i + 1]`

    def count(self, flags: Flags) -> Places:
        """How many lines of each text have the flag."""
        total = np.concatenate(([0], np.cumsum(flags)))
        found: Places = total[self.bounds[1:]] - total[self.bounds[:-1]]
        return found


def lines_of(slab: Slab, words: Words) -> Lines:
    """The lines between newlines; `words` are those between white space."""
    ends = np.flatnonzero(slab.data[: len(slab.bits)] == NEWLINE)
    starts, ends = ends[:-1] + 1, ends[1:]
    if words.starts.size:
        word = np.searchsorted(words.starts, starts)
        first = words.starts[np.minimum(word, len(words.starts) - 1)]
        full = (word < len(words.starts)) & (first >= starts) & (first < ends)
        last = words.ends[np.searchsorted(words.starts, ends) - 1]
    else:
        first, last, full = starts, ends, np.zeros(len(starts), np.bool_)
    return Lines(starts, ends, full, first, last, np.searchsorted(starts, np.append(slab.starts, len(slab.bits))))


def number_of(slab: Slab, lines: Lines) -> Places:
    """How many lines each text has; a newline at its end opens none."""
    nothing = (slab.ends == slab.starts) | (slab.data[slab.ends - 1] == NEWLINE)
    found: Places = np.diff(lines.bounds) - nothing
    return found


def bullets(slab: Slab, lines: Lines) -> Flags:
    """Lines that begin with `-` or `•`, after white space."""
    bullet: Flags = (slab.data[lines.first] == ord("-")) | _stands(slab.data, lines.first, _BULLET)
    return lines.full & bullet


def ellipses(slab: Slab, lines: Lines) -> Flags:
    """Lines that end in `...` or `…`, before white space."""
    before = np.maximum(lines.last - 3, 0)
    dots = _stands(slab.data, before, b"...") | _stands(slab.data, before, _ELLIPSIS)
    return lines.full & (lines.last - 3 >= lines.first) & dots


def ended(slab: Slab, lines: Lines) -> Flags:
    """Lines that end with the end of a sentence or with a closing quotation mark, before white space."""
    return lines.full & ((slab.bits[lines.last - 1] & (TERMINAL | QUOTE)) > 0)


def short(slab: Slab, lines: Lines) -> Flags:
    """Lines with something in them, and of 30 characters at most."""
    return lines.full & (slab.characters(lines.starts, lines.ends) <= SHORT)


def with_any(lines: Lines, places: Places) -> Flags:
    """Lines in which one of these places, in order, is."""
    found: Flags = np.searchsorted(places, lines.ends) > np.searchsorted(places, lines.starts)
    return found


def kept_by_c4(slab: Slab, lines: Lines, words: Words, lowered: bytes) -> Flags:
    """Lines that C4 would leave in: they end as sentences do, have five words, and speak neither of scripts nor of
    terms of use.
    """
    number = np.searchsorted(words.starts, lines.ends) - np.searchsorted(words.starts, lines.starts)
    found = ended(slab, lines) & ~ellipses(slab, lines) & (number >= FEW)
    return found & ~with_any(lines, occurrences(lowered, (b"javascript", *POLICIES)))


def sentence_ends(slab: Slab) -> Places:
    """Where sentences end: at full stops before white space, quotation marks aside; or where scripts write none."""
    bits = slab.bits
    stop = bits & TERMINAL
    places = np.flatnonzero((stop[:-1] > 0) & (stop[1:] == 0))
    quote = bits & QUOTE
    behind = places + 1
    quoted = quote[behind] > 0
    if quoted.any():
        closes = np.flatnonzero((quote[:-1] > 0) & (quote[1:] == 0)) + 1
        behind[quoted] = closes[np.searchsorted(closes, behind[quoted], "right")]
    found: Places = places[((bits[behind] & SPACE) > 0) | ((bits[places] & UNSPACED) > 0)]
    return found


def occurrences(lowered: bytes, phrases: Sequence[bytes]) -> Places:
    """Where these phrases begin, in order."""
    found = []
    for phrase in phrases:
        at = lowered.find(phrase)
        while at >= 0:
            found.append(at)
            at = lowered.find(phrase, at + len(phrase))
    return np.array(sorted(found), np.int64)


def dots(slab: Slab) -> Places:
    """Where `...` and `…` stand, none over another."""
    used = slab.data[: len(slab.bits)]
    full = used == ord(".")
    places = np.flatnonzero(full[1:] & full[:-1])  # where another follows
    opens = np.flatnonzero(np.diff(places, prepend=-9) != 1)
    sizes = np.diff(opens, append=len(places)) + 1
    runs = np.flatnonzero(sizes >= 3)
    number = sizes[runs] // 3
    step = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    found: Places = np.repeat(places[opens[runs]], number) + 3 * step
    if slab.extra is not None:
        wide = np.flatnonzero(used == _ELLIPSIS[0])
        found = np.sort(np.concatenate((found, wide[_stands(slab.data, wide, _ELLIPSIS)])))
    return found


def paragraphs(lines: Lines) -> tuple[Places, Places]:
    """First and last line of every run of lines that have something in them."""
    full = np.zeros(len(lines.full) + 2, np.bool_)
    full[1:-1] = lines.full
    opens = full[1:-1] & ~full[:-2]
    opens[lines.bounds[:-1]] = full[1:-1][lines.bounds[:-1]]
    closes = full[1:-1] & ~full[2:]
    ends = lines.bounds[1:] - 1
    closes[ends] = full[1:-1][ends]
    return np.flatnonzero(opens), np.flatnonzero(closes)


def duplicates(slab: Slab, starts: Places, ends: Places) -> tuple[Floats, Floats]:
    """Of stretches of text, in order: the fraction that stood in it before, and their share of its characters."""
    owners = slab.text_of(starts)
    again = np.zeros(len(starts), np.bool_)
    if len(starts):
        again = _again(slab.data, starts, ends, owners)
    number = np.bincount(owners, minlength=slab.number)
    repeated = np.bincount(owners[again], minlength=slab.number)
    sizes = np.where(again, slab.characters(starts, ends), 0)
    whole = slab.characters(slab.starts, slab.ends)
    repeated_characters = np.bincount(owners, sizes, minlength=slab.number)
    return repeated / np.maximum(number, 1), repeated_characters / np.maximum(whole, 1)


def _again(data: Bytes, starts: Places, ends: Places, owners: Places) -> Flags:
    """Which stretches have the bytes of one before them in the same text."""
    between = np.empty(2 * len(starts), np.int64)  # stretches and what lies between them, by turns
    between[::2], between[1::2] = starts, ends
    buffers = [None, *(pa.py_buffer(part.data) for part in (np.append(between, ends[-1]), data))]
    pieces: Any = pa.Array.from_buffers(pa.large_binary(), len(between), buffers)
    codes = np.asarray(pieces.dictionary_encode().indices)[::2]
    key = owners * (int(codes.max()) + 1) + codes
    _, firsts = np.unique(key, return_index=True)
    again = np.ones(len(key), np.bool_)
    again[firsts] = False
    return again


def _stands(data: Bytes, places: Places, text: bytes) -> Flags:
    found: Flags = data[places] == text[0]
    for step, byte in enumerate(text[1:], start=1):
        found &= data[places + step] == byte
    return found
