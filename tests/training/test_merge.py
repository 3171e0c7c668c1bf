"""Weights between two models, against torch; and what cannot be merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from structdsl.plan import MergeModels, ScratchModel
from structdsl_runtime import tensors
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.merge_models import merge_models
from structdsl_runtime.operations.models import scratch_model
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context, loaded, packed, run_stage

WEIGHTS = "model.safetensors"


def scratch(folder: Path, tokenizer: Path, **changes: int) -> Path:
    fields = {"hidden": 32, "layers": 2, "heads": 4, "positions": 64, "seed": 4, **changes}
    inputs = FakeInputs(folders={"tokenizer": tokenizer})
    scratch_model(ScratchModel(arch="llama", **fields), inputs, FakeOutputs(folder), context(folder))
    return folder / "model"


@pytest.fixture(scope="module")
def other(tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scratch(tmp_path_factory.mktemp("other"), tokenizer)


def merge(folder: Path, base: Path, tuned: Path, weight: float = 0.25) -> Path:
    inputs = FakeInputs(folders={"base": base, "tuned": tuned})
    where = context(folder, "stage.between.merge")
    merge_models(MergeModels(weight=weight), inputs, FakeOutputs(folder), where)
    return folder / "model"


def cast(folder: Path, source: Path, dtype: torch.dtype, **config: Any) -> Path:
    shutil.copytree(source, folder)
    weights = {name: weight.to(dtype) for name, weight in load_file(source / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    values = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weight", [0.0, 0.25, 0.7, 1.0])
def test_it_is_what_torch_computes(dtype: torch.dtype, weight: float, base: Path, other: Path, tmp_path: Path) -> None:
    one, two = cast(tmp_path / "one", base, dtype), cast(tmp_path / "two", other, dtype)
    found = load_file(merge(tmp_path / "step", one, two, weight) / WEIGHTS)
    before, after, limits = load_file(one / WEIGHTS), load_file(two / WEIGHTS), torch.finfo(dtype)
    assert found.keys() == before.keys()
    for name, tensor in found.items():
        one_64, two_64 = before[name].double(), after[name].double()
        exact = one_64 + weight * (two_64 - one_64)
        assert torch.allclose(tensor.double(), exact, rtol=limits.eps, atol=max(1e-8, limits.tiny * limits.eps)), name
        if weight in (0, 1):
            assert torch.equal(tensor, (before, after)[int(weight)][name]), name


def test_rounding_is_that_of_torch() -> None:
    bits = torch.randint(-(2**31), 2**31, (100_000,), generator=torch.Generator().manual_seed(0)).to(torch.int32)
    numbers = torch.cat((bits.view(torch.float32), torch.tensor([torch.inf, -torch.inf, 0.0, -0.0, 3.4e38, 1e-45])))
    numbers = numbers[~numbers.isnan()]
    for name, dtype in (("BF16", torch.bfloat16), ("F16", torch.float16)):
        ours = tensors.widened(tensors.narrowed(numbers.numpy(), name), name)
        assert torch.equal(torch.from_numpy(ours), numbers.to(dtype).float()), name
    assert np.isnan(tensors.widened(tensors.narrowed(np.array([np.nan], np.float32), "BF16"), "BF16")).all()


def test_base_says_types_files_and_settings(base: Path, other: Path, tmp_path: Path) -> None:
    sharded = tmp_path / "sharded"
    loaded(base).to(torch.bfloat16).save_pretrained(sharded, max_shard_size="20KB")
    AutoTokenizer.from_pretrained(base).save_pretrained(sharded)
    assert len(list(sharded.glob("*.safetensors"))) > 2
    folder = merge(tmp_path / "step", sharded, other)
    kept = {path.name for path in sharded.iterdir()}
    assert {path.name for path in folder.iterdir()} == kept | {"README.md"}
    model = loaded(folder)
    assert model.dtype is torch.bfloat16
    one, two = loaded(base).to(torch.bfloat16).state_dict(), loaded(other).state_dict()
    for name, weight in model.state_dict().items():
        expected = one[name].float() + 0.25 * (two[name] - one[name].float())
        assert torch.equal(weight, expected.to(torch.bfloat16)), name
    assert "weight of tuned | 0.25" in (folder / "README.md").read_text()
    assert len(AutoTokenizer.from_pretrained(folder)) == 258


def test_a_head_that_is_tied_may_be_written_twice(base: Path, other: Path, tmp_path: Path) -> None:
    twice = cast(tmp_path / "twice", base, torch.float32)
    weights = load_file(twice / WEIGHTS)
    save_file(weights | {"lm_head.weight": weights["model.embed_tokens.weight"].clone()}, twice / WEIGHTS)
    expected = merge(tmp_path / "plain", base, other) / WEIGHTS
    for number, pair in enumerate(((twice, other), (other, twice))):
        found = load_file(merge(tmp_path / str(number), *pair, 0.25 if number == 0 else 0.75) / WEIGHTS)
        assert all(torch.allclose(found[name], weight, atol=1e-8) for name, weight in load_file(expected).items())


def test_a_stage_trains_what_was_merged(base: Path, other: Path, tmp_path: Path) -> None:
    found = run_stage(tmp_path / "stage", merge(tmp_path, base, other), packed(8, 64))
    assert found.log[-1]["loss"] < found.log[0]["loss"]
    assert "starts from | stage.between" in (found.model / "README.md").read_text()


def _other_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    path.write_text(path.read_text().replace('"├─ "', '"└─ "'))


def test_what_cannot_be_merged(base: Path, other: Path, tokenizer: Path, tmp_path: Path) -> None:
    tokens = cast(tmp_path / "tokens", other, torch.float32)
    _other_tokens(tokens)
    broken = cast(tmp_path / "broken", other, torch.float32)
    (broken / WEIGHTS).write_bytes((other / WEIGHTS).read_bytes()[:-4])
    cases = {
        "architectures": cast(tmp_path / "kind", other, torch.float32, model_type="mistral"),
        "shapes": scratch(tmp_path / "wide", tokenizer, hidden=16),
        "only one of them has": scratch(tmp_path / "deep", tokenizer, layers=3),
        "tokens differ": tokens,
        "bytes where its header": broken,
    }
    for words, tuned in cases.items():
        with pytest.raises(Fault) as caught:
            merge(tmp_path / f"step {words}", base, tuned)
        assert words in caught.value.message, caught.value.message
        assert caught.value.code == ("E0715" if tuned == broken else "E0742")
