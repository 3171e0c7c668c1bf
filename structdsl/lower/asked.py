"""What other blocks ask of one: models that data is made with, chunks of text that nothing trains on."""

from __future__ import annotations

from structdsl.lower.model import load_model
from structdsl.lower.planner import Planner
from structdsl.schema.check import In
from structdsl.unit import Declaration, Unit


def asked_model(address: str, planner: Planner) -> str:
    """The reference to an encoder, a writer or a scorer, whose step is added where it is not there yet."""
    if f"{address}.load" not in planner.steps:
        load_model(planner.unit.blocks[address], planner)
    return f"{address}.load:model"


def chunks_are_asked_for(corpus: Declaration, unit: Unit) -> bool:
    """Whether a corpus that is only measured says how it is cut, or something of the spec reads its chunks."""
    table = f"{corpus.address}_chunks"
    return corpus.values.role == "probe" and (corpus.values.chunk is not None or table in tables_read(unit))


def tables_read(unit: Unit) -> set[str]:
    """Promised tables that queries, checks and corpora made in Python read."""
    found = {table for query in unit.queries.values() for table in query.reads}
    for check in unit.of_kind("check"):
        over = check.values.over
        found.update((over,) if isinstance(over, str) else over)
        found.update(e.table for e in getattr(check.values, "expect", ()) if isinstance(e, In))
    for corpus in unit.of_kind("corpus"):
        if getattr(corpus.values, "python", None) is not None:
            found.update(corpus.values.over)
    return found
