"""The ids that documents of a source have, and where each of those documents stands.

An id is the first document's that has it; who comes later with the same is told where that one is. A place is kept as
a number, counted through the whole source: as text it would take more memory than its id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence


def place(shown: str, mark: str, number: int) -> str:
    """What tables call a row; a file that is one document has no mark."""
    return f"{shown}#{mark}{number}" if mark else shown


class Taken:
    """Ids by the places of their documents; files come one after the other, the rows of each in their order."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._files: list[tuple[str, str]] = []  # how each is shown, and the mark of its rows
        self._starts: list[int] = []  # the number before the first row of each
        self._end = 0  # the last number

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, doc_id: str) -> bool:
        return doc_id in self._numbers

    def begin(self, shown: str, mark: str) -> None:
        """What is added from here on are rows of this file."""
        if not self._files or self._files[-1] != (shown, mark):
            self._files.append((shown, mark))
            self._starts.append(self._end)

    def add(self, doc_id: str, number: int) -> None:
        """The row of this number in the file, from 1, has an id that nothing before it has."""
        self._end = self._starts[-1] + number
        self._numbers[doc_id] = self._end

    def add_new(self, ids: Sequence[str], numbers: Sequence[int]) -> bool:
        """Add all of these if each of them is new; whether it is."""
        start = self._starts[-1]
        new = dict(zip(ids, map(start.__add__, numbers), strict=True))
        if len(new) < len(ids) or not self._numbers.keys().isdisjoint(new):
            return False
        self._numbers |= new
        self._end = start + numbers[-1]
        return True

    def place(self, doc_id: str) -> str:
        """Where the document stands that has this id."""
        number = self._numbers[doc_id]
        file = bisect_left(self._starts, number) - 1
        return place(*self._files[file], number - self._starts[file])
