"""The quick way of rows of plain text that have nothing odd about them; whatever has goes the way of `records`.

Both ways make the same document of a row that both can take: a row does not fit the quick one where a field is not of
the type that it mostly has, and a test holds the two together. Rows that fit become columns, many rows at a time.
"""

from __future__ import annotations

import json.encoder
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from structdsl.plan import Reading
from structdsl_runtime.text.normalise import normalise
from structdsl_runtime.text.records import Seen, required

_FIELDS: Final = frozenset({"text", "title", "doc_id", "id"})
_IDS: Final = frozenset({str, int, type(None)})
_STRICT: Final = {"indent": None, "key_separator": ": ", "item_separator": ", ", "sort_keys": False, "skipkeys": False}
_ENCODE: Final[Callable[[object, int], tuple[str, ...]]] = vars(json.encoder)["c_make_encoder"](
    markers=None, default=None, encoder=json.encoder.encode_basestring, allow_nan=False, **_STRICT
)
"""What `json.dumps(…, ensure_ascii=False, allow_nan=False)` makes anew for each value."""


@dataclass(slots=True)
class PlainText:
    """The names that the fields of a corpus have, and what was seen of them."""

    text: str
    title: str
    ids: tuple[str, str]
    untitled: frozenset[str]  # names that do not go to `meta`
    titled: frozenset[str]
    mapped: tuple[tuple[str, str], ...]  # our names that `columns` gives another, and those
    seen: Seen
    known: set[tuple[str, ...]]  # names of rows that were seen already

    @classmethod
    def of(cls, arguments: Reading, seen: Seen) -> PlainText | None:
        """None where a row of this corpus has more to it than text, title and id at its top."""
        columns = arguments.columns
        names = {name: columns.get(name, name) for name in ("text", "title", "doc_id", "id")}
        nested = any("." in name for name in names.values())
        if required(arguments) != ("text",) or not columns.keys() <= _FIELDS or nested:
            return None
        ids = (names["doc_id"], names["id"])
        text, title = names["text"], names["title"]
        untitled = frozenset({text, *ids})
        return cls(text, title, ids, untitled, untitled | {title}, tuple(columns.items()), seen, set())

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether the row is one for `columns`."""
        text, title = record.get(self.text), record.get(self.title)
        one, other = self.ids
        return (
            type(text) is str
            and text != ""
            and not text.isspace()
            and (title is None or type(title) is str)
            and type(record.get(one)) in _IDS
            and type(record.get(other)) in _IDS
        )

    def own(self, record: dict[str, Any]) -> str | None:
        """The id that a row has, none where it has none."""
        for name in self.ids:
            value = record.get(name)
            if value is not None and value != "":
                return str(value)
        return None

    def columns(self, records: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
        """The fields of the documents of rows that fit; raises ValueError or RecursionError for what JSON is not."""
        return {
            "text": [normalise(record[self.text]) for record in records],
            "title": [title and normalise(title) for title in (record.get(self.title) for record in records)],
            "lang": [None] * len(records),
            "meta": [self._meta(record) for record in records],
        }

    def _meta(self, record: dict[str, Any]) -> str:
        taken = self.untitled if record.get(self.title) is None else self.titled
        meta = {name: value for name, value in record.items() if name not in taken}
        return "".join(_ENCODE(meta, 0)) if meta else "{}"

    def see(self, records: Sequence[dict[str, Any]]) -> None:
        """Take note of the names that rows have, once they have become documents."""
        for names in dict.fromkeys(map(tuple, records)):
            if names not in self.known:
                self._see(names)

    def _see(self, names: tuple[str, ...]) -> None:
        self.known.add(names)
        self.seen.names.update(dict.fromkeys(names))
        self.seen.found.add("text")
        if self.title in names:
            self.seen.found.add("title")
        self.seen.found.update(ours for ours, theirs in self.mapped if theirs in names)
