"""True Jaccard similarities of pairs of documents, over their sets of shingles.

The sets lie in a file that is mapped: what is in memory of them is what the pairs at hand need. A set is compared with
another by sorting both together, some pairs at a time, each pair under a number of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from structdsl_runtime.dedup.threads import in_threads
from structdsl_runtime.text.hashed import Hashes
from structdsl_runtime.text.ragged import Numbers

_TOGETHER: Final = 1 << 18  # shingles that are sorted together
_PAIRS: Final = 1 << 16  # pairs that are: the upper 16 bits say which
_BITS: Final = np.uint64(48)  # of a shingle: within two documents, no two are ever taken for the same
_NOTHING: Final = np.zeros(0, np.int64)
_LOWER: Final = np.uint64((1 << 48) - 1)


def distinct(shingles: Hashes, starts: Numbers) -> tuple[Hashes, Numbers]:
    """The sets of these texts, at most 65,536, one behind the other, each in order; and how large each is."""
    counts = np.diff(starts)
    owner = np.repeat(np.arange(len(counts), dtype=np.uint64), counts)
    keys = np.sort(owner << _BITS | shingles >> np.uint64(16), kind="stable")  # quicker where owners are in order
    keys = keys[np.concatenate((np.ones(min(len(keys), 1), np.bool_), keys[1:] != keys[:-1]))]
    return keys & _LOWER, np.bincount((keys >> _BITS).astype(np.int64), minlength=len(counts))


def _some(sizes: Numbers) -> Iterator[slice]:
    """Neighbouring pairs of these sizes that are looked at together."""
    before = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
    at = 0
    while at < len(sizes):
        end = int(np.searchsorted(before, before[at] + _TOGETHER, side="right")) - 1
        end = min(max(end, at + 1), at + _PAIRS, len(sizes))
        yield slice(at, end)
        at = end


class Sets:
    """Sets of shingles in a file, numbered as they are added; all are added before any are compared."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self._sizes: list[Numbers] = []
        self._count = 0
        self._starts: Numbers = np.zeros(1, np.int64)
        self._all: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._all = None
        self._path.unlink()

    def add(self, members: Hashes, sizes: Numbers) -> Numbers:
        """The numbers of sets that `distinct` made."""
        members.tofile(self._file)
        self._sizes.append(sizes)
        first, self._count = self._count, self._count + len(sizes)
        return np.arange(first, self._count)

    def similarities(self, first: Numbers, second: Numbers) -> npt.NDArray[np.float64]:
        """Of sets `first[i]` and `second[i]`, the share of what either has that both have; of nothing, 0."""
        if self._all is None:
            self._file.flush()
            self._starts = np.concatenate((self._starts, np.cumsum(np.concatenate([_NOTHING, *self._sizes]))))
            here = self._starts[-1] > 0
            self._all = np.memmap(self._path, np.uint64, "r") if here else np.empty(0, np.uint64)
        sizes = np.diff(self._starts)
        either = sizes[first] + sizes[second]
        shared = in_threads(lambda some: self._shared(first[some], second[some]), _some(either))
        both = np.concatenate([_NOTHING, *shared])
        similarity: npt.NDArray[np.float64] = both / np.maximum(either - both, 1)
        return similarity

    def _shared(self, first: Numbers, second: Numbers) -> Numbers:
        keys = np.sort(np.concatenate((self._keyed(first), self._keyed(second))), kind="stable")  # merges sorted runs
        twice = keys[1:][keys[1:] == keys[:-1]]
        return np.bincount((twice >> _BITS).astype(np.int64), minlength=len(first))

    def _keyed(self, sets: Numbers) -> Hashes:
        """All members of the sets, each under the place of its set."""
        begin, sizes = self._starts[sets], np.diff(self._starts)[sets]
        at = np.repeat(begin - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
        keyed: Hashes = self._all[at] | np.repeat(np.arange(len(sets), dtype=np.uint64), sizes) << _BITS
        return keyed
