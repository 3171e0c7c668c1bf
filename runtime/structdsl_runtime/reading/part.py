"""One portion into rows of the tables: the pure part of reading, which may run anywhere and in any order."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import pyarrow as pa

from structdsl.plan import Reading
from structdsl_runtime.machine import memory_limit
from structdsl_runtime.operation import TableWriter
from structdsl_runtime.reading.batches import BATCH_BYTES, FEW, batch_of, batched
from structdsl_runtime.reading.cleaning import Cleaner
from structdsl_runtime.reading.files import file_row
from structdsl_runtime.reading.found import Found, duplicate_fault
from structdsl_runtime.reading.offsets import stretches, stretches_in
from structdsl_runtime.reading.places import Places
from structdsl_runtime.reading.plain import PlainText
from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.reading.rows import Row, rows_of
from structdsl_runtime.reading.streams import MOST_BYTES
from structdsl_runtime.reading.taken import Taken, place
from structdsl_runtime.text import records
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.normalise import UndecodableError, check_encodable
from structdsl_runtime.text.sources import CHANGED, readable, unreadable

BROKEN: Final = (pa.ArrowException, UnicodeDecodeError, EOFError, zlib.error)


def read_portion(  # noqa: PLR0913 - a table more or less
    arguments: Reading,
    portion: Portion,
    documents: TableWriter,
    faults: TableWriter,
    redactions: TableWriter | None = None,
    offsets: TableWriter | None = None,
    *,
    taken: Taken | None = None,
    room: int | None = None,
    most: int = MOST_BYTES,
    cleaned: Row | None = None,
) -> Found:
    """Read a portion into `documents` and `faults`, and say what was found in it; `redactions` where there are any.

    `offsets` says where a text stands in its file, for texts of which that is known.
    `taken` are ids that may not be used again, to which those of this portion are added; `room` is how many documents
    are still wanted; `most` the bytes that one of them may have; `cleaned` the one row of a file, where it was read
    ahead. Raises Fault E0515 where the file cannot be read, or is another when its end is reached.
    """
    shown = portion.source.shown
    sink = Sink(arguments, portion.source.name, shown, documents, faults, redactions, offsets, taken, room)
    with readable(shown):
        try:
            if portion.format.whole:
                _whole(portion, sink, most, cleaned)
            else:
                sink.take(rows_of(portion, most))
        except MemoryError as error:  # Arrow's is one of its errors as well, and seldom a fault of the file
            asked = re.search(r"size (\d+)", str(error))
            if asked is None or int(asked[1]) <= memory_limit():
                raise
            raise unreadable(shown, f"a part of it wants {int(asked[1]):,} bytes of memory") from None
        except BROKEN as error:
            raise unreadable(shown, _first_line(error)) from None
    if portion.source.now() != portion.source.stamp:
        raise unreadable(shown, "it changed while it was read", CHANGED)
    return sink.close()


def _whole(portion: Portion, sink: Sink, most: int, cleaned: Row | None) -> None:
    sink.see("text", "title")
    if records.required(sink.arguments) != ("text",):
        row = Row("", 1, None, reason="missing column", evidence="such a file has only `text` and `title`")
    elif cleaned is not None:
        row, sink.cleaner = cleaned, None
    else:
        row = file_row(portion, most)
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
    taken: Taken | None
    room: int | None
    seen: records.Seen = field(default_factory=records.Seen)
    reasons: dict[str, int] = field(default_factory=dict)
    encodings: dict[str, int] = field(default_factory=dict)
    example: str = ""
    count: int = 0
    ids: Taken = field(init=False)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    chars: int = 0
    places: Places = field(init=False)
    quick: PlainText | None = field(init=False)
    cleaner: Cleaner | None = field(init=False)

    def __post_init__(self) -> None:
        self.ids = self.taken if self.taken is not None else Taken()
        self.places = Places(self.offsets)
        self.quick = PlainText.of(self.arguments, self.seen)
        self.cleaner = Cleaner.of(self.arguments)

    def see(self, *names: str) -> None:
        """Columns that are there whatever the rows say."""
        self.seen.names.update(dict.fromkeys(names))
        columns = self.arguments.columns
        self.seen.found.update(name for name in names if columns.get(name, name) == name)

    def take(self, rows: Iterable[Row]) -> None:
        """Keep or drop each row, until there is no more room."""
        for batch in batched(rows):
            self.ids.begin(self.shown, batch[0].mark)
            if self.cleaner is not None:
                self.cleaner.clean(batch)
            for plain, group in groupby(batch, self._is_plain):
                run = list(group)
                if plain and len(run) > FEW:
                    self._run(run)
                    continue
                for row in run:
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

    def _is_plain(self, row: Row) -> bool:
        quick, record = self.quick, row.record
        return quick is not None and row.plain and record is not None and self.room is None and quick.fits(record)

    def _run(self, rows: Sequence[Row]) -> None:
        """Keep rows that fit the quick way, all at once; what turns out to be none of them is looked for by halves."""
        assert self.quick is not None, "the rows fit it"
        kept = [row.record for row in rows if row.record is not None]
        own = map(self.quick.own, kept)
        ids = [doc_id or f"{self.name}:{row.number}" for doc_id, row in zip(own, rows, strict=True)]
        numbers = [row.number for row in rows]
        shown = [place(self.shown, row.mark, row.number) for row in rows]
        try:
            columns = self.quick.columns(kept)
            sizes = list(map(len, columns["text"]))
            batch = batch_of({"doc_id": ids, "n_chars": sizes, "source": shown, **columns})
        except (ValueError, RecursionError):
            if len(rows) == 1:
                self._row(rows[0])
                return
            middle = len(rows) // 2
            self._run(rows[:middle])
            self._run(rows[middle:])
            return
        self.quick.see(kept)
        if not self.ids.add_new(ids, numbers):
            fresh = [at for at, doc_id in enumerate(ids) if self._is_new(doc_id, shown[at], numbers[at])]
            ids, rows = [ids[at] for at in fresh], [rows[at] for at in fresh]
            batch = batch.take(pa.array(fresh, pa.int32()))
        self._flush()
        self._write(batch)
        self._note(ids, rows)

    def _row(self, row: Row) -> None:
        shown = place(self.shown, row.mark, row.number)
        doc_id = f"{self.name}:{row.number}" if row.mark else self.name
        if row.record is None:
            self._drop(doc_id, shown, row.reason, row.evidence)
            return
        if row.titled is not None and row.record["title"] is None:
            row.record["title"] = row.titled(row.record["text"]) or row.name
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
        if not self._is_new(doc_id, shown, row.number):
            return
        self._note([doc_id], [row])
        if row.data is not None:
            text = values["text"]
            found = stretches_in(row.encoding, row.data, text) if row.encoding else stretches(row.data, text)
            self.places.add_text(doc_id, found)
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
        if self.chars > BATCH_BYTES:
            self._flush()

    def _is_new(self, doc_id: str, shown: str, number: int) -> bool:
        """Whether no document before has the id; the row is dropped where one has."""
        if doc_id in self.ids:
            self._drop_as(duplicate_fault(doc_id, shown, self.ids.place(doc_id)))
            return False
        self.ids.add(doc_id, number)
        return True

    def _note(self, ids: Sequence[str], rows: Sequence[Row]) -> None:
        """What else is known of rows that are kept."""
        self.count += len(rows)
        for doc_id, row in zip(ids, rows, strict=True):
            if row.encoding is not None:
                self.encodings[row.encoding] = self.encodings.get(row.encoding, 0) + 1
            if row.redacted and self.redactions is not None:
                for kind, count in row.redacted.items():
                    self.redactions.row(doc_id=doc_id, kind=kind, n=count)
            if row.at is not None:
                self.places.add_row(doc_id, row.at, row.length)

    def _drop(self, doc_id: str, shown: str, reason: str, evidence: str) -> None:
        self._drop_as({"doc_id": doc_id, "source": shown, "step": "read", "reason": reason, "evidence": evidence})

    def _drop_as(self, fault: Mapping[str, str]) -> None:
        reason = fault["reason"]
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.example = self.example or f"{fault['source']}: {reason}, {fault['evidence']}"
        self.faults.row(**fault)

    def _flush(self) -> None:
        self.places.flush()
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
        self._write(batch_of(columns))

    def _write(self, batch: pa.RecordBatch) -> None:
        for name in ("corpus", "role"):
            batch = batch.append_column(name, pa.repeat(getattr(self.arguments, name), batch.num_rows))
        self.documents.write(batch)
