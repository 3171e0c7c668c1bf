"""One portion into rows of the tables: the pure part of reading, which may run anywhere and in any order."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from structdsl.plan import Reading
from structdsl_runtime.operation import TableWriter
from structdsl_runtime.reading.cleaning import Cleaner
from structdsl_runtime.reading.files import file_row, title_of
from structdsl_runtime.reading.found import DUPLICATE, EARLIER, Found
from structdsl_runtime.reading.offsets import stretches
from structdsl_runtime.reading.plain import PlainText
from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.reading.rows import Row, rows_of
from structdsl_runtime.reading.streams import MOST_BYTES
from structdsl_runtime.text import records
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.normalise import UndecodableError, check_encodable
from structdsl_runtime.text.sources import readable, unreadable

BATCH_ROWS: Final = 512
BATCH_CHARS: Final = 4 << 20
FEW: Final = 16  # rows that are written one by one: a batch costs more than they do

_BROKEN: Final = (pa.ArrowException, UnicodeDecodeError, EOFError, zlib.error)
_PLACE: Final = ("doc_id", "text_byte", "file_byte", "n_bytes")
_TYPES: Final = {
    **dict.fromkeys(("n_chars", "text_byte", "file_byte", "n_bytes"), pa.int64()),
    "aliases": pa.list_(pa.string()),
    "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
}


def read_portion(  # noqa: PLR0913 - a table more or less
    arguments: Reading,
    portion: Portion,
    documents: TableWriter,
    faults: TableWriter,
    redactions: TableWriter | None = None,
    offsets: TableWriter | None = None,
    *,
    taken: set[str] | None = None,
    room: int | None = None,
    most: int = MOST_BYTES,
) -> Found:
    """Read a portion into `documents` and `faults`, and say what was found in it; `redactions` where there are any.

    `offsets` says where a text stands in its file, for texts of which that is known.
    `taken` are ids that may not be used again, to which those of this portion are added; `room` is how many documents
    are still wanted; `most` the bytes that one of them may have. Raises Fault E0515 where the file cannot be read, or
    is another when its end is reached.
    """
    shown = portion.source.shown
    sink = Sink(arguments, portion.source.name, shown, documents, faults, redactions, offsets, taken, room)
    with readable(shown):
        try:
            if portion.format.whole:
                _whole(portion, sink, most)
            else:
                sink.take(rows_of(portion, most))
        except _BROKEN as error:
            raise unreadable(shown, _first_line(error)) from None
    if portion.source.now() != portion.source.stamp:
        raise unreadable(shown, "it changed while it was read", "run again when nothing writes to it")
    return sink.close()


def _whole(portion: Portion, sink: Sink, most: int) -> None:
    sink.see("text", "title")
    if records.required(sink.arguments) != ("text",):
        row = Row("", 1, None, reason="missing column", evidence="such a file has only `text` and `title`")
    else:
        row = file_row(portion, most)
        row.titled = partial(title_of, portion=portion)
    sink.take([row])


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0]
    return text[:1].lower() + text[1:200]


@dataclass(slots=True)
class Sink:
    """Rows on their way into the tables, column by column, and what was seen of them."""

    arguments: Reading
    name: str  # of the source: opens the ids of rows that have none
    shown: str
    documents: TableWriter
    faults: TableWriter
    redactions: TableWriter | None
    offsets: TableWriter | None
    taken: set[str] | None
    room: int | None
    seen: records.Seen = field(default_factory=records.Seen)
    reasons: dict[str, int] = field(default_factory=dict)
    encodings: dict[str, int] = field(default_factory=dict)
    example: str = ""
    count: int = 0
    ids: set[str] = field(init=False)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    places: tuple[list[Any], list[Any], list[Any], list[Any]] = field(default_factory=lambda: ([], [], [], []))
    chars: int = 0
    quick: PlainText | None = field(init=False)
    cleaner: Cleaner | None = field(init=False)

    def __post_init__(self) -> None:
        self.ids = self.taken if self.taken is not None else set()
        self.quick = PlainText.of(self.arguments, self.seen)
        self.cleaner = Cleaner.of(self.arguments)

    def see(self, *names: str) -> None:
        """Columns that are there whatever the rows say."""
        self.seen.names.update(dict.fromkeys(names))
        columns = self.arguments.columns
        self.seen.found.update(name for name in names if columns.get(name, name) == name)

    def take(self, rows: Iterable[Row]) -> None:
        """Keep or drop each row, until there is no more room."""
        for batch in _batched(rows):
            if self.cleaner is not None:
                self.cleaner.clean(batch)
            for row in batch:
                if self.full:
                    return
                self._row(row)
            self._flush()

    def close(self) -> Found:
        self._flush()
        return Found(
            documents=self.count,
            names=tuple(self.seen.names),
            found=tuple(sorted(self.seen.found)),
            reasons=dict(sorted(self.reasons.items())),
            encodings=dict(sorted(self.encodings.items())),
            example=self.example,
        )

    @property
    def full(self) -> bool:
        return self.room is not None and self.count >= self.room

    def _row(self, row: Row) -> None:
        shown = f"{self.shown}#{row.mark}{row.number}" if row.mark else self.shown
        doc_id = f"{self.name}:{row.number}" if row.mark else self.name
        if row.record is None:
            self._drop(doc_id, shown, row.reason, row.evidence)
            return
        if row.titled is not None and row.record["title"] is None:
            row.record["title"] = row.titled(row.record["text"])
        values: dict[str, Any] | None = None
        if row.plain and self.quick is not None:
            own, values = self.quick.values(row.record)
            if values is not None:
                self._keep(own or doc_id, shown, values, row)
                return
        try:
            own = records.identity(row.record, self.arguments)
            if own is not None:
                check_encodable(own)
                doc_id = own
            values = records.document(row.record, self.arguments, self.seen)
        except UndecodableError as error:
            self._drop(doc_id, shown, "undecodable", str(error))
        except UnfitError as unfit:
            self._drop(doc_id, shown, unfit.reason, unfit.evidence)
        else:
            self._keep(doc_id, shown, values, row)

    def _keep(self, doc_id: str, shown: str, values: dict[str, Any], row: Row) -> None:
        if doc_id in self.ids:
            self._drop(doc_id, shown, DUPLICATE, EARLIER)
            return
        self.ids.add(doc_id)
        self.count += 1
        if row.encoding is not None:
            self.encodings[row.encoding] = self.encodings.get(row.encoding, 0) + 1
        if row.redacted and self.redactions is not None:
            for kind, count in row.redacted.items():
                self.redactions.row(doc_id=doc_id, kind=kind, n=count)
        if self.offsets is not None:
            if row.line is not None:
                self._place(doc_id, None, *row.line)
            elif row.data is not None:
                for stretch in stretches(row.data, values["text"]):
                    self._place(doc_id, *stretch)
        columns = self.columns
        if not columns:
            columns.update((name, []) for name in ("doc_id", "n_chars", "source", *values))
        length = len(values["text"])
        columns["doc_id"].append(doc_id)
        columns["n_chars"].append(length)
        columns["source"].append(shown)
        for name, value in values.items():
            columns[name].append(value)
        self.chars += length
        if self.chars > BATCH_CHARS:
            self._flush()

    def _place(self, doc_id: str, text: int | None, file: int, count: int) -> None:
        ids, texts, files, counts = self.places
        ids.append(doc_id)
        texts.append(text)
        files.append(file)
        counts.append(count)

    def _drop(self, doc_id: str, shown: str, reason: str, evidence: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.example = self.example or f"{shown}: {reason}, {evidence}"
        self.faults.row(doc_id=doc_id, source=shown, step="read", reason=reason, evidence=evidence)

    def _flush_places(self) -> None:
        if self.offsets is None or not self.places[0]:
            return
        places, self.places = self.places, ([], [], [], [])
        if len(places[0]) <= FEW:
            for values in zip(*places, strict=True):
                self.offsets.row(**dict(zip(_PLACE, values, strict=True)))
            return
        arrays = {
            name: pa.array(values, _TYPES.get(name, pa.string())) for name, values in zip(_PLACE, places, strict=True)
        }
        self.offsets.write(pa.RecordBatch.from_pydict(arrays))

    def _flush(self) -> None:
        self._flush_places()
        columns, self.columns, self.chars = self.columns, {}, 0
        if not columns:
            return
        count = len(columns["doc_id"])
        if count <= FEW:
            names = tuple(columns)
            for values in zip(*columns.values(), strict=True):
                own = dict(zip(names, values, strict=True))
                self.documents.row(corpus=self.arguments.corpus, role=self.arguments.role, **own)
            return
        arrays = {name: pa.array(values, _TYPES.get(name, pa.string())) for name, values in columns.items()}
        arrays["corpus"] = pa.repeat(self.arguments.corpus, count)
        arrays["role"] = pa.repeat(self.arguments.role, count)
        self.documents.write(pa.RecordBatch.from_pydict(arrays))


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch
