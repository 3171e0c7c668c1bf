"""A small tokenizer, a small model and rows to train on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from structdsl.plan import ScratchModel
from structdsl_runtime.operations.models import scratch_model
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context

END = "<|endoftext|>"


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer without merges: 256 bytes, the end of text (id 256) and a glyph (id 257)."""
    folder = tmp_path_factory.mktemp("tokenizer")
    vocabulary = {byte: number for number, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    engine = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([AddedToken(END, special=True, normalized=False)])
    engine.add_tokens([AddedToken("├─ ", special=False, normalized=False)])
    engine.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="session")
def base(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LLaMA of two layers and 64 positions."""
    folder = tmp_path_factory.mktemp("base")
    arguments = ScratchModel(arch="llama", hidden=32, layers=2, heads=4, positions=64, seed=3)
    scratch_model(arguments, FakeInputs(folders={"tokenizer": tokenizer}), FakeOutputs(folder), context(folder))
    return folder / "model"
