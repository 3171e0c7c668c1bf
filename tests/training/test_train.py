"""Stages from end to end: worker processes, DeepSpeed, and what they leave; checked against a loop in plain torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoTokenizer

from structdsl_runtime.operation import Fault
from structdsl_runtime.training import isolation, rows, schedule
from structdsl_runtime.training.batches import PackedRows
from tests.training.stage_fakes import FakeInputs, Trained, loaded, packed, run_stage, train_arguments

ROWS = 22  # six steps of four, the last half padding
PASSES = 512  # a power of two: the share of each in the loss is exact
FILES = {
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return packed(ROWS, 64)


@pytest.fixture(scope="module")
def single(base: Path, table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """One process without ZeRO: what all other ways of training must equal."""
    return run_stage(tmp_path_factory.mktemp("single"), base, table)


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def assert_equal_training(found: Trained, expected: Trained) -> None:
    """Up to the order of floating-point sums."""
    for one, other in zip(found.log, expected.log, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
        assert (one["step"], one["lr"], one["tokens"]) == (other["step"], other["lr"], other["tokens"])
    mine, theirs = weights(found.model), weights(expected.model)
    assert mine.keys() == theirs.keys()
    for name, weight in mine.items():
        assert torch.allclose(weight, theirs[name], atol=2e-4), name


def reference(base: Path, table: pa.Table, folder: Path) -> tuple[list[float], Any]:
    """The same stage as a loop in plain torch: one batch a step, autograd, clip, AdamW."""
    arguments = train_arguments()
    laid = rows.write(FakeInputs(tables={"packed": table}), folder, arguments.length)
    data, steps = PackedRows(laid, arguments.batch), schedule.steps_of(arguments, len(laid))
    model = loaded(base)
    model.train()
    parameters = list(model.parameters())
    groups = [
        {"params": [parameter for parameter in parameters if parameter.dim() > 1], "weight_decay": 0.1},
        {"params": [parameter for parameter in parameters if parameter.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * schedule.share(arguments.optimizer.schedule, step, steps)
        batch = data.__getitems__(list(range(4 * step, 4 * step + 4)))
        forward = isolation.forward_arguments(
            model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]
        )
        logits = model(**forward).logits.flatten(0, 1)[batch["predict_N"]]
        loss = functional.cross_entropy(logits, batch["target_N"])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses, model


def test_it_equals_a_loop_in_plain_torch(single: Trained, base: Path, table: pa.Table, tmp_path: Path) -> None:
    losses, model = reference(base, table, tmp_path)
    assert [step["loss"] for step in single.log] == pytest.approx(losses, rel=1e-5)
    expected = model.state_dict()
    for name, weight in weights(single.model).items():  # which moved by 0.05; sums in another order, behind Adam
        assert torch.allclose(weight, expected[name], atol=5e-5), name


def test_the_log_has_every_step(single: Trained, table: pa.Table) -> None:
    assert [step["step"] for step in single.log] == [1, 2, 3, 4, 5, 6]
    assert single.log[-1]["loss"] < single.log[0]["loss"]
    segments: list[Any] = table["segments"].to_pylist()
    real = [sum(segment["length"] for segment in row) for row in segments]
    assert [step["tokens"] for step in single.log] == [sum(real[: 4 * step]) for step in range(1, 7)]
    assert all(step["tokens_per_second"] > 0 and step["grad_norm"] > 0 for step in single.log)


def test_the_model_is_one_that_others_load(single: Trained, base: Path) -> None:
    assert {path.name for path in single.model.iterdir()} == FILES
    model = loaded(single.model)
    assert model.config.use_cache
    assert len(AutoTokenizer.from_pretrained(single.model)) == 258
    with safe_open(single.model / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    card = (single.model / "README.md").read_text()
    assert "# stage.learn\n" in card
    assert "22 of 64 positions" in card
    assert str(base) not in card
    config = json.loads((single.model / "config.json").read_text())
    assert str(base) not in json.dumps(config)


def test_deepspeed_trained_it(single: Trained) -> None:
    assert "DeepSpeedEngine, ZeRO-0, torch.float32 on cpu; processes × passes × rows = 1 × 1 × 4" in single.printed


def test_the_same_input_gives_the_same_bits(single: Trained, base: Path, table: pa.Table, tmp_path: Path) -> None:
    again = run_stage(tmp_path, base, table)
    for name in FILES:
        assert (again.model / name).read_bytes() == (single.model / name).read_bytes(), name
    assert [step["loss"] for step in again.log] == [step["loss"] for step in single.log]


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_two_ranks_that_accumulate_equal_one(
    zero: int, single: Trained, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    deepspeed = {"zero_optimization": {"stage": zero}, "train_micro_batch_size_per_gpu": 1}
    found = run_stage(tmp_path, base, table, processes=2, deepspeed=deepspeed, activation_checkpointing=zero == 2)
    assert "processes × passes × rows = 2 × 2 × 1" in found.printed
    assert_equal_training(found, single)
    assert {path.name for path in found.model.iterdir()} == FILES


def test_half_precision_on_a_cpu(base: Path, table: pa.Table, single: Trained, tmp_path: Path) -> None:
    """Whoever keeps no weights in 32 bits, or counts a step too many for Adam, is off by percents."""
    found = run_stage(tmp_path, base, table, precision="bf16", deepspeed={"zero_optimization": {"stage": 0}})
    assert [step["loss"] for step in found.log] == pytest.approx([step["loss"] for step in single.log], rel=1e-3)
    assert {weight.dtype for weight in weights(found.model).values()} == {torch.bfloat16}


@pytest.mark.slow
def test_passes_in_bf16_add_up_in_32_bits(base: Path, tmp_path: Path) -> None:
    """The gradient of many passes over one row is that of the row; a sum in bf16 stops growing on the way."""
    (row,) = packed(1, 64).to_pylist()
    rows = pa.Table.from_pylist([row | {"row": number} for number in range(PASSES)])

    def norm(name: str, table: pa.Table, **more: Any) -> float:
        settings = {"zero_optimization": {"stage": 2}, "train_micro_batch_size_per_gpu": 1, **more}
        trained = run_stage(tmp_path / name, base, table, batch=len(table), precision="bf16", deepspeed=settings)
        (step,) = trained.log
        return float(step["grad_norm"])

    alone = norm("alone", rows.slice(0, 1))
    assert norm("many", rows) == pytest.approx(alone, rel=1e-5)
    assert norm("told", rows, data_types={"grad_accum_dtype": "bf16"}) < 0.95 * alone


CPU = {"device": "cpu", "pin_memory": True}
OFFLOADS = {
    2: {"offload_optimizer": CPU},
    3: {"offload_optimizer": CPU, "offload_param": CPU},
}


@pytest.mark.slow
@pytest.mark.parametrize("zero", OFFLOADS)
def test_zero_offloads_and_compiles_nothing(
    zero: int, single: Trained, base: Path, table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ranks that compile an operation at once can abort each other: none is compiled."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "compiled"))
    settings, processes = {"stage": zero, **OFFLOADS[zero]}, zero - 1
    deepspeed = {"zero_optimization": settings, "train_micro_batch_size_per_gpu": 1}
    found = run_stage(tmp_path, base, table, processes=processes, deepspeed=deepspeed)
    assert f"processes × passes × rows = {processes} × {4 // processes} × 1" in found.printed
    assert_equal_training(found, single)
    assert not list((tmp_path / "compiled").rglob("*.so"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "fp16"}, "`precision = fp16` cannot be trained on this machine"),
        (
            {"deepspeed": {"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme", "nvme_path": "x"}}}},
            "cannot be used on this machine",
        ),
    ],
)
def test_what_this_machine_cannot_do(
    changes: dict[str, Any], message: str, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    from deepspeed.accelerator import get_accelerator  # type: ignore[import-untyped]  # noqa: PLC0415
    from deepspeed.ops.op_builder import AsyncIOBuilder  # type: ignore[import-untyped]  # noqa: PLC0415

    able = get_accelerator().is_fp16_supported() if "precision" in changes else AsyncIOBuilder().is_compatible()
    if able:
        pytest.skip("this machine can")
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path, base, table, **changes)
    assert caught.value.code == "E0741"
    assert message in caught.value.message


def test_about_is_rounded_to_the_processes(base: Path, table: pa.Table, tmp_path: Path) -> None:
    found = run_stage(
        tmp_path,
        base,
        table,
        batch=7,
        about=True,
        deepspeed={"zero_optimization": {"stage": 0}, "train_micro_batch_size_per_gpu": 4},
    )
    assert "processes × passes × rows = 1 × 2 × 4" in found.printed
    assert len(found.log) == 3


def test_nothing_supervised_is_an_error(base: Path, table: pa.Table, tmp_path: Path) -> None:
    labels = pa.array([[-100] * 64] * ROWS, pa.list_(pa.int64()))
    masked = table.set_column(table.schema.get_field_index("labels"), "labels", labels)
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path, base, masked)
    assert caught.value.code == "E0713"
    first = table["input_ids"][0].as_py()[:3]
    assert ", ".join(map(str, first)) in caught.value.notes[0]
    assert re.fullmatch(r"samples that are masked as a whole: \d+ by `prompt`", caught.value.notes[2])


def test_a_loss_that_is_no_number_is_an_error(base: Path, table: pa.Table, tmp_path: Path) -> None:
    optimizer = train_arguments().optimizer.model_copy(update={"lr": 1e30})
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path, base, table, optimizer=optimizer)
    assert caught.value.code == "E0714"
    step = int(re.findall(r"step (\d+)", caught.value.message)[0])
    assert step > 1
    assert f"rows {4 * step - 4} to {4 * step - 1}" in caught.value.notes[0]


def test_rows_longer_than_the_model_are_an_error(base: Path, tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        run_stage(tmp_path, base, packed(4, 128), length=128)
    assert caught.value.code == "E0716"
    assert "64 positions" in caught.value.notes[0]
