"""Where documents stand in their files, on the way into the table that says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from structdsl_runtime.operation import TableWriter
from structdsl_runtime.reading.batches import BATCH_ROWS, FEW, batch_of
from structdsl_runtime.reading.offsets import Stretches

_COLUMNS: Final = ("doc_id", "text_byte", "file_byte", "n_bytes")


@dataclass(slots=True)
class Places:
    """Stretches of texts, and the lines of rows, until there are enough of them for a batch."""

    offsets: TableWriter | None
    held: list[tuple[str, int | None, int, int]] = field(default_factory=list)  # as `_COLUMNS` names them

    def add_text(self, doc_id: str, found: Stretches) -> None:
        """The stretches of a text that has a file of its own."""
        if self.offsets is None:
            return
        if len(found) <= BATCH_ROWS:
            self.held += [(doc_id, *stretch) for stretch in found]
            return
        self.flush()
        columns = ([doc_id] * len(found), found.starts, found.places, found.counts)
        self.offsets.write(batch_of(dict(zip(_COLUMNS, columns, strict=True))))

    def add_row(self, doc_id: str, at: int, length: int) -> None:
        """The line of a row: the byte at which it starts, and its bytes."""
        if self.offsets is not None:
            self.held.append((doc_id, None, at, length))

    def flush(self) -> None:
        held, self.held = self.held, []
        if self.offsets is None or not held:
            return
        if len(held) <= FEW:
            for values in held:
                self.offsets.row(**dict(zip(_COLUMNS, values, strict=True)))
            return
        self.offsets.write(batch_of(dict(zip(_COLUMNS, zip(*held, strict=True), strict=True))))
