"""Users' queries: what they see of a run, and what they cannot reach."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from structdsl.plan import CountTokens
from structdsl_runtime.ask import QueryError, query
from structdsl_runtime.executor import run
from structdsl_runtime.journal import Journal
from structdsl_runtime.lock import exclusive, is_held
from structdsl_runtime.operation import Context, Inputs, Outputs
from tests.runtime.core.toy_plan import KEEP, OPERATIONS, plan


@pytest.fixture
def full(root: Path, store: Path) -> Path:
    run(plan(), root=root, store=store, operations=OPERATIONS)
    return store


def test_a_run_whose_end_could_not_be_written_is_killed_once_its_process_is_gone(
    root: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "finish", full)
        failed = run(plan(), root=root, store=store, operations={**OPERATIONS, "count_tokens": full})
    assert failed.failure is not None
    asked = (
        "SELECT status FROM meta.runs",
        "SELECT status, error, count(*) FROM meta.steps GROUP BY ALL ORDER BY ALL",
    )
    with exclusive(store):
        assert query(store, asked[0]).rows == (("running",),)
        assert in_the_file(store, asked[0]) == [("running or killed",)]
        assert ("running", None, 1) in query(store, asked[1]).rows
    assert query(store, asked[0]).rows == (("killed",),)
    assert in_the_file(store, asked[0]) == [("running or killed",)]
    assert ("running or killed", None, 1) in in_the_file(store, asked[1])
    assert "`structdsl query` can tell" in str(in_the_file(store, "SELECT comment FROM duckdb_views()"))
    shown = query(store, asked[1]).rows
    assert shown == (("done", None, 4), ("failed", "killed", 1), ("left", None, 1))
    with pytest.raises(QueryError, match=rf"run {failed.run_id} \(killed\) has not finished"):
        query(store, "FROM corpus.x_counts")
    run(plan(), root=root, store=store, operations=OPERATIONS)
    assert query(store, asked[1], run=failed.run_id).rows == shown
    assert in_the_file(store, f"{asked[0]} ORDER BY run_id") == [("killed",), ("done",)]


def in_the_file(store: Path, sql: str) -> list[tuple[object, ...]]:
    """What the catalog says without us."""
    with duckdb.connect(str(store / "catalog.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_to_ask_whether_a_run_goes_on_keeps_none_from_beginning(store: Path) -> None:
    with exclusive(store):
        assert is_held(store)
    assert not is_held(store)
    (store / "lock").write_text("pid 1 on another-machine since yesterday\n", encoding="utf-8")
    assert is_held(store)  # as far as anyone here can tell
    with (store / "lock").open("rb") as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.01, asking.close).start()
        with exclusive(store):
            pass


def test_an_answer_has_columns_types_and_rows(full: Path) -> None:
    answer = query(full, "SELECT doc_id, n_chars FROM corpus.x_read ORDER BY doc_id;")
    assert answer.columns == ("doc_id", "n_chars")
    assert answer.types == ("VARCHAR", "BIGINT")
    assert answer.rows == (("a.txt", 10), ("b.txt", 5))
    limited = query(full, "FROM corpus.x_read", limit=1)
    assert (len(limited.rows), limited.more) == (1, True)
    assert not query(full, "FROM corpus.x_read", limit=2).more


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW ALL TABLES",
        "DESCRIBE corpus.x",
        "SUMMARIZE corpus.x",
        "EXPLAIN SELECT * FROM corpus.x",
        "explain analyze FROM corpus.x",
        "PIVOT corpus.x_read ON doc_id USING sum(n_chars)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r -- all",
        "SELECT 1 AS a, 2 AS a",
        "SELECT 1; -- ü",
        "SELECT ';' /* ; */ ; ;",
        "; -- ü\n (((SELECT 1)))",
        "\n-- c\nEXPLAIN\n-- d\nSELECT 1",
        "EXPLAIN SELECT 1; -- c",
        "FROM meta.lineage",
        "VALUES (1)",
    ],
)
def test_what_reads_is_answered(full: Path, sql: str) -> None:
    assert query(full, sql).rows


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text('{store}/../../data/a.txt')",
        "SELECT * FROM read_text('{store}/lock')",
        "SELECT * FROM read_text('{store}/runs/../lock')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "FROM query('FROM read_text(''/etc/passwd'')')",
        "ATTACH '/tmp/other.duckdb'",
        "ATTACH '{store}/tables/other.duckdb'",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "COPY (SELECT 1) TO '{store}/tables/stolen.csv'",
        "WITH w AS (COPY (SELECT 1) TO '{store}/tables/stolen.csv') SELECT 1",
        "FROM (WITH w AS (COPY (SELECT 1) TO '{store}/tables/stolen.csv') SELECT 1)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/tables/stolen.csv'",
        "EXPLAIN ANALYZE WITH w AS (COPY (SELECT 1) TO '{store}/tables/stolen.csv') SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT 1); COPY (SELECT 1) TO '{store}/tables/stolen.csv' --",
        "SELECT 1; COPY (SELECT 1) TO '{store}/tables/stolen.csv'; -- c",
        "CREATE TABLE t AS SELECT 1",
        "DROP VIEW corpus.x",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "LOAD httpfs",
        "EXPORT DATABASE '{store}/tables/all'",
        "",
    ],
)
def test_what_writes_or_reaches_out_is_refused(full: Path, sql: str) -> None:
    before = sorted(full.rglob("*"))
    with pytest.raises(QueryError):
        query(full, sql.format(store=full))
    assert sorted(full.rglob("*")) == before
    assert not Path("/tmp/stolen.csv").exists()
    assert not Path("/tmp/other.duckdb").exists()


def test_errors_are_duckdbs(full: Path) -> None:
    with pytest.raises(QueryError, match="does not exist"):
        query(full, "FROM corpus.y")


def test_what_makes_a_table_that_is_not_there(full: Path) -> None:
    with pytest.raises(QueryError, match=r"`corpus.x_signals` is made where `corpus.x` names a signal in `keep`"):
        query(full, "SELECT * FROM corpus.x JOIN corpus.x_signals USING (doc_id)")
    with pytest.raises(QueryError) as raised:
        query(full, "FROM corpus.y_signals")
    assert "is made" not in str(raised.value)


def test_during_a_run(root: Path, store: Path) -> None:
    seen: list[object] = []

    def look(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
        seen.append(query(store, "SELECT count(*) FROM corpus.x").rows)
        seen.append(query(store, "SELECT status FROM meta.steps WHERE address = 'corpus.x.count'").rows)
        seen.append(query(store, "SELECT status, finished_at FROM meta.runs").rows)
        with pytest.raises(QueryError):
            query(store, "FROM corpus.x_counts")
        OPERATIONS["count_tokens"](arguments, inputs, outputs, context)

    run(plan(), root=root, store=store, operations={**OPERATIONS, "count_tokens": look})
    assert seen == [((1,),), (("running",),), (("running", None),)]
    assert query(store, "SELECT count(*) FROM corpus.x_counts").rows == ((1,),)


def test_an_earlier_run(root: Path, full: Path) -> None:
    second = run(plan(keep=KEEP.replace("< 6", "< 2")), root=root, store=full, operations=OPERATIONS)
    runs = query(full, "SELECT run_id FROM meta.runs ORDER BY run_id").rows
    first = runs[0][0]
    assert runs[1][0] == second.run_id
    assert query(full, "SELECT count(*) FROM corpus.x").rows == ((2,),)
    assert query(full, "SELECT count(*) FROM corpus.x", run=first).rows == ((1,),)
    assert query(full, "SELECT DISTINCT status FROM meta.steps", run=first).rows == (("done",),)
    with pytest.raises(QueryError, match="no run `x`"):
        query(full, "SELECT 1", run="x")


def test_cleared_tables_are_absent(full: Path) -> None:
    shutil.rmtree(full / "tables" / "corpus.x.keep")
    assert query(full, "SELECT count(*) FROM corpus.x_read").rows == ((2,),)
    with pytest.raises(QueryError):
        query(full, "FROM corpus.x")


def test_after_a_move(full: Path, tmp_path: Path) -> None:
    moved = tmp_path / "a 'quoted' place"
    full.rename(moved)
    assert query(moved, "SELECT count(*) FROM corpus.x").rows == ((1,),)


def test_nothing_run(tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="nothing has been run"):
        query(tmp_path, "SELECT 1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing"])
def test_an_empty_query(full: Path, sql: str) -> None:
    with pytest.raises(QueryError, match="empty"):
        query(full, sql)


def test_a_broken_table_is_named(full: Path) -> None:
    (file,) = full.glob("tables/corpus.x.keep/*/verdicts.parquet")
    file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(QueryError, match=r"`corpus\.x_verdicts` cannot be read"):
        query(full, "SELECT 1")


def test_plan_and_query_need_nothing_of_the_extra(full: Path) -> None:
    code = f"""
import sys
sys.modules |= dict.fromkeys(["numpy", "pyarrow", "tokenizers", "torch"])  # None: not to be found
from pathlib import Path
from structdsl_runtime import ask, explain
assert ask.query(Path({str(full)!r}), "FROM corpus.x").rows
assert ask.query(Path({str(full)!r}), "FROM meta.runs").rows
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_of_another_version_is_said_to_be_one(full: Path) -> None:
    (recorded,) = full.glob("runs/*/plan.json")
    recorded.write_text(recorded.read_text("utf-8").replace('"version":1', '"version":7'), encoding="utf-8")
    with pytest.raises(QueryError, match="recorded by another version of structdsl"):
        query(full, "FROM corpus.x")


def test_a_table_that_the_run_was_not_asked_for(root: Path, store: Path) -> None:
    run(plan(), root=root, store=store, operations=OPERATIONS, only=["corpus.x.keep"])
    with pytest.raises(QueryError, match=r"did not select; `structdsl run --select corpus.x.count` makes it"):
        query(store, "FROM corpus.x_counts")
    whole = run(plan(), root=root, store=store, operations=OPERATIONS)
    run(plan(), root=root, store=store, operations=OPERATIONS, only=["corpus.x.keep"])
    with pytest.raises(QueryError, match=rf"did not select; `--run {whole.run_id}` has it"):
        query(store, "FROM corpus.x_counts")


def test_a_mistake_is_in_the_line_where_it_was_typed(full: Path) -> None:
    before = ["", "\n\n", "EXPLAIN ", "EXPLAIN\n", "\n explain\n analyze ", "/* c\n */ ;\n", "-- ü\n"]
    asked = [*((words, breaks, "") for words in before for breaks in (0, 1)), ("", 8, "\n;\n-- c"), ("\n", 98, ";")]
    wrong = itertools.cycle([("FROM corpus.y", "corpus.y"), ("FROM corpus.x_read WHERE z > 1", "z > 1"), ("+ w", "w")])
    for (words, breaks, after), (mistake, marked) in zip(asked, wrong, strict=False):
        typed = f"{words}SELECT 1" + "\n" * breaks + f" {mistake}{after}"
        with pytest.raises(QueryError) as raised:
            query(full, typed)
        place, mark = [line for line in str(raised.value).splitlines() if line.startswith(("LINE", " "))]
        head, _, shown = place.partition(": ")
        assert head == f"LINE {typed[: typed.index(mistake)].count(chr(10)) + 1}"
        assert shown == next(line for line in typed.split("\n") if mistake in line)
        assert place[mark.index("^") :].startswith(marked)


def test_a_value_that_does_not_fit_is_in_the_line_where_it_was_typed(full: Path) -> None:
    with pytest.raises(QueryError, match=r"(?m)^LINE 3: SELECT doc_id::INT\n {21}\^"):
        query(full, "\n\nSELECT doc_id::INT\nFROM corpus.x_read")
