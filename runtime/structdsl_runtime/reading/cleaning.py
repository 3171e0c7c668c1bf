"""What is done to every text of a row before it is stored: normalisation first, then redaction.

All strings of the rows of a batch are cleaned side by side, also those that will be `meta`, but no id and no name of a
field. So what is redacted is never written, and what is composed of several fields agrees with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from structdsl.plan import Reading
from structdsl_runtime.reading import normalising, redacting
from structdsl_runtime.reading.rows import Row
from structdsl_runtime.text.normalise import normalise

_NUMBER: Final = 10**6  # from here a whole number may be that of a card or a telephone


@dataclass(slots=True)
class _Leaf:
    """A string, or a number as one, and where it stands."""

    row: int
    holder: Any  # dict or list
    key: Any
    text: str


@dataclass(frozen=True, slots=True)
class Cleaner:
    """What is done to the texts of a corpus."""

    normalisations: tuple[normalising.Normaliser, ...]
    redactions: tuple[redacting.Redactor, ...]
    ids: frozenset[str]  # names of the fields that stay as they are

    @classmethod
    def of(cls, arguments: Reading) -> Cleaner | None:
        """None where nothing is to be done."""
        if not arguments.normalise and not arguments.redact:
            return None
        return cls(
            normalisations=tuple(normalising.normaliser(entry) for entry in arguments.normalise),
            redactions=tuple(redacting.redactor(entry) for entry in arguments.redact),
            ids=frozenset(arguments.columns.get(name, name) for name in ("doc_id", "id")),
        )

    def clean(self, rows: Sequence[Row]) -> None:
        """Clean rows in place, and note in each how often which kind of thing was redacted."""
        leaves = [leaf for number, row in enumerate(rows) for leaf in self._leaves(number, row)]
        texts = [self._normalised(leaf.text) for leaf in leaves]
        for redactor in self.redactions:
            for place, text, count in redactor.changes(texts):
                texts[place] = text
                redacted = rows[leaves[place].row].redacted
                redacted[redactor.kind] = redacted.get(redactor.kind, 0) + count
        for leaf, text in zip(leaves, texts, strict=True):
            if text is not leaf.text and text != leaf.text:
                leaf.holder[leaf.key] = text
        for row in rows:
            row.evidence = self._cleaned(row.evidence) if row.evidence else ""

    def _normalised(self, text: str) -> str:
        text = normalise(text)
        for change in self.normalisations:
            text = change(text)
        return text

    def _cleaned(self, text: str) -> str:
        for redactor in self.redactions:
            for _, changed, _ in redactor.changes([text]):
                text = changed
        return text

    def _leaves(self, number: int, row: Row) -> Iterator[_Leaf]:
        for name, value in (row.record or {}).items():
            if name not in self.ids:
                yield from self._below(number, row, row.record, name, value)

    def _below(self, number: int, row: Row, holder: Any, key: Any, value: Any) -> Iterator[_Leaf]:
        waiting = [(holder, key, value)]
        while waiting:
            holder, key, value = waiting.pop()
            if isinstance(value, str):
                if row.plain or _encodable(value):  # what is not leaves anyway
                    yield _Leaf(number, holder, key, value)
            elif isinstance(value, dict):
                waiting += [(value, *item) for item in value.items()]
            elif isinstance(value, list):
                waiting += [(value, *item) for item in enumerate(value)]
            elif self.redactions and type(value) is int and abs(value) >= _NUMBER:
                yield _Leaf(number, holder, key, str(value))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
