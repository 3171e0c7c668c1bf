"""`catalog.duckdb`: every table of a spec under its name, for the DuckDB command line and notebooks.

It holds views and nothing else. DuckDB shuts readers out of a file while it is written, so a new catalog is built
beside the old one and renamed over it; whoever has the old one open keeps reading it. `meta.*` are views over the
records of the runs, and need no rebuilding.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from structdsl_runtime.engine import define
from structdsl_runtime.journal import KILLED
from structdsl_runtime.relations import Relation, literal

_STEP = (
    "STRUCT(address VARCHAR, op VARCHAR, status VARCHAR, rows BIGINT, bytes BIGINT, seconds DOUBLE, recipe VARCHAR,"
    " key VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP, upstream VARCHAR[], error VARCHAR)"
)

STATE = {
    "run_id": "VARCHAR",
    "spec": "VARCHAR",
    "started_at": "TIMESTAMP",
    "finished_at": "TIMESTAMP",
    "status": "VARCHAR",
    "parameters": "MAP(VARCHAR, VARCHAR)",
    "steps": f"{_STEP}[]",
}

META = (
    (
        "runs",
        "Every run of this spec; times in UTC.",
        "run_id, spec, started_at, finished_at, {status} AS status, parameters",
        "",
    ),
    (
        "steps",
        "The steps of one run, the latest unless another was asked for; times are those of the work, in UTC.",
        (
            "step.address, step.op, {step} AS status, step.rows, step.bytes, step.seconds, step.recipe, step.key,"
            " step.started_at, step.finished_at, {error} AS error"
        ),
        ", unnest(steps) AS each(step) WHERE run_id = {run}",
    ),
    (
        "lineage",
        "Which step reads from which, in every run.",
        "run_id, source, step.address AS target",
        ", unnest(steps) AS each(step), unnest(step.upstream) AS read(source)",
    ),
)


LATEST = "(SELECT max(run_id) FROM states)"

GONE = "states.status = 'running' AND run_id IS DISTINCT FROM {alive}"
"""That the record of a run says that it goes on, though its process is gone."""


def build(store: Path, relations: Iterable[Relation]) -> None:
    """Replace the catalog of a store by one of these relations, and of its runs."""
    scratch = store / "scratch"
    scratch.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="catalog-", dir=scratch) as folder:
        draft = Path(folder) / "catalog.duckdb"
        with duckdb.connect(str(draft)) as connection:
            fill(connection, store, relations)
            connection.execute("CHECKPOINT")
        os.replace(draft, store / "catalog.duckdb")  # noqa: PTH105 - the rename is the point


def fill(connection: duckdb.DuckDBPyConnection, store: Path, relations: Iterable[Relation]) -> None:
    """Define the tables of a store, and `meta` of its latest run, in an open database."""
    connection.execute("BEGIN")
    for relation in (*relations, *meta(store, None, LATEST)):
        define(connection, relation)
    connection.execute("COMMIT")


def meta(store: Path, run: str | None, alive: str | None) -> list[Relation]:
    """The views over the records of the runs; `run` is the one that `meta.steps` shows, else the latest.

    `alive` is the run that goes on, if there is one, or `LATEST`, for a catalog that outlasts what is known now: there
    a run whose end could not be written seems to go on until the next one begins.
    """
    fields = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in STATE.items())
    states = f"read_json({literal(str(store.absolute() / 'runs' / '*' / 'state.json'))}, columns = {{{fields}}})"
    chosen = literal(run) if run else LATEST
    gone = GONE.format(alive=alive if alive == LATEST else literal(alive) if alive else "NULL")
    words = {
        "run": chosen,
        "status": f"CASE WHEN {gone} THEN 'killed' ELSE states.status END",
        "step": _case(gone, "step.status", {then: now for then, (now, _) in KILLED.items()}),
        "error": _case(gone, "step.error", {then: why for then, (_, why) in KILLED.items() if why is not None}),
    }
    return [
        Relation(
            table=f"meta.{name}",
            select=f"WITH states AS (FROM {states}) " + f"SELECT {columns} FROM states{rest}".format(**words),  # noqa: S608
            doc=doc,
            columns=(),
        )
        for name, doc, columns, rest in META
    ]


def _case(gone: str, field: str, became: Mapping[str, str]) -> str:
    """A field of a step, or what it became when its run was killed."""
    whens = " ".join(f"WHEN {literal(then)} THEN {literal(now)}" for then, now in became.items())
    return f"CASE WHEN {gone} THEN CASE step.status {whens} ELSE {field} END ELSE {field} END"
