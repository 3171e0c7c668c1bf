"""Duplicates by meaning, from files to tables: what leaves, and what another threshold costs."""

from __future__ import annotations

import json
from pathlib import Path

from structdsl.compile import compile_text
from structdsl_runtime.ask import query
from structdsl_runtime.executor import RunResult, run

TIDE = "The tide of the harbour turns twice a day, and the boats turn with it."
TEXTS = {
    "web": {"a": TIDE, "b": TIDE.replace(",", ", "), "c": "0 1 2 3 4 5 6 7 8 9" * 4, "d": "short", "e": "!?" * 30},
    "old": {"o": TIDE + " ", "p": "0 1 2 3 4 5 6 7 8 9" * 4},
}
SPEC = """language 1
model encoder {{
  source    = scratch(hidden = 32, layers = 1, heads = 2)
  tokenizer = bpe(vocab = 300, over = [corpus.old])
}}
corpus old {{ source = files("old.jsonl"), role = replay }}
corpus web {{
  source = files("web.jsonl"), role = replay, keep = sql "n_chars > 10"
  dedup  = semantic(model = model.encoder, above = {}%{})
}}
"""


def go(folder: Path, above: float, more: str = "") -> RunResult:
    made, sink = compile_text(SPEC.format(above, more), Path("s.adapt"))
    assert made is not None, [diagnostic.message for diagnostic in sink]
    result = run(made, root=folder, store=folder / "store")
    assert result.status == "done", result
    return result


def left(folder: Path) -> list[tuple[object, ...]]:
    sql = "SELECT doc_id, evidence FROM corpus.web_dropped WHERE reason = 'semantic' ORDER BY ALL"
    return [tuple(row) for row in query(folder / "store", sql).rows]


def test_what_means_the_same_leaves(tmp_path: Path) -> None:
    for name, texts in TEXTS.items():
        rows = [json.dumps({"id": key, "text": text}) for key, text in texts.items()]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    go(tmp_path, 99)
    assert left(tmp_path) == [("b", "a")]
    sql = "SELECT doc_id, len(embedding) FROM corpus.web_embeddings ORDER BY doc_id"
    assert [tuple(row) for row in query(tmp_path / "store", sql).rows] == [(key, 32) for key in "abce"]
    again = go(tmp_path, 100)
    assert left(tmp_path) == []
    assert "corpus.web.compare" in again.ran
    assert "corpus.web.embed" not in again.ran
    go(tmp_path, 99, ", against = [corpus.old]")
    assert left(tmp_path) == [("a", "old/o"), ("b", "old/o"), ("c", "old/p")]
