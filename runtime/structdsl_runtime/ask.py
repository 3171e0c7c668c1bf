"""Answers to users' SQL over the tables of a run, also while a run goes on.

The tables are defined afresh in memory from the record of the run, which takes tens of milliseconds, depends on
no lock and works for any run and after the store has moved. The connection can read the store and nothing else:
DuckDB's access to files is confined to it. Confined is not read-only (`COPY` could still write there), so
statements are single SELECTs, bound once as a subquery, where DuckDB admits no statement that writes.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from structdsl.plan import Plan
from structdsl_runtime.catalog import meta
from structdsl_runtime.engine import connect, define
from structdsl_runtime.journal import RunState, as_killed, read_state, run_ids
from structdsl_runtime.lock import is_held
from structdsl_runtime.relations import Relation, literal, relations
from structdsl_runtime.store import Store

READABLE = ("tables", "checkpoints", "runs")
MADE_BY = {
    "chunks": "has `chunk`",
    "clusters": "has `dedup`",
    "heldout": "has `holdout`",
    "matches": "is trained on and held against something",
    "redactions": "has `redact`",
    "signals": "names a signal in `keep`",
}
"""What a corpus does for such a table of its own."""
_EXPLAIN = re.compile(r"\s*EXPLAIN(\s+ANALYZE)?\b", re.IGNORECASE)
_PLACE = re.compile(r"^(LINE (\d+): )(.*)\n( *)(?=\^)", re.MULTILINE)
"""Where a mistake is, in a message of DuckDB: a line, and below it a mark."""
_SEEN = re.compile(r"\S")


class QueryError(Exception):
    """A query that could not be answered; the message is DuckDB's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Columns, their types, and rows; `more` when a limit cut the rows off."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool


def query(store: Path, sql: str, *, run: str | None = None, limit: int | None = None) -> Answer:
    """The answer to one SELECT (or SHOW, DESCRIBE, SUMMARIZE, EXPLAIN) over the latest run, or another."""
    with tempfile.TemporaryDirectory(prefix="structdsl-") as scratch, open_run(store, Path(scratch), run) as connection:
        try:
            _check(connection, sql)
            described, rows = _answer(connection, sql, limit)
        except duckdb.CatalogException as error:
            raise QueryError(f"{error}{_absent(store, sql, run)}") from error
        except duckdb.Error as error:
            raise QueryError(str(error)) from error
    return Answer(
        columns=tuple(str(name) for name, *_ in described),
        types=tuple(str(kind) for _, kind, *_ in described),
        rows=tuple(rows if limit is None else rows[:limit]),
        more=limit is not None and len(rows) > limit,
    )


def open_run(store: Path, scratch: Path, run: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection to the tables of a run that can read them and no other file."""
    store = store.absolute()
    state = _state(store, run)
    connection = connect(scratch)
    for relation in (*_relations(store, state), *meta(store, state.run_id, going_on(store, state))):
        try:
            define(connection, relation)
        except (duckdb.CatalogException, duckdb.IOException):
            continue  # a view over a table that has not been made yet, or files that have been cleared away
        except duckdb.Error as error:
            raise QueryError(f"`{relation.table}` cannot be read: {error}") from error
    folders = ", ".join(literal(str(store / name)) for name in READABLE)
    connection.execute(f"SET allowed_directories = [{folders}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _absent(store: Path, sql: str, run: str | None) -> str:
    """Which tables a query names that its run has not made, or that its plan does not make, as lines to add to DuckDB's
    message.
    """
    state = _state(store, run)
    plan = _plan(store, state)
    made = {step.address for step in state.steps if step.key is not None}
    waiting = [
        f"`{output.table}` is made by step {step.address}, {_why_not(store, state, step.address)}"
        for step in plan.steps
        for output in step.outputs.values()
        if step.address not in made and output.table and re.search(rf"\b{re.escape(output.table)}\b", sql)
    ]
    tables = {output.table for step in plan.steps for output in step.outputs.values()}
    unmade = [
        f"`{table}` is made where `{corpus}` {does}"
        for suffix, does in MADE_BY.items()
        for table, corpus in dict.fromkeys(re.findall(rf"\b((corpus\.\w+)_{suffix})\b", sql))
        if corpus in tables and table not in tables
    ]
    return "".join(f"\n{line}" for line in (*waiting, *unmade))


def _why_not(store: Path, state: RunState, address: str) -> str:
    """Why a run has no result of a step, as a clause that follows the name of the step."""
    standing = next((step.status for step in state.steps if step.address == address), None)
    if standing is not None:
        word = "finished" if standing in ("running", "failed") else "reached"
        return f"which run {state.run_id} ({state.status}) has not {word}"
    for other in reversed(run_ids(store / "runs")):
        known = read_state(store / "runs" / other / "state.json")
        if known is not None and any(step.address == address and step.key is not None for step in known.steps):
            return f"which run {state.run_id} did not select; `--run {other}` has it"
    return f"which run {state.run_id} did not select; `structdsl run --select {address}` makes it"


def _state(store: Path, run: str | None) -> RunState:
    known = run_ids(store / "runs")
    if not known:
        raise QueryError(f"nothing has been run yet in `{store}`")
    if run is not None and run not in known:
        raise QueryError(f"no run `{run}`; the latest is `{known[-1]}`")
    state = read_state(store / "runs" / (run or known[-1]) / "state.json")
    if state is None:
        raise QueryError(f"the record of run `{run or known[-1]}` cannot be read")
    if state.status == "running" and state.run_id != going_on(store, state):
        state = read_state(store / "runs" / state.run_id / "state.json") or state  # it may just have ended
        if state.status == "running":
            as_killed(state)
    return state


def going_on(store: Path, known: RunState) -> str | None:
    """The run that a process is at now, which only the latest can be; what else is recorded as running was killed.

    The record of one run is `known`, and is not read again.
    """
    latest = run_ids(store / "runs")[-1]
    state = known if known.run_id == latest else read_state(store / "runs" / latest / "state.json")
    return latest if state is not None and state.status == "running" and is_held(store) else None


def _plan(store: Path, state: RunState) -> Plan:
    """What the run was asked for; raises `QueryError` where a version wrote it that knew other operations."""
    try:
        return Plan.model_validate_json((store / "runs" / state.run_id / "plan.json").read_bytes())
    except ValidationError as error:
        raise QueryError(
            f"run {state.run_id} was recorded by another version of structdsl, which this one cannot read;"
            f" `structdsl run` brings the tables up to date, and those of that run stay Parquet files in `{store}`"
        ) from error


def _relations(store: Path, state: RunState) -> list[Relation]:
    """The tables of all steps that the run had resolved and that are still there."""
    plan = _plan(store, state)
    place = Store(root=store)
    keys = {step.address: step.key for step in state.steps if step.key is not None}
    return [
        relation
        for step in plan.steps
        if step.address in keys and (manifest := place.find(step, keys[step.address])) is not None
        for relation in relations(step, manifest, place)
    ]


def _answer(
    connection: duckdb.DuckDBPyConnection, sql: str, limit: int | None
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Columns and rows; raises DuckDB's error with the line as it was typed."""
    text = _bare(sql)
    start = len(text) - len(text.lstrip())  # DuckDB counts lines from here, but not where it marks them
    try:
        cursor = connection.execute(text[start:])
        return cursor.description or [], cursor.fetchall() if limit is None else cursor.fetchmany(limit + 1)
    except duckdb.Error as error:
        raise type(error)(_as_typed(str(error), sql, text.count("\n", 0, start))) from error


def _check(connection: duckdb.DuckDBPyConnection, sql: str, typed: str | None = None) -> None:
    """Refuse all but one statement that reads; raises `QueryError`, or DuckDB's error where it does not bind.

    `typed` is the text of which this is a part, at the same place.
    """
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("the query is empty")
    if len(statements) > 1:
        raise QueryError("one statement at a time")
    kind = statements[0].type
    text = _bare(sql)
    if kind == duckdb.StatementType.EXPLAIN and (prefix := _EXPLAIN.match(text)):
        _check(connection, _blank(prefix[0]) + text[prefix.end() :], typed or sql)
    elif kind in (duckdb.StatementType.SELECT, duckdb.StatementType.MULTI):
        with connection.cursor() as cursor:  # a WITH that writes is refused below the top of a statement
            try:
                cursor.execute(f"EXPLAIN FROM (\n{text}\n)")
            except duckdb.Error as error:
                raise type(error)(_as_typed(str(error), typed or sql, -1)) from error
    else:
        raise QueryError("only queries that read: SELECT, FROM, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN")


def _as_typed(message: str, sql: str, lines: int) -> str:
    """A message with the places that it names moved by so many lines, to where they are in the query."""
    typed = sql.split("\n")

    def moved(found: re.Match[str]) -> str:
        number = int(found[2]) + lines
        head = f"LINE {number}: "
        line = typed[number - 1] if 0 < number <= len(typed) else ""
        seen = found[3].lstrip()  # what is before it may have been blanked out, and what is behind cut off
        shown = line if line.startswith(seen, len(found[3]) - len(seen)) else found[3]
        return f"{head}{shown}\n{' ' * (len(found[4]) + len(head) - len(found[1]))}"

    return _PLACE.sub(moved, message)


def _blank(text: str) -> str:
    """Spaces in place of all but line breaks."""
    return _SEEN.sub(" ", text)


def _bare(sql: str) -> str:
    """A statement without the semicolons and comments around it, so that it can stand in brackets.

    Those before it are blanked out: what is left stands where it was.
    """
    text = sql.encode()
    start, end = len(text), len(text)
    for offset, kind in reversed(duckdb.tokenize(sql)):  # offsets are those of bytes
        if kind != duckdb.token_type.comment and text[offset : offset + 1] != b";":
            start = offset
        elif start == len(text):
            end = offset
    return _blank(text[:start].decode()) + text[start:end].decode().rstrip()
