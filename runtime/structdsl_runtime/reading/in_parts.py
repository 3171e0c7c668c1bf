"""A source read in parts: what was read of a file before is not read again, whatever became of the other files.

A part holds some portions, small files together. It is taken again where all that it holds is still wanted, so one
more file is one more part; where a file of it is gone, its other files are read again. What only the whole can show is
looked at afterwards, over ids alone: documents whose id an earlier one has leave, their part being written once more.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from structdsl.identity import effective, fingerprint
from structdsl.plan import Files, ReadFiles, Reading, ReadObjects, ReadTable
from structdsl_runtime.operation import Fault, Outputs
from structdsl_runtime.parts import Divided, Work
from structdsl_runtime.reading.ahead import cleaned_ahead
from structdsl_runtime.reading.found import (
    DUPLICATE,
    Found,
    check,
    duplicate_fault,
    recoded,
    together,
    without_duplicates,
)
from structdsl_runtime.reading.part import read_portion
from structdsl_runtime.reading.portions import PORTION_BYTES, Portion, portions_of
from structdsl_runtime.reading.taken import Taken
from structdsl_runtime.relations import literal
from structdsl_runtime.tasks import PartManifest
from structdsl_runtime.text.sources import Broken, check_listed

TOGETHER: Final = PORTION_BYTES
"""Bytes of small files that are read together, at most."""

MOST_FILES: Final = 4096
"""How many those are, at most."""


@dataclass(frozen=True, slots=True)
class Group:
    """Portions that are read together, each under what says which it is."""

    portions: tuple[tuple[str, Portion], ...]
    reader: str

    @property
    def size(self) -> int:
        """In portions."""
        return len(self.portions)


@dataclass(frozen=True, slots=True)
class Without:
    """A part that was read, and the documents of it that leave because an earlier one has their id."""

    folder: Path
    manifest: PartManifest
    leaving: tuple[tuple[str, str, str], ...]  # id, source, and where the earlier one stands
    size: int = 1


def read_part(arguments: Reading, given: Group | Without, outputs: Outputs) -> dict[str, Any]:
    """The rows of a part, what was found in each portion of it, and which of them could not be read."""
    if isinstance(given, Without):
        return _write_without(given, outputs)
    found = {}
    broken = Broken()
    taken = Taken()
    with outputs.table("documents") as documents, outputs.table("faults") as faults, ExitStack() as stack:
        redactions = stack.enter_context(outputs.table("redactions")) if arguments.redact else None
        offsets = stack.enter_context(outputs.table("offsets"))
        written = (documents, faults, redactions, offsets)
        marks, portions = zip(*given.portions, strict=True)
        for mark, (portion, row) in zip(marks, cleaned_ahead(arguments, portions), strict=True):
            with broken.noted():
                found[mark] = asdict(read_portion(arguments, portion, *written, taken=taken, cleaned=row))
    unread = [(fault.message, fault.helps) for fault in broken.faults]
    return {"reader": given.reader, "portions": found, "unread": unread}


def read_in_parts(arguments: ReadFiles | ReadObjects | ReadTable, work: Work) -> list[tuple[str, PartManifest]]:
    """The parts that make up all documents of a source, in its order.

    Raises Fault E0513 (no file), E0514 (a column that no row has), E0515 (cannot be read), E0516 (nothing is left).
    """
    wanted = portions_of(arguments, work.root, TOGETHER)
    check_listed([portion.source for portion in wanted], work.stamps)
    reader = fingerprint(effective(arguments))
    marks = {
        fingerprint([portion.source.shown, work.listing[portion.source.name], portion.start, portion.end]): portion
        for portion in wanted
    }
    place = {mark: number for number, mark in enumerate(marks)}
    files = len({portion.source.shown for portion in wanted})
    made = dict(_there(work, reader, marks))
    missing = marks.keys() - {mark for manifest in made.values() for mark in manifest.found["portions"]}
    groups = list(_grouped([(mark, portion) for mark, portion in marks.items() if mark in missing], reader))
    todo = {fingerprint([reader, *(mark for mark, _ in group.portions)]): group for group in groups}
    made |= work.make(todo, len(wanted), "files" if files == len(wanted) else "pieces of files")
    _check_read(made, work)
    order = sorted(made, key=lambda key: min(place[mark] for mark in made[key].found["portions"]))
    found = {mark: Found(**each) for key in order for mark, each in made[key].found["portions"].items()}
    parts, left = _without_duplicates([(key, made[key]) for key in order], wanted, work)
    total = together(found[mark] for mark in marks)
    check(arguments, without_duplicates(total, left), files)
    if (message := recoded(arguments, total)) is not None:
        work.warn(message)
    return parts


def _check_read(made: Mapping[str, PartManifest], work: Work) -> None:
    """Raise Fault E0515 for files that could not be read, of all parts; no such part is taken again."""
    broken = Broken()
    for key, part in made.items():
        if part.found["unread"]:
            broken.faults += [Fault("E0515", message, helps=tuple(helps)) for message, helps in part.found["unread"]]
            shutil.rmtree(work.folder(key))
    broken.check()


def _there(work: Work, reader: str, marks: dict[str, Portion]) -> Iterator[tuple[str, PartManifest]]:
    """Parts of earlier runs of which everything is wanted, none of it twice; the largest first.

    Those in which something could not be read, of a run that ended before it said so, are removed: it may be mended.
    """
    known = []
    for key, part in work.there():
        if part.found and part.found.get("unread"):
            shutil.rmtree(work.folder(key))
        elif part.found and part.found.get("reader") == reader:
            known.append((key, part))
    taken: set[str] = set()
    for key, part in sorted(known, key=lambda entry: (-len(entry[1].found["portions"]), entry[0])):
        held = part.found["portions"].keys()
        if held <= marks.keys() and not held & taken:
            taken |= held
            yield key, part


def _grouped(wanted: Sequence[tuple[str, Portion]], reader: str) -> Iterator[Group]:
    group: list[tuple[str, Portion]] = []
    size = 0
    for mark, portion in wanted:
        if group and (size + portion.size > TOGETHER or len(group) == MOST_FILES):
            yield Group(tuple(group), reader)
            group, size = [], 0
        group.append((mark, portion))
        size += portion.size
    if group:
        yield Group(tuple(group), reader)


def _without_duplicates(
    parts: list[tuple[str, PartManifest]], wanted: Sequence[Portion], work: Work
) -> tuple[list[tuple[str, PartManifest]], int]:
    """The parts without documents whose id an earlier one has, and how many those are."""
    files = {str(work.folder(key) / file): key for key, part in parts for file in part.outputs["documents"].files}
    table = f"read_parquet([{', '.join(map(literal, files))}], filename = true)"
    query = (
        f"SELECT doc_id, source, filename FROM {table} WHERE doc_id IN"  # noqa: S608 - paths are quoted
        f" (SELECT doc_id FROM {table} GROUP BY doc_id HAVING count(*) > 1)"
    )
    with work.engine.cursor() as cursor:
        repeated = cursor.execute(query).fetchall()
    if not repeated:
        return parts, 0
    place = {shown: number for number, shown in enumerate(dict.fromkeys(portion.source.shown for portion in wanted))}

    def rank(row: tuple[str, str, str]) -> tuple[int, int]:
        if row[1] in place:
            return place[row[1]], 0
        shown, _, line = row[1].rpartition("#")
        return place[shown], int(line[1:])

    leaving: dict[str, list[tuple[str, str, str]]] = {}
    first: dict[str, str] = {}
    for doc_id, source, file in sorted(repeated, key=rank):
        if (earlier := first.setdefault(doc_id, source)) != source:
            leaving.setdefault(files[file], []).append((doc_id, source, earlier))
    given = {key: Without(work.folder(key), part, tuple(leaving[key])) for key, part in parts if key in leaving}
    renamed = {key: fingerprint([key, "without", *map(list, left.leaving)]) for key, left in given.items()}
    made = work.make({renamed[key]: left for key, left in given.items()}, len(given), "parts")
    kept = [(renamed[key], made[renamed[key]]) if key in given else (key, part) for key, part in parts]
    return kept, sum(map(len, leaving.values()))


def _write_without(given: Without, outputs: Outputs) -> dict[str, Any]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    ids, sources = (pa.array(column, pa.string()) for column in list(zip(*given.leaving, strict=True))[:2])
    left = [duplicate_fault(*leaving) for leaving in given.leaving]
    why = pa.array([fault["evidence"] for fault in left], pa.string())
    gone = {"documents": ("source", sources), "redactions": ("doc_id", ids), "offsets": ("doc_id", ids)}
    for name, part in given.manifest.outputs.items():
        with outputs.table(name) as table:
            for file in part.files:
                for batch in pq.ParquetFile(given.folder / file).iter_batches():
                    if name in gone:
                        column, values = gone[name]
                        table.write(batch.filter(pc.invert(pc.is_in(batch.column(column), values))))
                        continue
                    # What left within the part left for a document that leaves as well: the one that stays is named.
                    evidence = why.take(pc.index_in(batch.column("doc_id"), ids))
                    of_it = pc.and_(pc.equal(batch.column("reason"), pa.scalar(DUPLICATE)), pc.is_valid(evidence))
                    evidence = pc.if_else(of_it, evidence, batch.column("evidence"))
                    table.write(batch.set_column(batch.schema.names.index("evidence"), "evidence", evidence))
            if name == "faults":
                for fault in left:
                    table.row(**fault)
    return {}


READING: Final = Divided(
    part=read_part, whole=read_in_parts, applies=lambda arguments: isinstance(arguments.division, Files)
)
