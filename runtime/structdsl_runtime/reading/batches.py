"""How much is worked on at once, and rows as Arrow has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from structdsl_runtime.reading.rows import Row

BATCH_ROWS: Final = 512
BATCH_BYTES: Final = 4 << 20
FEW: Final = 16  # rows that are handled one by one: to do it together costs more

_TYPES: Final = {
    **dict.fromkeys(("n_chars", "text_byte", "file_byte", "n_bytes"), pa.int64()),
    "aliases": pa.list_(pa.string()),
    "messages": pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])),
}


def batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows as many at a time as are worked on at once."""
    batch: list[Row] = []
    held = 0
    for row in rows:
        batch.append(row)
        held += row.length
        if len(batch) == BATCH_ROWS or held > BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def batch_of(columns: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """Columns as Arrow has them; raises UnicodeEncodeError for half a surrogate pair."""
    arrays = [pa.array(values, _TYPES.get(name, pa.string())) for name, values in columns.items()]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))
