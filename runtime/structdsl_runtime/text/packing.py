"""Samples side by side in rows of equal length, a window of them at a time: which goes where, by their sizes alone.

A window is what fills `AHEAD` rows. Within it a method says which row each sample goes to, and rows come in the order
of the samples that opened them. For methods that begin with the longest, where that one stands says nothing of how many
more came in, so neither long nor short samples gather anywhere. The rows that came out emptiest are given up, once:
their samples wait for the next window. So memory is bounded, the order of the samples is kept up to a window or two,
and no chance has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.text.fits import Method, one_each
from structdsl_runtime.text.ragged import Numbers, starts

Mask = npt.NDArray[np.bool_]

AHEAD: Final = 256  # rows' worth of tokens that are laid out together
_AGAIN: Final = AHEAD // 8  # rows of a window that may be given up
_WASTE: Final = 64  # a row is given up where more than one position in so many is empty


@dataclass(frozen=True, slots=True)
class Pieces:
    """Samples, or pieces of them, and how many tokens each has."""

    position: Numbers
    piece: Numbers
    size: Numbers

    def __len__(self) -> int:
        return len(self.size)

    @property
    def tokens(self) -> int:
        return int(self.size.sum())

    def take(self, which: Numbers | Mask | slice) -> Pieces:
        return Pieces(self.position[which], self.piece[which], self.size[which])


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows, and the pieces in them, row by row; `row` and `start` say where each lies."""

    pieces: Pieces
    row: Numbers
    start: Numbers
    count: int  # of rows

    @property
    def bounds(self) -> Numbers:
        """Where the pieces of each row begin, and where those of the last one end."""
        return starts(np.bincount(self.row, minlength=self.count))

    @property
    def number(self) -> Numbers:
        """The number of each piece in its row."""
        return np.arange(len(self.row)) - self.bounds[self.row]

    def places(self, length: int) -> Numbers:
        """Where each token goes, counted through all rows."""
        offsets = starts(self.pieces.size)
        begin = self.row * length + self.start
        return np.repeat(begin - offsets[:-1], self.pieces.size) + np.arange(offsets[-1])


def numbered(sizes: Numbers) -> Pieces:
    """Pieces of these sizes, each a sample of its own."""
    return Pieces(np.arange(len(sizes)), np.zeros(len(sizes), np.int64), sizes)


def windows(batches: Iterable[Pieces], length: int, method: Method) -> Iterator[Rows]:
    """The rows of all pieces, window by window; how the pieces are batched makes no difference."""
    stream, more = iter(batches), True
    left = ahead = joined([])  # given up by the window before; read, and in no window yet
    while True:
        room = AHEAD * length - left.tokens
        parts, total = [ahead], ahead.tokens
        while more and total <= room:
            batch = next(stream, None)
            more = batch is not None
            if batch is not None:
                parts.append(batch)
                total += batch.tokens
        ahead = joined(parts)
        if not more and total <= room:
            break
        count = int(np.searchsorted(np.cumsum(ahead.size), room, side="right"))
        closed, left = lay_out(joined([left, ahead.take(slice(count))]), length, method, waited=len(left))
        ahead = ahead.take(slice(count, None))
        yield closed
    last = joined([left, ahead])
    if len(last):
        yield lay_out(last, length, method, waited=len(last))[0]


def lay_out(pieces: Pieces, length: int, method: Method, waited: int) -> tuple[Rows, Pieces]:
    """The rows of a window, and the pieces of those that were given up; the first `waited` pieces wait no more."""
    sizes = pieces.size
    assert 0 < sizes.min() <= sizes.max() <= length, "a piece fits into a row and is not empty"
    row = method(sizes, length)
    rows = int(row.max()) + 1
    room = length - np.bincount(row, weights=sizes, minlength=rows).astype(np.int64)
    given_up = room * _WASTE > length
    given_up[row[:waited]] = False
    given_up &= method is not one_each
    given_up[np.argsort(-room * given_up, kind="stable")[_AGAIN:]] = False
    stays = ~given_up[row]
    number = (np.cumsum(~given_up) - 1)[row]
    order = np.flatnonzero(stays)[np.argsort(number[stays], kind="stable")]
    taken, row = pieces.take(order), number[order]
    before = starts(taken.size)[:-1]
    start = before - before[np.searchsorted(row, row)]
    return Rows(taken, row, start, rows - int(given_up.sum())), pieces.take(~stays)


def joined(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of all parts, in order."""
    none = np.empty(0, np.int64)
    return Pieces(
        *(np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in ("position", "piece", "size"))
    )
