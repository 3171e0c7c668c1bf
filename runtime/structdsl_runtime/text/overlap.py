"""Which texts share a run of n words with an item: what a model is measured on, looked for in what it is trained on.

Words of the items have numbers; a run of n of them has a hash, by which it is looked up, and is then compared word by
word, so that what is found is there. Runs of the items with the same hash and other words are found when the index is
made, which then takes another hash: nothing is missed either.

Of the items all is in memory (about 40 bytes a word), of the texts one batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from structdsl_runtime.text.words import Texts, Words, words

pc: Any = compute  # its stubs know neither every array nor every result
Numbers = npt.NDArray[np.int64]

_GOLDEN: Final = 0x9E3779B97F4A7C15  # odd, and with its bits spread: the first multiplier of the hash


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


class Overlap:
    """Runs of `n` words of items that begin in the question; and, whole, the questions with fewer words."""

    def __init__(self, n: int, batches: Iterable[Batch]) -> None:
        self._n = n
        self._items: list[Item] = []
        flat, asked, lengths, short = [], [], [], dict[str, int]()
        for batch in batches:
            questions = words(batch.questions)
            whole = questions if batch.answers is None else words(_joined(batch.questions, batch.answers))
            flat.append(whole.flat)
            lengths.append(whole.lengths)
            asked.append(questions.lengths)
            few = np.flatnonzero((questions.lengths > 0) & (questions.lengths < n))
            texts = questions.joined().take(pa.array(few, pa.int64())).to_pylist()
            for number, text in zip(few.tolist(), texts, strict=True):
                short.setdefault(text, len(self._items) + number)
            self._items.extend(batch.items)
        encoded: Any = pa.chunked_array(flat, pa.string()).dictionary_encode().unify_dictionaries()
        self._vocabulary = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], pa.string())
        self._ids = _concatenated([np.asarray(chunk.indices, dtype=np.int64) for chunk in encoded.chunks])
        self._short, self._asked_short = pa.array(list(short), pa.string()), list(short.values())
        self._index(_concatenated(lengths), _concatenated(asked))

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be found."""
        return not len(self._hashes) and not self._asked_short

    def runs(self, texts: Texts) -> Iterator[Hit]:
        """What each text shares with each item: the first run, in the order of the text.

        A run that several items have is shown with the first of them.
        """
        found = words(texts)
        at, ids = self._windows(found)
        if not len(at) or not len(self._hashes):
            return
        hashed = self._hash(ids, at)
        entry = np.minimum(np.searchsorted(self._hashes, hashed), len(self._hashes) - 1)
        hit = self._hashes[entry] == hashed
        at, entry = at[hit], entry[hit]
        real = _same(ids, at, self._ids, self._at[entry], self._n)
        at, entry = at[real], entry[real]
        text, item = np.searchsorted(found.starts, at, side="right") - 1, self._item[entry]
        _, first = np.unique(np.stack((text, item), 1), axis=0, return_index=True)
        for number in np.sort(first).tolist():
            start = int(at[number])
            run = " ".join(found.flat.slice(start, self._n).to_pylist())
            yield Hit(text=int(text[number]), item=self._items[item[number]], run=run)

    def questions(self, texts: Texts) -> Iterator[Hit]:
        """Texts that are, word by word, a question with fewer than n words."""
        joined = words(texts).joined()
        found = pc.index_in(joined, value_set=self._short)
        for text in np.flatnonzero(np.asarray(pc.is_valid(found))).tolist():
            yield Hit(text=text, item=self._items[self._asked_short[found[text].as_py()]], run=joined[text].as_py())

    def _index(self, lengths: Numbers, asked: Numbers) -> None:
        """Where the runs begin: in the question of an item, and nowhere in its answer alone."""
        counts = np.maximum(np.minimum(asked, lengths - self._n + 1), 0)
        at = np.repeat(np.cumsum(lengths) - lengths - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        for multiplier in itertools.count(_GOLDEN, 2):
            self._multiplier = np.uint64(multiplier)
            self._hashes, first, which = np.unique(self._hash(self._ids, at), return_index=True, return_inverse=True)
            if _same(self._ids, at, self._ids, at[first][which], self._n).all():
                break
        self._at = at[first]
        self._item = np.repeat(np.arange(len(counts)), counts)[first]

    def _windows(self, found: Words) -> tuple[Numbers, Numbers]:
        """Where runs of n words that all stand in some item begin, and the numbers of all words; -1 stands in none."""
        known = pc.index_in(found.flat, value_set=self._vocabulary)
        ids = np.asarray(pc.fill_null(known, -1), dtype=np.int64)
        unknown = np.concatenate(([0], np.cumsum(ids < 0)))
        at = np.flatnonzero(unknown[self._n :] == unknown[: -self._n])
        text = np.searchsorted(found.starts, at, side="right")
        return at[at + self._n <= found.starts[text]], ids

    def _hash(self, ids: Numbers, at: Numbers) -> npt.NDArray[np.uint64]:
        """A polynomial of the words, modulo 2^64."""
        hashed = np.zeros(len(at), np.uint64)
        for place in range(self._n):
            hashed = hashed * self._multiplier + (ids[at + place] + 1).astype(np.uint64)
        return hashed


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
