"""What the data half of a spec computes in SQL: every query of a plan over a few rows that stand in for the readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from structdsl.compile import compile_text
from structdsl.counts import counted
from structdsl.plan import Column, Plan, Query, View

Rows = Sequence[Mapping[str, Any]]

PAGES = [
    {"doc_id": "a", "text": "same"},
    {"doc_id": "b", "text": "same"},
    {"doc_id": "c", "text": "other words", "meta": '{"quality": "0.9", "kind": "x"}'},
    {"doc_id": "d", "text": "more words here", "meta": '{"quality": "0.2"}'},
]


def chunk(number: int, text: str, corpus: str = "notes", heading: str | None = None) -> Mapping[str, Any]:
    document = f"d{number // 10}"
    return {
        "chunk_id": f"{corpus}/{number}",
        "doc_id": document,
        "corpus": corpus,
        "position": number,
        "text": text,
        "n_tokens": len(text.split()),
        "heading_id": heading,
        "heading_path": [heading] if heading else [],
    }


CHUNKS = [
    chunk(0, "Aspirin and ibuprofen, 5 mg/kg.", heading="h0"),
    chunk(1, "aspirins alone 10 mg/kg", heading="h0"),
    chunk(2, "阿司匹林的剂量"),
]
HEADINGS = [{"heading_id": "h0", "doc_id": "d0", "corpus": "notes", "level": 1, "title": "Heart", "start_byte": 0}]
TREE = [
    {"node_id": "root", "tree_id": "root", "corpus": "notes", "path": "", "title": "Notes", "depth": 0, "position": 0},
    {
        "node_id": "h0",
        "parent_id": "root",
        "tree_id": "root",
        "corpus": "notes",
        "doc_id": "d0",
        "heading_id": "h0",
        "path": "heart",
        "title": "Heart",
        "depth": 1,
        "position": 1,
    },
]


class Tables:
    """A plan whose queries have run over given rows; steps that are no SQL yield what is given, or nothing."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, plan: Plan, given: Mapping[str, Rows]) -> None:
        self.connection, self.failed = connection, list[str]()
        for step in plan.steps:
            for guard in step.guards:
                self.failed += [row["message"] for row in self.ask(guard.sql)]
            for output in step.outputs.values():
                if output.table is None:
                    continue
                schema, _, name = output.table.partition(".")
                connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
                if isinstance(step.operation, Query | View):
                    connection.execute(f'CREATE TABLE "{schema}"."{name}" AS {step.operation.sql}')
                else:
                    self._fill(f'"{schema}"."{name}"', output.columns, given.get(output.table, ()))

    def _fill(self, table: str, columns: Sequence[Column], rows: Rows) -> None:
        body = ", ".join(f'"{column.name}" {column.type}' for column in columns)
        self.connection.execute(f"CREATE TABLE {table} ({body})")
        for row in rows:
            marks = ", ".join("?" for _ in columns)
            self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", [row.get(c.name) for c in columns])

    def ask(self, query: str) -> list[dict[str, Any]]:
        cursor = self.connection.execute(query)
        names = [name for name, *_ in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def column(self, query: str) -> list[Any]:
        return [next(iter(row.values())) for row in self.ask(query)]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def tables(connection: duckdb.DuckDBPyConnection, spec: str, **given: Rows) -> Tables:
    """`corpus__web_read` is the table `corpus.web_read`."""
    plan, sink = compile_text(f"language 1\n{spec}\n", Path("spec.adapt"))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    return Tables(connection, plan, {name.replace("__", "."): rows for name, rows in given.items()})


def test_exact_duplicates_leave_and_the_smallest_id_stays(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay, dedup = exact }',
        corpus__web_read=PAGES,
    )
    assert made.column("SELECT doc_id FROM corpus.web ORDER BY 1") == ["a", "c", "d"]
    assert made.ask("SELECT doc_id, step, reason, evidence FROM corpus.web_dropped") == [
        {"doc_id": "b", "step": "dedup", "reason": "exact", "evidence": "a"}
    ]
    assert made.column("SELECT doc_id FROM corpus.web_clusters WHERE kept") == ["a"]


def test_what_a_reader_left_out_was_dropped(connection: duckdb.DuckDBPyConnection) -> None:
    row = {"doc_id": "a", "source": "w/b.csv#2", "step": "read", "reason": "duplicate id", "evidence": "why"}
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay, dedup = exact }',
        corpus__web_read=PAGES[:2],
        corpus__web_faults=[row],
    )
    assert made.ask("SELECT * FROM corpus.web_dropped WHERE step = 'read'") == [row]
    assert made.column("SELECT doc_id FROM corpus.web_dropped ORDER BY ALL") == ["a", "b"]


def test_duplicates_of_another_corpus_leave_altogether(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay, keep = sql "doc_id <> \'c\'",'
        " dedup = [exact(against = [corpus.old]), exact] }\n"
        'corpus old { source = files("o/*"), role = replay }',
        corpus__web_read=PAGES,
        corpus__old_read=[{"doc_id": "x", "corpus": "old", "text": "same"}],
    )
    assert made.column("SELECT doc_id FROM corpus.web") == ["d"]
    left = made.ask("SELECT doc_id, step, evidence FROM corpus.web_dropped ORDER BY 1")
    assert [(row["doc_id"], row["step"], row["evidence"]) for row in left] == [
        ("a", "dedup", "old/x"),
        ("b", "dedup", "old/x"),
        ("c", "keep", "doc_id <> 'c'"),
    ]


def test_what_is_held_out_is_held_out_for_good(connection: duckdb.DuckDBPyConnection) -> None:
    pages = [{"doc_id": f"d{i}", "text": "x" * i} for i in range(1, 400)]
    spec = 'corpus web {{ source = files("w/*"), role = replay, holdout = {} }}'
    few = tables(connection, spec.format("10%"), corpus__web_read=pages)
    kept, held = (set(few.column(f"SELECT doc_id FROM corpus.web{part}")) for part in ("", "_heldout"))
    assert kept | held == {page["doc_id"] for page in pages}
    assert not kept & held
    assert 20 < len(held) < 60
    with duckdb.connect() as other:
        more = tables(other, spec.format("20%"), corpus__web_read=pages[:200])
        assert held & {page["doc_id"] for page in pages[:200]} <= set(
            more.column("SELECT doc_id FROM corpus.web_heldout")
        )


def test_columns_of_the_source_get_the_type_that_the_spec_needs(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*.jsonl"), role = replay, columns = { quality: "score", kind: "kind" },'
        " keep = sql \"quality >= 0.5 AND kind = 'x'\" }",
        corpus__web_fields=PAGES,
    )
    assert made.ask("SELECT doc_id, quality, kind FROM corpus.web") == [{"doc_id": "c", "quality": 0.9, "kind": "x"}]
    assert made.failed == []


def test_a_column_that_no_row_has_is_a_fault(connection: duckdb.DuckDBPyConnection) -> None:
    spec = 'corpus web { source = files("w/*.jsonl"), role = replay, columns = { weight: "weight" } }'
    made = tables(connection, spec, corpus__web_fields=PAGES)
    assert made.failed == ["column `weight` is in no row of corpus `web`"]


def test_a_derived_corpus_is_its_query_with_the_rest_filled_in(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        "corpus asked: derived { over = [corpus.web], role = instruction, select = sql \"SELECT doc_id, 'q' AS question"
        ', text AS answer, n_chars AS size FROM ${corpus.web}" }',
        corpus__web_read=[{**page, "n_chars": len(page["text"])} for page in PAGES],
    )
    (row,) = made.ask("SELECT * FROM corpus.asked WHERE doc_id = 'c'")
    assert (row["corpus"], row["role"], row["text"]) == ("asked", "instruction", "q\nother words")
    assert (row["size"], row["n_chars"], row["source"]) == (11, 13, "corpus.asked")


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("'x' AS doc_id, text", "rows of `corpus.d` with the `doc_id` of another row: 3 of 4"),
        ("nullif(doc_id, 'a') AS doc_id, text", "rows of `corpus.d` without a `doc_id`: 1 of 4"),
        ("doc_id, nullif(text, 'same') AS text", "rows of `corpus.d` without text: 2 of 4"),
        ("doc_id, text FROM ${corpus.web} WHERE false --", "`corpus.d` is empty: its query yields no row"),
    ],
)
def test_rows_that_are_no_documents(connection: duckdb.DuckDBPyConnection, select: str, message: str) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        'corpus d: derived { over = [corpus.web], role = replay, select = sql """\n'
        f'  SELECT {select}\n  FROM ${{corpus.web}}\n""" }}'.replace("--\n  FROM ${corpus.web}", ""),
        corpus__web_read=PAGES,
    )
    assert made.failed[0] == message  # a run ends there; later guards count what is no documents


TAXONOMY = """
corpus notes {{ source = files("n/*"), role = domain }}
taxonomy t {{
  over = [corpus.notes], root = corpus, levels = [part]
  {}
}}
"""


def structured(connection: duckdb.DuckDBPyConnection, body: str, **given: Rows) -> Tables:
    return tables(
        connection,
        TAXONOMY.format(body),
        corpus__notes_read=[{"doc_id": "d0", "text": "x", "corpus": "notes"}],
        corpus__notes_chunks=CHUNKS,
        corpus__notes_headings=HEADINGS,
        **given,
    )


@pytest.mark.parametrize(
    ("rule", "placed"),
    [
        ('keywords { path = "drugs", terms = ["ASPIRIN", "Ibuprofen"] }', {"notes/0"}),
        ('keywords { path = "drugs", terms = ["aspirin", "aspirins"], at_least = 2 }', set()),
        ('keywords { path = "drugs", terms = ["阿司匹林", "mg kg"] }', {"notes/0", "notes/1", "notes/2"}),
        ('regex { path = "drugs", pattern = r"\\d+ mg" }', {"notes/0", "notes/1"}),
        ('regex { path = "drugs", pattern = r"\\d", at_least = 2 }', {"notes/1"}),
        ('sql { path = "drugs", where = sql "n_tokens = 1" }', {"notes/2"}),
        (
            "sql { select = sql \"SELECT chunk_id, 'drugs' AS path FROM ${corpus.notes_chunks}\" }",
            {"notes/0", "notes/1", "notes/2"},
        ),
    ],
)
def test_rules_that_name_a_path(connection: duckdb.DuckDBPyConnection, rule: str, placed: set[str]) -> None:
    made = structured(connection, f"rule x: {rule}", taxonomy__t_outlined=TREE)
    links = made.ask("SELECT chunk_id, path, part FROM taxonomy.t_links WHERE rule = 'x'")
    assert {row["chunk_id"] for row in links} == placed
    assert all((row["path"], row["part"]) == ("drugs", "Drugs") for row in links)
    assert made.column("SELECT count(*) FROM taxonomy.t_links") == [3]


def test_a_path_that_a_heading_has_is_the_node_of_the_heading(connection: duckdb.DuckDBPyConnection) -> None:
    rule = 'rule x: regex { path = "heart/drugs/dosing", pattern = r"mg" }'
    made = structured(connection, rule, taxonomy__t_outlined=TREE)
    nodes = made.ask(
        "SELECT node_id, parent_id, depth, title FROM taxonomy.t_nodes WHERE node_id LIKE 'path:%' ORDER BY 3"
    )
    assert [(row["parent_id"], row["depth"], row["title"]) for row in nodes] == [
        ("h0", 2, "Drugs"),
        ("path:notes/heart/drugs", 3, "Dosing"),
    ]


def test_the_first_rule_decides_or_most_of_them(connection: duckdb.DuckDBPyConnection) -> None:
    rules = """
      rule outline: headings { depth = 1 }
      rule a: regex { path = "drugs", pattern = r"mg" }
      rule b: keywords { path = "drugs", terms = ["ibuprofen"] }
    """
    first = structured(connection, rules, taxonomy__t_outlined=TREE)
    query = "SELECT path FROM taxonomy.t_links ORDER BY chunk_id"
    assert first.column(query) == ["heart", "heart", ""]
    with duckdb.connect() as other:
        most = structured(other, f"resolve = vote\n{rules}", taxonomy__t_outlined=TREE)
        assert most.column(query) == ["drugs", "heart", ""]


def test_equal_paths_become_one_node(connection: duckdb.DuckDBPyConnection) -> None:
    spec = """
corpus notes { source = files("n/*"), role = domain }
taxonomy t { over = [corpus.notes], merge = by_path, rule outline: headings { depth = 2 } }
"""
    trees, headings, chunks = list[Mapping[str, Any]](), list[Mapping[str, Any]](), list[Mapping[str, Any]]()
    for number, document in enumerate(("d0", "d1")):
        for depth, path in ((1, "heart"), (2, "heart/failure")):
            node = {"node_id": f"{document}{depth}", "heading_id": f"{document}{depth}", "corpus": "notes"}
            above = {"parent_id": f"{document}1"} if depth == 2 else {}
            tree = {"tree_id": f"{document}1", "path": path, "title": path, "depth": depth}
            trees.append(node | above | tree | {"doc_id": document, "position": len(trees)})
            place = {"doc_id": document, "level": depth, "title": path, "start_byte": depth, "position": depth}
            headings.append({"heading_id": node["heading_id"], "corpus": "notes"} | place)
        chunks.append(chunk(10 * number, "x", heading=f"{document}2"))
    made = tables(
        connection,
        spec,
        corpus__notes_chunks=chunks,
        corpus__notes_headings=headings,
        taxonomy__t_trees=trees,
    )
    assert made.ask("SELECT node_id, parent_id, tree_id FROM taxonomy.t_nodes ORDER BY 1") == [
        {"node_id": "d01", "parent_id": None, "tree_id": "d01"},
        {"node_id": "d02", "parent_id": "d01", "tree_id": "d01"},
    ]
    assert made.column("SELECT node_id FROM taxonomy.t_links") == ["d02", "d02"]
    assert made.column("SELECT n_chunks FROM taxonomy.t WHERE path = 'heart/failure'") == [2]


TALK = [{"role": "user", "content": "A?"}, {"role": "assistant", "content": "B"}]
SAMPLED = """
corpus asked { source = files("q/*"), role = instruction }
corpus rated { source = files("r/*"), role = preference }
corpus notes { source = files("n/*"), role = domain }
model base { source = path("b") }
taxonomy t { over = [corpus.notes], rule outline: headings { depth = 2 } }
mixture m { budget = 60 tokens, max_epochs = 9, weights = { corpus.asked: 40%, corpus.rated: 40%, corpus.notes: rest } }
stage plain: cpt { from = model.base, data = mixture.m, length = 64, batch = 64 }
stage placed: scpt { from = model.base, data = mixture.m, structure = taxonomy.t, length = 4Ki, batch = 4Ki }
stage lines: sft { from = model.base, data = corpus.asked, length = 64, batch = 64 }
stage chat: sft { from = model.base, data = corpus.asked, length = 64, batch = 64, template = chatml }
"""


def test_instructions_and_preferences_are_plain_text_in_cpt(connection: duckdb.DuckDBPyConnection) -> None:
    asked = {"doc_id": "a", "corpus": "asked", "role": "instruction", "question": "A?", "answer": "B", "text": "A?\nB"}
    rated = {"doc_id": "r", "corpus": "rated", "role": "preference", "prompt": "Q?", "chosen": "yes", "rejected": "no"}
    made = tables(
        connection,
        SAMPLED,
        corpus__asked_read=[asked | {"messages": TALK}],
        corpus__asked_counts=[{"doc_id": "a", "n_tokens": 4}],
        corpus__rated_read=[rated | {"text": "Q?\nyes"}],
        corpus__rated_counts=[{"doc_id": "r", "n_tokens": 4}],
        corpus__notes_chunks=[chunk(0, "a b c d")],
    )
    query = "SELECT DISTINCT corpus, kind, prompt, response, marks FROM stage.plain_rendered ORDER BY 1"
    plain: dict[str, Any] = {"kind": "plain", "prompt": "", "marks": None}
    assert made.ask(query) == [
        plain | {"corpus": corpus, "response": text}
        for corpus, text in (("asked", "A?\nB"), ("notes", "a b c d"), ("rated", "Q?\nyes"))
    ]
    query = "SELECT DISTINCT kind, text FROM stage.placed_rows ORDER BY 2"
    assert made.ask(query) == [{"kind": "plain", "text": text} for text in ("A?\nB", "Q?\nyes", "a b c d")]
    assert made.ask("SELECT prompt, response FROM stage.lines_rendered") == [{"prompt": "A?\n", "response": "B"}]
    query = "SELECT prompt, response, messages FROM stage.chat_rows"
    assert made.ask(query) == [{"prompt": "A?", "response": "B", "messages": TALK}]


def mixed(connection: duckdb.DuckDBPyConnection, mixture: str) -> Tables:
    spec = (
        'corpus notes { source = files("n/*"), role = domain }\ncorpus web { source = files("w/*"), role = replay }\n'
    )
    small = [chunk(number, "a b c d") for number in range(4)]
    large = [chunk(number, "a b c d", "web") for number in range(36)]
    return tables(connection, spec + mixture, corpus__notes_chunks=small, corpus__web_chunks=large)


@pytest.mark.parametrize(
    ("weights", "budget", "quotas"),
    [
        ("natural", "100 tokens", {"notes": 10, "web": 90}),
        ("natural", "2 epochs", {"notes": 32, "web": 288}),
        ("natural(over = [corpus.web])", "50 tokens", {"web": 50}),
        ("temperature(2)", "100 tokens", {"notes": 25, "web": 75}),
        ("temperature(1)", "101 tokens", {"notes": 10, "web": 91}),
    ],
)
def test_quotas_that_follow_sizes(
    connection: duckdb.DuckDBPyConnection, weights: str, budget: str, quotas: dict[str, int]
) -> None:
    made = mixed(connection, f"mixture m {{ weights = {weights}, budget = {budget} }}")
    assert {row["corpus"]: row["quota"] for row in made.ask("FROM mixture.m_quotas")} == quotas
    assert made.failed == []
    assert {row["corpus"]: row["target"] for row in made.ask("FROM mixture.m_summary")} == quotas


def test_a_curriculum_goes_from_short_to_long_in_each_epoch(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        "mixture m { weights = natural, budget = 2 epochs, order = curriculum(by = n_tokens) }",
        corpus__web_chunks=[chunk(number, "a " * (1 + number * 7 % 10), "web") for number in range(10)],
    )
    rows = made.ask("SELECT position, epoch, n_tokens FROM mixture.m ORDER BY position")
    assert [row["position"] for row in rows] == list(range(20))
    assert [(row["epoch"], row["n_tokens"]) for row in rows] == [(e, n) for e in (1, 2) for n in range(1, 11)]


@pytest.mark.parametrize(
    ("expect", "failing"),
    [
        ("unique(text)", ["a", "b"]),
        ("unique([doc_id, text])", []),
        ("not_null([meta, doc_id])", ["a", "b"]),
        ('one_of(text, ["same", "other words"])', ["d"]),
        ("between(n_chars, low = 5, high = 11)", ["a", "b", "d"]),
        ('matches(text, r"\\w+")', ["c", "d"]),
        ("holds(sql \"meta->>'quality' > '0.5'\")", ["a", "b", "d"]),
        ("in(doc_id, corpus.old)", ["b", "c", "d"]),
        ("in(doc_id, corpus.old, other = text)", ["a", "b", "d"]),
    ],
)
def test_rows_that_fail(connection: duckdb.DuckDBPyConnection, expect: str, failing: list[str]) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\ncorpus old { source = files("o/*"), role = replay }\n'
        f"check it: rows {{ over = corpus.web, expect = {expect} }}",
        corpus__web_read=[{**page, "n_chars": len(page["text"])} for page in PAGES],
        corpus__old_read=[{"doc_id": "a", "text": "c"}],
    )
    assert sorted(made.column("SELECT doc_id FROM checks.it")) == failing
    assert made.failed == ([f"`check.it` fails for {counted(len(failing), 'row')}"] if failing else [])


@pytest.mark.parametrize(
    ("most", "pages", "message"),
    [
        ("1", 4, "`check.it` fails for 4 rows and puts up with at most 1"),
        ("20%", 4, "`check.it` fails for 4 of 4 rows and puts up with at most 20%"),
        ("20%", 1, "`check.it` fails for 1 of 1 row and puts up with at most 20%"),
    ],
)
def test_what_a_check_puts_up_with(connection: duckdb.DuckDBPyConnection, most: str, pages: int, message: str) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        f'check it: rows {{ over = corpus.web, expect = holds(sql "text IS NULL"), at_most = {most} }}',
        corpus__web_read=PAGES[:pages],
    )
    assert made.failed == [message]


@pytest.mark.parametrize(
    ("expect", "value"),
    [
        ("count(at_least = 5)", 4),
        ("count(at_least = 4)", None),
        ("distinct(text, at_most = 2)", 3),
        ("mean(n_chars, at_most = 8)", 8.5),
        ("quantile(n_chars, 50%, at_least = 8)", 7.5),
        ('share(text, "same", at_most = 40%)', 0.5),
        ("share(meta, none, at_most = 40%)", 0.5),
        ("share(text, at_most = 40%)", 0.5),
        ("share(text, at_most = 50%)", None),
    ],
)
def test_figures_that_are_out_of_bounds(
    connection: duckdb.DuckDBPyConnection, expect: str, value: float | None
) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        f"check it: distribution {{ over = corpus.web, expect = {expect} }}",
        corpus__web_read=[{**page, "n_chars": len(page["text"])} for page in PAGES],
    )
    assert made.column("SELECT value FROM checks.it") == ([] if value is None else [value])


@pytest.mark.parametrize(("most", "stops"), [("1", True), ("2", False), ("49%", True), ("50%", False)])
def test_a_gate_puts_up_with_so_many(connection: duckdb.DuckDBPyConnection, most: str, *, stops: bool) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        f"check it: rows {{ over = corpus.web, expect = unique(text), at_most = {most} }}",
        corpus__web_read=PAGES,
    )
    assert bool(made.failed) == stops


def test_a_warning_has_no_gate(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay }\n'
        'check it: sql { severity = warning, violations = sql "SELECT doc_id FROM ${corpus.web}" }',
        corpus__web_read=PAGES,
    )
    assert made.column("SELECT count(*) FROM checks.it") == [4]
    assert made.failed == []


def test_a_language_is_identified_only_where_it_is_asked_for(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus web { source = files("w/*"), role = replay, keep = sql "lang = \'en\'" }\n'
        'corpus rest { source = files("r/*"), role = replay, keep = sql "meta->>\'lang\' IS NULL" }\n'
        'corpus told { source = files("t/*"), role = replay, columns = { lang: "l" }, keep = sql "lang = \'en\'" }',
        corpus__web_unidentified=[{"doc_id": "a", "lang": "en"}, {"doc_id": "b"}, {"doc_id": "c"}],
        corpus__web_languages=[{"doc_id": "a", "lang": "de"}, {"doc_id": "b", "lang": "en"}],
    )
    assert made.column("SELECT doc_id FROM corpus.web ORDER BY 1") == ["a", "b"]
    assert made.column("SELECT reason FROM corpus.web_dropped") == ["unknown"]
    found = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE '%languages'"
    assert made.column(found) == ["web_languages"]


@pytest.mark.parametrize(
    ("query", "keep", "identified"),
    [
        ("SELECT * FROM ${corpus.web}", "lang = 'en'", {"web"}),
        ("SELECT doc_id, text FROM ${corpus.web}", "lang = 'en'", {"d"}),
        ("SELECT doc_id, text, 'en' AS lang FROM ${corpus.web}", "lang = 'en'", set()),
        ("SELECT doc_id, text FROM ${corpus.web} AS w WHERE w.LANG = 'x'", "true", {"web"}),
        ("SELECT doc_id, 'lang' AS text FROM ${corpus.web}", "text = 'lang'", set()),
    ],
)
def test_who_needs_a_language(query: str, keep: str, identified: set[str]) -> None:
    spec = (
        'language 1\ncorpus web { source = files("w/*"), role = replay }\n'
        f'corpus d: derived {{ over = [corpus.web], role = replay, keep = sql "{keep}", select = sql "{query}" }}\n'
    )
    plan, sink = compile_text(spec, Path("spec.adapt"))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    found = {step.address for step in plan.steps if step.operation.op == "identify_language"}
    assert found == {f"corpus.{name}.identify" for name in identified}


def test_where_a_step_runs_is_in_the_plan_and_in_no_recipe() -> None:
    spec = (
        'language 1\ncluster farm {{ nodes = 2, gpus = 8 }}\ncorpus web {{ source = files("w/*"), role = replay{0} }}\n'
        "taxonomy t {{ over = [corpus.web], rule h: headings {{ }}{0} }}\n"
        "mixture m {{ budget = 5k, weights = {{ corpus.web: 100% }}{0} }}\n"
    )
    here, _ = compile_text(spec.format(""), Path("spec.adapt"))
    there, _ = compile_text(spec.format(", cluster = cluster.farm"), Path("spec.adapt"))
    assert here is not None
    assert there is not None
    assert [step.recipe for step in here.steps] == [step.recipe for step in there.steps]
    assert {step.placement for step in here.steps} == {None}
    assert {(step.placement.nodes, step.placement.processes) for step in there.steps if step.placement} == {(2, 16)}
    assert all(step.placement is not None and "cluster" in step.places for step in there.steps)


def test_a_costly_rule_knows_what_headings_leave(connection: duckdb.DuckDBPyConnection) -> None:
    made = tables(
        connection,
        'corpus notes { source = files("n/*"), role = domain }\n'
        "taxonomy t { over = [corpus.notes], root = corpus, rule h: headings { }, rule c: cohesion { } }",
        corpus__notes_chunks=CHUNKS,
        corpus__notes_headings=HEADINGS,
        taxonomy__t_outlined=TREE,
        taxonomy__t_c_found=[{"chunk_id": "notes/2", "path": "doses", "score": 1.0}],
    )
    assert made.column("SELECT chunk_id FROM taxonomy.t_h ORDER BY 1") == ["notes/0", "notes/1"]
    assert made.ask("SELECT chunk_id, path, rule FROM taxonomy.t_links ORDER BY 1") == [
        {"chunk_id": "notes/0", "path": "heart", "rule": "h"},
        {"chunk_id": "notes/1", "path": "heart", "rule": "h"},
        {"chunk_id": "notes/2", "path": "doses", "rule": "c"},
    ]


def test_text_that_is_only_measured_is_cut_where_its_chunks_are_read() -> None:
    spec = 'language 1\ncorpus p { source = files("p/*"), role = probe }\n'
    check = "check c: rows { over = corpus.p_chunks, expect = unique(chunk_id) }\n"
    for text, cut in ((spec, False), (spec + check, True)):
        plan, _ = compile_text(text, Path("spec.adapt"))
        assert plan is not None
        assert any(step.address == "corpus.p.chunk" for step in plan.steps) is cut
