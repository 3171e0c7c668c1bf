"""The draw of a mixture: quotas to the token, rows whole, epochs complete, the same whatever the order of the pool."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl import sql

Pool = dict[str, list[int]]

POOLS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.integers(1, 90), min_size=1, max_size=30), min_size=1
)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config={"threads": "1"})


def fill(connection: duckdb.DuckDBPyConnection, pool: Pool, order: int = 0) -> None:
    rows = [(f"{corpus}/{number}", corpus, size) for corpus, sizes in pool.items() for number, size in enumerate(sizes)]
    random.Random(order).shuffle(rows)
    connection.execute(
        "CREATE OR REPLACE TABLE pool (sample_id VARCHAR, corpus VARCHAR, role VARCHAR, n_tokens BIGINT)"
    )
    connection.executemany("INSERT INTO pool VALUES (?, ?, 'domain', ?)", rows)


def rows(connection: duckdb.DuckDBPyConnection, template: str, **holes: Any) -> list[dict[str, Any]]:
    found = connection.execute(sql.fill(template, {}, **holes))
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@given(pool=POOLS, data=st.data(), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_the_draw(connection: duckdb.DuckDBPyConnection, pool: Pool, data: st.DataObject, seed: int) -> None:
    quotas = {
        corpus: data.draw(st.integers(min(sizes), 4 * sum(sizes)), label=corpus) for corpus, sizes in pool.items()
    }
    holes = {"corpora": list(quotas), "quotas": list(quotas.values())}
    fill(connection, pool)
    drawn = rows(connection, "mixture", seed=seed, **holes)
    assert [row["position"] for row in drawn] == list(range(len(drawn)))
    fill(connection, pool, order=1)
    assert rows(connection, "mixture", seed=seed, **holes) == drawn
    for corpus, quota in quotas.items():
        fitting = {f"{corpus}/{number}": size for number, size in enumerate(pool[corpus]) if size <= 2 * quota}
        own = [row for row in drawn if row["corpus"] == corpus]
        realised = sum(row["n_tokens"] for row in own)
        assert abs(realised - quota) <= max(fitting.values()) / 2
        epochs = defaultdict(list)
        for row in own:
            epochs[row["epoch"]].append(row["sample_id"])
        assert list(epochs) == list(range(1, len(epochs) + 1))
        assert all(sorted(names) == sorted(fitting) for epoch, names in epochs.items() if epoch < len(epochs))
        assert all(len(set(names)) == len(names) for names in epochs.values())
    connection.execute("CREATE OR REPLACE TABLE draw AS " + sql.fill("mixture", {}, seed=seed, **holes))
    for row in rows(connection, "mixture_summary", max_epochs=4, **holes):
        realised = sum(each["n_tokens"] for each in drawn if each["corpus"] == row["corpus"])
        assert (row["population"], row["target"]) == (sum(pool[row["corpus"]]), quotas[row["corpus"]])
        assert row["realised"] == realised
        assert row["share"] == pytest.approx(realised / sum(each["n_tokens"] for each in drawn))
        assert row["epochs"] == pytest.approx(realised / sum(pool[row["corpus"]]))


@given(pool=POOLS, quota=st.integers(1, 400), most=st.integers(1, 4))
@settings(max_examples=40)
def test_what_cannot_be_drawn_is_said(connection: duckdb.DuckDBPyConnection, pool: Pool, quota: int, most: int) -> None:
    fill(connection, pool)
    said = rows(connection, "shortfall", corpora=["a"], quotas=[quota], max_epochs=most, mixture="m")
    fitting = [size for size in pool.get("a", []) if size <= 2 * quota]
    assert bool(said) == (sum(fitting) * most < quota)
    assert len(said) <= 1


@given(
    pool=POOLS,
    budget=st.integers(1, 10**12),
    temperature=st.sampled_from(["1", "1.5", "2", "100", "0.5"]),
)
@settings(max_examples=40)
def test_quotas_that_follow_sizes(
    connection: duckdb.DuckDBPyConnection, pool: Pool, budget: int, temperature: str
) -> None:
    fill(connection, pool)
    number = sql.condition(temperature)
    found = {row["corpus"]: row["quota"] for row in rows(connection, "quotas", budget=budget, temperature=number)}
    assert sum(found.values()) == budget
    weights = {corpus: sum(sizes) ** (1 / float(temperature)) for corpus, sizes in pool.items()}
    for corpus, weight in weights.items():
        share = budget * weight / sum(weights.values())
        assert abs(found[corpus] - share) < 1 + 1e-9 * budget


def test_easy_before_hard(connection: duckdb.DuckDBPyConnection) -> None:
    fill(connection, {"a": [9, 3, 7, 5]})
    connection.execute("CREATE OR REPLACE TABLE draw AS " + sql.fill("mixture", {}, corpora=["a"], quotas=[36], seed=1))
    scores = {"scores": sql.part("lengths", {})}
    found = connection.execute(sql.fill("curriculum", scores)).fetchall()
    assert [(row[4], row[5]) for row in found] == [
        (epoch, size) for epoch, sizes in ((1, (3, 5, 7, 9)), (2, (3, 5, 7, 9))) for size in sizes
    ][: len(found)]
    assert len(found) >= 5
