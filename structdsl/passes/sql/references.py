"""What `${…}` in a query refers to: tables that the spec promises."""

from __future__ import annotations

from collections.abc import Callable

from structdsl.diagnostics import Edit, nearest_address, readdressing
from structdsl.passes.respell import strangers
from structdsl.passes.sql.written import Hole, Written
from structdsl.plan import Column
from structdsl.promised import RECORDS, maker_of, promised_tables
from structdsl.schema.kinds import KINDS
from structdsl.schema.tables import INNER_TABLES, OTHER_KINDS

Columns = Callable[[str], tuple[Column, ...] | None]
"""Columns of a table, by its name; none where they are unknown or there is no such table."""


def resolve(hole: Hole, written: Written, columns: Columns) -> tuple[Column, ...] | None:
    """Columns of the table that a hole names; none after a report, or where the block behind it had one."""
    name, where = hole.name, (hole.start, hole.end)
    if name in RECORDS:
        helps = (f'ask with `structdsl query "FROM {name}"`',)
        notes = ("no step makes it: it grows while the steps run",)
        written.report("E0604", f"`{name}` is a record of runs", "not a table of the spec", where, notes=notes,
                       helps=helps)  # fmt: skip
        return None
    found = columns(name)
    if found is None:
        _unknown(hole, written)
    return found


def _unknown(hole: Hole, written: Written) -> None:
    name, unit, where = hole.name, written.unit, (hole.start, hole.end)
    kind, _, last = name.partition(".")
    maker = maker_of(name, unit)
    if maker is not None and maker.values is None:
        return  # reported where the block is read
    tables = promised_tables(unit)
    if name in tables:
        return  # its own query was reported, or waits for this one
    if maker is not None:
        own = [table for table in tables if maker_of(table, unit) is maker]
        suffix = name.removeprefix(f"{maker.address}_")
        label = "a table inside the pipeline" if suffix in INNER_TABLES.get(kind, ()) else "not a table"
        message = f"`{maker.address}` promises no table `{name}`" if name != maker.address else f"`{name}` is no table"
        notes = (f"tables of `{maker.address}`: {', '.join(own)}",) if own else (f"a {kind} makes no table",)
        found = nearest_address(name, own)
        helps = (f"did you mean {' or '.join(f'`${{{table}}}`' for table in found)}?",) if found else ()
        suffix = kind if kind in OTHER_KINDS else suffix
        if suffix in WITHOUT:
            label, helps = "not made", (WITHOUT[suffix].format(block=maker.address),)
        fixes = () if suffix in WITHOUT else readdressed(written, where, name, found)
        written.report("E0201", message, label, where, notes=notes, helps=helps, fixes=fixes)
        return
    found = nearest_address(name, tables)
    assert unit.tree is not None
    if (unit.tree.damaged and not found) or any(f"{last}_".startswith(f"{n}_") for n in strangers(unit.tree)):
        return
    what = OTHER_KINDS.get(kind, kind if kind in KINDS else "table")
    similar = " or ".join(f"`${{{table}}}`" for table in found)
    helps = (f"a table with a similar name exists: {similar}",) if found else ()
    written.report("E0201", f"unknown {what} `{last}`", f"no {what} of this name", where, helps=helps,
                   fixes=readdressed(written, where, name, found))  # fmt: skip


def readdressed(written: Written, where: tuple[int, int], wrong: str, found: list[str]) -> tuple[Edit, ...]:
    """The reference `${…}` to the one table that is near."""
    maker = maker_of(found[0], written.unit) if found else None
    if maker is None or maker.block.name is None:
        return ()
    suffix = found[0].partition(".")[2].removeprefix(maker.name)
    return readdressing(written.unit.source, written.place(where), wrong, found, maker.block.name.span, suffix)


WITHOUT = {
    "heldout": "write `holdout = 1%` in `{block}`",
    "clusters": "write `dedup = exact` in `{block}`",
    "matches": "write `decontaminate = ngrams(13)` in `{block}`",
    "chunks": "rows of questions are not cut: read `${{{block}}}`",
    "titles": "only a `structurise` rule makes it; titles are in `${{{block}}}`",
    "attempts": "only a `structurise` rule makes it",
    "teacher": "let `{block}` keep what its teacher says: `distill = lssd(cache = topk(64))`",
}
"""What to do about a table that a block does not always make."""
