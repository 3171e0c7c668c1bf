"""Every query of a plan binds over its declared columns and yields those that it declares; the hard ones by value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from structdsl import sql
from structdsl.compile import compile_text
from structdsl.plan import Column, Plan, Query, View
from structdsl.promised import MIXTURE, NODES, POOL, columns
from structdsl.sql import fill

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def create(database: duckdb.DuckDBPyConnection, table: str, declared: Iterable[Column], rows: Rows = ()) -> None:
    database.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.partition(".")[0]}"')
    declared = list(declared)
    body = ", ".join(f'"{column.name}" {column.type}' for column in declared)
    database.execute(f"CREATE OR REPLACE TABLE {table} ({body})")
    for row in rows:
        marks = ", ".join("?" for _ in declared)
        database.execute(f"INSERT INTO {table} VALUES ({marks})", [row.get(column.name) for column in declared])


def ask(database: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = database.execute(query)
    names = [name for name, *_ in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture(scope="session")
def plan(spec_text: str) -> Plan:
    found, sink = compile_text(spec_text, Path("quickstart.adapt"))
    assert found is not None, list(sink)
    return found


def test_every_query_binds_and_yields_what_it_declares(plan: Plan, database: duckdb.DuckDBPyConnection) -> None:
    for step in plan.steps:
        for output in step.outputs.values():
            if output.table is not None:
                create(database, output.table, output.columns)
    checked = 0
    for step in plan.steps:
        for guard in step.guards:
            assert "message" in [name for name, *_ in database.execute(guard.sql).description or []]
        if isinstance(step.operation, Query | View):
            (output,) = step.outputs.values()
            found = database.sql(step.operation.sql)
            assert found.columns == [column.name for column in output.columns], step.address
            checked += 1
    assert checked > 20


def test_inputs_are_exactly_the_tables_that_a_query_reads(plan: Plan) -> None:
    for step in plan.steps:
        if isinstance(step.operation, Query | View):
            queries = [step.operation.sql, *(guard.sql for guard in step.guards)]
            read = {f"{t.db}.{t.name}" for q in queries for t in sql.tables(q)}
            assert read == set(step.inputs), step.address


# mixtures


def pool_of(sizes: Mapping[str, Sequence[int]]) -> Rows:
    return [
        {
            "sample_id": f"{corpus}/{i}",
            "corpus": corpus,
            "role": "domain",
            "doc_id": str(i),
            "text": "x",
            "n_tokens": size,
        }
        for corpus, tokens in sizes.items()
        for i, size in enumerate(tokens)
    ]


def draw(
    database: duckdb.DuckDBPyConnection, sizes: Mapping[str, Sequence[int]], quota: Mapping[str, int], seed: int = 0
) -> list[dict[str, Any]]:
    create(database, "mixture.m_pool", POOL, pool_of(sizes))
    query = fill(
        "mixture",
        {"pool": "mixture.m_pool"},
        corpora=list(quota),
        quotas=list(quota.values()),
        seed=seed,
        max_epochs=99,
    )
    return ask(database, query)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 400), st.integers(0, 5))
def test_a_quota_is_met_within_half_a_row_by_whole_epochs_and_a_prefix(
    database: duckdb.DuckDBPyConnection, sizes: list[int], quota: int, seed: int
) -> None:
    rows = draw(database, {"a": sizes}, {"a": quota}, seed)
    assert abs(sum(row["n_tokens"] for row in rows) - quota) <= max(sizes) / 2
    assert [row["position"] for row in rows] == list(range(len(rows)))
    epochs = Counter(row["epoch"] for row in rows)
    *whole, last = sorted(epochs) or [1]
    fitting = sum(size / 2 <= quota for size in sizes)  # larger ones are passed over
    assert all(epochs[epoch] == fitting for epoch in whole)
    assert epochs[last] <= fitting
    assert [row["epoch"] for row in rows] == sorted(row["epoch"] for row in rows)
    for epoch in epochs:
        ids = [row["sample_id"] for row in rows if row["epoch"] == epoch]
        assert len(set(ids)) == len(ids)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 60), st.integers(0, 5))
def test_a_quota_that_the_guard_lets_pass_draws_something(
    database: duckdb.DuckDBPyConnection, sizes: list[int], quota: int, seed: int
) -> None:
    assert bool(draw(database, {"a": sizes}, {"a": quota}, seed)) == (quota >= min(sizes) / 2)


def test_a_row_larger_than_the_quota_does_not_end_the_draw(database: duckdb.DuckDBPyConnection) -> None:
    for seed in range(5):
        rows = draw(database, {"a": [500, 600, *[10] * 20]}, {"a": 100}, seed)
        assert sum(row["n_tokens"] for row in rows) == 100


@pytest.mark.parametrize(
    ("sizes", "quota", "max_epochs", "binding"),
    [([10] * 20, 100, 1, "budget"), ([10] * 10, 100, 1, "max_epochs"), ([70] * 10, 100, 1, "rows")],
)
def test_what_bound_a_corpus(
    database: duckdb.DuckDBPyConnection, sizes: list[int], quota: int, max_epochs: int, binding: str
) -> None:
    rows = draw(database, {"a": sizes}, {"a": quota})
    create(database, "mixture.m", MIXTURE, rows)
    tables = {"pool": "mixture.m_pool", "draw": "mixture.m"}
    (row,) = ask(database, fill("mixture_summary", tables, corpora=["a"], quotas=[quota], max_epochs=max_epochs))
    assert (row["binding"], row["realised"]) == (binding, sum(row["n_tokens"] for row in rows))


def test_epochs_are_permuted_afresh_and_seeds_differ(database: duckdb.DuckDBPyConnection) -> None:
    orders = set()
    for seed in range(3):
        rows = draw(database, {"a": [1] * 20}, {"a": 40}, seed)
        for epoch in (1, 2):
            orders.add(tuple(row["sample_id"] for row in rows if row["epoch"] == epoch))
    assert len(orders) == 6


def test_every_stretch_has_the_shares_of_the_whole(database: duckdb.DuckDBPyConnection) -> None:
    rows = draw(database, {"a": [1] * 900, "b": [1] * 100}, {"a": 900, "b": 100})
    for start in range(0, 1000, 100):
        assert 8 <= sum(row["corpus"] == "b" for row in rows[start : start + 100]) <= 12


ASKS = "`mixture.m` asks `corpus.a` for"


@pytest.mark.parametrize(
    ("sizes", "quota", "max_epochs", "messages"),
    [
        ([10, 10], 40, 2, []),
        ([10, 10], 41, 2, [f"{ASKS} 41 tokens; 20 tokens × 2 `max_epochs` give 40, 1 short"]),
        ([], 1, 2, ["`corpus.a` has no tokens, and `mixture.m` asks for 1 of it"]),
        ([12, 90], 6, 2, []),
        (
            [12, 90],
            5,
            2,
            [f"{ASKS} 5 tokens and would draw none: its smallest row has 12, rows are whole, and 5 < 12 / 2"],
        ),
        ([12], 0, 2, []),
        (
            [10],
            93 * 10**17,
            1,
            [f"{ASKS} {93 * 10**17} tokens; 10 tokens × 1 `max_epochs` give 10, {93 * 10**17 - 10} short"],
        ),
    ],
)
def test_shortfall(
    database: duckdb.DuckDBPyConnection, sizes: list[int], quota: int, max_epochs: int, messages: list[str]
) -> None:
    create(database, "mixture.m_pool", POOL, pool_of({"a": sizes}))
    query = fill(
        "shortfall",
        {"pool": "mixture.m_pool"},
        corpora=["a"],
        quotas=[quota],
        max_epochs=max_epochs,
        mixture="mixture.m",
    )
    assert [row["message"] for row in ask(database, query)] == messages


# verdicts


def test_keep_names_the_first_condition_that_fails_and_null_is_unknown(database: duckdb.DuckDBPyConnection) -> None:
    keeps = """[sql "n_chars > 5", sql "meta->>'a' = 'x'"]"""
    spec = f'language 1\ncorpus c {{ source = files("*.md"), role = domain, keep = {keeps} }}\n'
    plan, _ = compile_text(spec, Path("s.adapt"))
    assert plan is not None
    read, counts, keep = (
        step for step in plan.steps if step.address in {"corpus.c.read", "corpus.c.count", "corpus.c.keep"}
    )
    rows = [
        (1, 9, '{"a": "x"}'),
        (2, 1, '{"a": "x"}'),
        (3, 9, '{"a": "y"}'),
        (4, 9, "{}"),
        (5, None, '{"a": "x"}'),
        (6, 1, "{}"),
    ]
    documents = [{"doc_id": str(i), "n_chars": n, "meta": meta} for i, n, meta in rows]
    create(database, "corpus.c_read", read.outputs["documents"].columns, documents)
    create(
        database,
        "corpus.c_counts",
        counts.outputs["rows"].columns,
        [{"doc_id": str(i), "n_tokens": 1} for i, *_ in rows],
    )
    assert isinstance(keep.operation, Query)
    found = {row["doc_id"]: (row["reason"], row["evidence"]) for row in ask(database, keep.operation.sql)}
    first, second = "n_chars > 5", "(meta ->> '$.a') = 'x'"
    assert found == {
        "2": ("false", first),
        "3": ("false", second),
        "4": ("unknown", second),
        "5": ("unknown", first),
        "6": ("false", first),
    }


# scores

ITEMS = columns("model VARCHAR, task VARCHAR, answer VARCHAR, score DOUBLE, n_tokens BIGINT, n_bytes BIGINT")


def scores(database: duckdb.DuckDBPyConnection, items: Rows) -> dict[str, dict[str, Any]]:
    create(database, "evaluation.e", ITEMS, items)
    return {row["metric"]: row for row in ask(database, fill("scores", {"items": "evaluation.e"}))}


@pytest.mark.parametrize(("right", "n"), [(0, 10), (3, 10), (10, 10), (50, 200)])
def test_exact_match_has_wilsons_interval(database: duckdb.DuckDBPyConnection, right: int, n: int) -> None:
    found = scores(database, [{"model": "m", "task": "t", "answer": "a", "score": float(i < right)} for i in range(n)])[
        "exact_match"
    ]
    p, z = right / n, 1.96
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = (p, (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n), n)
    assert (found["value"], found["low"], found["high"], found["n"]) == pytest.approx(expected, abs=1e-4)
    assert (found["low"] == 0, found["high"] == 1) == (right == 0, right == n)


@pytest.mark.parametrize("n", [1, 3, 7, 50, 1000])
def test_all_and_nothing_reach_the_ends(database: duckdb.DuckDBPyConnection, n: int) -> None:
    rows = [
        {"model": model, "task": "t", "score": score} for model, score in (("0", 0.0), ("1", 1.0)) for _ in range(n)
    ]
    create(database, "evaluation.e", ITEMS, rows)
    nothing, everything = ask(
        database, fill("scores_shares", {"items": "evaluation.e"}, metric="accuracy") + " ORDER BY model"
    )
    assert (nothing["low"], everything["high"]) == (0.0, 1.0)
    assert nothing["high"] == pytest.approx(1 - everything["low"])


def test_perplexity_and_bits_per_byte(database: duckdb.DuckDBPyConnection) -> None:
    losses = [(2.0, 10, 40), (1.0, 30, 90), (3.0, 5, 20)]
    items = [{"model": "m", "task": "t", "score": nll, "n_tokens": n, "n_bytes": b} for nll, n, b in losses]
    found = scores(database, items)
    nats = sum(nll * n for nll, n, _ in losses)
    assert found["perplexity"]["value"] == pytest.approx(math.exp(nats / 45))
    assert found["bits_per_byte"]["value"] == pytest.approx(nats / math.log(2) / 150)
    for row in found.values():
        assert row["low"] < row["value"] < row["high"]


def test_one_document_has_no_interval(database: duckdb.DuckDBPyConnection) -> None:
    found = scores(database, [{"model": "m", "task": "t", "score": 2.0, "n_tokens": 10, "n_bytes": 40}])
    assert found["perplexity"]["value"] == pytest.approx(math.exp(2))
    assert {(row["low"], row["high"]) for row in found.values()} == {(None, None)}


# taxonomy


def test_links_place_every_chunk_once_by_the_first_rule_that_answers(database: duckdb.DuckDBPyConnection) -> None:
    nodes = [
        {"node_id": "r", "corpus": "c", "path": "", "title": "Book", "depth": 0, "position": 0},
        {
            "node_id": "a",
            "parent_id": "r",
            "corpus": "c",
            "doc_id": "d",
            "path": "a",
            "title": "A",
            "depth": 1,
            "position": 1,
        },
        {
            "node_id": "b",
            "parent_id": "a",
            "corpus": "c",
            "doc_id": "d",
            "path": "a/b",
            "title": "B",
            "depth": 2,
            "position": 2,
        },
    ]
    create(database, "taxonomy.t_nodes", NODES, nodes)
    chunks = columns("chunk_id VARCHAR, doc_id VARCHAR, corpus VARCHAR")
    rows = [{"chunk_id": f"k{i}", "doc_id": "d", "corpus": "c"} for i in range(3)]
    create(database, "corpus.c_chunks", chunks, rows)
    rules = columns("chunk_id VARCHAR, node_id VARCHAR, rule VARCHAR, score DOUBLE, evidence VARCHAR, rank INTEGER")
    answers = [
        {"chunk_id": "k0", "node_id": "b", "rule": "second", "rank": 1},
        {"chunk_id": "k0", "node_id": "a", "rule": "first", "rank": 0},
        {"chunk_id": "k1", "node_id": "b", "rule": "second", "rank": 1},
    ]
    create(database, "taxonomy.rules", rules, answers)
    levels = [sql.condition("places.titles[1]").as_("top"), sql.condition("places.titles[2]").as_("low")]
    tables: dict[str, sql.Relation] = {
        "chunks": "corpus.c_chunks",
        "nodes": "taxonomy.t_nodes",
        "places": sql.part("levels", {"nodes": "taxonomy.t_nodes"}),
        "rules": "taxonomy.rules",
    }
    placed = ask(database, fill("links", tables, levels=levels) + " ORDER BY chunk_id")
    found = [(row["chunk_id"], row["path"], row["top"], row["low"], row["rule"]) for row in placed]
    assert found == [("k0", "a", "A", None, "first"), ("k1", "a/b", "A", "B", "second"), ("k2", "", None, None, "root")]
