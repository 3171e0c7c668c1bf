"""Rows of files as records: objects of JSON Lines, rows of CSV, Parquet and Arrow, all as dictionaries.

JSON goes the strict way of `records.parse`. A line that the scanner of the standard library takes at once is what that
way would have made of it, and is marked as `plain`.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.reading.streams import Bounded, in_utf8, lines, opened
from structdsl_runtime.reading.values import jsonable
from structdsl_runtime.text import records
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.normalise import UndecodableError, decode
from structdsl_runtime.text.sources import unreadable

BATCH: Final = 512  # rows of a columnar file that are Python objects at once
_STREAM: Final = b"\xff" * 4  # opens each message of an Arrow stream; a file of Arrow opens with a name
_END: Final = _STREAM + b"\x00" * 4  # closes an Arrow stream
_QUOTES: Final = "a quotation mark within a value is written twice, and such a value stands between two more"


@dataclass(slots=True)
class Row:
    """A row of a source: its values, or why it has none."""

    mark: str  # "L" and "R" count lines and rows
    number: int
    record: dict[str, Any] | None
    plain: bool = False  # whether it may go the quick way; half a surrogate pair is found when it is written
    reason: str = ""
    evidence: str = ""
    encoding: str | None = None  # that it was in, where that is not UTF-8
    titled: Callable[[str], str | None] | None = None  # how its text gives it a title, where it has none
    name: str = ""  # that is its title where its text gives none
    redacted: dict[str, int] | None = None  # kind -> how often
    data: bytes | None = None  # of a file that is one text, in its encoding
    length: int = 0  # bytes that its line has, where it starts at a known one; else about
    at: int | None = None  # the byte of the file at which its line starts, if that is known


def rows_of(portion: Portion, most: int) -> Iterator[Row]:
    """The rows of a portion; raises what the library that reads it raises."""
    match portion.format.name:
        case "json lines":
            return _json_lines(portion, most)
        case "csv":
            return _csv(portion, ",", most)
        case "tsv":
            return _csv(portion, "\t", most)
        case "parquet":
            return _parquet(portion)
        case _:
            return _arrow(portion)


def _json_lines(portion: Portion, most: int) -> Iterator[Row]:
    text = in_utf8(portion)
    encoding = text.encoding
    with text.file as file:
        if portion.start:
            file.seek(portion.start)
        at = portion.start or text.start
        for number, line in enumerate(lines(file, most), portion.first):
            length = line if isinstance(line, int) else text.size(line)
            row = too_long(number, line, most) if isinstance(line, int) else _object(line, number)
            if row is not None:
                row.at, row.length = at, length
                yield row if encoding is None else _told(row, encoding)
            if at is None or (encoding is not None and isinstance(line, int)):  # whose length is that of its UTF-8
                at = None
                continue
            at += length
            if at == portion.end:
                return


def _object(data: bytes, number: int) -> Row | None:
    """The row of a line, none where it is blank."""
    try:
        line = data.decode("utf-8")
        record, end = _SCAN(line, 0)
        if type(record) is dict and (end == len(line) or not line[end:].strip(" \t\r\n")):
            return Row("L", number, record, True)  # noqa: FBT003 - by name takes its time
    except (ValueError, StopIteration, RecursionError):
        pass  # the strict way says what is the matter
    try:
        line = decode(data)
        return Row("L", number, records.parse(line)) if line.strip() else None
    except UndecodableError as error:
        return Row("L", number, None, reason="undecodable", evidence=str(error))
    except UnfitError as unfit:
        return Row("L", number, None, reason=unfit.reason, evidence=unfit.evidence)


def _refuse(constant: str) -> float:
    raise ValueError(constant)


_SCAN: Final[Callable[[str, int], tuple[Any, int]]] = vars(json.JSONDecoder(parse_constant=_refuse))["scan_once"]


def _csv(portion: Portion, delimiter: str, most: int) -> Iterator[Row]:
    """Rows under the names of the first; a number is text here, and nothing is taken for a date.

    A row that breaks the rules of quotation is left out alone where its lines have an even number of marks and another
    line follows them, for then that line begins a row whatever was meant. Otherwise, or where a line has a carriage
    return within it, which may have been meant for its end, nobody knows where rows begin. Raises Fault E0515 there.
    """
    text = in_utf8(portion)
    shown = portion.source.shown
    marks, unclear, end, nul = 0, False, text.start or 0, -1

    def marked() -> Iterator[str]:
        nonlocal marks, unclear, end, nul
        for data, line in _decoded(text.file, shown, most):
            if nul < 0 and "\0" in line:
                nul = end + text.size(data.partition(b"\0")[0])
            end += text.size(data)
            marks += line.count('"')
            unclear = unclear or "\r" in line.removesuffix("\n").removesuffix("\r")
            yield line
        unclear = True

    with text.file:
        csv.field_size_limit(most)
        reader = csv.reader(marked(), delimiter=delimiter, strict=True)
        names: list[str] | None = None
        while True:
            number, at, marks, unclear, nul = reader.line_num + 1, end, 0, False, -1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                if names is None or marks % 2 or unclear:
                    raise unreadable(shown, f"the row that begins in line {number}: {error}", _QUOTES) from None
                lines_ = f"lines {number} to {reader.line_num}: " if reader.line_num > number else ""
                yield Row("L", number, None, reason="not a row", evidence=f"{lines_}{error}")
                continue
            if names is None:
                names = fields
                _check_names(names, shown)
            elif fields:
                row = _fields(names, fields, number)
                if nul >= 0:
                    row = Row("L", number, None, reason="undecodable", evidence=f"byte 0x00 at offset {nul - at}")
                row.at, row.length = at if text.start is not None else None, end - at
                yield row if text.encoding is None else _told(row, text.encoding)


def _told(row: Row, encoding: str) -> Row:
    """The row with the encoding that it was in, as a field beside the others."""
    if row.record is not None:
        row.encoding = codecs.lookup(encoding).name
        row.record.setdefault("encoding", row.encoding)
    return row


def _check_names(names: Sequence[str], shown: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise unreadable(shown, f"two columns are called `{twice}`", "the first line has the names of the columns")


def _fields(names: Sequence[str], fields: Sequence[str], number: int) -> Row:
    if len(fields) != len(names):
        evidence = f"{len(fields)} fields under {len(names)} names"
        return Row("L", number, None, reason="not a row", evidence=evidence)
    record = {name: value or None for name, value in zip(names, fields, strict=True)}
    return Row("L", number, record, plain=True)


def _decoded(file: BinaryIO, shown: str, most: int) -> Iterator[tuple[bytes, str]]:
    """The lines, and their texts."""
    for number, line in enumerate(lines(file, most), 1):
        if isinstance(line, int):
            raise unreadable(shown, f"line {number} has {line} bytes, and {most} are the most")
        try:
            yield line, decode(line) if number == 1 else line.decode("utf-8")
        except UndecodableError as error:
            raise unreadable(shown, f"the first line is no text: {error}") from None


def _parquet(portion: Portion) -> Iterator[Row]:
    with opened(portion.source, portion.format) as file, pq.ParquetFile(file) as table:
        end = table.metadata.num_row_groups if portion.end is None else portion.end
        batches = table.iter_batches(batch_size=BATCH, row_groups=list(range(portion.start, end)))
        yield from rows_of_batches(batches, portion.first)


def _arrow(portion: Portion) -> Iterator[Row]:
    with opened(portion.source, portion.format) as file:
        head = file.read(len(_STREAM))
        file.seek(0)
        batches = _stream_batches(file) if head == _STREAM else _file_batches(file)
        yield from rows_of_batches(map(_valid, batches), portion.first)


def _file_batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    reader = pa.ipc.open_file(cast("io.IOBase", file))
    return (reader.get_batch(number) for number in range(reader.num_record_batches))


def _stream_batches(file: BinaryIO) -> Iterator[pa.RecordBatch]:
    """What is in a stream; raises `pa.ArrowInvalid` where its mark of the end is not at the end, as if it were cut."""
    left = file.seek(0, io.SEEK_END)
    file.seek(max(0, left - len(_END)))
    whole = file.read() == _END
    file.seek(0)
    yield from pa.ipc.open_stream(Bounded(file, left))
    if not whole or file.tell() != left:
        raise pa.ArrowInvalid("it ends before its mark of the end, or goes on behind it")


def _valid(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, whose values lie within it; raises `pa.ArrowInvalid` where the file is damaged."""
    batch.validate(full=True)
    return batch


def rows_of_batches(batches: Iterator[pa.RecordBatch], first: int = 1) -> Iterator[Row]:
    """The rows of Arrow batches, with values that JSON can say."""
    number = first - 1
    for batch in batches:
        _check_names(batch.schema.names, "the table")
        for start in range(0, batch.num_rows, BATCH):
            for record in _records(batch.slice(start, BATCH)):
                number += 1
                if record is None:
                    yield Row("R", number, None, reason="wrong date", evidence="beyond the years 1 to 9999")
                else:
                    yield Row("R", number, {name: jsonable(value) for name, value in record.items()}, plain=True)


def _records(batch: pa.RecordBatch) -> list[dict[str, Any] | None]:
    """The rows, none for one with a date or a duration that no calendar has; raises `pa.ArrowInvalid`."""
    try:
        return [*batch.to_pylist()]
    except OverflowError:
        if batch.num_rows == 1:
            return [None]
        middle = batch.num_rows // 2
        return _records(batch.slice(0, middle)) + _records(batch.slice(middle))
    except (KeyError, pa.ArrowInvalid) as error:  # the first from pytz; without it Arrow says that it is not there
        if isinstance(error, pa.ArrowInvalid) and "pytz" not in str(error):
            raise
        zones = {field.type.tz for field in batch.schema if pa.types.is_timestamp(field.type) and field.type.tz}
        raise pa.ArrowInvalid(f"a time zone is not known: {', '.join(sorted(zones))}") from None


def too_long(number: int, length: int, most: int, mark: str = "L") -> Row:
    """A row that is left out for its length."""
    return Row(mark, number, None, reason="too long", evidence=f"{length} bytes, and {most} are the most")
