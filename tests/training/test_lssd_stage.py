"""Stages that learn from a teacher, through worker processes; checked against a loop in plain torch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file, save_file

from structdsl.plan import CacheTeacher
from structdsl.plan.operations import Cache, Distill, Swap
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.cache_teacher import cache_teacher
from structdsl_runtime.pretrained import copy
from structdsl_runtime.training import isolation, rows, schedule, targets
from structdsl_runtime.training.batches import PackedRows
from structdsl_runtime.training.lssd import ALWAYS, Recipe, lssd_loss
from structdsl_runtime.training.objective import NextToken, PredictingHead, TokenLoss
from structdsl_runtime.training.teacher import Frozen, WithoutUpdates
from tests.training.stage_fakes import (
    FakeInputs,
    FakeOutputs,
    Trained,
    context,
    loaded,
    packed,
    run_stage,
    train_arguments,
)

LSSD = Distill(weight=0.5, swap=ALWAYS)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return packed(10, 64)


@pytest.fixture(scope="module")
def teacher(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with weights eight times as large, so that it has opinions."""
    folder = tmp_path_factory.mktemp("teacher")
    copy(base, folder, tuple(path.name for path in base.iterdir()))
    weights = load_file(base / "model.safetensors")
    larger = {name: 8 * weight if weight.dim() > 1 else weight for name, weight in weights.items()}
    save_file(larger, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def learn(folder: Path, base: Path, table: pa.Table, teacher: Path, distill: Distill = LSSD, **changes: Any) -> Trained:
    return run_stage(folder, base, table, more=FakeInputs(folders={"teacher": teacher}), distill=distill, **changes)


@pytest.fixture(scope="module")
def online(base: Path, table: pa.Table, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return learn(tmp_path_factory.mktemp("online"), base, table, teacher)


def assert_equal_training(found: Trained, expected: Trained, rel: float = 1e-4) -> None:
    """Up to the order of floating-point sums."""
    assert [step["loss"] for step in found.log] == pytest.approx([step["loss"] for step in expected.log], rel=rel)
    mine, theirs = (load_file(trained.model / "model.safetensors") for trained in (found, expected))
    for name, weight in mine.items():
        assert torch.allclose(weight, theirs[name], atol=2e-4), name


def test_lssd_equals_a_loop_in_plain_torch(
    online: Trained, base: Path, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    arguments = train_arguments()
    laid = rows.write(FakeInputs(tables={"packed": table}), tmp_path, arguments.length)
    data, steps = PackedRows(laid, arguments.batch), schedule.steps_of(arguments, len(laid))
    model, frozen = loaded(base), loaded(teacher)
    parameters = list(model.parameters())
    groups = [
        {"params": [each for each in parameters if each.dim() > 1], "weight_decay": 0.1},
        {"params": [each for each in parameters if each.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.95))
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * schedule.share(arguments.optimizer.schedule, step, steps)
        batch = data.__getitems__(list(range(4 * step, 4 * step + 4)))
        forward = isolation.forward_arguments(
            model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]
        )
        mine, theirs = (which(**forward).logits.flatten(0, 1)[batch["predict_N"]] for which in (model, frozen))
        loss = lssd_loss(mine, theirs, batch["target_N"])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        assert online.log[step]["loss"] == pytest.approx(loss.item(), rel=1e-5)
    expected = model.state_dict()
    for name, weight in load_file(online.model / "model.safetensors").items():
        assert (weight - expected[name]).abs().max() < 1e-4, name  # of steps of 1e-2: Adam divides by tiny gradients


@pytest.mark.slow
@pytest.mark.parametrize(("zero", "processes"), [(2, 2), (3, 1), (3, 2)])
def test_lssd_under_zero_and_on_two_ranks(
    zero: int, processes: int, online: Trained, base: Path, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    deepspeed = {"zero_optimization": {"stage": zero}}
    found = learn(tmp_path, base, table, teacher, processes=processes, deepspeed=deepspeed)
    assert_equal_training(found, online)


# `cache = hidden`.

HIDDEN = LSSD.model_copy(update={"cache": Cache(method="hidden")})


def cached(folder: Path, teacher: Path, samples: pa.Table, tokens: pa.Table) -> list[dict[str, Any]]:
    inputs = FakeInputs(tables={"samples": samples, "tokens": tokens}, folders={"model": teacher})
    outputs = FakeOutputs(folder / "out")
    where = context(folder, "stage.learn.teacher")
    cache_teacher(CacheTeacher(cache=Cache(method="hidden"), seed=0), inputs, outputs, where)
    return outputs.tables["targets"]


def unpacked(table: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Samples and tokens that `table` is packed from."""
    samples, tokens = [], []
    for row in table.to_pylist():
        for segment in row["segments"]:
            run = slice(segment["start"], segment["start"] + segment["length"])
            masked = row["labels"][run].count(-100)
            samples.append(
                {"position": segment["position"], "sample_id": f"s{segment['position']}", "corpus": "corpus.notes"}
            )
            tokens.append(
                {
                    "position": segment["position"],
                    "piece": segment["piece"],
                    "input_ids": row["input_ids"][run],
                    "n_prompt": masked,
                    "n_tokens": segment["length"],
                }
            )
    return pa.Table.from_pylist(samples), pa.Table.from_pylist(tokens)


@pytest.fixture(scope="module")
def kept(table: pa.Table, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> FakeInputs:
    samples, tokens = unpacked(table)
    targets = cached(tmp_path_factory.mktemp("kept"), teacher, samples, tokens)
    random.Random(0).shuffle(targets)
    return FakeInputs({"samples": samples, "targets": pa.Table.from_pylist(targets)}, {"teacher": teacher})


def test_lssd_cached_is_online(online: Trained, kept: FakeInputs, base: Path, table: pa.Table, tmp_path: Path) -> None:
    found = run_stage(tmp_path, base, table, more=kept, distill=HIDDEN)
    assert_equal_training(found, online)
    assert [step["loss"] for step in found.log] == pytest.approx([step["loss"] for step in online.log], rel=1e-5)


@pytest.mark.slow
def test_lssd_cached_under_zero_on_two_ranks(
    online: Trained, kept: FakeInputs, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    found = run_stage(
        tmp_path, base, table, more=kept, distill=HIDDEN, processes=2, deepspeed={"zero_optimization": {"stage": 3}}
    )
    assert_equal_training(found, online)


def test_lssd_keeps_what_the_teacher_says(kept: FakeInputs, table: pa.Table, teacher: Path) -> None:
    model = loaded(teacher)
    rows_ = {(row["sample_id"], row["offset"]): row for row in kept.tables["targets"].to_pylist()}
    _, tokens = unpacked(table)
    supervised = 0
    for sample in tokens.to_pylist()[:20]:
        with torch.no_grad():
            logs = model(torch.tensor([sample["input_ids"]])).logits[0].log_softmax(-1)
        for offset in range(max(1, sample["n_prompt"]), sample["n_tokens"]):
            row = rows_[f"s{sample['position']}", offset]
            expected = logs[offset - 1]
            assert row["ids"] == [sample["input_ids"][offset], expected.argmax().item()]
            assert row["logprobs"] == pytest.approx(expected[row["ids"]].tolist(), abs=1e-4)
            supervised += 1
    assert supervised


def test_lssd_keeps_a_sample_once_while_it_reads_the_same(teacher: Path, tmp_path: Path) -> None:
    texts = {0: [1, 2, 3, 4], 1: [5, 6, 7], 2: [1, 2, 3, 4], 3: [1, 2, 9, 4], 4: [1, 2, 3, 4]}
    names = {0: "a", 1: "b", 2: "a", 3: "a", 4: "a"}
    samples = pa.Table.from_pylist([{"position": p, "sample_id": name} for p, name in names.items()])
    tokens = pa.Table.from_pylist(
        [{"position": p, "piece": 0, "input_ids": ids, "n_prompt": 0, "n_tokens": len(ids)} for p, ids in texts.items()]
    )
    found = cached(tmp_path / "kept", teacher, samples, tokens)
    assert [(row["sample_id"], row["position"], row["offset"]) for row in found] == [
        *(("a", 0, offset) for offset in (1, 2, 3)),
        *(("b", 1, offset) for offset in (1, 2)),
        *(("a", 3, offset) for offset in (1, 2, 3)),
        *(("a", 4, offset) for offset in (1, 2, 3)),
    ]
    ids = [token for text in texts.values() for token in text]
    ends = np.cumsum([len(text) for text in texts.values()]).tolist()
    segments = [
        {"position": p, "piece": 0, "start": end - len(texts[p]), "length": len(texts[p])}
        for p, end in zip(texts, ends, strict=True)
    ]
    labels = [-100 if place in {0, *ends} else token for place, token in enumerate(ids)]
    packed_ = pa.Table.from_pylist([{"row": 0, "input_ids": ids, "labels": labels, "segments": segments}])
    inputs = FakeInputs({"packed": packed_, "samples": samples, "targets": pa.Table.from_pylist(found)})
    laid = rows.write(inputs, tmp_path / "rows", len(ids))
    targets.write(inputs, laid, tmp_path / "targets")
    hidden = np.load(tmp_path / "targets" / targets.HIDDEN)
    kept = {(row["position"], row["offset"]): row["hidden"] for row in found}
    order = [(0, 3), (1, 2), (0, 3), (3, 3), (4, 3)]
    expected = [kept[source, offset] for source, last in order for offset in range(1, last + 1)]
    assert np.array_equal(hidden, np.array(expected, np.float32))


def test_lssd_with_another_tokenizer_is_an_error(base: Path, table: pa.Table, teacher: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    copy(teacher, other, tuple(path.name for path in teacher.iterdir()))
    text = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(text.replace('"├─ "', '"└─ "'))
    with pytest.raises(Fault) as caught:
        learn(tmp_path, base, table, other)
    assert caught.value.code == "E0708"


# In this process.


@pytest.fixture
def batch(table: pa.Table, tmp_path: Path) -> dict[str, Any]:
    laid = rows.write(FakeInputs(tables={"packed": table}), tmp_path, 64)
    return PackedRows(laid, batch=8).__getitems__(list(range(8)))


def frozen(teacher: Path) -> Frozen:
    model = loaded(teacher)
    return Frozen(model, model, PredictingHead(model))


def graded(model: Any, objective: Any, batch: dict[str, Any]) -> tuple[float, dict[str, torch.Tensor]]:
    loss = objective(model, model.config, batch)
    model.zero_grad()
    torch.autograd.backward(loss.total)
    return loss.total.item(), {name: each.grad.clone() for name, each in model.named_parameters()}


def test_lssd_of_weight_zero_is_plain(base: Path, teacher: Path, batch: dict[str, Any]) -> None:
    model = loaded(base)
    head = PredictingHead(model)
    plain = graded(model, NextToken(head, label_smoothing=0.0, processes=1), batch)
    none = graded(model, TokenLoss(head, Recipe(swap=ALWAYS), processes=1, teacher=frozen(teacher)), batch)
    assert none[0] == pytest.approx(plain[0], rel=1e-6)
    assert all(torch.allclose(none[1][name], grad, atol=1e-7) for name, grad in plain[1].items())


def test_lssd_reports_both_parts(base: Path, teacher: Path, batch: dict[str, Any]) -> None:
    model = loaded(base)
    recipe = Recipe(weight=0.25, swap=ALWAYS)
    objective = TokenLoss(PredictingHead(model), recipe, processes=1, teacher=frozen(teacher))
    loss = objective(model, model.config, batch)
    assert loss.kl_N is not None
    assert loss.total.item() == pytest.approx((0.75 * loss.ntp_N + 0.25 * loss.kl_N).mean().item(), rel=1e-5)


class Capped(torch.nn.Module):
    """A model that caps its logits behind the head, as some do."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner
        self.config = inner.config

    def get_output_embeddings(self) -> Any:
        return self.inner.get_output_embeddings()

    def forward(self, **arguments: Any) -> Any:
        found = self.inner(**arguments)
        found.logits = 3 * torch.tanh(found.logits / 3)
        return found


def test_lssd_of_a_model_that_changes_its_logits(
    base: Path, teacher: Path, batch: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    model, asked = Capped(loaded(base)), Capped(loaded(teacher))
    answers = Frozen(asked, asked, PredictingHead(asked))
    objective = TokenLoss(PredictingHead(model), Recipe(weight=0.5, swap=ALWAYS), processes=1, teacher=answers)
    loss = objective(model, model.config, batch)
    forward = isolation.forward_arguments(model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])
    mine, theirs = (which(**forward).logits.flatten(0, 1)[batch["predict_N"]] for which in (model, asked))
    expected = lssd_loss(mine, theirs, batch["target_N"]) * len(batch["target_N"]) / batch["predictions"]
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert "they are made whole" in capfd.readouterr().out


def test_lssd_asks_the_student_without_its_updates(base: Path, batch: dict[str, Any]) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = peft.get_peft_model(loaded(base), config)
    head = PredictingHead(model)
    recipe = Recipe(weight=0.5, swap=Swap(where="threshold", above=0.001))
    loss, again = (
        TokenLoss(head, recipe, processes=1, teacher=answers)(model, model.config, batch)
        for answers in (WithoutUpdates(model, head), frozen(base))
    )
    assert loss.total.item() == pytest.approx(again.total.item(), rel=1e-6)
    assert model.training
