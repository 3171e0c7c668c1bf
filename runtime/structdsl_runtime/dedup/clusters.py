"""What a table of edges connects, in a few rounds over whole arrays."""

from __future__ import annotations

import numpy as np

from structdsl_runtime.text.ragged import Numbers


def components(count: int, first: Numbers, second: Numbers) -> Numbers:
    """For each of `count` nodes the least one that the edges `first[i]`–`second[i]` connect it with, or itself.

    Each round the head of either end of an edge takes the lesser of the two, and every node the head of its head;
    the number of rounds grows with the logarithm of the longest chain.
    """
    heads = np.arange(count)
    while True:
        one, other = heads[first], heads[second]
        apart = one != other
        if not apart.any():
            return heads
        first, second, one, other = first[apart], second[apart], one[apart], other[apart]
        np.minimum.at(heads, np.maximum(one, other), np.minimum(one, other))
        while True:
            higher = heads[heads]
            if (higher == heads).all():
                break
            heads = higher
