"""Samples side by side in rows of equal length, a window of them at a time, as arrays.

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

from structdsl_runtime.text import ragged
from structdsl_runtime.text.fits import Method
from structdsl_runtime.text.ragged import Ids, Numbers, Ragged

AHEAD: Final = 256  # rows' worth of tokens that are laid out together
_AGAIN: Final = AHEAD // 8  # rows of a window that may be given up
_WASTE: Final = 64  # a row is given up where more than one position in so many is empty


@dataclass(frozen=True, slots=True)
class Pieces:
    """Samples, or pieces of them, on their way into rows."""

    ids: Ragged
    position: Numbers
    piece: Numbers
    n_prompt: Numbers

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tokens(self) -> int:
        return len(self.ids.values)

    def slice(self, start: int, stop: int) -> Pieces:
        others = (column[start:stop] for column in (self.position, self.piece, self.n_prompt))
        return Pieces(self.ids.slice(start, stop), *others)

    def take(self, numbers: Numbers) -> Pieces:
        others = (column[numbers] for column in (self.position, self.piece, self.n_prompt))
        return Pieces(self.ids.take(numbers), *others)


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows, and the pieces in them, row by row; `row` and `start` say where each lies."""

    pieces: Pieces
    row: Numbers
    start: Numbers
    rows: int

    @property
    def number(self) -> Numbers:
        """The number of each piece in its row."""
        first = np.searchsorted(self.row, np.arange(self.rows))
        return np.arange(len(self.row)) - first[self.row]

    def places(self, length: int) -> Numbers:
        """Where each token goes, counted through all rows."""
        offsets = self.pieces.ids.offsets
        begin = self.row * length + self.start
        return np.repeat(begin - offsets[:-1], np.diff(offsets)) + np.arange(offsets[-1])


def pieces(ids: Sequence[Ids], n_prompt: Sequence[int]) -> Pieces:
    """Pieces that nobody looks up again."""
    numbers = np.arange(len(ids))
    sizes = np.fromiter(map(len, ids), np.int64, len(ids))
    flat = Ragged(np.concatenate([np.empty(0, np.int32), *ids]), ragged.starts(sizes))
    return Pieces(flat, numbers, np.zeros_like(numbers), np.array(n_prompt, np.int64))


def windows(batches: Iterable[Pieces], length: int, method: Method) -> Iterator[Packed]:
    """The rows of all pieces, window by window; how the pieces are batched makes no difference."""
    stream, more = iter(batches), True
    left, ahead = joined([]), joined([])  # given up by the window before; read, and in no window yet
    while True:
        room = AHEAD * length - left.tokens
        parts, size = [ahead], ahead.tokens
        while more and size <= room:
            batch = next(stream, None)
            more = batch is not None
            if batch is not None:
                parts.append(batch)
                size += batch.tokens
        ahead = joined(parts)
        if not more and size <= room:
            break
        count = int(np.searchsorted(ahead.ids.offsets, room, side="right")) - 1
        closed, left = lay_out(joined([left, ahead.slice(0, count)]), length, method, waited=len(left))
        ahead = ahead.slice(count, len(ahead))
        yield closed
    last = joined([left, ahead])
    if len(last):
        yield lay_out(last, length, method, waited=len(last))[0]


def lay_out(pieces: Pieces, length: int, method: Method, waited: int) -> tuple[Packed, Pieces]:
    """The rows of a window, and the pieces of those that were given up; the first `waited` pieces wait no more."""
    sizes = pieces.ids.sizes
    assert 0 < sizes.min() <= sizes.max() <= length, "a piece fits into a row and is not empty"
    row = method(sizes, length)
    rows = int(row.max()) + 1
    room = length - np.bincount(row, weights=sizes, minlength=rows).astype(np.int64)
    given_up = room * _WASTE > length
    given_up[row[:waited]] = False
    given_up[np.argsort(-room * given_up, kind="stable")[_AGAIN:]] = False
    stays = ~given_up[row]
    number = (np.cumsum(~given_up) - 1)[row]
    order = np.flatnonzero(stays)[np.argsort(number[stays], kind="stable")]
    taken, row = pieces.take(order), number[order]
    before = taken.ids.offsets[:-1]
    start = before - before[np.searchsorted(row, row)]
    closed = Packed(taken, row, start, rows - int(given_up.sum()))
    return closed, pieces.take(np.flatnonzero(~stays))


def joined(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of all parts, in order."""
    if len(parts) == 1:
        return parts[0]
    columns = (
        np.concatenate([np.empty(0, np.int64), *(getattr(part, name) for part in parts)])
        for name in ("position", "piece", "n_prompt")
    )
    return Pieces(ragged.joined([part.ids for part in parts]), *columns)
