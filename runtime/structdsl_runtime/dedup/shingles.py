"""Shingles of texts: the runs of n words that each has, as 64-bit numbers.

A text with fewer than n words has one shingle, all its words; one without a word has none, and is like nothing.
"""

from __future__ import annotations

import numpy as np

from structdsl_runtime.text.hashed import Hashed, Hashes, all_words, runs
from structdsl_runtime.text.ragged import Numbers


def shingles(found: Hashed, n: int) -> tuple[Hashes, Numbers]:
    """The shingles of all texts, with repetitions, and where those of each begin (one more than there are texts)."""
    counts = np.where(found.lengths >= n, found.lengths - n + 1, np.minimum(found.lengths, 1))
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    whole = np.zeros(len(found.words), np.uint64)
    made = runs(found.words, n)
    whole[: len(made)] = made
    begins = np.ones(len(whole), np.bool_)
    for back in range(1, n):
        begins[found.starts[1:][found.lengths > back] - back] = False
    made = whole[begins]
    few = np.flatnonzero((found.lengths > 0) & (found.lengths < n))
    made[starts[few]] = all_words(found, few)
    return made, starts
