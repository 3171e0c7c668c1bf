"""Which vectors are alike: all pairs by blocks of a matrix product, and of what is found as little as says it all.

In a crowd of n that are alike there are n² pairs. Kept are, in each block, the likest other of each, and then pairs
that connect what no pair has connected yet (Borůvka, 1926): so the pairs connect what all pairs would, and the greatest
similarity of each is among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.dedup.clusters import components
from structdsl_runtime.text.ragged import Numbers

Vectors = npt.NDArray[np.float32]
"""(N, D), each row of length 1."""

BLOCK: Final = 2048  # rows of either side that are multiplied at once
_ROUNDING: Final = 1e-6  # of a product of 32-bit floats

Pairs = tuple[Numbers, Numbers, npt.NDArray[np.float64]]
"""One end, the other, and their cosine."""


def alike(own: Vectors, others: Sequence[Vectors], above: float, progress: Callable[[int], None]) -> Iterator[Pairs]:
    """Pairs with a cosine of `above` or more: of two of `own`, or one of them and one of `others`.

    The vectors of `others` are numbered behind those of `own`. `progress` is told how many of `own` are done.
    """
    sizes = [len(own), *map(len, others)]
    begins = np.cumsum([0, *sizes])
    heads = np.arange(begins[-1])
    for row in range(0, len(own), BLOCK):
        rows = np.asarray(own[row : row + BLOCK])
        for vectors, begin in zip((own, *others), begins.tolist(), strict=False):
            end = row + 1 if vectors is own else len(vectors)
            for column in range(0, end, BLOCK):
                cosines = rows @ np.asarray(vectors[column : column + BLOCK]).T
                if vectors is own and column == row:
                    cosines[np.triu_indices(len(cosines))] = -1  # each pair once, and none of one
                ends = _hits(cosines, above)
                if not len(ends[0]):
                    continue
                pairs = ends[0] + row, ends[1] + begin + column, ends[2]
                chosen = _enough(pairs, heads)
                yield pairs[0][chosen], pairs[1][chosen], pairs[2][chosen]
        progress(min(row + BLOCK, len(own)))


def _hits(cosines: Vectors, above: float) -> Pairs:
    first, second = np.nonzero(cosines >= above - _ROUNDING)
    found = np.minimum(cosines[first, second].astype(np.float64), 1)
    found[np.abs(found - above) <= _ROUNDING] = above
    return first, second, found


def _enough(pairs: Pairs, above: Numbers) -> Numbers:
    """Which pairs are kept; `above` leads from each vector towards the one that its kin is called by, and is kept."""
    first, second, cosines = pairs
    order = np.argsort(-cosines, kind="stable")
    likest = [order[np.unique(ends[order], return_index=True)[1]] for ends in (first, second)]
    kept = [np.unique(np.concatenate(likest))]
    left = np.arange(len(first))
    while True:
        _connect(above, first[kept[-1]], second[kept[-1]])
        heads = _heads(above, first[left])
        left, heads = left[apart := heads != _heads(above, second[left])], heads[apart]
        if not len(left):
            return np.unique(np.concatenate(kept))
        kept.append(left[np.unique(heads, return_index=True)[1]])


def _connect(above: Numbers, first: Numbers, second: Numbers) -> None:
    """No more is looked at than the kins of these ends."""
    heads, ends = np.unique(np.concatenate([_heads(above, first), _heads(above, second)]), return_inverse=True)
    above[heads] = heads[components(len(heads), *np.split(ends, 2))]


def _heads(above: Numbers, nodes: Numbers) -> Numbers:
    found = above[nodes]
    while not np.array_equal(higher := above[found], found):
        found = higher
    above[nodes] = found
    return found
