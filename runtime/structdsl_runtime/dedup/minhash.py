"""MinHash signatures in a few passes over the shingles, however many numbers a signature has.

A shingle goes into one of k bins by one half of its hash, and the least other half in a bin is the signature there.
Bins that stay empty are filled by the same with the halves changed about, then with another hash, and what few
shingles leave empty after that by a hash for each bin. Two sets then have the same number in a bin with the
probability of their Jaccard similarity, and the bins are as good as independent: fast similarity sketching (Dahlgaard,
Knudsen, Thorup, 2017).

Signatures depend on the shingles alone: not on their order, nor on what other texts they are computed with.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.text.hashed import Hashes, mixed
from structdsl_runtime.text.ragged import Numbers

Signatures = npt.NDArray[np.uint32]

_ROUNDS: Final = 6
_EMPTY: Final = 0xFFFFFFFF
_STEP: Final = 0x9E3779B97F4A7C15
_HALF: Final = np.uint64(32)  # bits of a hash
_LOWER: Final = np.uint64(0xFFFFFFFF)
_TOGETHER: Final = 1 << 16  # hashes made together of what few shingles left empty


def signatures(shingles: Hashes, starts: Numbers, k: int) -> Signatures:
    """(texts, k); a text without shingles has the greatest number everywhere."""
    counts = np.diff(starts)
    made = np.full((len(counts), k), _EMPTY, np.uint32)
    flat = made.reshape(-1)
    rows, members = np.flatnonzero(counts), shingles
    for number in range(_ROUNDS):
        places, values = _halves(members, number)
        places *= np.uint64(k)
        places >>= _HALF
        cells = places.view(np.int64)
        cells += np.repeat(rows * k, counts[rows])
        if number:
            still = np.flatnonzero(flat.take(cells) == _EMPTY)
            cells, values = cells.take(still), values.take(still)
        np.minimum.at(flat, cells, values)
        empty = (made[rows] == _EMPTY).any(1)
        members = members[np.repeat(empty, counts[rows])]
        rows = rows[empty]
        if not len(rows):
            return made
    _fill(made, rows, *_once(members, np.repeat(np.arange(len(rows)), counts[rows]), len(rows)))
    return made


def digests(shingles: Hashes, starts: Numbers) -> Hashes:
    """One number for all shingles of each text, in whatever order."""
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(shingles, dtype=np.uint64)))
    return sums[starts[1:]] - sums[starts[:-1]]


def _halves(shingles: Hashes, number: int) -> tuple[Hashes, Signatures]:
    """What says the bin of each shingle in a round, and what it is worth there; a hash serves for two rounds."""
    step = np.uint64(number // 2 * _STEP % (1 << 64))
    hashes = mixed(shingles + step) if step else shingles
    upper = hashes >> _HALF
    return (hashes & _LOWER, upper.astype(np.uint32)) if number % 2 else (upper, hashes.astype(np.uint32))


def _once(members: Hashes, owner: Numbers, texts: int) -> tuple[Hashes, Numbers]:
    """What a text has several times, once; and where the members of each begin."""
    order = np.lexsort((members, owner))
    members, owner = members[order], owner[order]
    new = np.ones(len(members), np.bool_)
    new[1:] = (members[1:] != members[:-1]) | (owner[1:] != owner[:-1])
    return members[new], np.searchsorted(owner[new], np.arange(texts + 1))


def _fill(made: Signatures, rows: Numbers, members: Hashes, starts: Numbers) -> None:
    """What is still empty: the least of one hash for each bin, which is never empty."""
    which, bins = np.nonzero(made[rows] == _EMPTY)
    sizes = np.diff(starts)[which]
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    seeds = np.arange(_ROUNDS, _ROUNDS + made.shape[1], dtype=np.uint64) * np.uint64(_STEP)
    first = 0
    while first < len(which):
        end = max(int(np.searchsorted(before, before[first] + _TOGETHER, side="right")) - 1, first + 1)
        here, size = slice(first, end), sizes[first:end]
        begin = before[first:end] - before[first]
        at = np.repeat(starts[which[here]] - begin, size) + np.arange(int(size.sum()))
        hashes = mixed(members[at] + np.repeat(seeds[bins[here]], size)) >> _HALF
        least = np.minimum(np.minimum.reduceat(hashes, begin), np.uint64(_EMPTY - 1))
        made[rows[which[here]], bins[here]] = least.astype(np.uint32)
        first = end
