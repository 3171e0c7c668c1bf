"""`keep` from files to tables: bundles beside SQL, what is measured for them, and what a changed threshold costs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.plan import MeasureSignals, Plan
from structdsl_runtime.ask import query
from structdsl_runtime.executor import RunResult, run

PROSE = "We have seen that the keeper of the small lake goes out with a boat to feed the fish each day. "
TEXTS = {
    "fine": PROSE * 3,
    "symbols": PROSE * 3 + "# " * 40,
    "short": "too short",
    "other": "Nothing else stands here but words. " * 20,
    "long": PROSE * 9,
}


def plan(keep: str, more: str = "", columns: str = "") -> Plan:
    spec = f'language 1\ncorpus web {{ source = files("*.jsonl"), role = replay, keep = {keep}{columns} }}\n{more}'
    made, sink = compile_text(spec, Path("s.adapt"))
    assert made is not None, [diagnostic.message for diagnostic in sink]
    return made


def signals(made: Plan) -> tuple[str, ...]:
    """What a plan measures."""
    found = [step.operation.signals for step in made.steps if isinstance(step.operation, MeasureSignals)]
    return found[0] if found else ()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": name, "text": text, "n_lines": 7} for name, text in TEXTS.items()]
    (tmp_path / "web.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def go(folder: Path, made: Plan) -> RunResult:
    result = run(made, root=folder, store=folder / "store")
    assert result.status == "done", result
    return result


def dropped(folder: Path) -> dict[str, tuple[str, str]]:
    rows = query(folder / "store", "SELECT doc_id, reason, evidence FROM corpus.web_dropped").rows
    return {doc_id: (reason, evidence) for doc_id, reason, evidence in rows}


def test_whoever_leaves_has_the_rule_as_its_reason(folder: Path) -> None:
    go(folder, plan('[sql "n_words < 150", quality(gopher), sql "doc_id <> \'none\'"]'))
    assert dropped(folder) == {
        "long": ("false", "n_words < 150"),
        "short": ("gopher", "n_words < 50"),
        "symbols": ("gopher", "n_hashes / (n_words + n_symbol_words) > 0.1"),
        "other": ("gopher", "n_stop_words < 2"),
    }


def test_another_threshold_reads_and_measures_nothing(folder: Path) -> None:
    go(folder, plan('[quality(gopher), sql "n_words < 150"]'))
    assert "long" in dropped(folder)
    result = go(folder, plan('[quality(gopher), sql "n_words < 1000"]'))
    assert "corpus.web.keep" in result.ran
    assert not {"corpus.web.read", "corpus.web.measure", "corpus.web.count"}.intersection(result.ran)
    assert "long" not in dropped(folder)


def test_another_column_is_measured_and_nothing_is_read(folder: Path) -> None:
    go(folder, plan('sql "n_words < 150"'))
    result = go(folder, plan('sql "n_words < 150 AND n_paragraphs < 9"'))
    assert {"corpus.web.measure", "corpus.web.keep"} <= set(result.ran)
    assert "corpus.web.read" not in result.ran


ASKED = [
    ('sql "n_chars > 5"', "", "", ()),
    ('sql "N_Words > 5"', "", "", ("n_words",)),
    ('sql "len(list_filter([1], lambda n_words: n_words > 0)) > 0 AND n_braces = 0"', "", "", ("n_braces",)),
    ("quality(c4, words = unicode)", "", "", ("n_braces", "n_lorem_ipsum", "n_c4_sentences_unicode")),
    ('sql "n_lines > 5"', "", ', columns = { n_lines: "n_lines" }', ()),
]


@pytest.mark.parametrize(("keep", "more", "columns", "names"), ASKED, ids=[case[0] for case in ASKED])
def test_what_is_measured_is_what_is_asked_for(keep: str, more: str, columns: str, names: tuple[str, ...]) -> None:
    assert signals(plan(keep, more, columns)) == names


def test_a_column_of_the_corpus_hides_a_signal(folder: Path) -> None:
    go(folder, plan('sql "n_lines = 7 AND n_words > 5"', columns=', columns = { n_lines: "n_lines" }'))
    assert dropped(folder) == {"short": ("false", "n_lines = 7 AND n_words > 5")}


def test_whoever_reads_the_table_gets_all_of_it(folder: Path) -> None:
    check = "check long: rows { over = corpus.web_signals, severity = warning, expect = not_null(mean_word_length) }"
    made = plan('sql "n_chars > 5"', check)
    assert len(signals(made)) > 50
    go(folder, made)
    rows = query(folder / "store", "SELECT n_unique_words FROM corpus.web_signals WHERE doc_id = 'short'").rows
    assert [tuple(row) for row in rows] == [(2,)]
