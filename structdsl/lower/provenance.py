"""The way back: from a place in a packed row to the sample, chunk and document there, and to the bytes of its file."""

from __future__ import annotations

from collections.abc import Mapping

from structdsl import sql
from structdsl.lineage import TEXT_ROLES
from structdsl.lower.planner import Planner
from structdsl.promised import LINEAGE
from structdsl.unit import Declaration


def lower_lineage(stage: Declaration, corpora: Mapping[str, str], planner: Planner) -> None:
    """The view `stage.<s>_lineage`; `corpora` are the addresses that its samples may come from, with their roles."""
    name, addresses = stage.address, sorted(corpora)
    chunks = tuple(f"{corpus}_chunks" for corpus in addresses if corpora[corpus] in TEXT_ROLES)
    template = "lineage" if chunks else "lineage_rows"
    offsets = [f"{corpus}_offsets" for corpus in addresses if f"{corpus}_offsets" in planner.owners]
    located = [
        sql.part("offsets", {"offsets": table}, corpus=planner.unit.blocks[table.removesuffix("_offsets")].name)
        for table in offsets
    ]
    relations: dict[str, sql.Relation] = {
        "packed": f"{name}_packed",
        "samples": f"{name}_samples",
        "offsets": sql.union(located or [sql.part("no_offsets", {})]),
        "documents": sql.union([sql.part("sources", {"documents": corpus}) for corpus in addresses]),
    }
    if chunks:
        relations["chunks"] = sql.rows_of(chunks)
    planner.select(
        f"{name}.lineage",
        sql.fill(template, relations),
        f"{name}_lineage",
        LINEAGE,
        at=stage.block.head,
        reads=(f"{name}_packed", f"{name}_samples", *chunks, *addresses, *offsets),
        purpose=sql.purpose(template),
        view=True,
    )
