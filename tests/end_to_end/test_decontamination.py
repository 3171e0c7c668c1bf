"""What is measured is planted in what is trained on, in every form: it is found, said, and counted; the rest stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.folder import Folder, lines

SPEC = """\
language 1
model tiny {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 256)
  tokenizer = bpe(vocab = 600, over = [corpus.book, corpus.web])
}
corpus book  { source = files("book/*.md"), role = domain, holdout = 30%, chunk = paragraphs(max = 96 tokens) }
corpus web   { source = files("web.jsonl"), role = replay, keep = sql "n_chars > 12" }
corpus asked { source = files("asked.jsonl"), role = instruction, holdout = 20% }
corpus exam  { source = files("exam.jsonl"), role = exam }
corpus prose { source = files("prose.jsonl"), role = probe }
mixture m { budget = 1k tokens, max_epochs = 20, weights = { corpus.book: 50%, corpus.web: rest } }
stage learn: cpt { from = model.tiny, data = mixture.m, length = 128, batch = 1Ki tokens }
stage answer: sft { from = stage.learn, data = corpus.asked, length = 128, batch = 1Ki tokens }
evaluation board { models = [stage.answer], tasks = { exam: closed_book(corpus.exam) } }
"""
EXAMINED = "Which keeper of the lighthouse at Saltmere wrote down the hour of every passing ship?"  # 15 words
SHORT = "Who is Ada?"
PROBED = "On the third morning the fog lifted and nobody in the harbour could find the old ferry again."
PARTS = 20


def part(number: int) -> str:
    """What only the part `number` of the book says, in 14 words."""
    return f"Boat {number} of the harbour carries {number} barrels of salted herring across the northern bay daily."


@pytest.fixture(scope="module")
def screened(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("screened"))
    folder.spec.write_text(SPEC, encoding="utf-8")
    (folder.path / "book").mkdir()
    for number in range(PARTS):
        text = f"# Part {number}\n\n{part(number)}\n\n## More\n\nIt says no more than that, {number}.\n"
        _write(folder.path / "book" / f"p{number}.md", text)
    leaked = (
        f"# Keepers\n\nA quiet town.\n\n## Log\n\nIt was asked: {EXAMINED.lower()}\n\n## After\n\nThen it rained.\n"
    )
    _write(folder.path / "book" / "log.md", leaked)
    _write(folder.path / "book" / "fog.md", f"# Fog\n\n{PROBED}\n")
    web = [{"id": f"copy{number}", "text": f"I read it somewhere. {part(number)}"} for number in range(PARTS)]
    clean = [{"id": f"w{n}", "text": f"Page {n} of the web is about nothing at all."} for n in range(10)]
    lines(folder.path / "web.jsonl", [*web, *clean, {"id": "few", "text": "Few."}, {"id": "none"}])
    asked = [
        {"id": "short", "question": "who is ADA", "answer": "A baker."},
        {"id": "almost", "question": "Who is Ada Fern?", "answer": "A potter."},
        {"id": "within", "question": "Say it.", "answer": f"The question was: {EXAMINED}"},
        {"id": "told", "question": "What of the fog?", "answer": PROBED},
        {"id": "again", "question": "What comes after 3", "answer": "See above."},
        *({"id": f"q{n}", "question": f"What comes after {n}?", "answer": f"{n + 1}"} for n in range(20)),
    ]
    lines(folder.path / "asked.jsonl", asked)
    exam = [{"id": "e1", "question": EXAMINED, "answer": "Bess"}, {"id": "e2", "question": SHORT, "answer": "A baker"}]
    lines(folder.path / "exam.jsonl", exam)
    lines(folder.path / "prose.jsonl", [{"id": "fog", "text": f"It happened so. {PROBED} All were sad."}])
    folder.shell("run", *(word for name in ("book", "web", "asked") for word in ("--select", f"corpus.{name}")))
    return folder


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def names(folder: Folder, query: str) -> list[str]:
    return [str(next(iter(row.values()))) for row in folder.rows(query)]


@pytest.fixture(scope="module")
def held(screened: Folder) -> dict[str, list[str]]:
    """Who is held out, which follows from ids alone: some of the numbered documents, and none that is planted."""
    found = {
        corpus: names(screened, f"SELECT doc_id FROM corpus.{corpus}_heldout ORDER BY 1")
        for corpus in ("book", "asked")
    }
    assert found["book"] == ["p18.md", "p4.md", "p8.md"]
    assert "q3" in found["asked"]
    assert not {"short", "almost", "within", "told", "again"} & set(found["asked"])
    return found


@pytest.mark.usefixtures("held")
def test_text_loses_the_chunk_and_the_document_of_which_nothing_is_left(screened: Folder) -> None:
    found = screened.rows("SELECT doc_id, exam, item, evidence FROM corpus.book_matches ORDER BY doc_id DESC")
    assert [(row["doc_id"], row["exam"], row["item"]) for row in found] == [
        ("log.md", "corpus.exam", "e1"),
        ("fog.md", "corpus.prose", "fog"),
    ]
    assert found[0]["evidence"] == " ".join(EXAMINED.lower().split()[:13])
    left = names(screened, "SELECT text FROM corpus.book_chunks WHERE doc_id = 'log.md' ORDER BY position")
    assert [text.split("\n\n", 1)[1].strip() for text in left] == ["A quiet town.", "Then it rained."]
    dropped = screened.rows("SELECT doc_id, source, step, reason, evidence FROM corpus.book_dropped")
    assert dropped == [
        {"doc_id": "fog.md", "source": "book/fog.md", "step": "decontaminate", "reason": "ngrams"}
        | {"evidence": f"corpus.prose, item fog: {found[1]['evidence']}"}
    ]


def test_what_one_corpus_holds_out_leaves_the_others(screened: Folder, held: dict[str, list[str]]) -> None:
    found = screened.rows("SELECT doc_id, exam, item FROM corpus.web_matches ORDER BY doc_id")
    copies = sorted((name.removesuffix(".md").replace("p", "copy"), name) for name in held["book"])
    assert found == [{"doc_id": copy, "exam": "corpus.book_heldout", "item": name} for copy, name in copies]
    dropped = screened.rows("SELECT doc_id, step FROM corpus.web_dropped ORDER BY step, doc_id")
    assert [(row["doc_id"], row["step"]) for row in dropped] == [
        *((copy, "decontaminate") for copy, _ in copies),
        ("few", "keep"),
        ("none", "read"),
    ]


@pytest.mark.usefixtures("held")
def test_rows_leave_whole_and_for_a_short_question_where_it_is_theirs(screened: Folder) -> None:
    found = screened.rows("SELECT doc_id, chunk_id, exam, item FROM corpus.asked_matches ORDER BY doc_id")
    assert [(row["doc_id"], row["exam"], row["item"]) for row in found] == [
        ("again", "corpus.asked_heldout", "q3"),
        ("short", "corpus.exam", "e2"),
        ("told", "corpus.prose", "fog"),
        ("within", "corpus.exam", "e1"),
    ]
    assert {row["chunk_id"] for row in found} == {None}
    dropped = screened.rows("SELECT doc_id, step FROM corpus.asked_dropped ORDER BY doc_id")
    assert dropped == [{"doc_id": row["doc_id"], "step": "decontaminate"} for row in found]
    assert "almost" in names(screened, "SELECT doc_id FROM corpus.asked")


def unaccounted(folder: Folder, key: str, made: str, *found: str) -> list[str]:
    """Rows of the table `made` that stand in none of `found` or in several, and rows of `found` that it has not."""
    told = " UNION ALL ".join(f"SELECT {key}, 1 AS told FROM {rows}" for rows in found)
    counted = f"""SELECT {key} FROM ({told}) FULL JOIN (SELECT {key}, 1 AS made FROM {made}) USING ({key})
        GROUP BY {key} HAVING count(told) <> 1 OR count(made) <> 1"""
    return names(folder, counted)


@pytest.mark.parametrize("corpus", ["corpus.book", "corpus.web", "corpus.asked"])
def test_what_was_read_is_kept_held_out_or_dropped(screened: Folder, corpus: str) -> None:
    held = [f"{corpus}_heldout"] if corpus != "corpus.web" else []
    dropped = f"(FROM {corpus}_dropped WHERE step <> 'read')"  # of a row without text no document is made
    assert unaccounted(screened, "doc_id", f"{corpus}_read", corpus, dropped, *held) == []
    assert len(unaccounted(screened, "doc_id", f"{corpus}_read", corpus, *held)) > 0


@pytest.mark.parametrize("corpus", ["corpus.book", "corpus.web"])
def test_a_chunk_is_kept_or_matches(screened: Folder, corpus: str) -> None:
    matched = f"(SELECT DISTINCT chunk_id FROM {corpus}_matches)"
    assert unaccounted(screened, "chunk_id", f"{corpus}_cut", f"{corpus}_chunks", matched) == []
    assert len(unaccounted(screened, "chunk_id", f"{corpus}_cut", f"{corpus}_chunks")) > 0
