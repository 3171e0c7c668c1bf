"""Some texts in one buffer, each closed by a newline, and the words and lines in it as places of bytes.

The newlines that were added let nothing run from one text into the next, so that no kernel looks at texts one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.signals.characters import ALPHA, FOLLOWS, MARK, SPACE, UNSPACED, WORD, Bytes, Places, bits_of

pc: Any = compute  # its stubs know neither every array nor every result
Floats = npt.NDArray[np.float64]

SIZE: Final = 1 << 19  # bytes of text that are measured together, so that what is made of them stays in the cache
BEYOND: Final = 8  # bytes behind the texts, so that eight may be read at any place
NEWLINE: Final = 10


@dataclass(frozen=True, slots=True)
class Slab:
    """Texts in one buffer: text i is `data[starts[i] : ends[i]]`, with a newline before and behind it."""

    data: Bytes
    bits: Bytes
    starts: Places
    ends: Places
    extra: npt.NDArray[np.int32] | None  # bytes before each that are not the first of their character; none: no such

    @property
    def number(self) -> int:
        return len(self.starts)

    def text_of(self, places: Places) -> Places:
        """The number of the text that each place is in."""
        found: Places = np.searchsorted(self.ends, places, "left")
        return found

    def per_text(self, places: Places) -> Places:
        """How many of these places, in order, each text has."""
        return np.searchsorted(places, self.ends, "left") - np.searchsorted(places, self.starts, "left")

    def characters(self, starts: Places, ends: Places) -> Places:
        """How many characters lie between two places."""
        if self.extra is None:
            return ends - starts
        found: Places = ends - starts - (self.extra[ends] - self.extra[starts])
        return found


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a slab, in order: word k is `data[starts[k] : ends[k]]`."""

    starts: Places
    ends: Places
    bits: Bytes  # whether a character of each is `WORD`, whether one is `ALPHA`
    lengths: Places  # in characters
    bounds: Places  # words of text i are those from `bounds[i]` to `bounds[i + 1]`

    @property
    def counts(self) -> Places:
        return np.diff(self.bounds)

    def sums(self, values: npt.NDArray[Any]) -> Places:
        """The sum of what each word has, a text."""
        return sums(values, self.bounds)


def sums(values: npt.NDArray[Any], bounds: Places) -> Places:
    """The sums of the stretches of an array between bounds."""
    return _reduced(np.add, values.astype(np.int64, copy=False), bounds)


def united(values: Bytes, bounds: Places) -> Bytes:
    """The bits that some value of a stretch has, of the stretches of an array between bounds."""
    return _reduced(np.bitwise_or, values, bounds)


def _reduced(by: np.ufunc, values: npt.NDArray[Any], bounds: Places) -> npt.NDArray[Any]:
    """Of stretches of an array, what is in none of them left out; 0 for an empty one."""
    found = np.zeros(len(bounds) - 1, values.dtype)
    some = np.flatnonzero(bounds[1:] > bounds[:-1])
    if some.size:
        found[some] = by.reduceat(values[: bounds[-1]], bounds[some])
    return found


def slabs(texts: pa.Array[Any]) -> Iterator[Slab]:
    """An array of texts in slabs of about `SIZE` bytes; a text is never divided."""
    texts = pc.fill_null(texts.cast(pa.large_string()), "")
    ends = np.cumsum(np.asarray(pc.binary_length(texts), dtype=np.int64))
    first = 0
    while first < len(texts):
        before = ends[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + SIZE, "right")))
        yield _slab(texts.slice(first, last - first))
        first = last


def _slab(texts: Any) -> Slab:
    closed = pc.binary_join_element_wise(texts, pa.scalar("", pa.large_string()), pa.scalar("\n", pa.large_string()))
    _, offsets, buffer = closed.buffers()
    bounds = np.frombuffer(offsets, np.int64, len(texts) + 1, closed.offset * 8)
    size = int(bounds[-1] - bounds[0])
    data = np.empty(size + 1 + BEYOND, np.uint8)
    data[0], data[size + 1 :] = NEWLINE, 0
    data[1 : size + 1] = np.frombuffer(buffer, np.uint8, size, int(bounds[0]))
    used = data[: size + 1]
    bits = bits_of(used)
    places = bounds - bounds[0] + 1
    extra = None
    if not pc.all(pc.string_is_ascii(texts)).as_py():
        extra = np.zeros(len(used) + 1, np.int32)
        np.cumsum(bits >= FOLLOWS, dtype=np.int32, out=extra[1:])
    return Slab(data, bits, places[:-1].copy(), places[1:] - 1, extra)


def spaced_words(slab: Slab) -> Words:
    """Runs of characters that are not white space."""
    space = slab.bits & SPACE
    flips = np.flatnonzero(space[1:] != space[:-1]) + 1
    return _words(slab, flips[::2].copy(), flips[1::2].copy())


def unicode_words(slab: Slab) -> Words:
    """Runs of letters, marks and numbers; a letter of a script without spaces is a word of its own, with its marks."""
    word = slab.bits & WORD
    flips = np.flatnonzero(word[1:] != word[:-1]) + 1
    if not ((slab.bits & (UNSPACED | ALPHA)) == (UNSPACED | ALPHA)).any():
        return _words(slab, flips[::2].copy(), flips[1::2].copy())
    first = np.flatnonzero((slab.bits < FOLLOWS) & (word > 0))  # of each character that words are made of
    bits = slab.bits[first]
    opens = word[first - 1] == 0  # after something else, whatever it is
    alone = (bits & UNSPACED) > 0
    mark = (bits & MARK) > 0
    base = np.maximum.accumulate(np.where(mark & ~opens, 0, np.arange(len(first))))  # whose mark it is
    after = np.concatenate(([False], alone[base][:-1]))
    opens |= ~mark & (alone | after)
    starts = first[opens]
    closes = np.concatenate((starts[1:], [len(slab.bits)]))
    runs = flips[1::2]
    return _words(slab, starts, np.minimum(closes, runs[np.searchsorted(runs, starts, "right")]))


def _words(slab: Slab, starts: Places, ends: Places) -> Words:
    bounds = np.searchsorted(starts, np.append(slab.starts, len(slab.bits)))
    return Words(starts, ends, _bits(slab, starts, ends), slab.characters(starts, ends), bounds)


def _bits(slab: Slab, starts: Places, ends: Places) -> Bytes:
    """Mostly the first character of a word says it, for what is `ALPHA` is `WORD` as well; of others all are seen."""
    bits: Bytes = slab.bits[starts]
    other = np.flatnonzero(bits & ALPHA == 0)
    if other.size:
        between = np.stack((starts[other], ends[other]), axis=1).ravel()  # the words, and what lies behind each
        bits[other] = np.bitwise_or.reduceat(slab.bits, between)[::2]
    return bits
