"""Which texts share a run of n words with an item: what a model is measured on, looked for in what it is trained on.

Words have numbers, and so have runs of n of them, by which they are looked up; what is found so is compared word by
word, so that it is there. Runs of the items with the same number and other words are both kept: nothing is missed
either.

Of the items all is in memory (about 60 bytes a word), of the texts one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.text.hashed import Hashed, Hashes, all_words, hashed, hashed_blocks, numbered, runs, within
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.words import Texts, words

pc: Any = compute  # its stubs know neither every array nor every result

_SPARSE: Final = 16  # places of `seen` for each run, about: few that are not there get further
_BITS: Final = 24  # of a number at most, that say its place in `seen`


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that is measured: where it is kept, and by which id."""

    exam: str
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Items with their questions, each read together with what answers it: a row for every answer that it has.

    A text that is measured as a whole is a question without an answer.
    """

    items: list[Item]
    questions: Texts
    answers: Texts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Text number `text` has the words `run` of an item."""

    text: int
    item: Item
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """Runs of the items by their numbers, which are sorted, each once; and which numbers there may be at all."""

    hashes: Hashes
    at: Numbers  # where the first run of this number begins
    item: Numbers
    seen: npt.NDArray[np.bool_]  # by the first bits of a number
    shift: np.uint64

    def find(self, hashes: Hashes) -> tuple[Numbers, Numbers]:
        """Which of these numbers are here, and in which entries."""
        maybe = np.flatnonzero(self.seen[hashes >> self.shift])
        entry = np.minimum(np.searchsorted(self.hashes, hashes[maybe]), len(self.hashes) - 1)
        there = self.hashes[entry] == hashes[maybe]
        return maybe[there], entry[there]


class Overlap:
    """Runs of `n` words of items that begin in the question; and, whole, the questions with fewer words."""

    def __init__(self, n: int, batches: Iterable[Batch]) -> None:
        self._n = n
        self._items: list[Item] = []
        flat, asked, lengths, short = [], [], [], dict[str, int]()
        short_hashes: list[Hashes] = []
        for batch in batches:
            questions = hashed(batch.questions)
            whole = words(batch.questions if batch.answers is None else _joined(batch.questions, batch.answers))
            flat.append(whole.flat)
            lengths.append(whole.lengths)
            asked.append(questions.lengths)
            few = np.flatnonzero((questions.lengths > 0) & (questions.lengths < n))
            for number in few.tolist():
                text = questions.text(int(questions.starts[number]), int(questions.lengths[number]))
                short.setdefault(text, len(self._items) + number)
            short_hashes.append(all_words(questions, few))
            self._items.extend(batch.items)
        encoded: Any = pa.chunked_array(flat, pa.string()).dictionary_encode().unify_dictionaries()
        self._vocabulary = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.string())
        self._ids = _concatenated([np.asarray(chunk.indices, dtype=np.int64) for chunk in encoded.chunks])
        self._short = short
        self._short_hashes = np.unique(np.concatenate([np.empty(0, np.uint64), *short_hashes]))
        self._tables = list(self._index(_concatenated(lengths), _concatenated(asked)))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be found."""
        return not self._tables and not self._short

    def runs(self, texts: Texts) -> Iterator[Hit]:
        """What each text shares with each item: the first run, in the order of the text.

        A run that several items have is shown with the first of them.
        """
        for before, found in hashed_blocks(texts.cast(pa.string())) if self._tables else ():
            at = within(found.starts, self._n)
            at, item = self._verified(found, at, self._hash(found.words, at))
            text = np.searchsorted(found.starts, at, side="right") - 1
            _, first = np.unique(np.stack((text, item), 1), axis=0, return_index=True)
            for number in np.sort(first).tolist():
                run = found.text(int(at[number]), self._n)
                yield Hit(text=before + int(text[number]), item=self._items[item[number]], run=run)

    def questions(self, texts: Texts) -> Iterator[Hit]:
        """Texts that are, word by word, a question with fewer than n words."""
        for before, found in hashed_blocks(texts.cast(pa.string())) if self._short else ():
            few = np.flatnonzero((found.lengths > 0) & (found.lengths < self._n))
            for number in few[np.isin(all_words(found, few), self._short_hashes)].tolist():
                run = found.text(int(found.starts[number]), int(found.lengths[number]))
                if run in self._short:
                    yield Hit(text=before + number, item=self._items[self._short[run]], run=run)

    def _index(self, lengths: Numbers, asked: Numbers) -> Iterator[_Table]:
        """Where the runs begin: in the question of an item, and nowhere in its answer alone.

        Runs with the number of another go into a table of their own, so that each is found.
        """
        counts = np.maximum(np.minimum(asked, lengths - self._n + 1), 0)
        at = np.repeat(np.cumsum(lengths) - lengths - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        item = np.repeat(np.arange(len(counts)), counts)
        hashes = self._hash(numbered(self._vocabulary)[self._ids], at)
        while len(at):
            unique, first, which = np.unique(hashes, return_index=True, return_inverse=True)
            bits = min(max(len(unique) * _SPARSE, 2).bit_length(), _BITS)
            seen, shift = np.zeros(1 << bits, np.bool_), np.uint64(64 - bits)
            seen[unique >> shift] = True
            yield _Table(hashes=unique, at=at[first], item=item[first], seen=seen, shift=shift)
            others = np.flatnonzero(~_same(self._ids, at, self._ids, at[first][which], self._n))
            at, item, hashes = at[others], item[others], hashes[others]

    def _verified(self, found: Hashed, at: Numbers, hashes: Hashes) -> tuple[Numbers, Numbers]:
        """Of the runs that begin at `at`: those that an item has word by word, and which item that is."""
        places, starts, items = [], [], []
        for table in self._tables:
            here, entry = table.find(hashes)
            places.append(at[here])
            starts.append(table.at[entry])
            items.append(table.item[entry])
        place, start, item = _concatenated(places), _concatenated(starts), _concatenated(items)
        order = np.argsort(place, kind="stable")
        place, start, item = place[order], start[order], item[order]
        needed = np.unique(place[:, None] + np.arange(self._n))
        known = pc.index_in(found.strings(needed), value_set=self._vocabulary)
        ids = np.asarray(pc.fill_null(known, -1), dtype=np.int64)
        real = _same(ids, np.searchsorted(needed, place), self._ids, start, self._n)
        return place[real], item[real]

    def _hash(self, ids: Hashes, at: Numbers) -> Hashes:
        """The numbers of the runs that begin at `at`."""
        return runs(ids, self._n)[at]


def _same(ids: Numbers, at: Numbers, others: Numbers, there: Numbers, n: int) -> npt.NDArray[np.bool_]:
    """Whether n words from `at` on are those of the others from `there` on."""
    same = np.ones(len(at), np.bool_)
    for place in range(n):
        same &= ids[at + place] == others[there + place]
    return same


def _joined(questions: Texts, answers: Texts) -> Texts:
    joined: Texts = pc.binary_join_element_wise(
        questions.cast(pa.string()), pc.fill_null(answers.cast(pa.string()), ""), "\n"
    )
    return joined


def _concatenated(parts: list[Numbers]) -> Numbers:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)
