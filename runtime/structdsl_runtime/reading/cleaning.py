"""What is done to every text of a row before it is stored: normalisation first, then redaction.

All strings of the rows of a batch are cleaned side by side, also those that will be `meta`, but no id and no name of a
field. So what is redacted is never written, and what is composed of several fields agrees with them. RE2 looks at all
texts at once, and only where it finds something is a text touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from structdsl.plan import Reading
from structdsl_runtime.reading.normalising import LINE_ENDS, normaliser
from structdsl_runtime.reading.passing import Pass
from structdsl_runtime.reading.redacting import redactor
from structdsl_runtime.reading.rows import Row

_NUMBER: Final = 10**6  # from here a whole number may be that of a card or a telephone


@dataclass(slots=True)
class _Leaf:
    """A string, or a number as one, and where it stands."""

    row: Row
    holder: Any  # dict or list
    key: Any
    text: str


@dataclass(frozen=True, slots=True)
class Cleaner:
    """What is done to the texts of a corpus, one pass after the other."""

    passes: tuple[Pass, ...]
    ids: frozenset[str]  # names of the fields that stay as they are
    numbers: bool  # whether whole numbers are looked at

    @classmethod
    def of(cls, arguments: Reading) -> Cleaner | None:
        """None where nothing is to be done."""
        if not arguments.normalise and not arguments.redact:
            return None
        passes = (LINE_ENDS, *map(normaliser, arguments.normalise), *map(redactor, arguments.redact))
        ids = frozenset(arguments.columns.get(name, name) for name in ("doc_id", "id"))
        return cls(passes=passes, ids=ids, numbers=bool(arguments.redact))

    def clean(self, rows: Sequence[Row]) -> None:
        """Clean rows in place, and note in each how often which kind of thing was redacted."""
        leaves = [leaf for row in rows for leaf in self._leaves(row)]
        for place, text, counts in self._cleaned([leaf.text for leaf in leaves]):
            leaf = leaves[place]
            leaf.holder[leaf.key] = text
            _count(leaf.row, counts)
        named = [row for row in rows if row.name]
        for place, text, counts in self._cleaned([row.name for row in named]):
            row = named[place]
            row.name = text
            record = row.record
            if row.titled is not None and record is not None and not (record["title"] or row.titled(record["text"])):
                _count(row, counts)
        told = [row for row in rows if row.evidence]
        for place, text, _ in self._cleaned([row.evidence for row in told]):
            told[place].evidence = text

    def _cleaned(self, texts: list[str]) -> Iterator[tuple[int, str, dict[str, int]]]:
        """Texts that change, by their places, and how often which kind of thing was redacted in them."""
        if not texts:
            return
        given = pa.array(texts, pa.large_string())
        changed: dict[int, str] = {}
        counts: dict[int, dict[str, int]] = {}
        for one in self.passes:
            hits = np.flatnonzero(one.hits(given).to_numpy(zero_copy_only=False))
            places = sorted({*hits.tolist(), *changed})  # what was changed is another text than RE2 looked at
            results = one.apply([changed.get(place, texts[place]) for place in places])
            for place, (text, count) in zip(places, results, strict=True):
                if count and text != changed.get(place, texts[place]):
                    changed[place] = text
                if count and one.kind is not None:
                    kinds = counts.setdefault(place, {})
                    kinds[one.kind] = kinds.get(one.kind, 0) + count
        for place, text in changed.items():
            yield place, text, counts.get(place, {})

    def _leaves(self, row: Row) -> Iterator[_Leaf]:
        waiting: list[tuple[Any, Any, Any]] = [
            (row.record, *item) for item in (row.record or {}).items() if item[0] not in self.ids
        ]
        while waiting:
            holder, key, value = waiting.pop()
            if isinstance(value, str):
                if value and (value.isascii() or _encodable(value)):  # a row with what cannot be written leaves anyway
                    yield _Leaf(row, holder, key, value)
            elif isinstance(value, dict):
                waiting += [(value, *item) for item in value.items()]
            elif isinstance(value, list):
                waiting += [(value, *item) for item in enumerate(value)]
            elif self.numbers and type(value) is int and _NUMBER <= abs(value) < 10**40:
                yield _Leaf(row, holder, key, str(value))


def _count(row: Row, counts: dict[str, int]) -> None:
    if counts:
        before = row.redacted or {}
        row.redacted = {kind: before.get(kind, 0) + counts.get(kind, 0) for kind in {**before, **counts}}


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
