"""Documents that are alike: found where the definition says, and nothing dropped that has no like.

Steps run over rows in memory as the plan of a spec has them: SQL in DuckDB, operations in the workshop.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structdsl.compile import compile_text
from structdsl.plan import Plan, Query, View
from structdsl_runtime.dedup import similarity
from structdsl_runtime.dedup.clusters import components
from structdsl_runtime.dedup.minhash import signatures
from structdsl_runtime.dedup.names import Names
from structdsl_runtime.dedup.shingles import shingles
from structdsl_runtime.dedup.similarity import Sets, distinct
from structdsl_runtime.dedup.threads import MOST, in_threads
from structdsl_runtime.operations import OPERATIONS
from structdsl_runtime.text.hashed import hashed
from tests.runtime.data.workshop import Workshop

Rows = list[dict[str, Any]]
WORD = re.compile(r"[^\W_]+")
OLD = "corpus.old"


def documents(texts: Mapping[str, str]) -> Rows:
    return [{"doc_id": name, "text": text, "source": "f", "n_chars": len(text)} for name, text in texts.items()]


def made(run: Workshop, dedup: str, texts: Mapping[str, str], old: Mapping[str, str] | None = None) -> dict[str, Rows]:
    """The tables of `corpus.web` with this `dedup`, by their names without the corpus."""
    others = 'corpus old { source = files("o/*"), role = probe }\n' if old is not None else ""
    spec = f'language 1\n{others}corpus web {{ source = files("w/*"), role = replay, dedup = {dedup} }}\n'
    tables = {"corpus.web_read": _table(documents(texts)), OLD: _table(documents(old or {}))}
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA corpus")
        for step in plan_of(spec).steps:
            if not step.address.startswith(STEPS):
                continue
            inputs = {name: step_table(plan_of(spec).steps, reference) for name, reference in step.inputs.items()}
            if isinstance(step.operation, Query | View):
                for table in inputs.values():
                    _register(connection, table, tables[table])
                result = {"rows": connection.sql(step.operation.sql).to_arrow_table()}
            else:
                read = {name: tables[table] for name, table in inputs.items()}
                result = run(OPERATIONS[step.operation.op], step.operation, read)
            tables |= {str(output.table): result[name] for name, output in step.outputs.items()}
    return {name.removeprefix("corpus.web"): table.to_pylist() for name, table in tables.items()}


STEPS = tuple(
    f"corpus.web.{step}"
    for step in ("sign", "candidates", "compare", "dedup", "duplicates", "clusters", "number", "repeated", "emptied")
)
FIELDS: list[tuple[str, pa.DataType]] = [("doc_id", pa.string()), ("text", pa.string()), ("source", pa.string())]
KINDS = pa.schema([*FIELDS, ("n_chars", pa.int64())])


@cache
def plan_of(spec: str) -> Plan:
    plan, sink = compile_text(spec, Path("spec.adapt"))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    return plan


def _table(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=KINDS)


def _register(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.register("arrow", table)
    schema, _, relation = name.partition(".")
    connection.execute(f'CREATE OR REPLACE TABLE "{schema}"."{relation}" AS FROM arrow')


def step_table(steps: Sequence[Any], reference: str) -> str:
    address, _, output = reference.rpartition(":")
    (table,) = [step.outputs[output].table for step in steps if step.address == address]
    return str(table)


def dropped(run: Workshop, dedup: str, texts: Mapping[str, str], old: Mapping[str, str] | None = None) -> list[str]:
    tables = made(run, dedup, texts, old)
    return sorted(row["doc_id"] for row in tables["_clusters"] if not row["kept"])


def jaccard(one: str, other: str, n: int) -> float:
    """By the definition, and by none of the functions under test."""

    def runs(text: str) -> set[tuple[str, ...]]:
        words = WORD.findall(unicodedata.normalize("NFKC", text).lower())
        return {tuple(words[at : at + n]) for at in range(max(len(words) - n + 1, 1 if words else 0))}

    return len(runs(one) & runs(other)) / max(len(runs(one) | runs(other)), 1)


def planted(seed: int, families: int, words: int) -> dict[str, str]:
    """Texts in pairs, the second of each with a share of its words replaced: 0 to 8%."""
    chance = random.Random(seed)
    texts = {}
    for number in range(families):
        text = [f"w{chance.randrange(5000)}" for _ in range(chance.randrange(words // 4, words))]
        texts[f"{number:04}a"] = " ".join(text)
        rate = chance.choice([0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08])
        changed = [f"w{chance.randrange(5000)}" if chance.random() < rate else word for word in text]
        texts[f"{number:04}b"] = " ".join(changed)
    return texts


def test_recall_and_what_is_dropped(run: Workshop) -> None:
    texts = planted(seed=1, families=300, words=200)
    clusters = {row["doc_id"]: row for row in made(run, "minhash(ngram = 5, threshold = 80%)", texts)["_clusters"]}
    found = {True: 0, False: 0}
    near = {True: 0, False: 0}
    for number in range(300):
        one, other = f"{number:04}a", f"{number:04}b"
        true = jaccard(texts[one], texts[other], 5)
        together = other in clusters and clusters[other]["cluster_id"] == one
        assert together <= (true >= 0.8)
        if together:
            assert clusters[one]["similarity"] == clusters[other]["similarity"] == pytest.approx(true)
            assert clusters[one]["kept"]
            assert not clusters[other]["kept"]
        if true >= 0.8:
            near[true > 0.9] += 1
            found[true > 0.9] += together
    assert min(near.values()) > 30
    assert found[True] == near[True]
    assert found[False] >= 0.95 * near[False]


SAME = "one two three four five six seven eight nine ten"
ALIKE = {
    "case and marks": ("minhash", {"a": SAME, "b": SAME.upper().replace(" ", ", ")}, ["b"]),
    "one word of many": ("minhash(threshold = 60%)", {"a": f"{SAME} x", "b": f"{SAME} y"}, ["b"]),
    "below the threshold": ("minhash(threshold = 80%)", {"a": f"{SAME} x", "b": f"{SAME} y"}, []),
    "fewer than n words": ("minhash(ngram = 5)", {"a": "a b", "b": "A  b.", "c": "a", "d": "b a"}, ["b"]),
    "no words": ("minhash", {"a": "", "b": "", "c": "...", "d": " \n"}, []),
    "Han": ("minhash", {"a": "急性心力衰竭患者", "b": "急性心力衰竭患者。"}, ["b"]),
    "another script": ("minhash", {"a": "Où est né le père", "b": "OÙ EST NE\u0301 LE PÈRE"}, ["b"]),
    "the smallest id stays": ("minhash", {"z": SAME, "m": SAME, "b": SAME, "c": "other"}, ["m", "z"]),
    "nothing": ("minhash", {}, []),
}


@pytest.mark.parametrize(("dedup", "texts", "leaves"), ALIKE.values(), ids=ALIKE)
def test_what_is_alike(run: Workshop, dedup: str, texts: dict[str, str], leaves: list[str]) -> None:
    assert dropped(run, dedup, texts) == leaves


def test_a_chain_is_one_cluster_and_says_why(run: Workshop) -> None:
    words = [f"w{number}" for number in range(80)]
    texts = {name: " ".join(words[at : at + 60]) for name, at in {"a": 0, "b": 7, "c": 14}.items()}
    tables = made(run, "minhash(threshold = 70%)", texts)
    assert jaccard(texts["a"], texts["c"], 5) < 0.7
    assert [(row["doc_id"], row["cluster_id"], row["kept"]) for row in tables["_clusters"]] == [
        ("a", "a", True), ("b", "a", False), ("c", "a", False),
    ]  # fmt: skip
    assert {(row["doc_id"], row["step"], row["reason"], row["evidence"]) for row in tables["_duplicates"]} == {
        ("b", "dedup", "minhash", "a"),
        ("c", "dedup", "minhash", "a"),
    }


def test_what_another_corpus_has_leaves_altogether(run: Workshop) -> None:
    texts = {"a": SAME, "b": SAME.upper(), "c": "of its own", "d": f"{SAME} x y"}
    old = {"c": SAME, "o": "nobody has this"}
    tables = made(run, f"minhash(threshold = 70%, against = [{OLD}])", texts, old)
    assert [(row["doc_id"], row["cluster_id"], row["kept"]) for row in tables["_clusters"]] == [
        (name, "old/c", False) for name in "abd"
    ]


def test_a_crowd_shares_a_band_and_loses_nobody(run: Workshop) -> None:
    """Boilerplate that all have, alone and before texts of their own; pairs do not grow with its square."""
    notice = " ".join(f"n{number}" for number in range(60))
    texts = {f"{number:04}": f"{notice} x{number}" for number in range(400)}
    own = (" ".join(f"o{number}_{more}" for more in range(60)) for number in range(200))
    texts |= {f"t{number:03}": f"{notice} {text}" for number, text in enumerate(own)}
    tables = made(run, "minhash(threshold = 80%)", texts)
    assert len(tables["_candidates"]) < 20 * len(texts)
    assert sorted(row["doc_id"] for row in tables["_clusters"] if row["kept"]) == ["0000"]
    assert len(tables["_clusters"]) == 400


TEXTS = st.lists(st.text("abc ,", max_size=14), max_size=8)


def test_the_order_of_the_rows_is_nothing_and_what_stays_is_not_alike(run: Workshop) -> None:
    @settings(max_examples=5)
    @given(texts=TEXTS, seed=st.integers(0, 9))
    def holds(texts: list[str], seed: int) -> None:
        named = {f"d{number}": text for number, text in enumerate(texts)}
        mixed = list(named.items())
        random.Random(seed).shuffle(mixed)
        dedup = "minhash(ngram = 2, threshold = 60%)"
        tables = made(run, dedup, named)["_clusters"]
        assert made(run, dedup, dict(mixed))["_clusters"] == tables
        gone = {row["doc_id"] for row in tables if not row["kept"]}
        left = {name: text for name, text in named.items() if name not in gone}
        assert made(run, dedup, left)["_clusters"] == []
        for one, other in ((one, other) for one in named for other in named if one < other):
            if jaccard(named[one], named[other], 2) == 1:
                assert {row["doc_id"] for row in tables} >= {one, other}

    holds()


def test_another_threshold_signs_and_compares_nothing_again() -> None:
    def recipes(dedup: str) -> dict[str, str]:
        spec = f'language 1\ncorpus web {{ source = files("w/*"), role = replay, dedup = {dedup} }}\n'
        return {step.address.removeprefix("corpus.web."): step.recipe for step in plan_of(spec).steps}

    before, steps = recipes("minhash"), ("sign", "candidates", "compare", "dedup")
    for dedup, changes in {"minhash(threshold = 90%)": steps[3:], "minhash(bands = 14)": steps[1:]}.items():
        after = recipes(dedup)
        assert tuple(step for step in steps if after[step] != before[step]) == changes


@settings(max_examples=30)
@given(edges=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_components_are_those_of_a_search(edges: list[tuple[int, int]]) -> None:
    first, second = (np.array([edge[end] for edge in edges], np.int64) for end in (0, 1))
    near = {node: {node} for node in range(12)}
    for one, other in edges:
        near[one].add(other)
        near[other].add(one)
    for _ in near:
        near = {node: set[int]().union(*(near[other] for other in others)) for node, others in near.items()}
    assert components(12, first, second).tolist() == [min(near[node]) for node in range(12)]


def signed(texts: Sequence[str], n: int) -> Any:
    return signatures(*shingles(hashed(pa.array(texts)), n), 48)


def test_a_signature_does_not_depend_on_its_company() -> None:
    texts = [SAME, "a b", "", " ".join(f"w{number}" for number in range(3000))]
    assert (signed(texts, 5) == np.concatenate([signed([text], 5) for text in texts])).all()
    assert (signed([" ".join([SAME] * 30)], 10) == signed([f"{SAME} {SAME}"], 10)).all()
    assert (signed([" ".join(reversed(SAME.split()))], 1) == signed([SAME], 1)).all()


@pytest.mark.parametrize("size", [1, 4, 30, 400])
def test_the_numbers_that_two_signatures_share_estimate_their_similarity(size: int) -> None:
    chance = np.random.default_rng(size)
    shared = 0.0
    for _ in range(60):
        both, one, other = (chance.integers(0, 2**64, size, np.uint64) for _ in range(3))
        sets = np.concatenate((both, one, both, other))
        made_ = signatures(sets, np.array([0, 2 * size, 4 * size]), 128)
        shared += float((made_[0] == made_[1]).mean()) / 60
    assert shared == pytest.approx(1 / 3, abs=0.04)


def test_names_are_found_again() -> None:
    names = pa.array(["a", "", "é" * 9, "abcdefgh", "abcdefghi"])
    found = Names(names)
    numbers = found.find(pa.array(["abcdefghi", "b", "", "é" * 9, None, "a", "abcdefgh"])).tolist()
    assert numbers[1] == numbers[4] == -1
    assert len(set(numbers)) == 6
    assert Names(names.slice(0, 0)).find(names).tolist() == [-1] * 5


def test_similarities_do_not_depend_on_which_pairs_are_sorted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(3)
    members = [chance.integers(0, 40, size).astype(np.uint64) << np.uint64(20) for size in (0, 1, 5, 30, 30, 80)]
    first, second = (numbers.ravel() for numbers in np.indices((6, 6)))
    plain = [set(each.tolist()) for each in members]
    expected = [_share(one, other) for one in plain for other in plain]
    starts = np.cumsum([0, *map(len, members)])
    for together in (1, 64, 1 << 18):
        monkeypatch.setattr(similarity, "_TOGETHER", together)
        with Sets(tmp_path / "sets") as sets:
            numbers = sets.add(*distinct(np.concatenate(members), starts))
            assert sets.similarities(numbers[first], numbers[second]).tolist() == expected


def _share(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other) if one or other else 0


def test_threads_keep_the_order_and_take_few_things_ahead() -> None:
    taken = []

    def things() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    for number, made_ in enumerate(in_threads(lambda thing: thing * thing, things())):
        assert made_ == number * number
        assert len(taken) <= number + MOST + 1
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda thing: 1 // thing, [1, 0, 1]))
