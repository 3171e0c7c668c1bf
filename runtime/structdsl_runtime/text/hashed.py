"""Words and runs of words as 64-bit numbers, the same on every machine and in every version of ours.

Equal words have equal numbers; of the numbers of n words that follow one another, a polynomial makes the number of the
run. Two that differ have the same number once in 10^19, and who may not be wrong even then compares the words.

Nothing here is done word by word in Python: a word is read from its buffer eight bytes at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.words import Bytes, Texts, folded, folded_blocks, offsets_of, strings

pc: Any = compute  # its stubs know neither every array nor every result
Hashes = npt.NDArray[np.uint64]

_SPACE: Final = 32
_BASE: Final = 0x9E3779B97F4A7C15  # odd, and with its bits spread
_MASKS: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_LONG: Final = 1024  # bytes, from which on a stretch is worth a call of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The words of some texts: those of text t are `words[starts[t]:starts[t + 1]]`, found in `data`."""

    words: Hashes
    starts: Numbers  # one more than there are texts
    data: Bytes
    begin: Numbers  # of each word, in `data`
    size: Numbers  # bytes of each word

    @property
    def lengths(self) -> Numbers:
        return np.diff(self.starts)

    def strings(self, numbers: Numbers) -> Texts:
        """The words of these numbers, as Arrow strings."""
        sizes = self.size[numbers]
        ends = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
        return strings(self.data[np.repeat(self.begin[numbers] - ends[:-1], sizes) + np.arange(int(ends[-1]))], ends)

    def text(self, first: int, count: int) -> str:
        """The words from number `first` on, with single spaces between them."""
        return " ".join(self.strings(np.arange(first, first + count)).to_pylist())


def hashed(texts: Texts) -> Hashed:
    """The words of each text, as `words` finds them, by their numbers."""
    return _hashed(folded(texts))


def hashed_blocks(texts: Texts) -> Iterator[tuple[int, Hashed]]:
    """The words of the texts of each block, with the number of its first text."""
    return ((first, _hashed(block)) for first, block in folded_blocks(texts))


def _hashed(texts: Texts) -> Hashed:
    """Of folded texts; a space between two keeps the last word of one and the first of the next apart."""
    count = len(texts)
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), texts), " ")
    data = np.frombuffer(joined.buffers()[2] or b"", np.uint8)
    ends = offsets_of(texts) + np.arange(count + 1)
    inside = np.zeros(len(data) + 2, np.bool_)
    np.not_equal(data, _SPACE, out=inside[1:-1])
    turns = np.flatnonzero(inside[1:] != inside[:-1])
    begin, size = turns[::2], turns[1::2] - turns[::2]
    return Hashed(
        words=numbers_of(data, begin, size),
        starts=np.searchsorted(begin, ends - ends[0]),
        data=data,
        begin=begin,
        size=size,
    )


def numbered(texts: Texts) -> Hashes:
    """One number for each text, byte by byte."""
    ends, buffer = offsets_of(texts), texts.buffers()[2]
    data = np.frombuffer(buffer, np.uint8) if buffer else np.empty(0, np.uint8)
    return numbers_of(data, ends[:-1], np.diff(ends))


def numbers_of(data: Bytes, begin: Numbers, size: Numbers) -> Hashes:
    """One number for each stretch of `size` bytes from `begin` on."""
    padded = np.zeros(len(data) + 8, np.uint8)
    padded[: len(data)] = data
    eights = np.ndarray((len(data) + 1,), "<u8", padded, strides=(1,))
    made = mixed((eights[begin] & _MASKS.take(np.minimum(size, 8))) + size.astype(np.uint64))
    longer = np.flatnonzero(size > 8)
    very = size[longer] > _LONG
    for number in longer[very].tolist():
        whole = data[begin[number] : begin[number] + size[number]]
        made[number] = int.from_bytes(hashlib.blake2b(whole.tobytes(), digest_size=8).digest(), "little")
    longer = longer[~very]
    at = 8
    while len(longer):
        left = size[longer] - at
        part = eights[begin[longer] + at] & _MASKS[np.minimum(left, 8)]
        made[longer] = mixed(made[longer] * np.uint64(_BASE) ^ part)
        longer = longer[left > 8]
        at += 8
    return made


def mixed(numbers: Hashes) -> Hashes:
    """Numbers with their bits spread, one to one (the finaliser of SplitMix64); the array is used up."""
    numbers ^= numbers >> np.uint64(30)
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(27)
    numbers *= np.uint64(0x94D049BB133111EB)
    numbers ^= numbers >> np.uint64(31)
    return numbers


def runs(words: Hashes, n: int) -> Hashes:
    """The number of the n words from each on, wherever texts end; there are n - 1 fewer than words.

    The polynomial of 2m words is made of two of m, so that it takes as many passes as n has digits in base 2.
    """
    whole, length, made = words, 1, 0
    result = np.empty(0, np.uint64)
    while True:
        if n & length:
            result = _after(result, made, whole, length) if made else whole
            made += length
        if length * 2 > n:
            break
        whole = _after(whole, length, whole, length)
        length *= 2
    return mixed(result.copy())


def _after(first: Hashes, size: int, second: Hashes, more: int) -> Hashes:
    """Polynomials of `size + more` words: `first` of those in front, `second` of those behind."""
    count = max(min(len(first), len(second) - size), 0)
    factor = np.uint64(pow(_BASE, more, 1 << 64))
    return first[:count] * factor + second[size : size + count]


def all_words(found: Hashed, texts: Numbers) -> Hashes:
    """One number for all words of each of these texts, and for how many they are."""
    first, lengths = found.starts[texts], found.lengths[texts]
    made = mixed(lengths.astype(np.uint64))
    for place in range(int(lengths.max(initial=0))):
        there = np.flatnonzero(lengths > place)
        made[there] = mixed(made[there] ^ found.words[first[there] + place])
    return made


def within(starts: Numbers, n: int) -> Numbers:
    """Where runs of n words begin that lie within one text."""
    counts = np.maximum(np.diff(starts) - n + 1, 0)
    before = np.cumsum(counts) - counts
    return np.repeat(starts[:-1] - before, counts) + np.arange(int(counts.sum()))
