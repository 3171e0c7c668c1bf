"""A finished stage as a folder for others."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.folder import Folder


def test_a_stage_is_exported_with_its_card(finished: Folder, tmp_path: Path) -> None:
    import transformers  # noqa: PLC0415 - slow, and only one test here needs it

    out = tmp_path / "answer"
    done = finished.shell("export", "stage.answer", "--out", str(out))
    assert f"vllm serve {out}" in done.stdout
    assert not [path for path in out.iterdir() if path.is_symlink()]
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    assert model.config.vocab_size == len(transformers.AutoTokenizer.from_pretrained(out))
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlibrary_name: "transformers"\npipeline_tag: "text-generation"\n')
    for words in ("# stage.answer", "optimizer steps", "## Scores", "| stage.answer |", "| model.scratch |"):
        assert words in card
    general = finished.rows("SELECT count(*) AS n FROM corpus.general")[0]["n"]
    dropped = finished.rows("SELECT count(*) AS n FROM corpus.general_dropped")[0]["n"]
    assert f"| corpus.general | {general} | – | {dropped} |" in card
    assert "Shares of `mixture.knowledge`" in card
    assert "stage answer: ssft" in card
    assert str(finished.path) not in card
    again = finished.shell("export", "stage.answer", "--out", str(out), code=2)
    assert "not an empty folder" in again.stderr


def test_what_cannot_be_exported(fresh: Folder) -> None:
    refused = fresh.shell("export", "stage.learn", code=4)
    assert "E0806" in refused.stderr
    assert "structdsl run --select stage.learn" in refused.stderr
    assert "did you mean stage.learn?" in fresh.shell("export", "stage.lern", code=2).stderr
    assert "no adapter" in fresh.shell("export", "stage.learn", "--adapter", code=2).stderr
    assert not (fresh.path / "export").exists()
