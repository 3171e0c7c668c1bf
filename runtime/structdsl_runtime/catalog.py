"""`catalog.duckdb`: every table of a spec under its name, for the DuckDB command line and notebooks.

It holds views and nothing else. DuckDB shuts readers out of a file while it is written, so a new catalog is built
beside the old one and renamed over it; whoever has the old one open keeps reading it. `meta.*` are views over the
records of the runs, and need no rebuilding. A file cannot see whether a process is still at work: what only that would
tell, a view says to be open.
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
        "Every run of this spec; times in UTC.{open}",
        "run_id, spec, started_at, finished_at, {status} AS status, parameters",
        "",
    ),
    (
        "steps",
        "The steps of one run, the latest unless another was asked for; times are those of the work, in UTC.{open}",
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

OPEN = "running or killed"
"""What became of the latest run where it has not said how it ended, and nobody looks for its process."""


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
    the latest run, and the step that it was at, are `OPEN` until they have ended.
    """
    fields = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in STATE.items())
    states = f"read_json({literal(str(store.absolute() / 'runs' / '*' / 'state.json'))}, columns = {{{fields}}})"
    chosen = literal(run) if run else LATEST
    gone = GONE.format(alive=alive if alive == LATEST else literal(alive) if alive else "NULL")
    words = {
        "run": chosen,
        "status": f"CASE WHEN {gone} THEN 'killed' ELSE {_known('states.status', alive)} END",
        "step": _case(gone, "step.status", {then: now for then, (now, _) in KILLED.items()}, alive),
        "error": _case(gone, "step.error", {then: why for then, (_, why) in KILLED.items() if why is not None}),
    }
    told = f" Whether a run that is `{OPEN}` still goes on, `structdsl query` can tell." if alive == LATEST else ""
    return [
        Relation(
            table=f"meta.{name}",
            select=f"WITH states AS (FROM {states}) " + f"SELECT {columns} FROM states{rest}".format(**words),  # noqa: S608
            doc=doc.format(open=told),
            columns=(),
        )
        for name, doc, columns, rest in META
    ]


def _case(gone: str, field: str, became: Mapping[str, str], alive: str | None = None) -> str:
    """A field of a step, or what it became when its run was killed."""
    whens = " ".join(f"WHEN {literal(then)} THEN {literal(now)}" for then, now in became.items())
    known = _known(field, alive)
    return f"CASE WHEN {gone} THEN CASE step.status {whens} ELSE {field} END ELSE {known} END"


def _known(status: str, alive: str | None) -> str:
    """A status as it was written, where somebody has seen the process that would still be at it."""
    return f"CASE {status} WHEN 'running' THEN {literal(OPEN)} ELSE {status} END" if alive == LATEST else status
