"""How much of a text is said more than once: the n-gram that is said most often, and all that was said before.

A run of n words that is repeated begins with a run of n-1 that is, so that each length looks only where the one
before it found something. Of the first, most stand alone in a table of buckets and are never sorted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from structdsl_runtime.signals.characters import Places
from structdsl_runtime.signals.slab import Floats, Slab, Words, sums
from structdsl_runtime.signals.words import Hashes, keys, mixed

TOP = (2, 3, 4)
DUPLICATE = (5, 6, 7, 8, 9, 10)
_BASE = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The n-grams of a length that stand more than once in their text, sorted so that the same are together."""

    places: Places  # first words
    groups: Places  # where in `places` each group begins

    @property
    def sizes(self) -> Places:
        return np.diff(self.groups, append=len(self.places))


def repetitions(slab: Slab, words: Words, hashed: Hashes, lengths: Collection[int]) -> dict[int, Floats]:
    """By the length of an n-gram: characters of the most frequent one, or of all that repeat others, in a text.

    Fractions of all characters of the text. An n-gram has the characters of its words and a space between two. The
    most frequent one is there twice at least, and of those as frequent the longest counts.
    """
    characters = slab.characters(slab.starts, slab.ends)
    found = {}
    for length, repeated in _repeated(slab, words, hashed, max(lengths)):
        if length in lengths:
            measure = _most_frequent if length in TOP else _covered
            found[length] = measure(words, repeated, length) / np.maximum(characters, 1)
    return found


def _repeated(slab: Slab, words: Words, hashed: Hashes, longest: int) -> Iterator[tuple[int, Repeated]]:
    owners = np.repeat(np.arange(slab.number), words.counts)
    last = words.bounds[1:][owners]  # behind the words of the text of each
    places = np.arange(len(hashed))
    for length in range(2, longest + 1):
        places = places[places + length <= last[places]]
        values = hashed[places]
        for step in range(1, length):
            values = values * _BASE + hashed[places + step]
        values = mixed(values)
        if length == 2:
            places, values = _crowded(places, values, owners)
        repeated = _groups(places, keys(values, owners[places], slab.number))
        places = np.sort(repeated.places)
        yield length, repeated


def _crowded(places: Places, values: Hashes, owners: Places) -> tuple[Places, Hashes]:
    """Without those that are alone in their bucket, which no other equals."""
    size = 1 << max(4, 2 + len(places).bit_length())
    bucket = ((values + mixed(owners[places].astype(np.uint64))) & np.uint64(size - 1)).astype(np.int64)
    crowded = np.bincount(bucket, minlength=size)[bucket] > 1
    return places[crowded], values[crowded]


def _groups(places: Places, found: Hashes) -> Repeated:
    """Places with the same key, those that are alone left out."""
    order = np.argsort(found)
    found = found[order]
    fresh = np.ones(len(found) + 1, np.bool_)
    fresh[1:-1] = found[1:] != found[:-1]
    alone = fresh[:-1] & fresh[1:]
    return Repeated(places[order[~alone]], np.flatnonzero(fresh[:-1][~alone]))


def _characters(words: Words) -> Places:
    """Characters of all words before each."""
    found = np.zeros(len(words.lengths) + 1, np.int64)
    np.cumsum(words.lengths, out=found[1:])
    return found


def _most_frequent(words: Words, repeated: Repeated, length: int) -> Places:
    number = len(words.bounds) - 1
    found = np.zeros(number, np.int64)
    if not repeated.places.size:
        return found
    before, first = _characters(words), repeated.places[repeated.groups]
    sizes = before[first + length] - before[first] + length - 1
    rank = (repeated.sizes << 32) | np.minimum(sizes, (1 << 32) - 1)
    owner = np.searchsorted(words.bounds, first, "right") - 1  # in order, as the groups are
    opens = np.flatnonzero(np.diff(owner, prepend=-1))
    best = np.maximum.reduceat(rank, opens)
    found[owner[opens]] = (best >> 32) * (best & ((1 << 32) - 1))
    return found


def _covered(words: Words, repeated: Repeated, length: int) -> Places:
    """Characters of the words in n-grams that stood in the text before."""
    if not repeated.places.size:
        return np.zeros(len(words.bounds) - 1, np.int64)
    firsts = np.minimum.reduceat(repeated.places, repeated.groups)
    later = repeated.places[repeated.places != np.repeat(firsts, repeated.sizes)]
    number = len(words.lengths) + 1
    steps = np.bincount(later, minlength=number) - np.bincount(later + length, minlength=number)
    return sums(np.where(np.cumsum(steps[:-1]) > 0, words.lengths, 0), words.bounds)
