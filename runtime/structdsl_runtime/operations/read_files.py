"""Files into documents: every row that does not become one becomes a fault with its reason.

A fault of one row never stops a run; a fault of the source does (no file, an absent column, nothing left), since then
the spec and not the data is wrong. One file, and of JSON Lines one line, is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from structdsl.plan import ReadFiles
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.text import records, shapes
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.markdown import first_title
from structdsl_runtime.text.normalise import UndecodableError, check_encodable, decode, normalise
from structdsl_runtime.text.records import Seen
from structdsl_runtime.text.sources import Source, find, readable


@dataclass(slots=True)
class _Reading:
    """What is known about a corpus while it is read."""

    arguments: ReadFiles
    documents: TableWriter
    faults: TableWriter
    ids: set[str] = field(default_factory=set)
    seen: Seen = field(default_factory=Seen)
    reasons: dict[str, int] = field(default_factory=dict)
    example: str = ""

    def keep(self, doc_id: str, source: str, values: dict[str, Any]) -> None:
        if doc_id in self.ids:
            self.drop(doc_id, source, "duplicate id", "an earlier document has it")
            return
        self.ids.add(doc_id)
        arguments = self.arguments
        self.documents.row(
            doc_id=doc_id,
            corpus=arguments.corpus,
            role=arguments.role,
            n_chars=len(values["text"]),
            source=source,
            **values,
        )

    def drop(self, doc_id: str, source: str, reason: str, evidence: str) -> None:
        self.reasons[reason] = self.reasons.get(reason, 0) + 1
        self.example = self.example or f"{source}: {reason}, {evidence}"
        self.faults.row(doc_id=doc_id, source=source, step="read", reason=reason, evidence=evidence)

    @property
    def done(self) -> bool:
        return self.arguments.limit is not None and len(self.ids) >= self.arguments.limit


def read_files(arguments: ReadFiles, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Read every file of the pattern in order, up to `limit` documents.

    Raises Fault E0513 (no file), E0514 (a column that no row has), E0515 (cannot be read), E0516 (nothing is left).
    """
    del inputs
    sources = find(arguments.pattern, context.root)
    with outputs.table("documents") as documents, outputs.table("faults") as faults:
        reading = _Reading(arguments, documents, faults)
        for done, source in enumerate(sources):
            context.progress(done, len(sources), "files")
            if reading.done:
                break
            with readable(source):
                (_read_whole if source.whole else _read_rows)(source, reading)
        _check(reading, sources)
    context.progress(len(sources), len(sources), "files")


def _read_whole(source: Source, reading: _Reading) -> None:
    data = source.path.read_bytes()
    columns = reading.arguments.columns
    reading.seen.names.update({"text": None, "title": None})
    reading.seen.found.update(name for name in ("text", "title") if columns.get(name, name) == name)
    if records.required(reading.arguments) != ("text",):
        reading.drop(source.name, source.shown, "missing column", "a text file has only `text` and `title`")
        return
    try:
        text = normalise(decode(data))
        if text.strip():
            values = {"text": text, "title": first_title(text) or source.path.stem, "lang": None, "meta": "{}"}
            reading.keep(source.name, source.shown, values)
        else:
            reading.drop(source.name, source.shown, "empty", f"{len(data)} bytes, none of them text")
    except UndecodableError as error:
        reading.drop(source.name, source.shown, "undecodable", str(error))


def _read_rows(source: Source, reading: _Reading) -> None:
    for number, data in _lines(source):
        if reading.done:
            return
        shown = f"{source.shown}#L{number}"
        doc_id = f"{source.name}:{number}"
        try:
            line = decode(data)
            if not line.strip():
                continue
            record = records.parse(line)
            own = records.identity(record, reading.arguments)
            if own is not None:
                check_encodable(own)
                doc_id = own
            values = records.document(record, reading.arguments, reading.seen)
            reading.keep(doc_id, shown, values)
        except UndecodableError as error:
            reading.drop(doc_id, shown, "undecodable", str(error))
        except UnfitError as fault:
            reading.drop(doc_id, shown, fault.reason, fault.evidence)


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    with source.path.open("rb") as file:
        yield from enumerate(file, start=1)


def _check(reading: _Reading, sources: list[Source]) -> None:
    """Raise for a column that is nowhere, and for a corpus with nothing in it."""
    arguments, seen = reading.arguments, reading.seen
    known = shapes.KNOWN.get(arguments.role)
    for name in dict.fromkeys((*records.required(arguments), *arguments.columns)):
        if name not in seen.found and seen.names:
            theirs = arguments.columns.get(name, name)
            raise Fault(
                "E0514",
                f"column `{theirs}` is in no row of corpus `{arguments.corpus}`",
                notes=(f"columns that are there: {', '.join(seen.names)}",),
                helps=(
                    f'name theirs with `columns = {{ {name}: "…" }}`',
                    *([f"read without being told: {known}"] if known is not None else []),
                ),
            )
    if not reading.ids and arguments.limit != 0:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reading.reasons.items()))
        raise Fault(
            "E0516",
            f"corpus `{arguments.corpus}` is empty",
            notes=(f"{len(sources)} files read; rows dropped: {counts or 'none'}", *filter(None, [reading.example])),
        )
