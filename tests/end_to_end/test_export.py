"""A finished stage as a folder for others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

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


ADAPTED = """
stage tuned: sft {
  from = stage.learn, data = corpus.questions, adapter = lora(rank = 2), template = chatml
  length = 256, batch = 1Ki tokens, steps = 1, optimizer = adamw(lr = 1e-3)
}
"""


@pytest.mark.slow
def test_an_adapter_is_exported_alone(finished: Folder, tmp_path: Path) -> None:
    """With what belongs to it: laid over the stage before, it is the model that the stage left."""
    import torch  # noqa: PLC0415 - slow, as above
    from peft import PeftModel  # noqa: PLC0415
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    folder, out = Folder(tmp_path / "copy"), tmp_path / "adapter"
    shutil.copytree(finished.path, folder.path, symlinks=True)
    folder.spec.write_text(folder.spec.read_text("utf-8") + ADAPTED, "utf-8")
    folder.shell("run", "--select", "stage.tuned")
    done = folder.shell("export", "stage.tuned", "--adapter", "--out", str(out))
    assert f"--lora-modules stage.tuned={out}" in done.stdout
    assert sum(path.stat().st_size for path in out.glob("*.safetensors")) < 50_000
    assert "stage tuned: sft" in (out / "README.md").read_text("utf-8")
    text = AutoTokenizer.from_pretrained(out).apply_chat_template([{"role": "user", "content": "Who?"}], tokenize=False)
    assert str(text).startswith("<|im_start|>user\nWho?")
    weights = [next(folder.store.glob(f"checkpoints/stage.{name}.train/*/model")) for name in ("learn", "tuned")]
    before, after = (AutoModelForCausalLM.from_pretrained(path) for path in weights)
    merged = PeftModel.from_pretrained(before, str(out)).merge_and_unload().state_dict()
    assert all(torch.allclose(weight, merged[name], atol=1e-6) for name, weight in after.state_dict().items())


def test_what_cannot_be_exported(fresh: Folder) -> None:
    refused = fresh.shell("export", "stage.learn", code=4)
    assert "E0806" in refused.stderr
    assert "structdsl run --select stage.learn" in refused.stderr
    assert "did you mean stage.learn?" in fresh.shell("export", "stage.lern", code=2).stderr
    assert "`--out somewhere`" in fresh.shell("export", "stage.learn", "somewhere", code=2).stderr
    assert "no adapter" in fresh.shell("export", "stage.learn", "--adapter", code=2).stderr
    assert not (fresh.path / "export").exists()
