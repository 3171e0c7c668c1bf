"""Files that are one document each, read some at a time, so that they are cleaned side by side.

RE2 compiles a pattern at every call of Arrow: for that of an address it takes longer than to clean a small file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from structdsl.plan import Reading
from structdsl_runtime.operation import Fault
from structdsl_runtime.reading.batches import BATCH_BYTES, BATCH_ROWS
from structdsl_runtime.reading.cleaning import Cleaner
from structdsl_runtime.reading.files import file_row
from structdsl_runtime.reading.part import BROKEN
from structdsl_runtime.reading.portions import Portion
from structdsl_runtime.reading.rows import Row
from structdsl_runtime.reading.streams import MOST_BYTES
from structdsl_runtime.text import records

_LARGE: Final = BATCH_BYTES // 16  # bytes of a file that is as well cleaned by itself

Ahead = tuple[Portion, Row | None]


def cleaned_ahead(arguments: Reading, portions: Iterable[Portion]) -> Iterator[Ahead]:
    """Every portion, and its row where it was read and cleaned with its neighbours; else it is to be read by itself."""
    cleaner = Cleaner.of(arguments)
    if cleaner is None or records.required(arguments) != ("text",):
        yield from ((portion, None) for portion in portions)
        return
    batch: list[Ahead] = []
    held = 0
    for portion in portions:
        row = _row(portion) if portion.format.whole and portion.size <= _LARGE else None
        batch.append((portion, row))
        held += len(row.record["text"]) if row is not None and row.record is not None else 0
        if len(batch) == BATCH_ROWS or held > BATCH_BYTES:
            yield from _cleaned(batch, cleaner)
            batch, held = [], 0
    yield from _cleaned(batch, cleaner)


def _cleaned(batch: list[Ahead], cleaner: Cleaner) -> list[Ahead]:
    cleaner.clean([row for _, row in batch if row is not None])
    return batch


def _row(portion: Portion) -> Row | None:
    """None where it cannot be read, which is told when it is read by itself."""
    try:
        return file_row(portion, MOST_BYTES)
    except (Fault, OSError, MemoryError, *BROKEN):
        return None
