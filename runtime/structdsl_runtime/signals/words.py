"""Signals of words: how many, how long, which; and a number that stands for each, for those that compare them."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.signals.characters import ALPHA, WORD, Places
from structdsl_runtime.signals.slab import Floats, Slab, Words, sums, united

Hashes = npt.NDArray[np.uint64]

STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
"""Of which a text has two at least, by the rules of Gopher."""

_MASKS: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_OTHER: Final = np.uint64(0xD6E8FEB86659FD93)
_LONGEST: Final = 64  # bytes of a word that is hashed eight at a time
_SIZES: Final = (min(map(len, STOP_WORDS)), max(map(len, STOP_WORDS)))  # at most the four bytes of a code
_CODES: Final = tuple(np.uint32(int.from_bytes(word.encode(), "little")) for word in STOP_WORDS)
_BITS: Final = np.array([value.bit_count() for value in range(256)], np.int64)


def counted(words: Words) -> npt.NDArray[np.bool_]:
    """Which words are more than punctuation and symbols."""
    found: npt.NDArray[np.bool_] = (words.bits & WORD) > 0
    return found


def mean_length(words: Words) -> Floats:
    """Characters of a word, on average, of those that are counted; NaN for none."""
    real = counted(words)
    with np.errstate(invalid="ignore"):
        found: Floats = words.sums(np.where(real, words.lengths, 0)) / words.sums(real)
    return found


def alphabetic(words: Words) -> Places:
    """How many words have a letter."""
    return words.sums((words.bits & ALPHA) > 0)


def stop_words(slab: Slab, words: Words) -> Places:
    """How many of `STOP_WORDS` each text has, as they are spelt there."""
    sizes = words.ends - words.starts
    short = np.flatnonzero((sizes >= _SIZES[0]) & (sizes <= _SIZES[1]))
    four = np.ndarray(len(slab.data) - 3, "<u4", slab.data.data, strides=(1,))
    codes = four[words.starts[short]] & _MASKS.astype(np.uint32)[sizes[short]]
    found = np.zeros(len(short), np.uint8)
    for bit, code in enumerate(_CODES):
        found |= (codes == code).view(np.uint8) * np.uint8(1 << bit)
    return _BITS[united(found, np.searchsorted(short, words.bounds))]


def hashes(slab: Slab, words: Words) -> Hashes:
    """64 bits that stand for the bytes of each word."""
    sizes = words.ends - words.starts
    eight = np.ndarray(len(slab.data) - 7, "<u8", slab.data.data, strides=(1,))
    pieces = eight[words.starts] & _MASKS[np.minimum(sizes, 8)]
    found: Hashes = mixed(pieces ^ (sizes.astype(np.uint64) * _ODD))  # their sizes tell NUL bytes from nothing
    longer = np.flatnonzero(sizes > 8)
    for at in range(8, _LONGEST, 8):
        if not longer.size:
            break
        piece = eight[words.starts[longer] + at] & _MASKS[np.minimum(sizes[longer] - at, 8)]
        found[longer] = mixed(found[longer] * _ODD + piece)
        longer = longer[sizes[longer] > at + 8]
    for word in longer:
        data = slab.data[words.starts[word] : words.ends[word]].tobytes()
        found[word] = int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
    return found


def mixed(values: Hashes) -> Hashes:
    """Each bit of a value in all of its bits; different values stay different."""
    values = (values ^ (values >> np.uint64(32))) * _OTHER
    values = (values ^ (values >> np.uint64(29))) * _ODD
    found: Hashes = values ^ (values >> np.uint64(32))
    return found


def keys(values: Hashes, owners: Places, number: int) -> Hashes:
    """The same values under the text that each is in: sorted, those of a text are next to each other."""
    bits = np.uint64(max(1, (number - 1).bit_length()))
    return (owners.astype(np.uint64) << (np.uint64(64) - bits)) | (values >> bits)


def distinct(hashed: Hashes, words: Words) -> Places:
    """How many different words each text has."""
    number = len(words.counts)
    owners = np.repeat(np.arange(number), words.counts)
    found = np.sort(keys(hashed, owners, number))
    fresh = np.ones(len(found), np.bool_)
    fresh[1:] = found[1:] != found[:-1]
    return sums(fresh, words.bounds)
