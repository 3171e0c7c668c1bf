"""The whole path, as a user walks it: run, look, change, run again, break off, go on."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.end_to_end.folder import Folder

PROMISED = {
    "corpus.book": "doc_id, corpus, role, text, title, lang, n_chars, n_tokens, source, meta",
    "corpus.questions": "question, answer, path, chunk_id",
    "corpus.exam": "question, answer, aliases, options, answer_idx",
    "corpus.book_dropped": "doc_id, source, step, reason, evidence",
    "corpus.book_chunks": "chunk_id, doc_id, position, text, n_tokens, heading_path, start_byte, end_byte",
    "taxonomy.guide": "node_id, parent_id, path, title, depth, position, n_chunks, n_chunks_total, n_tokens",
    "taxonomy.guide_links": "chunk_id, doc_id, node_id, path, place, person, rule, score, evidence",
    "mixture.knowledge": "position, sample_id, corpus, role, epoch, n_tokens",
    "mixture.knowledge_summary": "corpus, population, target, realised, epochs, binding",
    "stage.learn_samples": "sample_id, kind, prompt, response, corpus, chunk_id, n_tokens, n_supervised, mask_reason",
    "stage.learn_packed": "row, input_ids, labels, segments, n_supervised, density",
    "stage.learn_log": "step, loss, grad_norm, lr, tokens, tokens_per_second, ntp, kl, supervised, mfu, memory",
    "stage.learn_loss": "step, corpus, loss, tokens, kind, bits_per_byte",
    "evaluation.board": "model, task, item, prompt, output, parsed, answer, score, path",
    "evaluation.board_scores": "model, task, metric, value, low, high, n",
    "meta.steps": "address, status, rows, bytes, seconds",
    "meta.runs": "run_id, status, parameters",
    "meta.lineage": "source, target",
}


def test_every_promised_table_is_there(finished: Folder) -> None:
    for table, columns in PROMISED.items():
        assert finished.rows(f"SELECT {columns} FROM {table} LIMIT 1") or table == "corpus.book_dropped", table


# What must hold of the tables of any run: each query finds what breaks the claim.
CLAIMS = {
    "chunks concatenate back to their document": """
        SELECT doc_id FROM corpus.book AS d JOIN corpus.book_chunks AS c USING (doc_id)
        GROUP BY doc_id, d.text HAVING string_agg(c.text, '' ORDER BY c.position) <> d.text""",
    "every chunk is on exactly one node": """
        SELECT chunk_id FROM corpus.book_chunks LEFT JOIN taxonomy.guide_links USING (chunk_id)
        GROUP BY chunk_id HAVING count(node_id) <> 1""",
    "the chunks of all nodes are all chunks": """
        SELECT 1 WHERE (SELECT sum(n_chunks) FROM taxonomy.guide) <> (SELECT count(*) FROM corpus.book_chunks)""",
    "documents read are kept or dropped": """
        SELECT 1 WHERE (SELECT count(*) FROM corpus.general_read)
          <> (SELECT count(*) FROM corpus.general) + (SELECT count(*) FROM corpus.general_dropped)""",
    "every segment leads back to its sample and fits its row": """
        WITH s AS (SELECT row, unnest(segments, recursive := true) FROM stage.learn_packed)
        SELECT s.row FROM s LEFT JOIN stage.learn_samples AS t ON t.position = s.position
        WHERE t.sample_id IS NULL OR s.start + s.length > 256""",
    "no token is lost in packing": """
        SELECT 1 WHERE (SELECT sum(n_supervised) FROM stage.learn_packed)
          <> (SELECT sum(n_supervised) FROM stage.learn_samples)""",
    "a chunk sample shows its node and learns its text": """
        SELECT s.sample_id FROM stage.learn_samples AS s
        JOIN taxonomy.guide AS n USING (node_id) JOIN corpus.book_chunks AS c USING (chunk_id)
        WHERE s.kind = 'chunk' AND NOT (
          contains(s.prompt, '**' || n.title || '**') AND contains(s.response, rtrim(c.text, chr(10))))""",
    "both samples of a question share their answer": """
        SELECT sample_id FROM stage.answer_samples JOIN corpus.questions AS q USING (doc_id)
        WHERE kind IN ('question', 'structured') AND NOT ends_with(response, q.answer)""",
    "every model does every task": """
        SELECT task FROM evaluation.board GROUP BY task HAVING count(DISTINCT model) <> 2""",
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_the_tables_must_hold(finished: Folder, claim: str) -> None:
    assert finished.rows(CLAIMS[claim]) == []


def test_the_tree_is_that_of_the_book(finished: Folder) -> None:
    rows = finished.rows("SELECT depth, title, path FROM taxonomy.guide ORDER BY position")
    assert [(row["depth"], row["title"], row["path"]) for row in rows] == [
        (0, "The Book", ""),
        (1, "North Bay", "north-bay"),
        (2, "Ada Fern", "north-bay/ada-fern"),
        (2, "Bess Cobb", "north-bay/bess-cobb"),
        (2, "Clara Dew", "north-bay/clara-dew"),
        (1, "South Bay", "south-bay"),
        (2, "Dora Ash", "south-bay/dora-ash"),
        (2, "Edie Moss", "south-bay/edie-moss"),
        (2, "Flora Lark", "south-bay/flora-lark"),
    ]


def test_a_second_run_does_nothing_and_says_so(finished: Folder) -> None:
    assert "nothing to do" in finished.shell("run").stderr
    assert finished.shell("plan", "--exit-code").stdout.startswith("0 to run")


def test_models_load_with_transformers(finished: Folder) -> None:
    import transformers  # noqa: PLC0415 - slow, and no other test here needs it

    (folder,) = finished.store.glob("checkpoints/stage.answer.train/*/model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer)
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("---")


def test_emitted_sql_runs_as_it_stands(finished: Folder) -> None:
    files = sorted((finished.path / "build" / "tiny" / "sql").glob("*.sql"))
    assert files
    for path in files:
        finished.shell("query", "--limit", "1", "-", typed=path.read_text(encoding="utf-8"))


def test_another_threshold_recomputes_what_depends_on_it_and_nothing_else(finished: Folder, tmp_path: Path) -> None:
    fresh = Folder(tmp_path / "copy")
    shutil.copytree(finished.path, fresh.path, symlinks=True)
    fresh.edit("n_chars > 12", "n_chars > 30")
    plan = fresh.shell("plan", "--exit-code", code=3).stdout
    assert "corpus.general.keep" in plan
    assert "its SQL changed" in plan
    assert "stage.answer.train" in plan
    select = ("--select", "stage.learn", "--select", "stage.answer.pack")  # one training is enough
    fresh.shell("run", *select)
    ran = {address for address, status in fresh.statuses().items() if status == "done"}
    assert {"corpus.general.keep", "corpus.general.chunk", "mixture.knowledge", "stage.learn.train"} <= ran
    untouched = (
        "corpus.book",
        "corpus.questions",
        "corpus.exam",
        "model.",
        "taxonomy.",
        "corpus.general.read",
        "stage.answer.pack",
    )
    assert not [address for address in ran if address.startswith(untouched)]

    fresh.edit("n_chars > 30", "n_chars > 30 AND n_chars > 1")  # other words, the same rows
    fresh.shell("run", *select)
    ran = {address for address, status in fresh.statuses().items() if status == "done"}
    assert "corpus.general.keep" in ran
    others = {address for address in ran if not address.startswith("corpus.general")}
    assert others <= {"stage.learn.lineage"}  # a view of its documents


def test_killed_in_training_and_continued(fresh: Folder) -> None:
    """Meanwhile tables can be queried and a second run is refused; the next one finishes what is left."""
    process = fresh.start("run")
    log = wait_for(fresh.store, "stage.learn.train")
    assert fresh.rows("SELECT count(*) AS n FROM stage.learn_packed")[0]["n"] > 0
    refused = fresh.shell("run", code=4)
    assert "E0804" in refused.stderr
    process.kill()
    process.wait()
    assert not list(fresh.store.glob("checkpoints/stage.learn.train/*/manifest.json")), log
    fresh.shell("run", "--select", "stage.learn")
    statuses = fresh.statuses()
    assert statuses["stage.learn.pack"] == "reused"
    assert statuses["stage.learn.train"] == "done"
    folders = [path for area in ("tables", "checkpoints") for path in (fresh.store / area).glob("*/*")]
    folders = [path for path in folders if path.name != "parts"] + [*fresh.store.glob("tables/*/parts/*")]
    assert not [path for path in folders if not any((path / name).exists() for name in ("manifest.json", "part.json"))]


def test_terminated_run_exits_130_and_keeps_what_was_finished(fresh: Folder) -> None:
    process = fresh.start("run")
    wait_for(fresh.store, "stage.learn.train")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "structdsl run` continues" in output
    assert "to run" in fresh.shell("plan").stdout


def wait_for(store: Path, address: str, seconds: float = 60) -> str:
    """Until a step of the latest run is under way."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for events in store.glob("runs/*/events.jsonl"):
            text = events.read_text(encoding="utf-8")
            if any('"step_started"' in line and address in line for line in text.splitlines()):
                time.sleep(0.5)
                return text
        time.sleep(0.05)
    raise TimeoutError(address)


def test_what_was_forgotten_is_a_number_unasked(finished: Folder) -> None:
    (base, answer) = finished.rows(
        "SELECT model, value, low, n FROM evaluation.board_scores WHERE metric = 'divergence' ORDER BY model"
    )
    assert (base["model"], base["value"], base["n"]) == ("model.scratch", 0.0, 8)
    assert answer["model"] == "stage.answer"
    assert answer["value"] > 1e-4
    tokens = "SELECT item, n_tokens FROM evaluation.board WHERE task = '{}' AND model = 'model.scratch' ORDER BY item"
    assert finished.rows(tokens.format("drift_prose")) == finished.rows(tokens.format("prose"))
