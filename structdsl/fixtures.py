"""`test` blocks: the plan of a spec, cut down to what a test expects and fed with the rows that it gives.

Plan in, plan out. A corpus that is given is read from the test; one that is not given is empty, so that no test opens
data. Tokens are estimated, whatever tokenizer the spec names: a test has to come out the same on every machine.
What would train a model or ask one has no place in a test, and is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlglot import exp

from structdsl import sql
from structdsl.identity import effective, fingerprint
from structdsl.plan import (
    Column,
    CountTokens,
    Decontaminate,
    EmbedChunks,
    Fixture,
    Graph,
    Guard,
    Normalisation,
    Operation,
    Output,
    Plan,
    Query,
    ReadDataset,
    ReadFiles,
    ReadObjects,
    ReadTable,
    Replacement,
    Step,
    Structurise,
)
from structdsl.plan.operations import Role
from structdsl.promised import PROMISED

Row = Mapping[str, Any]
Tables = Mapping[str, Sequence[Row]]

ESTIMATED = frozenset({"count_tokens", "chunk", "chunk_sections", "chunk_tokens"})  # what can do without a tokenizer
ASKING = (EmbedChunks, Structurise)  # rules of a taxonomy
BEFORE = "before_"  # opens the names of their inputs that are answers of earlier rules
EMPTY = "E0516"  # of the guard of a corpus of which nothing is left
READERS = (ReadFiles, ReadObjects, ReadDataset, ReadTable)
DOCUMENTS = ("source", "read")  # suffixes of the table that holds a corpus as it came, the first of them that is there
ROWS = frozenset({".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", ".arrow", ".feather"})  # a row is a document


class Refused(Exception):  # noqa: N818 - a state of affairs
    """A test that cannot be run; parts of a diagnostic, E0813 where it would need a model, E0814 for its values."""

    def __init__(self, code: str, message: str, *, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.notes = notes
        self.helps = helps


def plan_of_test(plan: Plan, name: str, given: Tables, expect: Tables, roles: Mapping[str, Role]) -> Plan:
    """The steps that make the expected tables out of the given rows, in an order in which they can run.

    `roles` are those of all corpora, by address. Raises `Refused`.
    """
    makers = {output.table: step.address for step in plan.steps for output in step.outputs.values() if output.table}
    steps = {step.address: step for step in plan.steps}
    for step in plan.steps:
        if isinstance(step.operation, READERS):
            steps[step.address] = _documents(step, (), step.operation.corpus, step.operation.role)
    fed: dict[str, dict[str, Sequence[Row]]] = {}  # address -> table -> rows
    told: set[str] = set()  # addresses of the steps in whose place rows are given
    for table, rows in given.items():
        came = next((makers[key] for suffix in DOCUMENTS if (key := f"{table}_{suffix}") in makers), None)
        if came is not None:
            told.add(came)
            steps[came] = _documents(steps[came], rows, table.partition(".")[2], roles[table])
        elif table in makers:
            fed.setdefault(makers[table], {})[table] = rows
        else:
            raise Refused("E0814", f"test `{name}` gives `{table}`, which no step of the plan makes")
    for address, tables in fed.items():
        told.add(address)
        steps[address] = _tables(steps[address], tables, test=name)
    for table in expect:
        if table not in makers:
            raise Refused("E0814", f"test `{name}` expects `{table}`, which no step of the plan makes")
    for address, step in steps.items():
        steps[address] = _unasked(_estimated(step, steps), steps, name)
    for address, step in steps.items():
        steps[address] = _spared(step, steps, told)
    kept = _needed(steps, [makers[table] for table in expect])
    for step in kept:
        _check(step, name)
    kept = [step.model_copy(update={"guards": _guards(step)}) if step.guards else step for step in kept]
    return plan.model_copy(
        update={"steps": tuple(kept), "training": Graph(nodes=(), edges=()), "reports": (), "notes": ()}
    )


def _guards(step: Step) -> tuple[Guard, ...]:
    """What may stop a step of a test: that nothing is left of a corpus is what some tests are about."""
    return tuple(guard for guard in step.guards if guard.code != EMPTY)


def _documents(step: Step, rows: Sequence[Row], corpus: str, role: Role) -> Step:
    """The step with documents in place of what it would read or make."""
    operation = step.operation
    normalise: tuple[Normalisation, ...] = ()
    redact: tuple[Replacement, ...] = ()
    if isinstance(operation, (Fixture, *READERS)):
        normalise, redact = operation.normalise, operation.redact
    if isinstance(operation, Fixture):
        whole = operation.whole  # an empty corpus that is now given
    else:
        whole = isinstance(operation, ReadFiles | ReadObjects) and not _has_rows(operation.pattern)
    name, output = next(iter(step.outputs.items()))
    extra = tuple(column.name for column in output.columns if column.name not in PROMISED[role])
    documents = {name: tuple(map(dict, rows))}
    given = Fixture(
        corpus=corpus, role=role, whole=whole, extra=extra, rows=documents, normalise=normalise, redact=redact
    )
    return _replaced(step, given)


def _has_rows(pattern: str) -> bool:
    return any(suffix in ROWS for suffix in PurePosixPath(pattern.lower()).suffixes[-2:])


def _tables(step: Step, tables: Mapping[str, Sequence[Row]], *, test: str) -> Step:
    """The step with rows in place of its work; a table for which none are given is empty."""
    found = {
        name: tuple(_filled(row, output, test) for row in tables.get(output.table or "", ()))
        for name, output in step.outputs.items()
        if output.kind == "table"
    }
    return _replaced(step, Fixture(rows=found))


def _filled(row: Row, output: Output, test: str) -> dict[str, Any]:
    """A row with every column of its table: what is not given is NULL."""
    names = {column.name for column in output.columns}
    if unknown := [name for name in row if name not in names]:
        raise Refused("E0814", f"test `{test}` gives `{unknown[0]}`, which is no column of `{output.table}`")
    return {column.name: _fit(row.get(column.name), column, output, test) for column in output.columns}


def _fit(value: Any, column: Column, output: Output, test: str) -> Any:
    """A value as a column of that type holds it."""
    if value is None or (column.type == "VARCHAR" and isinstance(value, str)):
        return value
    if column.type == "JSON":
        return json.dumps(value, ensure_ascii=False)
    fitting: dict[str, type | tuple[type, ...]] = {
        "BOOLEAN": bool, "BIGINT": int, "INTEGER": int, "DOUBLE": (int, float), "VARCHAR[]": list,
    }  # fmt: skip
    kind = fitting.get(column.type)
    if kind is not None and isinstance(value, kind) and (column.type == "BOOLEAN" or not isinstance(value, bool)):
        return value
    message = f"test `{test}` gives `{json.dumps(value)}` as `{column.name}` of `{output.table}`"
    raise Refused("E0814", message, notes=(f"its type is {column.type}",))


def _estimated(step: Step, steps: Mapping[str, Step]) -> Step:
    """The step with estimates of tokens in place of a tokenizer."""
    if step.operation.op not in ESTIMATED or "tokenizer" not in step.inputs:
        return step
    inputs = {name: reference for name, reference in step.inputs.items() if name != "tokenizer"}
    if not isinstance(step.operation, CountTokens):
        return step.model_copy(update={"inputs": inputs})
    reference = inputs["documents"]
    table = _table(reference, steps)
    assert table is not None, "documents are a table"
    counted = Query(sql=sql.fill("estimates", {"documents": table}))
    return _replaced(step, counted, {table: reference})


def _spared(step: Step, steps: Mapping[str, Step], told: set[str]) -> Step:
    """Of what a corpus is held against, only what is made from given rows and without a model: the rest is empty."""
    operation = step.operation
    if not isinstance(operation, Decontaminate):
        return step
    measured = {name for names in operation.against for name in names}
    there = set[str]()
    for name in measured:
        made = _needed(steps, [step.inputs[name].rpartition(":")[0]])
        models = any(output.kind == "folder" for before in made for output in before.outputs.values())
        if not models and told.intersection(before.address for before in made):
            there.add(name)
    inputs = {name: reference for name, reference in step.inputs.items() if name in there or name not in measured}
    against = tuple(tuple(name for name in names if name in there) for names in operation.against)
    return _replaced(step, operation.model_copy(update={"against": against}), inputs)


def _unasked(step: Step, steps: Mapping[str, Step], test: str) -> Step:
    """A rule that asks a model answers nothing, which is right as long as the rules before it leave it nothing."""
    if not isinstance(step.operation, ASKING):
        return step
    inputs = {name: reference for name, reference in step.inputs.items() if _table(reference, steps) is not None}
    tables = {name: str(_table(reference, steps)) for name, reference in inputs.items()}
    chunks = [table for name, table in tables.items() if not name.startswith(BEFORE)]
    before = [exp.select("chunk_id").from_(sql.table(t)) for name, t in tables.items() if name.startswith(BEFORE)]
    asked = Guard(
        code="E0813",
        sql=sql.fill(
            "unasked",
            {"chunks": sql.rows_of(chunks), "answered": sql.union(before or [sql.tree("no_answers", {})])},
            test=test,
            rule=step.address.removesuffix(".find").rpartition(".")[2],
        ),
        helps=("give documents that the rules before it place",),
        place=step.place,
    )
    return _replaced(step, Fixture(), inputs).model_copy(update={"guards": (asked,)})


def _table(reference: str, steps: Mapping[str, Step]) -> str | None:
    """The table behind an `address:output`; none for a folder."""
    address, _, output = reference.rpartition(":")
    return steps[address].outputs[output].table


def _replaced(step: Step, operation: Operation, inputs: Mapping[str, str] | None = None) -> Step:
    """A step of the same name and outputs that does something else; its guards go with what it did."""
    recipe = fingerprint({"arguments": effective(operation), "inputs": dict(inputs or {})})
    update = {"operation": operation, "inputs": dict(inputs or {}), "sources": (), "guards": (), "recipe": recipe}
    return step.model_copy(update=update)


def _needed(steps: Mapping[str, Step], addresses: Sequence[str]) -> list[Step]:
    wanted = set(addresses)
    for step in reversed(list(steps.values())):
        if step.address in wanted:
            wanted.update(step.upstream)
    return [step for step in steps.values() if step.address in wanted]


def _check(step: Step, test: str) -> None:
    """Refuse a step that trains a model or loads one."""
    if any(output.kind == "folder" for output in step.outputs.values()):
        raise Refused(
            "E0813",
            f"test `{test}` would need `{step.address}`, a model or a tokenizer",
            notes=("tests run on the CPU, in seconds, without a model",),
            helps=("expect a table that comes before it: of a corpus, a taxonomy or a mixture",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a table differs from what a test expects, in the columns that the test names."""

    table: str
    columns: tuple[str, ...]
    missing: tuple[tuple[Any, ...], ...]  # expected and not found
    extra: tuple[tuple[Any, ...], ...]  # found and not expected


def compared(table: str, rows: Sequence[Row], test: str) -> tuple[str, ...]:
    """The columns in which a table is compared: those that its expected rows name, all of them the same ones."""
    for row in rows:
        if row.keys() != rows[0].keys():
            odd = min(row.keys() ^ rows[0].keys())
            message = f"test `{test}` names `{odd}` in some rows of `{table}` and not in others"
            raise Refused("E0814", message, helps=("name the same columns in every row; `none` stands for no value",))
    return tuple(rows[0]) if rows else ()


def difference(
    table: str, columns: tuple[str, ...], expected: Sequence[Row], found: Sequence[Sequence[Any]]
) -> Difference | None:
    """What of two multisets of rows is in one of them only; none where they are equal."""
    left: dict[str, list[tuple[Any, ...]]] = {}
    for other in found:
        left.setdefault(_key(other), []).append(tuple(other))
    missing = []
    for row in expected:
        values = tuple(row[name] for name in columns)
        if same := left.get(_key(values)):
            same.pop()
        else:
            missing.append(values)
    extra = [row for rows in left.values() for row in rows]
    if not missing and not extra:
        return None
    return Difference(table=table, columns=columns, missing=tuple(missing), extra=tuple(extra))


def _key(row: Sequence[Any]) -> str:
    return json.dumps([_plain(value) for value in row], ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """A value in which equal ones look alike: numbers to nine digits, keys of objects in order."""
    match value:
        case bool() | None | str():
            return value
        case int() | float():
            return f"{value:.9g}"
        case Mapping():
            return {key: _plain(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)
