"""MinHash signatures in a few passes over the shingles, however many numbers a signature has.

A shingle goes into one of k bins by the upper half of its hash, and the least lower half in a bin is the signature
there. Bins that stay empty are filled by the same with another hash, round after round, and what few shingles leave
empty after that by one hash a bin. Two sets then have the same number in a bin with the probability of their Jaccard
similarity, and the bins are as good as independent: fast similarity sketching (Dahlgaard, Knudsen, Thorup, 2017).

Signatures depend on the shingles alone: not on their order, nor on what other texts they are computed with.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.text.hashed import Hashes, mixed
from structdsl_runtime.text.words import Numbers

Signatures = npt.NDArray[np.uint32]

_ROUNDS: Final = 24
_FEW: Final = 2  # rounds after which only texts of few shingles are left, or of the same ones over and over
_EMPTY: Final = 0xFFFFFFFF
_STEP: Final = 0x9E3779B97F4A7C15
_CELLS: Final = 1 << 20  # of the matrix of shingles and bins that is looked at together


def signatures(shingles: Hashes, starts: Numbers, k: int) -> Signatures:
    """(texts, k); a text without shingles has the greatest number everywhere."""
    counts = np.diff(starts)
    made = np.full((len(counts), k), _EMPTY, np.uint32)
    rows = np.flatnonzero(counts)
    members, owner = shingles, np.repeat(np.arange(len(rows)), counts[rows])
    for number in range(_ROUNDS):
        found = _binned(_rehashed(members, number), owner, len(rows), k)
        before = made[rows]
        made[rows] = np.where(before == _EMPTY, found, before)
        open_ = (made[rows] == _EMPTY).any(1)
        if not open_.any():
            return made
        stays = open_[owner]
        members, owner = members[stays], (np.cumsum(open_) - 1)[owner[stays]]
        rows = rows[open_]
        if number == _FEW:
            members, owner = _once(members, owner)
    _fill(made, rows, members, np.searchsorted(owner, np.arange(len(rows) + 1)))
    return made


def _once(members: Hashes, owner: Numbers) -> tuple[Hashes, Numbers]:
    """What a text has several times, once."""
    order = np.lexsort((members, owner))
    members, owner = members[order], owner[order]
    new = np.ones(len(members), np.bool_)
    new[1:] = (members[1:] != members[:-1]) | (owner[1:] != owner[:-1])
    return members[new], owner[new]


def digests(shingles: Hashes, starts: Numbers) -> Hashes:
    """One number for all shingles of each text, in whatever order."""
    sums = np.concatenate((np.zeros(1, np.uint64), np.cumsum(_rehashed(shingles, _ROUNDS), dtype=np.uint64)))
    return sums[starts[1:]] - sums[starts[:-1]]


def _rehashed(shingles: Hashes, number: int) -> Hashes:
    """Another hash of each shingle for each number; the first is the one that it has."""
    step = np.uint64(number * _STEP % (1 << 64))
    return mixed(shingles + step) if number else shingles


def _binned(hashes: Hashes, owner: Numbers, texts: int, k: int) -> Signatures:
    found = np.full(texts * k, _EMPTY, np.uint32)
    half = np.uint64(32)
    cells = ((hashes >> half) * np.uint64(k) >> half).astype(np.int64) + owner * k
    np.minimum.at(found, cells, np.minimum(hashes.astype(np.uint32), _EMPTY - 1))
    return found.reshape(texts, k)


def _fill(made: Signatures, rows: Numbers, members: Hashes, starts: Numbers) -> None:
    """What is still empty: the least of one hash for each bin, which is never empty."""
    k = made.shape[1]
    seeds = np.arange(_ROUNDS + 1, _ROUNDS + 1 + k, dtype=np.uint64) * np.uint64(_STEP)
    first = 0
    while first < len(rows):
        end = int(np.searchsorted(starts, starts[first] + max(_CELLS // k, 1), side="right")) - 1
        end = min(max(end, first + 1), len(rows))
        part: Any = mixed(members[starts[first] : starts[end], None] + seeds)
        least = np.minimum.reduceat(part >> np.uint64(32), starts[first:end] - starts[first], axis=0)
        block = made[rows[first:end]]
        filled = np.minimum(least, _EMPTY - 1).astype(np.uint32)
        made[rows[first:end]] = np.where(block == _EMPTY, filled, block)
        first = end
