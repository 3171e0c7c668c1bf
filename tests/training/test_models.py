"""Models from nothing and from disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig

from structdsl.plan import LoadModel, ScratchModel
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.models import load_model, scratch_model
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context, loaded


def scratch(folder: Path, tokenizer: Path, **changes: int) -> Path:
    fields = {"hidden": 32, "layers": 2, "heads": 4, "positions": 64, "seed": 3, **changes}
    arguments = ScratchModel(arch="llama", **fields)
    scratch_model(arguments, FakeInputs(folders={"tokenizer": tokenizer}), FakeOutputs(folder), context(folder))
    return folder / "model"


def load(folder: Path, source: Path) -> Path:
    load_model(LoadModel(path=str(source)), FakeInputs(), FakeOutputs(folder), context(folder))
    return folder / "model"


def test_transformers_loads_every_weight(base: Path) -> None:
    model = loaded(base)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(base)) == 258
    assert model.config.intermediate_size == 88  # 8/3 · 32 = 85.3
    assert (model.config.eos_token_id, model.config.pad_token_id, model.config.bos_token_id) == (256, 256, None)
    assert model.generation_config.eos_token_id == 256
    assert torch.isfinite(model(torch.arange(64)[None]).logits).all()


def test_the_configuration_is_one_that_transformers_would_write(base: Path, tmp_path: Path) -> None:
    LlamaConfig.from_pretrained(base).save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    written.pop("transformers_version")
    ours = json.loads((base / "config.json").read_text())
    assert {name: value for name, value in ours.items() if value != written.get(name)} == {}


def test_weights_depend_on_the_seed_alone(base: Path, tokenizer: Path, tmp_path: Path) -> None:
    again = scratch(tmp_path / "again", tokenizer)
    other = scratch(tmp_path / "other", tokenizer, seed=4)
    weights = (base / "model.safetensors").read_bytes()
    assert (again / "model.safetensors").read_bytes() == weights
    assert (other / "model.safetensors").read_bytes() != weights


def test_weights_are_spread_as_llama_spreads_them(base: Path) -> None:
    model = loaded(base)
    assert model.model.embed_tokens.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.model.layers[1].mlp.down_proj.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert torch.equal(model.model.norm.weight, torch.ones(32))


def test_heads_must_share_the_hidden_size(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        scratch(tmp_path, tokenizer, hidden=36)
    assert caught.value.code == "E0716"


def test_a_folder_is_linked(base: Path, tmp_path: Path) -> None:
    folder = load(tmp_path, base)
    assert {path.name for path in folder.iterdir()} == {path.name for path in base.iterdir()}
    assert all(path.is_symlink() and path.exists() for path in folder.iterdir())
    loaded(folder)


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        (None, "E0515", "no such folder"),
        ({}, "E0715", "no `config.json`"),
        ({"config.json": "{"}, "E0715", "no JSON"),
        ({"config.json": "{}"}, "E0715", "model_type"),
        ({"config.json": '{"model_type": "llama"}'}, "E0715", "`model.safetensors`"),
        ({"config.json": '{"model_type": "llama"}', "pytorch_model.bin": ""}, "E0715", "not safetensors"),
        (
            {
                "config.json": '{"model_type": "llama"}',
                "model.safetensors.index.json": '{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}',
                "1.safetensors": "",
            },
            "E0715",
            "missing: `2.safetensors`",
        ),
        ({"config.json": '{"model_type": "llama"}', "model.safetensors": ""}, "E0715", "no tokenizer"),
    ],
)
def test_what_is_missing_is_named(files: dict[str, str] | None, code: str, words: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    if files is not None:
        source.mkdir()
        for name, text in files.items():
            (source / name).write_text(text)
    with pytest.raises(Fault) as caught:
        load(tmp_path / "step", source)
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message
