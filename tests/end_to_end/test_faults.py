"""Bad input: one clear error with its place, the exit code of the design, and nothing finished is lost."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from structdsl.cli.common import unknown
from structdsl.cli.main import cli
from tests.end_to_end.folder import Folder

BASE = """\
language 1
corpus notes { source = files("data/book/*.md"), role = domain }
corpus asked { source = files("data/questions.jsonl"), role = instruction }
taxonomy t { over = [corpus.notes], rule outline: headings { depth = 2 } }
"""


@pytest.fixture
def data(fresh: Folder) -> Folder:
    fresh.spec.write_text(BASE, encoding="utf-8")
    return fresh


FAULTS = [
    ('"data/book/*.md"', '"data/book/*.txt"', "E0513", "2:25", "no file matches", "corpus.asked"),
    ('"data/book/*.md"', '"data/book"', "E0515", "2:25", "it is a folder", "corpus.asked"),
    (
        "instruction",
        'instruction, columns = { answer: "reply" }',
        "E0514",
        "3:25",
        "`reply` is in no row",
        "taxonomy.t",
    ),
    ("domain", 'domain, keep = sql "CAST(title AS INTEGER) > 1"', "E0603", "2:72", "does not fit", "corpus.notes_read"),
]


@pytest.mark.parametrize(("old", "new", "code", "place", "says", "kept"), FAULTS, ids=[fault[2] for fault in FAULTS])
def test_faults_of_a_source(data: Folder, old: str, new: str, code: str, place: str, says: str, kept: str) -> None:
    data.shell("run")
    before = len(list(data.store.glob("tables/*/*/manifest.json")))
    data.edit(old, new)
    message = data.shell("run", "--diagnostics", "concise", code=4).stderr
    assert f"tiny.adapt:{place}: error[{code}]" in message
    assert says in message
    assert len(list(data.store.glob("tables/*/*/manifest.json"))) >= before
    assert data.rows(f"FROM {kept}")


def test_faulty_rows_are_kept_account_of(data: Folder) -> None:
    with (data.path / "data" / "questions.jsonl").open("ab") as file:
        file.write(b'not json\n[1]\n{"question": "x"}\n{"question": " ", "answer": "y"}\n\xff\n')
    (data.path / "data" / "book" / "empty.md").write_bytes(b"")
    (data.path / "data" / "book" / "broken.md").write_bytes(b"\xff")
    warned = data.shell("run").stderr
    assert "corpus.asked: 5 rows dropped while reading" in warned
    rows = data.rows("SELECT reason FROM corpus.asked_dropped UNION ALL SELECT reason FROM corpus.notes_dropped")
    assert sorted(row["reason"] for row in rows) == [
        "empty", "empty", "missing column", "not an object", "not json", "undecodable", "undecodable",
    ]  # fmt: skip


def test_nothing_that_is_held_out_is_told_of(data: Folder) -> None:
    data.edit("domain }", "domain, holdout = 1% }")
    warned = data.shell("run", "--select", "corpus.notes").stderr
    assert "corpus.notes: nothing is held out, for there are too few documents; corpus.notes_heldout is empty" in warned
    for name in "abcdefgh":
        (data.path / "data" / "book" / f"{name}.md").write_text(name, encoding="utf-8")
    data.edit("1%", "50%")
    assert "nothing is held out" not in data.shell("run", "--select", "corpus.notes").stderr


@pytest.mark.parametrize(
    ("more", "taken", "table"),
    [
        ('keep = sql "n_chars > 9999"', "2 taken by keep: n_chars > 9999", "verdicts"),
        ("dedup = exact(against = [corpus.same])", "2 taken by dedup: exact", "duplicates"),
        ("holdout = 99%", "2 taken by holdout", "heldout"),
    ],
)
def test_a_corpus_of_which_nothing_is_left(data: Folder, more: str, taken: str, table: str) -> None:
    same = 'corpus same { source = files("data/book/*.md"), role = domain }'
    data.spec.write_text(BASE.replace("role = domain", f"role = domain, {more}", 1) + same, encoding="utf-8")
    message = data.shell("run", code=4).stderr
    assert "E0516: nothing is left of `corpus.notes`; rows that were read: 2" in message
    assert taken in message
    assert f"what left is in `corpus.notes_faults`, `corpus.notes_{table}`" in message
    assert data.shell("query", f"SELECT count(*) AS n FROM corpus.notes_{table}", "--format", "csv").stdout == "n\n2\n"


def test_where_documents_went_is_told(data: Folder) -> None:
    (data.path / "data" / "book" / "copy.md").write_bytes(next(data.path.glob("data/book/*.md")).read_bytes())
    (data.path / "data" / "book" / "short.md").write_text("short", encoding="utf-8")
    (data.path / "data" / "book" / "empty.md").touch()
    data.edit("role = domain", 'role = domain, keep = sql "n_chars > 9", dedup = exact')
    assert "✓ corpus.notes  2 of 5 rows, 3 dropped (1 dedup, 1 keep, 1 read)\n" in data.shell("run").stderr
    assert "corpus.notes" not in data.shell("run").stderr


@pytest.mark.parametrize("selected", ["corpus.notes.chunk", "corpus.notes"])
def test_a_corpus_that_loses_all_its_rows_ends_whatever_reads_it(data: Folder, selected: str) -> None:
    data.edit("role = domain", 'role = domain, keep = sql "n_chars > 1000000"')
    assert "E0516" in data.shell("run", "--select", selected, code=4).stderr


def test_more_tokens_than_the_epochs_allow(fresh: Folder) -> None:
    fresh.edit("budget = 2k tokens, max_epochs = 20", "budget = 90k tokens, max_epochs = 2")
    message = fresh.shell("run", "--select", "mixture.knowledge", "--diagnostics", "concise", code=4).stderr
    assert "error[E0505]: `mixture.knowledge` asks `corpus.book` for 54000 tokens" in message
    assert fresh.rows("SELECT count(DISTINCT doc_id) AS n FROM corpus.book_chunks")[0]["n"] == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("compile", "missing.adapt"), 1, "E0802"),
        (("query", "SELECT 1"), 1, "E0806"),
        (("explain", "E9999"), 2, "no code E9999"),
        (("run", "--select", "corpus.nots"), 2, "did you mean"),
        (("run", "-p", "nothing=3"), 1, "E0209"),
        (("compile", "-p", "nothing"), 2, "error: `-p nothing` must have the form NAME=VALUE\n"),
        (("run", "--select", "book"), 2, "no step or block book; did you mean corpus.book?\n"),
        (
            ("run", "--select", "xyzzy"),
            2,
            "taxonomy.guide, stage.learn, stage.answer, evaluation.board and 1 more\n",
        ),
        (("inspect", "book"), 2, "no block book; did you mean corpus.book?\n"),
        (("export", "learn"), 2, "no stage learn; did you mean stage.learn?\n"),
        (("graph", "--out", "a.png"), 2, "`a.png` would be a picture of another format"),
        (("complie",), 2, "no such command 'complie'; did you mean compile?\n"),
        (("xyzzy",), 2, "help: `structdsl --help` lists"),
        (("compile", "--no"), 2, "help: `structdsl compile --help` lists"),
        (("compile", "--out", "data"), 2, "holds files that no compile wrote"),
    ],
)
def test_usage(fresh: Folder, words: tuple[str, ...], code: int, says: str) -> None:
    assert says in fresh.shell(*words, code=code).stderr


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (0, "no stage xyzzy; there are none"),
        (10, f"no stage xyzzy; there are {', '.join(f'stage.a{each}' for each in range(10))}"),
        (30, f"no stage xyzzy; there are {', '.join(f'stage.a{each}' for each in range(9))}, stage.xy and 21 more"),
    ],
)
def test_a_name_that_is_near_to_none_of_many(number: int, says: str) -> None:
    names = [f"stage.a{each}" for each in range(number)]
    assert unknown("stage", "xyzzy", [*names, *(["stage.xy"] if number > 10 else [])]).message == says


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("structdsl qu", "query"), ("structdsl qury ", "init"), ("structdsl xyzzy ", "init")],
)
def test_a_shell_completes_what_is_typed_whatever_it_is(typed: str, offered: str) -> None:
    asked = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split(" ")) - 1),
        "_STRUCTDSL_COMPLETE": "bash_complete",
    }
    done = CliRunner().invoke(cli, [], env=asked, prog_name="structdsl")
    assert (done.exit_code, done.output.splitlines()[:1]) == (0, [f"plain,{offered}"])


def test_several_specs_must_be_told_apart(fresh: Folder) -> None:
    (fresh.path / "other.adapt").write_text(BASE, encoding="utf-8")
    assert "E0803" in fresh.shell("compile", code=1).stderr


def test_a_query_that_fails_says_what_duckdb_says(finished: Folder) -> None:
    for query, says in (
        ("SELECT * FROM corpus.bok", "does not exist"),
        ("DROP VIEW corpus.book", "only queries that read"),
    ):
        message = finished.shell("query", query, code=1).stderr
        assert "E0807" in message
        assert says in message


def test_a_query_of_nothing_lists_the_tables(finished: Folder) -> None:
    listed = json.loads(finished.shell("query", "--format", "json").stdout)
    columns = {row["table"]: row["columns"].split(", ") for row in listed}
    assert {"corpus.book", "taxonomy.guide", "stage.learn_samples", "meta.steps"} <= columns.keys()
    assert columns["corpus.book"][:2] == ["doc_id", "corpus"]
    promised = {row["table"] for row in listed if row["promised"]}
    inner = {"corpus.book_read", "taxonomy.guide_outline", "mixture.knowledge_pool", "stage.learn_layout"}
    assert promised.isdisjoint(inner)
    assert inner <= columns.keys()
    assert {"corpus.book", "corpus.book_dropped", "evaluation.board_scores", "meta.runs"} <= promised


def test_the_list_of_tables_is_for_people(finished: Folder) -> None:
    *lines, last = finished.shell("query").stdout.split("\n\n")
    assert max(map(len, lines[0].splitlines())) <= 100
    assert "corpus.book: The documents that stayed\n    doc_id, corpus, role, text, " in lines[0]
    assert lines[0].index("corpus.") < lines[0].index("taxonomy.guide") < lines[0].index("meta.runs")
    assert last.startswith("made on the way, free to change: corpus.book_")
    limited = finished.shell("query", "--limit", "2")
    assert limited.stdout.count("corpus.") == 2
    assert limited.stderr == "… more tables than --limit shows\n"
    assert not finished.shell("query", "--limit", "500").stderr
