"""A mixture in the order that a model gives it: from what it expects to what surprises it, epoch by epoch."""

from __future__ import annotations

import pytest

from tests.end_to_end.folder import Folder, lines

SPEC = """\
language 1
model tiny {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 256)
  tokenizer = bpe(vocab = 300, over = [corpus.web])
}
corpus web { source = files("web.jsonl"), role = replay }
mixture m { budget = 2 epochs, weights = natural, order = curriculum(by = model.tiny) }
stage learn: cpt { from = model.tiny, data = mixture.m, length = 64, batch = 256 tokens }
"""


@pytest.mark.slow
def test_what_a_model_expects_comes_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("curriculum")
    lines(path / "web.jsonl", [{"text": f"Sentence {n} of the web. " * (1 + n % 3)} for n in range(12)])
    folder = Folder(path)
    folder.spec.write_text(SPEC, encoding="utf-8")
    folder.shell("run", "--select", "mixture.m.summary")
    query = "SELECT position, epoch, score FROM mixture.m JOIN mixture.m_scores USING (sample_id) ORDER BY position"
    found = [(row["epoch"], row["score"]) for row in folder.rows(query)]
    assert len(found) == 24
    assert found == sorted(found)
    assert len({score for _, score in found}) > 6
    (summary,) = folder.rows("FROM mixture.m_summary")
    assert (summary["target"], summary["binding"]) == (summary["realised"], "budget")
