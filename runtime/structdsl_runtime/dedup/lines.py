"""Lines of texts, found and numbered over whole buffers, and cut out of them.

A line that counts has a letter or a digit, and says nothing of others: marks alone (rules, brackets), headings and what
opens code hold together what is around them. Which those are says `text.layout`, as it does for chunks, so that a text
has the same headings before and after. White space at the ends of a line does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from structdsl_runtime.text.hashed import Hashes, numbers_of
from structdsl_runtime.text.layout import held
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.spans import of_arrow
from structdsl_runtime.text.words import Bytes, Texts, strings

Mask = npt.NDArray[np.bool_]

_NEWLINE: Final = 10
_SPACE: Final = np.isin(np.arange(256), [9, 10, 11, 12, 13, 32])
_WORD: Final = np.array([byte >= 0x80 or chr(byte).isalnum() for byte in range(256)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of some texts, in order: line l is `data[begin[l]:end[l]]`, its newline included."""

    data: Bytes
    ends: Numbers  # of the texts in `data`; one more than there are texts
    begin: Numbers
    end: Numbers
    text: Numbers  # of each line
    numbers: Hashes
    counts: Mask  # whether the line may be cut


def lines(texts: Texts) -> Lines:
    """All lines of texts; a missing text has none."""
    whole = of_arrow(texts)
    data, ends = whole.bytes, np.append(whole.starts, whole.data.size)
    end = np.unique(np.concatenate((np.flatnonzero(data == _NEWLINE) + 1, ends[1:][np.diff(ends) > 0])))
    begin = np.concatenate((np.zeros(min(len(end), 1), np.int64), end[:-1]))
    first, last = _trimmed(data, begin, end)
    words = np.concatenate((np.zeros(1, np.int64), np.cumsum(_WORD[data])))
    counts = (words[end] > words[begin]) & ~held(whole)
    return Lines(
        data=data,
        ends=ends,
        begin=begin,
        end=end,
        text=np.searchsorted(ends, begin, side="right") - 1,
        numbers=numbers_of(data, first, last - first),
        counts=counts,
    )


def leaving(found: Lines, gone: Mask) -> tuple[Numbers, Numbers]:
    """What goes with each of these lines, none of it twice: the last of a text takes the newline before it along."""
    begin, end = found.begin[gone], found.end[gone]
    at_end = (end == found.ends[found.text[gone] + 1]) & (begin > found.ends[found.text[gone]])
    begin = begin - (at_end & (found.data[end - 1] != _NEWLINE))
    begin[1:] = np.maximum(begin[1:], end[:-1])
    return begin, end


def cut(found: Lines, gone: Mask) -> Texts:
    """The texts without these lines; with the last line of a text goes the newline before it."""
    begin, end = leaving(found, gone)
    change = np.zeros(len(found.data) + 1, np.int32)
    np.add.at(change, begin, 1)
    np.add.at(change, end, -1)
    stays = np.cumsum(change[:-1]) == 0
    left = np.concatenate((np.zeros(1, np.int64), np.cumsum(stays)))
    return strings(found.data[stays], left[found.ends])


def _trimmed(data: Bytes, begin: Numbers, end: Numbers) -> tuple[Numbers, Numbers]:
    """Where each line begins and ends without the white space around it."""
    there = np.flatnonzero(~_SPACE[data])
    low, high = np.searchsorted(there, begin), np.searchsorted(there, end)
    some = high > low
    first, last = begin.copy(), begin.copy()
    first[some] = there[low[some]]
    last[some] = there[high[some] - 1] + 1
    return first, last
