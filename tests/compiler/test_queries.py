"""Queries in a spec: what they read and yield, where mistakes are underlined, and that the plan asks what was asked."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from structdsl.compile import PASSES
from structdsl.diagnostics import Diagnostic, Sink
from structdsl.lower import lower
from structdsl.promised import RECORDS, columns_of, promised_tables
from structdsl.schema.tables import PROMISED_TABLES
from structdsl.syntax.source import Source
from structdsl.unit import Unit

SPEC = """\
language 1
param least: integer = 3
param who: string = "O'Neil; DROP TABLE x --"
corpus notes {
  source = files("notes/*.md"), role = domain, holdout = 1%, dedup = exact, redact = email, decontaminate = ngrams(13)
}
corpus exams { source = files("exams/*.jsonl"), role = exam }
model writer { source = path("models/writer") }
model tiny {
  source    = scratch(hidden = 64, layers = 2, heads = 4)
  tokenizer = bpe(vocab = 1000, over = [corpus.notes])
}
taxonomy topics {
  over   = [corpus.notes]
  levels = [chapter]
  rule outline: headings   { depth = 2 }
  rule asked:   structurise { model = model.writer, max_calls = 10 }
}
mixture m { budget = 1M tokens, weights = { corpus.notes: 100% } }
stage learn: cpt { from = model.tiny, data = mixture.m, distill = lssd(cache = topk(8)) }
evaluation board { models = [stage.learn], tasks = { exam: closed_book(corpus.exams) } }
"""


def analysed(block: str) -> tuple[Unit, list[Diagnostic]]:
    """A spec as far as it is known before it is lowered."""
    sink, unit = Sink(), Unit(source=Source(Path("s.adapt"), SPEC + block))
    for step in PASSES:
        if step is not lower:
            unit = step(unit, sink)
    return unit, [diagnostic for diagnostic in sink if diagnostic.code not in {"W0501", "W0506"}]


def check(query: str, name: str = "c") -> str:
    return f'check {name}: sql {{ violations = sql """{query}""" }}\n'


def columns(query: str) -> dict[str, str]:
    unit, said = analysed(check(query))
    assert not said, [(d.message, d.notes) for d in said]
    return {column.name: column.type for column in unit.queries["check.c.violations"].columns}


def underlined(diagnostic: Diagnostic) -> str:
    assert isinstance(diagnostic.source, Source)
    span = diagnostic.labels[0].span
    return diagnostic.source.data[span.start : span.end].decode()


YIELDS = {
    "SELECT doc_id, count(*) AS n FROM ${corpus.notes} GROUP BY ALL": {"doc_id": "VARCHAR", "n": "BIGINT"},
    "FROM ${corpus.notes_chunks} SELECT heading_path[1] AS top": {"top": "VARCHAR"},
    "WITH a(x) AS (SELECT n_chars FROM ${corpus.notes}) SELECT max(x) OVER () AS most FROM a": {"most": "BIGINT"},
    "SELECT a.x, b.x AS y FROM (SELECT 1 AS x) a, LATERAL (SELECT a.x + 0.5 AS x) b": {
        "x": "INTEGER",
        "y": "DECIMAL(12,1)",
    },
    "SELECT (SELECT max(answer) FROM ${corpus.exams} e WHERE e.doc_id = n.doc_id) AS a FROM ${corpus.notes} n": {
        "a": "VARCHAR"
    },
    "SELECT doc_id FROM ${corpus.notes} UNION ALL SELECT doc_id FROM ${corpus.exams} ORDER BY doc_id LIMIT 3": {
        "doc_id": "VARCHAR"
    },
    "SELECT chapter, NULL AS nothing FROM ${taxonomy.topics_links}": {"chapter": "VARCHAR", "nothing": "INTEGER"},
    "SELECT * EXCLUDE (doc_id, position) REPLACE (1 AS n_tokens) FROM ${corpus.notes_chunks} SEMI JOIN"
    " ${corpus.notes} USING (doc_id)": {
        "chunk_id": "VARCHAR",
        "corpus": "VARCHAR",
        "text": "VARCHAR",
        "n_tokens": "INTEGER",
        "heading_path": "VARCHAR[]",
        "heading_id": "VARCHAR",
        "start_byte": "BIGINT",
        "end_byte": "BIGINT",
    },
    "SELECT segments[1].length AS n FROM ${stage.learn_packed}": {"n": "INTEGER"},
    "VALUES (${param.least}, ${param.who})": {"col0": "INTEGER", "col1": "VARCHAR"},
}


@pytest.mark.parametrize("query", YIELDS)
def test_columns_of_a_query(query: str) -> None:
    assert columns(query) == YIELDS[query]


def test_reads_are_tables_of_the_plan_in_the_order_of_the_text() -> None:
    query = "SELECT 1 FROM ${taxonomy.topics_links}, ${ corpus.notes_chunks }, ${taxonomy.topics_links} AS again"
    unit, said = analysed(check(query))
    assert not said
    assert unit.queries["check.c.violations"].reads == ("taxonomy.topics_links", "corpus.notes_chunks")


UNDERLINED = {
    "SELECT 'é', tïtel, qualty FROM ${corpus.notes}": ["tïtel", "qualty"],
    "SELECT ${param.who} AS x, n.titel FROM ${corpus.notes} n WHERE n.n_chars > ${param.least} AND foo": [
        "titel",
        "foo",
    ],
    'SELECT "two words", "doc_id" FROM ${corpus.notes}': ['"two words"'],
    "SELECT sum(zap(text)), nope FROM ${corpus.notes}": ["zap", "nope"],
    "SELECT x FROM ${corpus.notes} GROUP BY y HAVING z > 1 QUALIFY row_number() OVER (ORDER BY w) = 1 ORDER BY v": [
        "x",
        "y",
        "z",
        "w",
        "v",
    ],
    "SELECT n.doc_id FROM ${corpus.nots} n, ${corpus.exms} e": ["${corpus.nots}", "${corpus.exms}"],
    "SELECT 1 FROM ${corpus.notes} a JOIN ${corpus.exams} b ON a.x = b.y": ["x", "y"],
    "SELECT doc_id || true FROM ${corpus.notes} WHERE upper(1, 2)": ["upper"],
    "WITH a AS (SELECT doc AS d FROM ${corpus.notes}), b AS (SELECT d, e FROM a) SELECT f FROM b": ["doc", "e", "f"],
    "SELECT now()\n-- at last\n  , titel\nFROM ${corpus.notes}": ["now", "titel"],
    "SELECT b.text FROM ${corpus.notes} a": ["b"],
    "SELECT EXISTS (FROM ${corpus.exams} e WHERE e.doc_id = n.docid) FROM ${corpus.notes} n": ["docid"],
}


@pytest.mark.parametrize("query", UNDERLINED)
def test_every_mistake_is_underlined(query: str) -> None:
    _, said = analysed(check(query))
    assert sorted(map(underlined, said)) == sorted(UNDERLINED[query])


def test_columns_at_this_point_are_those_of_the_innermost_select() -> None:
    _, said = analysed(check("WITH a AS (SELECT 1 AS one) SELECT two FROM (SELECT one AS uno FROM a) AS b, a AS c"))
    (diagnostic,) = said
    assert diagnostic.notes == ("columns at this point: uno, one",)


def test_what_reads_a_wrong_query_is_not_wrong_for_it() -> None:
    text = check("SELECT titel FROM ${corpus.notes}") + check("SELECT titel, other FROM ${checks.c}", "d")
    _, said = analysed(text)
    assert [underlined(diagnostic) for diagnostic in said] == ["titel"]


def test_queries_are_analysed_after_those_that_they_read() -> None:
    blocks = [
        check("SELECT words FROM ${checks.b}", "a"),
        check("SELECT words FROM ${corpus.short} WHERE words > 3", "b"),
        """corpus short: derived {
          over = [corpus.notes], role = domain
          select = sql "SELECT doc_id, text, len(text) AS words FROM ${corpus.notes}"
        }
        """,
    ]
    unit, said = analysed("".join(blocks))
    assert not said
    assert [column.name for column in unit.queries["check.a.violations"].columns] == ["words"]
    columns = {column.name: column.type for column in columns_of("corpus.short", unit) or ()}
    assert columns["words"] == "BIGINT"
    assert columns["n_tokens"] == "BIGINT"


SAME = [
    "SELECT meta->>'a.b' AS x FROM ${corpus.notes} WHERE meta->>'l[0]' = 'y' OR title ~ 'plain'",
    "SELECT doc_id, count(*) FILTER (n_chars > ${param.least}) AS n FROM ${corpus.notes} GROUP BY ALL ORDER BY n DESC",
    "SELECT doc_id FROM ${corpus.notes} WHERE title = ${param.who} OR n_chars // 3 = 2",
    "FROM ${corpus.notes} a POSITIONAL JOIN ${corpus.exams} b SELECT a.doc_id, b.doc_id AS other",
    "SELECT unnest([1, 2, 3]) AS n, list_filter([1, 2], lambda x: x > 1) AS l, {'a': 1}.a AS s",
    "PIVOT (SELECT role, n_chars FROM ${corpus.notes}) ON role IN ('domain') USING sum(n_chars)",
    "SELECT doc_id, row_number() OVER w AS r FROM ${corpus.notes} WINDOW w AS (PARTITION BY title ORDER BY doc_id)",
    "SELECT TRY_CAST(meta->>'year' AS HUGEINT) AS y, 1_000 AS k FROM ${corpus.notes} ORDER BY ALL LIMIT 10",
]


@pytest.mark.parametrize("query", SAME)
def test_the_plan_asks_what_the_user_asked(query: str) -> None:
    unit, said = analysed(check(query))
    assert not said, [(d.message, d.notes) for d in said]
    plain = query.replace("${param.least}", "3").replace("${param.who}", "'O''Neil; DROP TABLE x --'")
    plain = plain.replace("${", "").replace("}", "") if "{'a'" not in query else query
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA corpus")
        for table in ("corpus.notes", "corpus.exams"):
            entries = ", ".join(f'"{c.name}" {c.type}' for c in columns_of(table, unit) or ())
            connection.execute(f"CREATE TABLE {table} ({entries})")
        row = "'1', 'a', 'domain', 'one', 'O''Neil; DROP TABLE x --', 'en', 8, 2, 'x'"
        meta = '{"a": {"b": 1}, "a.b": "x", "l[0]": "y", "year": "2020"}'
        connection.execute(f"INSERT INTO corpus.notes VALUES ({row}, '{meta}')")
        connection.execute("INSERT INTO corpus.exams (doc_id, n_chars) VALUES ('2', 9)")
        carried = connection.execute(unit.queries["check.c.violations"].sql).fetchall()
        assert carried == connection.execute(plain).fetchall()
        assert carried


def test_layout_and_comments_change_nothing() -> None:
    texts = set()
    for query in (
        "SELECT doc_id, COUNT(*) AS n FROM ${corpus.notes} WHERE title IS NOT NULL GROUP BY doc_id",
        "select doc_id,\n  count( * ) as n -- many\nfrom ${ corpus.notes }\nwhere title is not null group by doc_id;",
    ):
        unit, _ = analysed(check(query))
        texts.add(unit.queries["check.c.violations"].sql)
    assert len(texts) == 1


def test_a_name_that_is_a_word_of_sql() -> None:
    block = 'corpus select { source = files("s/*"), role = domain }\n' + check("SELECT doc_id FROM ${corpus.select}")
    unit, said = analysed(block)
    assert not said
    assert unit.queries["check.c.violations"].reads == ("corpus.select",)


def test_predicates_are_there_for_lowering() -> None:
    unit, said = analysed(
        'check c: rows { over = corpus.notes, expect = [not_null(text), holds(sql "n_chars>${param.least}")] }\n'
        'taxonomy t { over = [corpus.notes], rule short: sql { path = "short", where = sql "n_tokens < 5" } }\n'
    )
    assert not said
    assert unit.queries["check.c.expect.1"].sql == "n_chars > 3"
    assert unit.queries["taxonomy.t.short"].sql == "n_tokens < 5"
    assert unit.queries["taxonomy.t.short"].reads == ("corpus.notes_chunks",)


def test_columns_that_nobody_knows_yet_are_handed_on() -> None:
    unit, said = analysed(
        'corpus web { source = hf_dataset("a/b"), role = replay, keep = [sql "dump IS NULL", sql "dump > score"] }'
    )
    assert [diagnostic.code for diagnostic in said] == ["W0603", "W0603"]
    assert unit.unpromised == {"corpus.web": ("dump", "score")}
    assert {"dump", "score"} <= {column.name for column in columns_of("corpus.web", unit) or ()}


def test_every_promised_table_has_columns() -> None:
    unit, said = analysed(check("SELECT 1 AS one"))
    assert not said
    tables = promised_tables(unit)
    assert all(columns_of(table, unit) for table in (*tables, *RECORDS))
    suffixes = {kind: {f"{kind}.{name}_{s}" for s in PROMISED_TABLES[kind]} for kind, name in NAMES.items()}
    assert set.union(*suffixes.values()) <= {*tables}
    assert {"checks.c", "teacher.learn"} <= {*tables}


NAMES = {"corpus": "notes", "taxonomy": "topics", "mixture": "m", "stage": "learn", "evaluation": "board"}
