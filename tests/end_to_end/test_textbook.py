"""The same path on a real book: `specs/textbook.adapt` over a folder of Markdown chapters with exercises.

The book is no part of the repository: it is looked for beside the checkout.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.end_to_end.folder import Folder

BOOK = ROOT.parent / "shared" / "data" / "microbiology"

pytestmark = pytest.mark.skipif(not BOOK.is_dir(), reason="the microbiology textbook does not lie beside the checkout")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("book"), "textbook")
    shutil.copy(ROOT / "specs" / "textbook.adapt", folder.spec)
    folder.shell("run", "-p", f"book={BOOK}", "-p", "steps=24")
    return folder


def test_the_taxonomy_is_that_of_the_book(book: Folder) -> None:
    counts = book.rows("SELECT depth, count(*) AS n FROM taxonomy.contents GROUP BY depth ORDER BY depth")
    assert [(row["depth"], row["n"]) for row in counts] == [(0, 1), (1, 26), (2, 153), (3, 605)]
    titles = book.rows("SELECT title FROM taxonomy.contents WHERE depth < 3 ORDER BY position LIMIT 4")
    assert [row["title"] for row in titles] == [
        "Microbiology",
        "An Invisible World",
        "Introduction",
        "What Our Ancestors Knew",
    ]


CLAIMS = {
    "chunks concatenate back to their chapter": """
        SELECT doc_id FROM corpus.chapters AS d JOIN corpus.chapters_cut AS c USING (doc_id)
        GROUP BY doc_id, d.text HAVING string_agg(c.text, '' ORDER BY c.position) <> d.text""",
    "a chunk is kept or matches an exam": """
        SELECT 1 WHERE (SELECT count(*) FROM corpus.chapters_cut) <>
          (SELECT count(*) FROM corpus.chapters_chunks)
          + (SELECT count(DISTINCT chunk_id) FROM corpus.chapters_matches)""",
    "offsets are those of the text": """
        SELECT chunk_id FROM corpus.chapters AS d JOIN corpus.chapters_chunks AS c USING (doc_id)
        WHERE encode(c.text) <> array_slice(encode(d.text), c.start_byte + 1, c.end_byte)""",
    "no chunk is empty or above its cap": "SELECT 1 FROM corpus.chapters_chunks WHERE n_tokens NOT BETWEEN 1 AND 256",
    "every chunk is on exactly one node": """
        SELECT chunk_id FROM corpus.chapters_chunks LEFT JOIN taxonomy.contents_links USING (chunk_id)
        GROUP BY chunk_id HAVING count(node_id) <> 1""",
    "exercises are kept or dropped": """
        SELECT 1 WHERE (SELECT count(*) FROM corpus.exercises_read) <>
          (SELECT count(*) FROM corpus.exercises) + (SELECT count(*) FROM corpus.exercises_dropped)""",
    "no exercise trains and examines": "SELECT 1 FROM corpus.exercises JOIN corpus.exam USING (question, answer)",
    "every exercise has found its chapter": "SELECT 1 FROM stage.answer_rows WHERE node_id IS NULL",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_tables_must_hold(book: Folder, claim: str) -> None:
    assert book.rows(CLAIMS[claim]) == []


def test_it_trained_and_was_examined(book: Folder) -> None:
    log = book.rows("SELECT step, loss FROM stage.learn_log ORDER BY step")
    assert len(log) == 24
    assert log[-1]["loss"] < log[0]["loss"]
    scores = book.rows("SELECT model, n FROM evaluation.board_scores ORDER BY model")
    assert [(row["model"], row["n"]) for row in scores] == [("model.small", 305), ("stage.answer", 305)]


def test_nothing_is_left_to_do(book: Folder) -> None:
    assert "nothing to do" in book.shell("run", "-p", f"book={BOOK}", "-p", "steps=24").stderr


@pytest.mark.slow
def test_two_ranks_under_zero_2_learn_it_whole(tmp_path: Path) -> None:
    folder = Folder(tmp_path, "textbook")
    text = (ROOT / "specs" / "textbook.adapt").read_text(encoding="utf-8")
    assert text.count("  length    = 512\n") == 2
    text = text.replace("  length    = 512\n", "  length    = 512\n  cluster   = cluster.two\n")
    assert text.count("  models = [") == 1
    text = text.replace("  models = [", "  cluster = cluster.two\n  models = [")
    folder.spec.write_text(text + "cluster two { processes = 2, deepspeed { zero = 2 } }\n", encoding="utf-8")
    folder.shell("run", "-p", f"book={BOOK}", "-p", "steps=4")
    for stage in ("learn", "answer"):
        log = folder.rows(f"SELECT loss FROM stage.{stage}_log ORDER BY step")
        assert len(log) == 4
        assert log[-1]["loss"] < log[0]["loss"]
    assert [row["n"] for row in folder.rows("SELECT n FROM evaluation.board_scores")] == [305, 305]
