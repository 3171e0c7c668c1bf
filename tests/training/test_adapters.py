"""Low-rank updates: what moves, what is handed over, and that ranks, ZeRO and recomputation change nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from structdsl.plan import ScratchModel
from structdsl.plan.operations import Lora
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.models import scratch_model
from structdsl_runtime.training.adapters import attach, continued
from tests.training.stage_fakes import FakeInputs, FakeOutputs, Trained, context, loaded, packed, run_stage

LORA = Lora(rank=4, alpha=8)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return packed(12, 64)


def adapt(folder: Path, base: Path, rows: pa.Table, before: Path | None = None, **changes: Any) -> Trained:
    """A stage that trains an adapter, that of the folder `before` where there is one."""
    adapter = "continue" if before is not None else LORA
    more = FakeInputs(folders={} if before is None else {"adapter": before})
    return run_stage(folder, base, rows, more=more, **{"adapter": adapter, **changes})


@pytest.fixture(scope="module")
def single(base: Path, table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return adapt(tmp_path_factory.mktemp("single"), base, table)


def adapter(stage: Trained) -> Path:
    return stage.model.parent / "adapter"


def test_the_merged_model_is_the_base_with_its_adapter(single: Trained, base: Path) -> None:
    peft = PeftModel.from_pretrained(loaded(base), str(adapter(single))).eval()
    input_BT = torch.randint(258, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        merged, apart = loaded(single.model)(input_BT).logits, peft(input_BT).logits
        with peft.disable_adapter():
            plain = peft(input_BT).logits
    assert torch.allclose(merged, apart, atol=1e-5)
    assert not torch.allclose(merged, plain, atol=1e-2)


def test_all_linear_layers_but_the_head_move_and_nothing_else(single: Trained, base: Path) -> None:
    before, after = (load_file(folder / "model.safetensors") for folder in (base, single.model))
    assert before.keys() == after.keys()
    moved = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert moved == {name for name in before if "_proj." in name}
    assert single.log[-1]["loss"] < single.log[0]["loss"] - 0.1


def test_the_log_says_how_much_is_trained(single: Trained, base: Path) -> None:
    factors = sum(factor.numel() for factor in load_file(adapter(single) / "adapter_model.safetensors").values())
    assert factors == 2 * 4 * (4 * 64 + 3 * (32 + 88))  # layers × rank × (q k v o, then gate up down: in + out)
    total = factors + sum(weight.numel() for weight in load_file(base / "model.safetensors").values())
    assert f"; {factors:,} of {total:,} parameters are trained" in single.printed
    assert "low-rank updates | rank 4, alpha 8" in (single.model / "README.md").read_text()


def test_the_adapter_names_no_folder_and_is_the_same_again(
    single: Trained, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    again = adapt(tmp_path, base, table)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (adapter(again) / name).read_bytes() == (adapter(single) / name).read_bytes()
    assert (again.model / "model.safetensors").read_bytes() == (single.model / "model.safetensors").read_bytes()
    values = json.loads((adapter(single) / "adapter_config.json").read_text())
    assert (values["r"], values["lora_alpha"], values["base_model_name_or_path"]) == (4, 8, None)


def test_continue_takes_up_the_adapter_on_the_unmerged_base(
    single: Trained, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    more = adapt(tmp_path, base, table, adapter(single))
    with torch.no_grad():
        expected = adapt_loss(single.model, table)
    assert more.log[0]["loss"] == pytest.approx(expected, rel=1e-4)
    assert more.log[-1]["loss"] < single.log[-1]["loss"]
    assert (
        load_file(adapter(more) / "adapter_model.safetensors").keys()
        == load_file(adapter(single) / "adapter_model.safetensors").keys()
    )
    assert "low-rank updates | continued" in (more.model / "README.md").read_text()


def adapt_loss(model: Path, rows: pa.Table) -> float:
    """The loss of the first optimizer step of a stage that starts from `model`, sample by sample."""
    network, nats, count = loaded(model), 0.0, 0
    for row in rows.slice(0, 4).to_pylist():
        for segment in row["segments"]:
            part = slice(segment["start"], segment["start"] + segment["length"])
            ids, labels = torch.tensor(row["input_ids"][part]), torch.tensor(row["labels"][part])
            logits = network(ids[None]).logits[0, :-1]
            nats += torch.nn.functional.cross_entropy(logits, labels[1:], reduction="sum").item()
            count += int((labels[1:] != -100).sum())
    return nats / count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zero", "changes"),
    [
        (0, {"activation_checkpointing": True}),
        (2, {"processes": 2}),
        (3, {"processes": 2, "activation_checkpointing": True}),
    ],
)
def test_ranks_zero_and_recomputation_change_nothing(
    zero: int, changes: dict[str, Any], single: Trained, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    found = adapt(tmp_path, base, table, deepspeed={"zero_optimization": {"stage": zero}}, **changes)
    assert [step["loss"] for step in found.log] == pytest.approx([step["loss"] for step in single.log], rel=1e-4)
    for folder, name in ((single.model, "model.safetensors"), (adapter(single), "adapter_model.safetensors")):
        mine, theirs = load_file(found.model.parent / folder.name / name), load_file(folder / name)
        assert mine.keys() == theirs.keys()
        assert all(torch.allclose(weight, theirs[key], atol=2e-4) for key, weight in mine.items())
    trained = re.compile(r"[\d,]+ of [\d,]+ parameters are trained")
    assert trained.findall(found.printed) == trained.findall(single.printed)


@pytest.mark.slow
def test_continue_and_half_precision_under_zero_3(single: Trained, base: Path, table: pa.Table, tmp_path: Path) -> None:
    zero = {"zero_optimization": {"stage": 3}}
    found = adapt(tmp_path, base, table, adapter(single), precision="bf16", deepspeed=zero)
    assert found.log[0]["loss"] == pytest.approx(single.log[-1]["loss"], rel=0.1)
    assert {weight.dtype for weight in load_file(found.model / "model.safetensors").values()} == {torch.bfloat16}
    loaded(found.model)


def test_targets_and_dropout(base: Path, table: pa.Table, tmp_path: Path) -> None:
    lora = Lora(rank=2, alpha=2, dropout=0.5, targets=("q_proj", "v_proj"))
    found = adapt(tmp_path, base, table, adapter=lora, steps=2)
    before, after = (load_file(folder / "model.safetensors") for folder in (base, found.model))
    moved = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert moved == {name for name in before if "q_proj" in name or "v_proj" in name}


def test_a_target_that_is_not_there_is_named(base: Path) -> None:
    with pytest.raises(Fault) as caught:
        attach(loaded(base), Lora(rank=2, alpha=2, targets=("q_proj", "query_proj")), seed=0)
    assert caught.value.code == "E0744"
    assert "`query_proj`" in caught.value.message
    assert "`q_proj`" in caught.value.notes[0]


def test_an_adapter_of_another_model_is_refused(single: Trained, tokenizer: Path, tmp_path: Path) -> None:
    arguments = ScratchModel(arch="llama", hidden=16, layers=2, heads=2, positions=64, seed=0)
    scratch_model(arguments, FakeInputs(folders={"tokenizer": tokenizer}), FakeOutputs(tmp_path), context(tmp_path))
    with pytest.raises(Fault) as caught:
        continued(loaded(tmp_path / "model"), adapter(single))
    assert caught.value.code == "E0744"
