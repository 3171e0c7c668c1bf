"""Models from nothing and from disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer, LlamaConfig

from structdsl.compile import compile_text
from structdsl.plan import LoadModel, ScratchModel
from structdsl_runtime.executor import RunResult, run
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations import models
from structdsl_runtime.operations import tokenizer as loading
from structdsl_runtime.operations.models import load_model, scratch_model
from structdsl_runtime.workshop import Workshop
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context, loaded, packed, run_stage


def scratch(folder: Path, tokenizer: Path, **changes: int) -> Path:
    fields = {"hidden": 32, "layers": 2, "heads": 4, "positions": 64, "seed": 3, **changes}
    arguments = ScratchModel(arch="llama", **fields)
    scratch_model(arguments, FakeInputs(folders={"tokenizer": tokenizer}), FakeOutputs(folder), context(folder))
    return folder / "model"


def load(folder: Path, source: Path, tokenizer: Path | None = None, **changes: Any) -> Path:
    inputs = FakeInputs(folders={"tokenizer": tokenizer} if tokenizer is not None else {})
    arguments = LoadModel(path=str(source), vocabulary="own" if tokenizer is None else "given", **changes)
    load_model(arguments, inputs, FakeOutputs(folder), context(folder))
    return folder / "model"


def changed(folder: Path, source: Path, **config: Any) -> Path:
    """A copy of a model folder; `config` is laid over its configuration."""
    shutil.copytree(source, folder)
    values = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(values))
    return folder


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


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _garbled(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b'{"', b"{{", 1))


def _misindexed(folder: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "model.safetensors", "model.other.weight": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _short(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:200].clone()
    save_file(weights, folder / "model.safetensors")


def _fewer(folder: Path) -> None:
    _short(folder)
    values = json.loads((folder / "config.json").read_text()) | {"vocab_size": 200}
    (folder / "config.json").write_text(json.dumps(values))


def _endless(folder: Path) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json"):
        (folder / name).unlink(missing_ok=True)
    values = json.loads((folder / "config.json").read_text()) | {"eos_token_id": None}
    (folder / "config.json").write_text(json.dumps(values))


BROKEN = {
    "cut": (_cut, "E0715", "bytes where its header speaks of"),
    "garbled": (_garbled, "E0715", "the header of `model.safetensors`"),
    "misindexed": (_misindexed, "E0715", "`model.other.weight` is not in `model.safetensors`"),
    "short": (_short, "E0715", "has 200 rows, and `vocab_size` of `config.json` is 258"),
    "fewer": (_fewer, "E0740", "more tokens than the model"),
    "endless": (_endless, "E0711", "no end-of-text token"),
}


@pytest.mark.parametrize(("spoil", "code", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_folder_is_refused(spoil: Any, code: str, words: str, base: Path, tmp_path: Path) -> None:
    source = changed(tmp_path / "source", base)
    spoil(source)
    with pytest.raises(Fault) as caught:
        load(tmp_path / "step", source)
    assert (caught.value.code, words in caught.value.message) == (code, True), caught.value.message
    assert caught.value.helps or code == "E0715"


def test_a_given_tokenizer_takes_the_place_of_its_own(base: Path, tokenizer: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    shutil.copytree(tokenizer, given)
    settings = json.loads((given / "tokenizer_config.json").read_text()) | {"eos_token": "~", "pad_token": "!"}
    (given / "tokenizer_config.json").write_text(json.dumps(settings))
    source = changed(tmp_path / "source", base)
    (source / "added_tokens.json").write_text("{}")
    folder = load(tmp_path / "step", source, given)
    model, loaded_tokenizer = loaded(folder), AutoTokenizer.from_pretrained(folder)
    ends = (loaded_tokenizer.eos_token_id, loaded_tokenizer.pad_token_id)
    assert loaded_tokenizer.eos_token == "~"
    assert (model.config.eos_token_id, model.config.pad_token_id) == ends
    assert (model.generation_config.eos_token_id, model.generation_config.pad_token_id) == ends
    assert not (folder / "added_tokens.json").exists()
    assert json.loads((source / "config.json").read_text())["eos_token_id"] == 256  # what was linked from is as it was


def test_a_given_tokenizer_must_not_be_larger_than_the_model(base: Path, tokenizer: Path, tmp_path: Path) -> None:
    given = tmp_path / "given"
    shutil.copytree(tokenizer, given)
    engine = Tokenizer.from_file(str(given / "tokenizer.json"))
    engine.add_tokens(["<one>", "<two>"])
    engine.save(str(given / "tokenizer.json"))
    with pytest.raises(Fault) as caught:
        load(tmp_path / "step", base, given)
    assert caught.value.code == "E0740"
    assert caught.value.notes == ("its last token, '<two>', has the number 259", "the model has 258 embeddings")


ODD = """
from transformers import LlamaConfig, LlamaForCausalLM
class OddConfig(LlamaConfig):
    model_type = "odd"
class OddForCausalLM(LlamaForCausalLM):
    config_class = OddConfig
"""


def test_code_of_a_model_is_run_only_where_the_spec_says_so(base: Path, tmp_path: Path) -> None:
    code = {"AutoConfig": "modeling_odd.OddConfig", "AutoModelForCausalLM": "modeling_odd.OddForCausalLM"}
    source = changed(tmp_path / "source", base, model_type="odd", auto_map=code, architectures=["OddForCausalLM"])
    (source / "modeling_odd.py").write_text(ODD)
    with pytest.raises(Fault) as caught:
        load(tmp_path / "refused", source)
    assert (caught.value.code, "trust_remote_code = true" in caught.value.helps[0]) == ("E0743", True)
    trusted = load(tmp_path / "trusted", source, trust_remote_code=True)
    found = run_stage(tmp_path / "stage", trusted, packed(8, 64), steps=2)
    assert (found.model / "modeling_odd.py").is_file()
    ask = "import sys; from pathlib import Path; from structdsl_runtime.evaluation.tasks import load; "
    ask += "print(type(load(Path(sys.argv[1]))).__name__)"
    done = subprocess.run([sys.executable, "-c", ask, str(found.model)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("OddForCausalLM")


def test_code_that_is_not_needed_stays_behind(base: Path, tmp_path: Path) -> None:
    source = changed(tmp_path / "source", base, auto_map={"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"})
    (source / "modeling_llama.py").write_text("raise SystemExit('it was run')")
    folder = load(tmp_path / "step", source)
    assert not list(folder.glob("*.py"))
    loaded(folder)


def test_code_elsewhere_is_refused(base: Path, tmp_path: Path) -> None:
    source = changed(tmp_path / "source", base, model_type="odd", auto_map={"AutoModelForCausalLM": "a/b--c.D"})
    with pytest.raises(Fault) as caught:
        load(tmp_path / "step", source, trust_remote_code=True)
    assert (caught.value.code, "`a/b--c.D`" in caught.value.message) == ("E0715", True)


SPEC = """
language 1
model base { source = path("m") }
corpus a { source = files("*.md"), role = domain }
mixture x { weights = { corpus.a: rest }, budget = 1k tokens }
stage s: cpt { from = model.base, data = mixture.x, length = 64 tokens }
"""


@pytest.mark.parametrize(
    ("step", "place", "named"),
    [
        ("load", (Workshop, "perform"), True),
        ("tokenizer", (Workshop, "perform"), True),
        ("load", (models, "take"), False),
        ("tokenizer", (loading, "_take"), False),
    ],
    ids=["before", "before, the tokenizer", "meanwhile", "meanwhile, the tokenizer"],
)
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("changed", "config.json"),
        ("cut", "config.json"),
        ("cut", "tokenizer.json"),
        ("came", "d.json"),
        ("went", "g.txt"),
    ],
)
def test_a_folder_that_changes_under_a_run_is_not_loaded(
    base: Path,
    tmp_path: Path,
    step: str,
    place: tuple[Any, str],
    named: bool,  # noqa: FBT001 - a case
    change: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = shutil.copytree(base, tmp_path / "m")
    (folder / "g.txt").write_text("to go")
    whole = (folder / name).read_bytes() if change == "cut" else b""
    plan, _ = compile_text(SPEC, tmp_path / "s.adapt")
    assert plan is not None

    def changing(function: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*given: Any, **more: Any) -> Any:
            if change == "went":
                (folder / name).unlink()
            elif change == "cut":
                (folder / name).write_bytes(whole[:9])
            else:
                (folder / name).write_text((folder / "config.json").read_text() + " ")
            return function(*given, **more)

        return changed

    def carried_out() -> RunResult:
        return run(plan, root=tmp_path, store=tmp_path / "store", only=[f"model.base.{step}"], workers=1)

    with monkeypatch.context() as patch:
        patch.setattr(*place, changing(getattr(*place)))
        failure = carried_out().failure
    assert failure is not None
    assert failure.code == "E0515"
    assert failure.message.replace("m/", "").startswith(f"`{name if named else 'm'}` cannot be read: it ")
    if change == "cut":
        (folder / name).write_bytes(whole)
    result = carried_out()
    assert (result.failure, result.ran) == (None, (f"model.base.{step}",))
