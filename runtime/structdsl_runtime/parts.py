"""A row-wise step in parts: which rows are worked on together, under what key, and the table that they make.

The parts of a table are those that it was made in; a table that was made at once is cut at row groups. A view that
passes rows on has the parts of the table that they are of. What was made of a part lies under a key of its own,
beside the results of the step, for as long as arguments and rows are the same: so one more file is one more part,
whatever became of the table, and a run that was killed has its finished parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import pyarrow.parquet as pq
from duckdb import DuckDBPyConnection

from structdsl.identity import fingerprint
from structdsl.plan import Rows, Step, View
from structdsl_runtime.digest import NOTHING, Sums, file_digest, plain
from structdsl_runtime.engine import Engine
from structdsl_runtime.keys import Identity
from structdsl_runtime.operation import Outputs
from structdsl_runtime.partition import Main, main_input
from structdsl_runtime.relations import Relation, identifier, literal, relations
from structdsl_runtime.store import Manifest, Part, Produced, Result, Store
from structdsl_runtime.tasks import PartManifest

PART_BYTES: Final = 16 << 20  # of a part of a table that was made at once, before compression


class Share(Protocol):
    """What the function of a part is given by an operation that divides its own work; it can be pickled."""

    @property
    def size(self) -> int:
        """How much of the whole it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an operation has that divides its own work."""

    root: Path
    listing: Mapping[str, str]  # files of its source by name -> SHA-256
    stamps: Mapping[str, str]  # the stamp that each had when it was listed
    engine: Engine
    there: Callable[[], Iterator[tuple[str, PartManifest]]]  # parts that earlier runs made, under whatever arguments
    folder: Callable[[str], Path]  # of a part
    warn: Callable[[str], None]
    make: Callable[[Mapping[str, Share], int, str], dict[str, PartManifest]]
    """Make parts by their keys, of a whole of so many units, such as files."""


@dataclass(frozen=True, slots=True)
class Divided:
    """An operation that divides its own work: the function of a part, and that of the whole."""

    part: Callable[[Any, Any, Outputs], Any]  # arguments, what the part is given, outputs -> what was found, as JSON
    whole: Callable[[Any, Work], list[tuple[str, PartManifest]]]  # -> the parts of its tables, in their order
    applies: Callable[[Any], bool]  # whether it does so under these arguments


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Some of the rows of a table."""

    files: tuple[Path, ...]
    start: int | None = None  # rows of the one file, from here
    stop: int | None = None  # up to here; both none: all
    rows: int
    mark: str  # says which rows: their digest, or that of the table and where in it

    @property
    def select(self) -> str:
        paths = ", ".join(literal(str(path)) for path in self.files)
        if self.start is None:
            return f"SELECT * FROM read_parquet([{paths}])"  # noqa: S608 - quoted above
        return (
            f"SELECT * EXCLUDE (file_row_number) FROM read_parquet([{paths}], file_row_number = true)"  # noqa: S608
            f" WHERE file_row_number >= {self.start} AND file_row_number < {self.stop}"
        )


def portions_of(main: Main) -> list[Portion]:
    """All rows of the main input, each in one portion."""
    return _parts_of(main.folder, main.made) if main.made.parts else list(_cut(main.folder, main.made))


def beside(
    step: Step, results: Mapping[str, Result], store: Store, main: Main, portions: list[Portion]
) -> dict[str, list[Portion]]:
    """What was made of the portions of the main input, each for itself, in tables that were made of it row by row.

    A view that passes rows on joins these by their key, so a part has no use for the rows of another. A table may be
    as it was before its source was divided otherwise: its parts count only where their keys are those of the portions.
    """
    if not main.views:
        return {}
    found = {}
    whole = [Sums(portion.rows, 0, 0) for portion in portions]
    for result, output in _read_by(step, results):
        made, source = result.manifest.outputs[output], main_input(result.step, results, store)
        if source is None or source.table != main.table or source.views or not made.table:
            continue
        own = [part for part in made.parts if part.rows]
        wanted = keys(result.step, result.manifest, source, portions, whole)
        if [{Path(file).parent.name for file in part.files} for part in own] == [{key} for key in wanted]:
            found[made.table] = _parts_of(store.folder(result.step, result.manifest.key).absolute(), made)
    return found


def ranged(
    step: Step, results: Mapping[str, Result], store: Store, connection: DuckDBPyConnection, portions: list[Portion]
) -> dict[str, list[Portion]]:
    """Of the input that is read by ranges, the files in which rows of the range of each portion may lie."""
    partition = step.operation.partition
    if not isinstance(partition, Rows) or partition.reads is None:
        return {}
    reads = partition.reads
    address, _, output = step.inputs[reads.input].rpartition(":")
    result = results[address]
    made = result.manifest.outputs[output]
    if made.table is None or isinstance(result.step.operation, View):
        return {}
    folder = store.folder(result.step, result.manifest.key).absolute()
    files = {folder / name: _bounds(folder / name, reads.key) for name in made.files}
    first, last = identifier(reads.first), identifier(reads.last)
    found = []
    for portion in portions:
        ((least, greatest),) = connection.execute(
            f"SELECT min({first}), max({last}) FROM ({portion.select})"  # noqa: S608 - quoted
        ).fetchall()
        there = (
            path for path, bounds in files.items() if any(low <= greatest and least <= high for low, high in bounds)
        )
        found.append(Portion(files=tuple(there), rows=portion.rows, mark=portion.mark))
    return {made.table: found}


def _bounds(path: Path, column: str) -> list[tuple[Any, Any]]:
    """The least and the greatest value of a column in each row group of a file."""
    metadata = pq.read_metadata(path)
    place = metadata.schema.names.index(column)
    groups: Any = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
    return [(group.min, group.max) for group in groups]


def inputs_of(step: Step, results: Mapping[str, Result], store: Store) -> list[Relation]:
    """The tables that a step reads, and those that they are views of, in an order in which they can be defined."""
    found: dict[str, Relation] = {}
    for result, output in _read_by(step, results):
        table = result.step.outputs[output].table
        for relation in relations(result.step, result.manifest, store):
            if relation.table == table:
                found.setdefault(table, relation)
    return list(found.values())


def restricted(found: list[Relation], portions: Mapping[str, Portion]) -> tuple[Relation, ...]:
    """The relations, with no other rows of some tables than these."""
    return tuple(
        replace(each, select=portions[each.table].select) if each.table in portions else each for each in found
    )


def _read_by(step: Step, results: Mapping[str, Result]) -> Iterator[tuple[Result, str]]:
    """What a step reads, by result and output, each behind what it is a view of."""
    for reference in step.inputs.values():
        address, _, output = reference.rpartition(":")
        result = results[address]
        if isinstance(result.step.operation, View):
            yield from _read_by(result.step, results)
        yield result, output


def keys(
    step: Step, identity: Identity | Manifest, main: Main, portions: list[Portion], passed: list[Sums]
) -> list[str]:
    """The key of what the step makes of each portion, given what the views pass of it: all that decides it."""
    same = {
        "op": step.operation.op,
        "version": step.operation.version,
        "arguments": identity.arguments,
        "inputs": {name: given.digest for name, given in identity.inputs.items() if name != main.input},
        "columns": list(main.made.columns.items()),
    }
    return [
        fingerprint({**same, "rows": portion.mark, "passed": [rows.rows, str(rows.upper), str(rows.lower)]})
        for portion, rows in zip(portions, passed, strict=True)
    ]


def probe(connection: DuckDBPyConnection, main: Main, portions: list[Portion]) -> list[Sums]:
    """What views make of each portion: how many rows they pass on, which, and with what beside. They are evaluated
    once, where the inputs of the step are defined; without views, all rows are passed on and their mark says which.
    """
    if not main.views:
        return [Sums(portion.rows, 0, 0) for portion in portions]
    view, passes = main.views[0]
    key, others = identifier(passes.key), {other for _, each in main.views for other in each.others}
    schema, _, name = view.partition(".")
    table = connection.sql(f"FROM {identifier(schema)}.{identifier(name)}")
    types = zip(table.columns, table.types, strict=True)
    casts = (f"CAST({identifier(column)} AS {plain(kind)})" for column, kind in types if column in others)
    values = ", ".join([key, *casts])
    portioned = " UNION ALL ".join(
        f"SELECT {key} AS key, {number} AS portion FROM ({portion.select})"  # noqa: S608 - quoted
        for number, portion in enumerate(portions)
    )
    counted = connection.execute(
        f"WITH hashed AS (SELECT {key} AS key, CAST(json_array({values}) AS VARCHAR) AS line"  # noqa: S608 - quoted
        f" FROM {identifier(schema)}.{identifier(name)}), portioned AS ({portioned})"
        " SELECT portion, count(*), sum(md5_number_upper(line)), sum(md5_number_lower(line))"
        " FROM portioned JOIN hashed USING (key) GROUP BY portion"
    ).fetchall()
    sums = {portion: Sums(*map(int, numbers)) for portion, *numbers in counted}
    return [sums.get(number, NOTHING) for number in range(len(portions))]


def united(step: Step, made: list[tuple[str, PartManifest]]) -> dict[str, Produced]:
    """The tables that the parts make up; `made` has the path of each part, relative to the folder of the result."""
    return {name: _united(name, output.table, made) for name, output in step.outputs.items()}


def _united(name: str, table: str | None, made: list[tuple[str, PartManifest]]) -> Produced:
    parts = []
    total = NOTHING
    for where, manifest in made:
        part = manifest.outputs[name]
        parts.append(part.model_copy(update={"files": tuple(f"{where}/{file}" for file in part.files)}))
        total += Sums(part.rows, part.upper, part.lower)
    columns = made[0][1].columns[name]
    return Produced(
        kind="table",
        table=table,
        columns=columns,
        files=tuple(file for part in parts for file in part.files),
        rows=total.rows,
        bytes=sum(part.bytes for part in parts),
        digest=total.digest(columns),
        parts=tuple(parts),
    )


def _parts_of(folder: Path, made: Produced) -> list[Portion]:
    return [
        Portion(files=tuple(folder / file for file in part.files), rows=part.rows, mark=_mark(made, part))
        for part in made.parts
        if part.rows
    ]


def _mark(made: Produced, part: Part) -> str:
    return Sums(part.rows, part.upper, part.lower).digest(made.columns)


def _cut(folder: Path, made: Produced) -> Iterator[Portion]:
    """A table that was made at once, at borders of its row groups, into portions that are about alike."""
    for name in made.files:
        content = file_digest(folder / name)  # of this file: the digest of a table says nothing of the order of rows
        metadata = pq.read_metadata(folder / name)
        groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
        total = max(1, sum(group.total_byte_size for group in groups))
        count = -(-total // PART_BYTES)
        start = at = size = cut = 0
        for group in groups:
            at += group.num_rows
            size += group.total_byte_size
            if size * count // total > cut or group is groups[-1]:
                mark = f"{content} {start} {at}"
                yield Portion(files=(folder / name,), start=start, stop=at, rows=at - start, mark=mark)
                start, cut = at, size * count // total
