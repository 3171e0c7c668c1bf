"""Which row each sample goes to: the methods of packing, over the sizes of one window.

The longest first is best-fit decreasing as Ding et al. (2024, "Fewer Truncations Improve Language Modeling") pack
documents. Rooms are looked up in the bits of one number, or in a tree, and samples of one length are placed together:
a row costs about a microsecond, whatever goes into it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from structdsl_runtime.text.ragged import Numbers

Method = Callable[[Numbers, int], Numbers]
"""The row of each sample of a window, by sizes and length; rows are numbered from 0 in the order of the samples that
opened them."""


def best_fit(sizes: Numbers, length: int) -> Numbers:
    """The longest first, each to the row in which it leaves the least room, the oldest of equals."""
    rows: dict[int, deque[int]] = {}  # rows by their room, in the order in which they came to it
    roomy = 0  # bit r is set where a row has r positions left

    def find(size: int) -> tuple[int, int] | None:
        nonlocal roomy
        above = roomy >> size
        if not above:
            return None
        room = size + (above & -above).bit_length() - 1
        row = rows[room].popleft()
        if not rows[room]:
            roomy ^= 1 << room
        return row, room

    def keep(row: int, room: int) -> None:
        nonlocal roomy
        if room:
            rows.setdefault(room, deque()).append(row)
            roomy |= 1 << room

    return _longest_first(sizes, length, find, keep)


def first_fit_decreasing(sizes: Numbers, length: int) -> Numbers:
    """The longest first, each to the oldest row that has room."""
    rooms = _Rooms(len(sizes))
    return _longest_first(sizes, length, rooms.find, rooms.keep)


def first_fit(sizes: Numbers, length: int) -> Numbers:
    """As they come, each to the oldest row that has room."""
    rooms = _Rooms(len(sizes))
    row, opened = np.empty(len(sizes), np.int64), 0
    for number, size in enumerate(sizes.tolist()):
        found = rooms.find(size)
        if found is None:
            found, opened = (opened, length), opened + 1
        row[number] = found[0]
        rooms.keep(found[0], found[1] - size)
    return row


def one_each(sizes: Numbers, length: int) -> Numbers:
    """A row for each sample, or piece of one."""
    del length
    return np.arange(len(sizes))


METHODS: Final[dict[str, Method]] = {
    "best_fit": best_fit,
    "first_fit": first_fit,
    "first_fit_decreasing": first_fit_decreasing,
    "none": one_each,
}


class _Rooms:
    """The room of every row, in a tree whose nodes know the most below them: the oldest row is found in log steps."""

    def __init__(self, most: int) -> None:
        """For so many rows."""
        self._leaves = 1 << (most - 1).bit_length()
        self._most = [0] * (2 * self._leaves)

    def find(self, size: int) -> tuple[int, int] | None:
        """The oldest row that has room for `size`, and how much."""
        most, node = self._most, 1
        if most[1] < size:
            return None
        while node < self._leaves:
            node *= 2
            if most[node] < size:
                node += 1
        return node - self._leaves, most[node]

    def keep(self, row: int, room: int) -> None:
        most, node = self._most, row + self._leaves
        most[node] = room
        while node > 1:
            node //= 2
            above = max(most[2 * node], most[2 * node + 1])
            if most[node] == above:
                return
            most[node] = above


def _longest_first(
    sizes: Numbers,
    length: int,
    find: Callable[[int], tuple[int, int] | None],
    keep: Callable[[int, int], None],
) -> Numbers:
    """Pieces of equal size go together: a row that is found for one takes as many of them as it has room for."""
    order = np.argsort(-sizes, kind="stable")
    values, counts = np.unique(-sizes, return_counts=True)
    row_of: list[int] = []  # of each piece, the longest first
    opener: list[int] = []  # the piece that opened each row
    for size, count in zip((-values).tolist(), counts.tolist(), strict=True):
        left = count
        while left:
            found = find(size)
            if found is None:
                found = len(opener), length
                opener.append(len(row_of))
            row, room = found
            taken = min(left, room // size)
            row_of.extend([row] * taken)
            keep(row, room - taken * size)
            left -= taken
    renamed, rows = np.empty(len(opener), np.int64), np.empty(len(sizes), np.int64)
    renamed[np.argsort(order[np.array(opener, np.int64)], kind="stable")] = np.arange(len(opener))
    rows[order] = renamed[np.array(row_of, np.int64)]
    return rows
