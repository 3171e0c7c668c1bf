"""`structdsl test`: what passes, what fails and how that is shown, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from structdsl.compile import compile_text
from structdsl.fixtures import Refused, plan_of_test
from structdsl_runtime.ask import query
from structdsl_runtime.executor import run
from tests.end_to_end.folder import Folder

SPEC = """\
language 1
model base { source = path("not/there") }
corpus book  { source = files("no/data/*.md"), role = domain, title = "The Book", keep = sql "n_tokens > 1" }
corpus notes { source = files("no/notes.jsonl"), role = domain }
corpus asked { source = files("no/asked.jsonl"), role = instruction }
taxonomy guide {
  over   = [corpus.book, corpus.notes]
  root   = corpus
  levels = [place, person]
  rule outline: headings { depth = 2 }
}
taxonomy drugs {
  over = [corpus.notes]
  rule named: keywords { path = "drug", terms = ["aspirin"] }
  rule asked: structurise { model = model.base, max_calls = 5 }
}
mixture all { budget = 8 tokens, max_epochs = 1, weights = { corpus.book: 50%, corpus.asked: rest } }
stage learn: cpt { from = model.base, data = mixture.all, length = 2Ki tokens, batch = 2Ki tokens }
"""

HEART = r'[{ doc_id: "t1", text: "# Heart\n## Failure\nDyspnoea.\n" }]'


@pytest.fixture
def tests(fresh: Folder) -> Folder:
    fresh.spec.write_text(SPEC, encoding="utf-8")
    return fresh


def add(folder: Folder, name: str, given: str, expect: str) -> None:
    with folder.spec.open("a", encoding="utf-8") as file:
        file.write(f"test {name} {{\n  given  = {{ {given} }}\n  expect = {{ {expect} }}\n}}\n")


PASSING = {
    "paths": (
        f"corpus.book: {HEART}",
        'taxonomy.guide_links: [{ doc_id: "t1", path: "heart/failure", place: "Heart", person: "Failure" }]',
    ),
    "titles": (f"corpus.book: {HEART}", 'corpus.book: [{ title: "Heart", corpus: "book", n_chars: 29, lang: none }]'),
    "no_title": (f"corpus.notes: {HEART}", "corpus.notes: [{ title: none }]"),
    "given_columns": (
        'corpus.book: [{ doc_id: "a", text: "A text", title: "A", lang: "en", meta: { n: [1, 2.5] } }]',
        'corpus.book: [{ doc_id: "a", title: "A", lang: "en", meta: { n: [1, 2.5] } }]',
    ),
    "dropped": (
        'corpus.book: [{ doc_id: "a", text: "x" }, { doc_id: "b", text: "long enough" }, { doc_id: "c", text: " " }]',
        'corpus.book_dropped: [{ doc_id: "c", step: "read" }, { doc_id: "a", step: "keep" }]',
    ),
    "all_dropped": (
        'corpus.book: [{ doc_id: "a", text: "x" }]',
        'corpus.book_dropped: [{ doc_id: "a", step: "keep" }]',
    ),
    "questions": (
        'corpus.asked: [{ question: "Q?", answer: "A", path: "North Bay/Ada" }]',
        'corpus.asked: [{ doc_id: "1", text: "Q?\\nA", path: "north-bay/ada" }]',
    ),
    "any_order_and_duplicates": (
        'corpus.notes: [{ text: "one" }, { text: "two" }, { text: "one" }]',
        'corpus.notes: [{ text: "one" }, { text: "one" }, { text: "two" }]',
    ),
    "nothing": (
        'corpus.asked: [{ question: "Q?", answer: "A" }]',
        "corpus.book: [], taxonomy.guide_links: [], corpus.asked_dropped: []",
    ),
    "estimates": ('corpus.notes: [{ text: "123456789" }]', "corpus.notes: [{ n_tokens: 3 }]"),
    "a_model_that_need_not_be_asked": (
        'corpus.notes: [{ doc_id: "n", text: "Aspirin, twice a day." }]',
        'taxonomy.drugs_links: [{ doc_id: "n", rule: "named" }]',
    ),
    "mixed": (
        """corpus.book:  [{ doc_id: "b", text: "12345678 1234567" }]
        corpus.asked: [{ question: "1234567", answer: "12345678" }]""",
        'mixture.all_summary: [{ corpus: "book", target: 4 }, { corpus: "asked", target: 4 }]',
    ),
}


def test_all_that_pass(tests: Folder) -> None:
    for name, (given, expect) in PASSING.items():
        add(tests, name, given, expect)
    done = tests.shell("test")
    assert done.stdout.splitlines()[-1] == f"{len(PASSING)} passed"
    assert [line.split()[:2] for line in done.stdout.splitlines()[:-1]] == [["✓", name] for name in PASSING]
    assert not tests.store.exists()
    assert not (tests.path / "build").exists()


def test_a_failure_shows_the_rows_that_differ(tests: Folder) -> None:
    add(tests, "right", f"corpus.book: {HEART}", 'taxonomy.guide_links: [{ path: "heart/failure" }]')
    rows = '[{ doc_id: "t1", path: "heart" }, { doc_id: "t2", path: "lung" }]'
    add(tests, "wrong", f"corpus.book: {HEART}", f"taxonomy.guide_links: {rows}")
    add(tests, "none_expected", f"corpus.book: {HEART}", "corpus.book_chunks: []")
    lines = tests.shell("test", code=5).stdout.splitlines()
    assert lines[-1] == "1 passed, 2 failed"
    at = next(at for at, line in enumerate(lines) if line.startswith("✗ wrong"))
    assert [line.split() for line in lines[at + 1 : at + 7]] == [
        ["taxonomy.guide_links:", "-", "2", "expected", "and", "not", "found,", "+", "1", "not", "expected"],
        ["doc_id", "path"],
        ["─", "──────", "─────────────"],
        ["-", "t1", "heart"],
        ["-", "t2", "lung"],
        ["+", "t1", "heart/failure"],
    ]
    assert "corpus.book_chunks: - 0 expected and not found, + 1 not expected" in lines[at + 8]


REFUSED = {
    "trains": (f"corpus.book: {HEART}", "stage.learn_samples: []", "E0813", "would need `model.base"),
    "uneven": (
        f"corpus.book: {HEART}",
        'corpus.book: [{ doc_id: "t1" }, { title: "x" }]',
        "E0814",
        "in some rows of `corpus.book` and not in others",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tests: Folder, name: str) -> None:
    given, expect, code, says = REFUSED[name]
    add(tests, name, given, expect)
    done = tests.shell("test", "--diagnostics", "concise", code=5)
    assert f"error[{code}]: test `{name}`" in done.stderr
    assert says in done.stderr
    assert "0 passed, 1 failed" in done.stdout


def test_a_step_that_fails_is_a_failed_test(tests: Folder) -> None:
    add(tests, "short", 'corpus.asked: [{ question: "Q?", answer: "A" }]', "mixture.all: []")
    done = tests.shell("test", "--diagnostics", "concise", code=5)
    assert "E0505" in done.stderr
    assert "0 passed, 1 failed" in done.stdout


def test_a_model_that_would_be_asked(tests: Folder) -> None:
    given = 'corpus.notes: [{ text: "Aspirin." }, { text: "Unheard of." }]'
    add(tests, "ask", given, "taxonomy.drugs_links: []")
    refused = tests.shell("test", "--diagnostics", "concise", code=5).stderr
    assert "error[E0813]: test `ask` would ask a model: no rule before `asked` answers for 1 of its chunks" in refused


CHUNK = {"chunk_id": "c", "doc_id": "d", "text": "Aspirin.", "heading_path": ["A"], "position": 0}


def test_a_table_in_place_of_what_makes_it(tmp_path: Path) -> None:
    """Whoever makes the table does not run, and what it would read is empty."""
    plan, _ = compile_text(SPEC, Path("tiny.adapt"))
    assert plan is not None
    small = plan_of_test(plan, "t", {"corpus.notes_chunks": [CHUNK]}, {"taxonomy.drugs_links": []}, {})
    assert {step.operation.op for step in small.steps}.isdisjoint({"read_files", "chunk"})
    assert run(small, root=tmp_path, store=tmp_path / "store").failure is None
    answer = query(tmp_path / "store", "SELECT chunk_id, path FROM taxonomy.drugs_named_found")
    assert answer.rows == (("c", "drug"),)


@pytest.mark.parametrize(
    ("row", "says"),
    [({"chunk_ids": "c"}, "`chunk_ids`, which is no column"), ({"position": "first"}, '`"first"` as `position`')],
)
def test_rows_that_no_table_holds(row: dict[str, Any], says: str) -> None:
    plan, _ = compile_text(SPEC, Path("tiny.adapt"))
    assert plan is not None
    with pytest.raises(Refused) as refused:
        plan_of_test(plan, "t", {"corpus.notes_chunks": [row]}, {"taxonomy.drugs_links": []}, {})
    assert says in refused.value.message


def test_filter(tests: Folder) -> None:
    assert "no tests in tiny.adapt" in tests.shell("test").stdout
    for name in ("one_of_two", "two_of_two"):
        add(tests, name, f"corpus.book: {HEART}", 'corpus.book: [{ doc_id: "t1" }]')
    assert tests.shell("test", "--filter", "two*").stdout.splitlines()[-1] == "1 passed"
    assert tests.shell("test", "--filter", "*").stdout.splitlines()[-1] == "2 passed"
    assert "did you mean two_of_two" in tests.shell("test", "--filter", "two_of_tw", code=2).stderr


MEASURED = """\
language 1
model base { source = path("not/there") }
corpus notes { source = files("no/notes.jsonl"), role = domain }
corpus web   { source = files("no/web.jsonl"), role = replay }
corpus exam  { source = files("no/exam.jsonl"), role = exam }
corpus curve: derived {
  over = [stage.learn_loss], role = probe
  select = sql "SELECT step || '' AS doc_id, corpus AS text FROM ${stage.learn_loss}"
}
corpus late: derived {
  over = [stage.other_loss], role = probe
  select = sql "SELECT step || '' AS doc_id, corpus AS text FROM ${stage.other_loss}"
}
mixture a { budget = 1k tokens, weights = { corpus.notes: rest } }
mixture b { budget = 1k tokens, weights = { corpus.web: rest } }
stage learn: cpt { from = model.base, data = mixture.a }
stage other: cpt { from = model.base, data = mixture.b }
evaluation board { models = [model.base], tasks = { exam: closed_book(corpus.exam) } }
"""


def test_what_is_measured_need_not_be_given(fresh: Folder) -> None:
    asked = "one two three four five six seven eight nine ten eleven twelve thirteen?"
    fresh.spec.write_text(MEASURED, encoding="utf-8")
    text = f'[{{ doc_id: "t", text: "{asked}" }}]'
    add(fresh, "alone", f"corpus.notes: {text}", f'corpus.notes_chunks: [{{ text: "{asked}" }}]')
    exam = f'corpus.exam: [{{ doc_id: "e", question: "{asked}", answer: "x" }}]'
    add(
        fresh,
        "given",
        f"corpus.notes: {text}, {exam}",
        'corpus.notes_chunks: [], corpus.notes_matches: [{ item: "e" }]',
    )
    fresh.shell("test")
