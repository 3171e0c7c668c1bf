"""The quick way of a row of plain text that has nothing odd about it; whatever has goes the way of `records`.

Both ways make the same document of a row that both can take: the quick one gives up where a field is not of the type
that it mostly has, and a test holds the two together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from structdsl.plan import Reading
from structdsl_runtime.text.records import Seen, required

_FIELDS: Final = frozenset({"text", "title", "doc_id", "id"})
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(slots=True)
class PlainText:
    """The names that the fields of a corpus have, and what was seen of them."""

    text: str
    title: str
    ids: tuple[str, str]
    untitled: tuple[str, ...]  # names that do not go to `meta`
    titled: tuple[str, ...]
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
        return cls(text, title, ids, (text, *ids), (text, title, *ids), tuple(columns.items()), seen, set())

    def values(self, record: dict[str, Any]) -> tuple[str | None, dict[str, Any] | None]:
        """The id of a row that has one, and the fields of its document; (None, None) where it needs the other way."""
        text, title = record.get(self.text), record.get(self.title)
        if type(text) is not str or not text or text.isspace() or not (title is None or type(title) is str):
            return None, None
        own = None
        for name in self.ids:
            value = record.get(name)
            if type(value) is str or type(value) is int:
                if own is None and value != "":
                    own = str(value)
            elif value is not None:
                return None, None
        names = tuple(record)
        if names not in self.known:
            self._see(record, names)
        taken = self.titled if title is not None else self.untitled
        meta = {name: value for name, value in record.items() if name not in taken}
        try:
            rest = _ENCODE(meta) if meta else "{}"
        except (ValueError, RecursionError):
            return None, None
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if title is not None and "\r" in title:
            title = title.replace("\r\n", "\n").replace("\r", "\n")
        return own, {"text": text, "title": title, "lang": None, "meta": rest}

    def _see(self, record: dict[str, Any], names: tuple[str, ...]) -> None:
        self.known.add(names)
        self.seen.names.update(dict.fromkeys(names))
        self.seen.found.add("text")
        if self.title in record:
            self.seen.found.add("title")
        self.seen.found.update(ours for ours, theirs in self.mapped if theirs in record)
