"""The listing of a source, divided into what is read at once.

A portion is a file, or a range of a large one: of plain JSON Lines between two ends of lines, of Parquet between two
row groups. Where the cuts are follows from the file alone, never from who reads it, so that rows, their numbers and
the files made of them are the same however many read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structdsl.plan import ReadFiles, ReadObjects, ReadTable
from structdsl.plan.addresses import is_remote
from structdsl_runtime.reading.formats import Format, format_of
from structdsl_runtime.reading.objects import find_objects
from structdsl_runtime.text.sources import Broken, Readable, find, readable, unreadable

PORTION_BYTES: Final = 16 << 20
"""About how much of a file is read at once."""

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Portion:
    """What is read at once; it can be pickled, and says all that its reader has to know of the file."""

    source: Readable
    format: Format
    start: int = 0  # bytes of JSON Lines, row groups of Parquet
    end: int | None = None  # none for the end of the file
    first: int = 1  # number of its first line or row in the file, from 1

    @property
    def size(self) -> int:
        """About how many bytes of the file it is."""
        if self.start == 0 and self.end is None:
            return self.source.size
        return self.end - self.start if self.end is not None and self.format.name == "json lines" else PORTION_BYTES


def portions(pattern: str, root: Path, size: int = PORTION_BYTES) -> list[Portion]:
    """The portions of all files, or objects of a store, of a pattern, in the order of the source.

    Raises Fault E0513 where no file matches, E0515 for a file of another kind and for one that cannot be read.
    """
    sources: Sequence[Readable] = find_objects(pattern) if is_remote(pattern) else find(pattern, root)
    broken, formats, cut = Broken(), list[Format](), list[Portion]()
    for source in sources:
        with broken.noted():
            formats.append(format_of(source.name, source.shown))
    broken.check()  # all are known before one is read
    for source, found in zip(sources, formats, strict=True):
        with broken.noted():
            cut += _divided(source, found, size)
    broken.check()
    return cut


def portions_of(arguments: ReadFiles | ReadObjects | ReadTable, root: Path, size: int = PORTION_BYTES) -> list[Portion]:
    """The portions of what an operation reads; raises the faults of `portions`, and E0515 for a table that is none."""
    if not isinstance(arguments, ReadTable):
        return portions(arguments.pattern, root, size)
    cut = portions(arguments.uri, root, size)
    text = next((portion.source.shown for portion in cut if portion.format.whole), None)
    if text is not None:
        raise unreadable(text, "it is no table", f'write `files("{arguments.uri}")` for files that are a document each')
    return cut


def _divided(source: Readable, found: Format, size: int) -> Iterator[Portion]:
    whole = Portion(source, found)
    if found.codec is not None or found.name not in {"json lines", "parquet"} or source.size <= size:
        yield whole
        return
    with readable(source.shown):
        yield from _lines(whole, size) if found.name == "json lines" else _row_groups(whole, size)


def _lines(whole: Portion, size: int) -> Iterator[Portion]:
    """Cuts behind the first end of a line after each `size` bytes; a file in another encoding stays whole."""
    with whole.source.open() as file:
        if file.read(2) in {b"\xff\xfe", b"\xfe\xff", b"\x00\x00"}:
            yield whole
            return
        file.seek(0)
        start, first, here, number = 0, 1, 0, 1
        while block := file.read(_BLOCK):
            at = 0
            while end := block.find(b"\n", max(at, start + size - here)) + 1:
                number += block.count(b"\n", at, end)
                yield Portion(whole.source, whole.format, start, here + end, first)
                start, first, at = here + end, number, end
            number += block.count(b"\n", at)
            here += len(block)
        if here > start:
            yield Portion(whole.source, whole.format, start, None, first)


def _row_groups(whole: Portion, size: int) -> Iterator[Portion]:
    """Runs of row groups of about `size` bytes; what is broken is left to its reader."""
    import pyarrow as pa  # noqa: PLC0415 - heavy, and most plans have no such file
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with whole.source.open() as data, pq.ParquetFile(data) as file:
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            measured = [(group.num_rows, group.total_byte_size) for group in groups]
    except MemoryError:
        raise
    except pa.ArrowException:
        yield whole
        return
    start, first, rows, held = 0, 1, 0, 0
    for number, (count, weight) in enumerate(measured):
        if held and held + weight > size:
            yield Portion(whole.source, whole.format, start, number, first)
            start, first, rows, held = number, first + rows, 0, 0
        rows, held = rows + count, held + weight
    yield Portion(whole.source, whole.format, start, None, first)
