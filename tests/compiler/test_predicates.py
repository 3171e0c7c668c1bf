"""`keep`: what a spec may ask of a document, and that the plan asks DuckDB exactly that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from structdsl.compile import compile_text
from structdsl.diagnostics import Diagnostic
from structdsl.passes.sql.engine import Engine
from structdsl.passes.sql.functions import ALIASES, IMPURE, PURE
from structdsl.passes.sql.meaning import CAST_NAMES
from structdsl.plan import Query
from structdsl.syntax.source import Source

SPEC = """\
language 1
corpus web { source = files("web/*.md"), role = replay }
model tiny { source = scratch(hidden = 64, layers = 2, heads = 4), tokenizer = bpe(vocab = 1000, over = [corpus.web]) }
mixture m { budget = 1M tokens, weights = { corpus.web: 100% } }
stage learn: cpt { from = model.tiny, data = mixture.m }
"""

DOCUMENTS = [
    ("A plain title", "text one", 8, {"a": 1, "a.b": "x", "l[0]": "y", "l": ["z"], "year": "2020", "*": "s"}),
    ("b", "It's an orange\n", 200, {"a": {"b": "x"}, "l[0]": "z", "é": "w"}),
    (None, "", 0, {}),
]


def keep(predicate: str) -> str:
    return (
        f'corpus a {{ source = files("a/*"), role = domain, keep = sql {json.dumps(predicate, ensure_ascii=False)} }}'
    )


def reported(block: str, **overrides: str) -> list[Diagnostic]:
    return list(compile_text(SPEC + block, Path("s.adapt"), overrides)[1])


def query(block: str, **overrides: str) -> str:
    """The SQL of the plan that judges the documents of `corpus.a`."""
    plan, sink = compile_text(SPEC + block, Path("s.adapt"), overrides)
    assert plan is not None, [(d.message, d.notes) for d in sink]
    (step,) = (step for step in plan.steps if step.address == "corpus.a.keep")
    assert isinstance(step.operation, Query)
    return step.operation.sql


def carried(block: str, **overrides: str) -> str:
    """The first condition in the words of the plan, which are also what users see as evidence."""
    (call,) = (
        node
        for node in sqlglot.parse_one(query(block, **overrides), dialect="duckdb").find_all(exp.Anonymous)
        if node.name.lower() == "list_extract"
    )
    return str(call.expressions[0].expressions[0].name)


@pytest.fixture(scope="module")
def documents() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA corpus")
        connection.execute(
            "CREATE TABLE corpus.a_read (doc_id VARCHAR, source VARCHAR, title VARCHAR, text VARCHAR, n_chars BIGINT,"
            " meta JSON)"
        )
        rows = [(str(i), "x", title, text, n, json.dumps(meta)) for i, (title, text, n, meta) in enumerate(DOCUMENTS)]
        connection.executemany("INSERT INTO corpus.a_read VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("CREATE TABLE corpus.a_counts AS SELECT doc_id, 1 AS n_tokens FROM corpus.a_read")
        yield connection


SAME = [
    "meta->>'a' = '1'",
    "meta->>'a.b' = 'x'",
    "meta->>'$.a.b' = 'x'",
    "meta->>'$.\"a.b\"' = 'x'",
    "meta->>'l[0]' = 'y'",
    "meta->>'/l/0' = 'z'",
    "meta->>'é' = 'w' AND meta->>'*' IS NULL",
    "json_extract_string(meta, 'a.b') = 'x'",
    "json_extract(meta, 'a.b') = '\"x\"'",
    "(meta->'a.b') = '\"x\"' OR (meta->'a')->>'b' = 'x'",
    "(meta->'l')->>0 = 'z'",
    "meta.a = '1' OR meta['a'] = '1'",
    "(meta->>'year')::INT > 2000 AND TRY_CAST(meta->>'year' AS HUGEINT) < 2100",
    "n_chars NOT BETWEEN 1 AND 9 AND n_chars NOT IN (1, 2) AND title IS NOT NULL",
    "n_chars IN [8, 9] OR n_chars ^ 2 = 40000",
    "title ~ 'plain' AND title !~ '^b'",
    "title SIMILAR TO 'A.*' OR title GLOB 'b*' OR title ^@ 'A'",
    "title NOT LIKE 'A%' ESCAPE '!' OR text ILIKE 'IT%'",
    "text = e'It\\'s an orange\\n' OR text = $$text one$$",
    "regexp_extract(text, '(one)', 1) = 'one' AND regexp_extract(text, 'one', 0) = 'one'",
    "if(n_chars > 9, true, nullif(title, 'b') IS NULL)",
    "substr(title, 1, 1) = 'A' AND len(title) > 3 AND strpos(text, 'one') > 0 AND position('o' IN text) > 0",
    "list_contains(string_split(text, ' '), 'one') OR len([w FOR w IN split(text, ' ') IF w > 'b']) > 1",
    "len(list_filter([title, text], lambda x: x LIKE '%e%')) > 1",
    "title[1] = 'A' AND title[1:2] = 'A '",
    "n_chars // 3 = 2 AND n_chars % 3 = 2 AND -n_chars < 1_000 AND n_chars & 8 = 8",
    "CASE n_chars WHEN 8 THEN true WHEN 0 THEN NULL ELSE false END",
    "date_diff('day', DATE '2020-01-01', DATE '2020-02-01') = 31 AND INTERVAL 3 DAYS > INTERVAL 2 DAYS",
    "title COLLATE NOCASE = 'B' OR title IS NOT DISTINCT FROM NULL",
    "n_chars = 8 OR n_chars = 200 AND title = 'c'",
    "NOT n_chars = 8 AND NOT (title = 'c' OR text = 'd')",
]


@pytest.mark.parametrize("predicate", SAME)
def test_the_plan_asks_what_the_user_asked(predicate: str, documents: duckdb.DuckDBPyConnection) -> None:
    rows = documents.execute(f"FROM corpus.a_read SELECT doc_id, {predicate}").fetchall()
    expected = {doc_id: "false" if verdict is False else "unknown" for doc_id, verdict in rows if verdict is not True}
    failed = documents.execute(query(keep(predicate))).fetchall()
    assert {doc_id: reason for doc_id, _, _, reason, _ in failed} == expected


@pytest.mark.parametrize("predicate", SAME)
def test_layout_and_comments_change_nothing(predicate: str) -> None:
    tokens = sqlglot.tokenize(predicate, dialect="duckdb")
    pieces, end = [], 0
    for token in tokens:
        gap = predicate[end : token.start]
        pieces.append(" /* so */\n  " + gap if gap else "")
        pieces.append(predicate[token.start : token.end + 1])
        end = token.end + 1
    assert carried(keep("".join(pieces) + "  -- done")) == carried(keep(predicate))


def test_case_of_key_words_changes_nothing() -> None:
    lower = "(meta->>'a.b')::int is not null and case when n_chars > 3 then true end"
    upper = "(meta->>'a.b')::INT IS NOT NULL AND CASE WHEN n_chars > 3 THEN TRUE END"
    assert carried(keep(lower)) == carried(keep(upper))


REFUSED = {
    "E0601": ["", "  ", "-- nothing", "'a' 'b' = title", "(" * 1500 + "true" + ")" * 1500, "true, false", "true AS x"],
    "E0602": ["titel = 'x'", "rowid > 1", "documents.text = 'x'", "len(list_filter([title], lambda x: y = x)) > 0"],
    "E0603": ["meta->'a' = '1'", "lenght(title) > 3", "list_transform([1], x -> x) = [1]", "n_chars", "n_chars + true"],
    "E0604": [
        "random() > 0.5",
        "main.random() > 0.5",
        "uuid()::varchar > title",
        "today() > DATE '2020-01-01'",
        "current_date > DATE '2020-01-01'",
        "current_timestamp IS NULL",
        "get_current_timestamp() IS NULL",
        "transaction_timestamp() IS NULL",
        "current_localtimestamp() IS NULL",
        "age(TIMESTAMP '2020-01-01') IS NULL",
        "ago(INTERVAL 1 DAY) IS NULL",
        "current_user = 'x'",
        "current_schema() = 'x'",
        "version() = 'x'",
        "txid_current() > 1",
        "setseed(.5) IS NULL",
        "pg_sleep(1)",
        "getvariable('x') = 'y'",
        "current_setting('threads') > 1",
        "[x FOR x IN [1] IF random() > 0.5] = [1]",
        "read_text('x') = text",
        "entropy(text) > 1",
        "product(n_chars) > 1",
        "histogram(text) IS NOT NULL",
        "geomean(n_chars) > 1",
        "count(*) > 1",
        "sum(n_chars) OVER () > 1",
        "unnest([true, false])",
        "COLUMNS('text|title') IS NOT NULL",
        "#1 = 'x'",
        "$1 = title",
        "EXISTS (SELECT 1)",
        "title IN (SELECT 'x')",
        "DROP TABLE x",
    ],
}


@pytest.mark.parametrize(("code", "predicate"), [(code, text) for code, texts in REFUSED.items() for text in texts])
def test_what_is_no_predicate_is_refused(code: str, predicate: str) -> None:
    assert [diagnostic.code for diagnostic in reported(keep(predicate))] == [code]


def underlined(diagnostic: Diagnostic) -> str:
    assert isinstance(diagnostic.source, Source)
    span = diagnostic.labels[0].span
    return diagnostic.source.data[span.start : span.end].decode()


def test_places_are_exact() -> None:
    block = 'param p: string = "a longer value than its name"\n' + keep(
        "'é' = title AND title = ${param.p} AND titel = 'x' OR avg(n_chars) > 1 OR current_date > '2020-01-01'"
    )
    assert [underlined(diagnostic) for diagnostic in reported(block)] == ["titel", "avg", "current_date"]


PARAMS = """\
param who: string = "O'Neil"
param count: tokens = 2k
param all: ratio = 100%
param some: ratio = 5%
param below: number = -2.5
param yes: bool = true
"""


def test_params_are_literals_of_their_type() -> None:
    text = "title = ${param.who} AND n_chars > ${param.count} * ${param.all} + ${ param.some } - ${param.below}"
    assert carried(PARAMS + keep(f"{text} AND ${{param.yes}}")) == (
        "title = 'O''Neil' AND n_chars > 2000 * 1.0 + 0.05 - (-2.5) AND TRUE"
    )


def test_a_value_stays_a_value() -> None:
    who = "x' OR '1'='1"
    assert carried(PARAMS + keep("title = ${param.who}"), who=who) == "title = 'x'' OR ''1''=''1'"


@pytest.mark.parametrize(
    "predicate",
    ["title = '${param.who}'", '"${param.who}" = title', "true -- ${param.who}", "title = $$${param.who}$$"],
)
def test_a_hole_inside_quotes_is_reported(predicate: str) -> None:
    (diagnostic,) = reported(PARAMS + keep(predicate), who="x' OR '1'='1")
    assert (diagnostic.code, underlined(diagnostic)) == ("E0604", "${param.who}")
    assert diagnostic.helps[0].startswith("write it without the quotes")


@pytest.mark.parametrize(
    "predicate", ["title ${param.who} text", "title${param.count} = 'x'", "title::${param.who} = ''"]
)
def test_a_hole_that_is_no_value_is_reported(predicate: str) -> None:
    (diagnostic,) = reported(PARAMS + keep(predicate), who="= ''; DROP TABLE x --")
    assert (diagnostic.code, underlined(diagnostic)[:8]) == ("E0601", "${param.")


def test_a_refused_condition_does_not_shift_the_others() -> None:
    conditions = ["titel = 'x'", "n_chars > 5", "n_tokens > 5"]
    refused, kept = (
        SPEC.replace("role = replay", f"role = replay, keep = [{', '.join(f'sql {json.dumps(c)}' for c in chosen)}]")
        for chosen in (conditions, conditions[1:])
    )
    assert [underlined(d) for d in compile_text(refused, Path("s.adapt"))[1]] == ["titel"]
    (diagnostic,) = compile_text(kept, Path("s.adapt"))[1]
    assert (diagnostic.code, underlined(diagnostic)) == ("E0512", 'sql "n_tokens > 5"')


# ── our tables, against DuckDB's catalogue ──────────────────────────────────────────────────────────────────────────


def test_pure_functions_are_pure() -> None:
    with duckdb.connect() as connection:
        engine = Engine(connection)
        syntax = {"^"} - set(engine.functions())  # operators that the catalogue lists by another name
        assert {name for name in PURE - syntax if engine.listed(name) is not None} == set()
        assert not PURE & IMPURE


def test_aliases_are_aliases() -> None:
    with duckdb.connect() as connection:
        rows = connection.execute("SELECT DISTINCT lower(function_name), alias_of FROM duckdb_functions()").fetchall()
    listed = {(name, alias) for name, alias in rows if alias is not None}
    one_function = {("json_extract_string", "->>")}  # two names of the same overloads, which the catalogue does not say
    assert {*ALIASES.items()} - one_function <= listed


def test_names_of_types_are_aliases() -> None:
    with duckdb.connect() as connection:
        for alias, name in CAST_NAMES.items():
            left, right = connection.sql(f"SELECT NULL::{alias}, NULL::{name}").types
            assert left == right, alias


ROWS = "check c: rows {{ over = corpus.web, expect = {} }}"
TABLE = "check c: distribution {{ over = corpus.web, expect = {} }}"


@pytest.mark.parametrize(
    ("block", "written", "says"),
    [
        (ROWS, 'sql "n_chars > 5"', 'write `holds(sql "n_chars > 5")`: a condition over the columns of a row'),
        (ROWS, '"n_chars > 5"', 'write `holds(sql "n_chars > 5")`: a condition over the columns of a row'),
        (
            ROWS,
            '[unique(doc_id), sql "title = \'a\\"\'"]',
            'write `holds(sql "title …")`: a condition over the columns',
        ),
        (
            ROWS,
            f"sql \"lower(title) <> '{'x' * 60}'\"",
            'write `holds(sql "…")`: a condition over the columns of a row',
        ),
        (ROWS, 'sql "FROM ${corpus.web}"', '`check: sql`: `violations = sql "FROM ${corpus.web}"`'),
        (ROWS, 'sql """SELECT 1\nFROM ${corpus.web}"""', '`check: sql`: `violations = sql "SELECT …"`'),
        (
            ROWS,
            'sql "(SELECT * FROM ${corpus.web})"',
            '`check: sql`: `violations = sql "(SELECT * FROM ${corpus.web})"`',
        ),
        (ROWS, 'sql """\n-- too long\n/* and\n */ (FROM ${corpus.web})"""', '`check: sql`: `violations = sql "…"`'),
        (ROWS, "sql \"title <> '-- SELECT' AND (n_chars) > 5\"", "write `holds(sql "),
        (ROWS, 'sql "COUNT (*) > 5"', "in a `check: distribution`"),
        (ROWS, "sql \"title = 'count(*)'\"", "write `holds(sql "),
        (ROWS, 'holds("n_chars > 5")', 'write `sql "n_chars > 5"`'),
        (ROWS, "5", None),
        (TABLE, 'sql "n_chars > 5"', '`holds(sql "n_chars > 5")`, in a `check: rows`'),
        (
            TABLE,
            'sql "count(*) > 5"',
            "there are `count(…)`, `distinct(…)`, `mean(…)`, `quantile(…)`, `share(…)`, each with",
        ),
        (TABLE, 'sql "sum(n_chars) > 5 -- {x}"', "there are `count(…)`, "),
        (TABLE, 'sql "SELECT 1"', '`check: sql`: `violations = sql "SELECT 1"`'),
        (
            'corpus c {{ source = files("a/*"), role = domain, keep = {} }}',
            '"n_chars > 5"',
            'write `sql "n_chars > 5"`',
        ),
    ],
)
def test_sql_where_a_check_expects_a_call(block: str, written: str, says: str | None) -> None:
    (diagnostic,) = reported(block.format(written))
    assert diagnostic.code == "E0301"
    assert says in diagnostic.helps[0] if says is not None else not diagnostic.helps
