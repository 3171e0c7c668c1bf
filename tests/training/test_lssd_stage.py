"""Stages that learn from a teacher, through worker processes; checked against a loop in plain torch."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pyarrow as pa
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from structdsl.plan import CacheTeacher
from structdsl.plan.operations import Cache, Distill, Lora, Swap
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.cache_teacher import cache_teacher
from structdsl_runtime.pretrained import copy
from structdsl_runtime.training import isolation, keeping, rows, schedule, sources, targets, teacher_states
from structdsl_runtime.training.adapters import attach, continued
from structdsl_runtime.training.batches import PackedRows
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.job import TeacherJob
from structdsl_runtime.training.keeping import keep
from structdsl_runtime.training.lssd import ALWAYS, Recipe, lssd_loss, token_losses
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
    samples,
    train_arguments,
)
from tests.training.test_resume import SAVES, Stage, weights

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


Costs = Callable[[torch.Tensor, torch.Tensor, dict[str, Any]], torch.Tensor]


def loop(model: Any, frozen: Any, inputs: FakeInputs, folder: Path, costs: Costs, steps: int = 3) -> list[float]:
    """Trains `model` on what `costs` makes of its logits and those of `frozen`; the loss of each step."""
    arguments = train_arguments()
    laid = rows.write(inputs, folder / "loop", arguments.length, sources.read(inputs))
    data = PackedRows(laid, arguments.batch)
    assert steps == schedule.steps_of(arguments, len(laid))
    parameters = [each for each in model.parameters() if each.requires_grad]
    groups = [
        {"params": [each for each in parameters if each.dim() > 1], "weight_decay": 0.1},
        {"params": [each for each in parameters if each.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=1e-2, betas=(0.9, 0.95))
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * schedule.share(arguments.optimizer.schedule, step, steps)
        batch = data.__getitems__(list(range(4 * step, 4 * step + 4)))
        forward = isolation.forward_arguments(
            model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"]
        )
        mine, theirs = (which(**forward).logits.flatten(0, 1)[batch["predict_N"]] for which in (model, frozen))
        loss = costs(mine, theirs, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def plainly(mine: torch.Tensor, theirs: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
    return lssd_loss(mine, theirs, batch["target_N"])


def of(log: list[dict[str, Any]], name: str = "loss") -> list[float]:
    return [step[name] for step in log]


def test_lssd_equals_a_loop_in_plain_torch(
    online: Trained, base: Path, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    model = loaded(base)
    losses = loop(model, loaded(teacher), read(table), tmp_path, plainly)
    assert of(online.log) == pytest.approx(losses, rel=1e-5)
    expected = model.state_dict()
    for name, weight in load_file(online.model / "model.safetensors").items():
        assert (weight - expected[name]).abs().max() < 1e-4, name  # of steps of 1e-2: Adam divides by tiny gradients


def read(table: pa.Table) -> FakeInputs:
    return FakeInputs(tables={"packed": table, "samples": samples(table)})


def test_lssd_is_told_by_its_parts(online: Trained) -> None:
    assert min(of(online.log, "kl")) > 0.1
    halves = [(ntp + kl) / 2 for ntp, kl in zip(of(online.log, "ntp"), of(online.log, "kl"), strict=True)]
    assert of(online.log) == pytest.approx(halves, rel=1e-6)


LORA = Lora(rank=4, alpha=8)
SOME = Distill(weight=0.4, swap=ALWAYS, temperature=2.0, roles=("replay",))


@pytest.fixture(scope="module")
def adapted(table: pa.Table, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Low-rank updates of the teacher itself, which is heard on the tokens of one corpus."""
    return learn(
        tmp_path_factory.mktemp("adapted"),
        teacher,
        table,
        teacher,
        SOME,
        adapter=LORA,
        corpora={"notes": "domain", "web": "replay"},
        label_smoothing=0.1,
    )


def test_lssd_of_updates_is_that_of_a_replica_and_other_corpora_learn_from_the_text(
    adapted: Trained, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    """Tokens on which the teacher is not heard keep the whole weight of what follows them."""
    recipe = Recipe(weight=0.4, swap=ALWAYS, temperature=2.0, label_smoothing=0.1)
    kls, ntps = list[float](), list[float]()
    known = sources.read(read(table)).names

    def costs(mine: torch.Tensor, theirs: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
        both, ntp, kl = token_losses(mine, theirs, batch["target_N"], recipe)
        text, *_ = token_losses(mine, None, batch["target_N"], Recipe(label_smoothing=0.1))
        assert kl is not None
        heard = batch["source_N"] == known.index("web")
        assert 0 < heard.sum() < len(heard)
        assert torch.allclose(both, 0.6 * text + 0.4 * 4 * kl)
        kls.append(kl.mean().item())
        ntps.append(ntp.mean().item())
        return torch.where(heard, both, text).mean()

    model = attach(loaded(teacher), LORA, seed=0)
    losses = loop(model, loaded(teacher), read(table), tmp_path, costs)
    assert of(adapted.log) == pytest.approx(losses, rel=1e-5)
    assert of(adapted.log, "kl") == pytest.approx(kls, rel=1e-4)
    assert of(adapted.log, "ntp") == pytest.approx(ntps, rel=1e-5)


def test_lssd_of_updates_that_are_continued_hears_the_model_they_made(
    adapted: Trained, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    before = adapted.model.parent / "adapter"
    more = FakeInputs(folders={"teacher": adapted.model, "adapter": before})
    found = run_stage(tmp_path, teacher, table, more=more, distill=LSSD, adapter="continue")
    model = continued(loaded(teacher), before)
    losses = loop(model, loaded(adapted.model), read(table), tmp_path, plainly)
    assert of(found.log) == pytest.approx(losses, rel=1e-5)


def untied(folder: Path, model: Path) -> Path:
    """The same model with a head of its own, half as large as the embeddings."""
    network_ = loaded(model)
    network_.config.tie_word_embeddings = False
    network_.lm_head.weight = torch.nn.Parameter(network_.lm_head.weight.detach() / 2)
    network_.save_pretrained(folder)
    copy(model, folder, tuple(path.name for path in model.glob("tokenizer*")))
    return folder


def test_lssd_in_16_bits_of_a_head_of_its_own(base: Path, table: pa.Table, teacher: Path, tmp_path: Path) -> None:
    start, asked = untied(tmp_path / "start", base), untied(tmp_path / "asked", teacher)
    found = learn(tmp_path, start, table, asked, precision="bf16")
    weights_ = load_file(found.model / "model.safetensors")
    assert "lm_head.weight" in weights_
    assert {weight.dtype for weight in weights_.values()} == {torch.bfloat16}
    losses = loop(loaded(start), loaded(asked), read(table), tmp_path, plainly)
    assert found.log[0]["loss"] == pytest.approx(losses[0], rel=2e-3)
    assert of(found.log) == pytest.approx(losses, rel=5e-2)  # Adam makes whole steps of what rounding leaves


def test_lssd_resume_after_a_kill_is_bit_identical(
    online: Trained, base: Path, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, base, table)
    stage.inputs = FakeInputs(read(table).tables, {"model": base, "teacher": teacher})
    stage.arguments = train_arguments(distill=LSSD, checkpoint=SAVES)
    assert "SIGKILL" in stage.fails("renaming", 2).message
    assert stage.saved() == [1]
    found = stage.run()
    assert weights(found) == (online.model / "model.safetensors").read_bytes()
    assert of(found.tables["log"]) == of(online.log)
    assert of(found.tables["log"], "kl") == of(online.log, "kl")


@pytest.mark.slow
def test_lssd_under_zero_on_two_ranks(
    online: Trained, base: Path, table: pa.Table, teacher: Path, tmp_path: Path
) -> None:
    found = learn(tmp_path, base, table, teacher, processes=2, deepspeed={"zero_optimization": {"stage": 3}})
    assert_equal_training(found, online)


# `cache = hidden`.

HIDDEN = LSSD.model_copy(update={"cache": Cache(method="hidden")})


@dataclass
class Kept:
    """What a stage has of its teacher: the tables `texts` and `states`."""

    texts: list[dict[str, Any]]
    states: list[dict[str, Any]]

    def said(self) -> dict[tuple[str, int], dict[str, Any]]:
        """By sample and offset, as the view `teacher.<stage>` has it."""
        found: dict[str, list[dict[str, Any]]] = {}
        for state in self.states:
            found.setdefault(state["text"], []).append(state)
        return {
            (text["sample_id"], text["offset"] + state["offset"]): state
            for text in self.texts
            for state in found[text["text"]]
        }


def cached(folder: Path, teacher: Path, samples: pa.Table, tokens: pa.Table, shared: Path | None = None) -> Kept:
    """What a teacher says of all samples; `shared` is that of other stages."""
    inputs = FakeInputs(tables={"samples": samples, "tokens": tokens}, folders={"model": teacher})
    outputs = FakeOutputs(folder / "out")
    where = context(folder, "stage.learn.teacher")
    if shared is not None:
        where = replace(where, shared=shared)
    cache_teacher(CacheTeacher(cache=Cache(method="hidden")), inputs, outputs, where)
    return Kept(outputs.tables["texts"], outputs.tables["states"])


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
def asked(table: pa.Table, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return cached(tmp_path_factory.mktemp("kept"), teacher, *unpacked(table))


@pytest.fixture(scope="module")
def kept(asked: Kept, teacher: Path) -> FakeInputs:
    states = asked.states.copy()
    random.Random(0).shuffle(states)
    return FakeInputs({"states": pa.Table.from_pylist(states)}, {"teacher": teacher})


def test_lssd_cached_is_online(online: Trained, kept: FakeInputs, base: Path, table: pa.Table, tmp_path: Path) -> None:
    found = run_stage(tmp_path, base, table, more=kept, distill=HIDDEN)
    assert_equal_training(found, online)
    assert [step["loss"] for step in found.log] == pytest.approx([step["loss"] for step in online.log], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [2, 3])
def test_lssd_cached_under_zero_on_two_ranks(
    zero: int, online: Trained, kept: FakeInputs, base: Path, table: pa.Table, tmp_path: Path
) -> None:
    """Under ZeRO-3 the student's head is in parts, and that of the teacher whole on each rank."""
    deepspeed = {"zero_optimization": {"stage": zero}}
    found = run_stage(tmp_path, base, table, more=kept, distill=HIDDEN, processes=2, deepspeed=deepspeed)
    assert_equal_training(found, online)


def test_lssd_keeps_what_the_teacher_says(asked: Kept, table: pa.Table, teacher: Path) -> None:
    model = loaded(teacher)
    rows_ = asked.said()
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


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has the teacher asked in this process; what it says of its progress."""
    said: list[int] = []

    def ask(_module: str, path: Path, events: Path, *, on_event: Any, **_: Any) -> None:
        del events

        class Here(Reporter):
            def __init__(self) -> None: ...

            def emit(self, event: str, **values: Any) -> None:
                said.append(values["done"])
                on_event({"event": event, **values})

        keep(TeacherJob.model_validate_json(path.read_bytes()), Here())

    monkeypatch.setattr(sys.modules[cache_teacher.__module__], "launch", ask)
    return said


def test_lssd_resume_of_what_was_kept(
    here: list[int], table: pa.Table, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers are those of a run that was not killed, and what is in a part is not asked again."""
    samples_, tokens = unpacked(table)
    monkeypatch.setattr(keeping, "TOKENS", 64)
    monkeypatch.setattr(keeping, "PART", 10_000)
    whole = cached(tmp_path / "whole", teacher, samples_, tokens)
    passes = len(here)
    assert passes > 5
    here.clear()
    plain = isolation.forward_arguments
    asked: list[int] = []

    def killed(*arguments: Any) -> Any:
        asked.append(1)
        if len(asked) == 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(keeping, "forward_arguments", killed)
    shared = tmp_path / "shared"
    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "killed", teacher, samples_, tokens, shared)
    assert len(here) == 5
    (shared / "teacher" / next((shared / "teacher").iterdir()) / f"{teacher_states.PARTIAL}1").mkdir()
    here.clear()
    again = cached(tmp_path / "again", teacher, samples_, tokens, shared)
    assert passes - 5 <= len(here) < passes
    order = itemgetter("text", "offset")
    assert sorted(again.states, key=order) == sorted(whole.states, key=order)
    assert again.texts == whole.texts
    here.clear()
    assert cached(tmp_path / "other", teacher, samples_, tokens, shared) == again
    assert not here


@pytest.mark.usefixtures("here")
def test_lssd_refuses_to_keep_what_does_not_say_all(table: pa.Table, tmp_path: Path) -> None:
    network("Cohere").save_pretrained(tmp_path / "cohere")
    with pytest.raises(Fault) as caught:
        cached(tmp_path, tmp_path / "cohere", *unpacked(table))
    assert caught.value.code == "E0745"


def tables(texts: dict[int, tuple[str, list[int]]]) -> tuple[pa.Table, pa.Table]:
    """Samples and tokens, by position."""
    samples = [{"position": place, "sample_id": name} for place, (name, _) in texts.items()]
    tokens = [
        {"position": place, "piece": 0, "input_ids": ids, "n_prompt": 0, "n_tokens": len(ids)}
        for place, (_, ids) in texts.items()
    ]
    return pa.Table.from_pylist(samples), pa.Table.from_pylist(tokens)


def test_lssd_keeps_a_sample_once_while_it_reads_the_same(here: list[int], teacher: Path, tmp_path: Path) -> None:
    texts = {0: ("a", [1, 2, 3, 4]), 1: ("b", [5, 6, 7]), 2: ("a", [1, 2, 3, 4]), 3: ("a", [1, 2, 9, 4])}
    texts |= {4: ("a", [1, 2, 3, 4]), 5: ("c", [5, 6, 7])}
    found = cached(tmp_path / "kept", teacher, *tables(texts))
    assert [(row["sample_id"], row["position"]) for row in found.texts] == [("a", 0), ("b", 1), ("a", 3), ("c", 5)]
    assert here[-1] == len(found.states) == 3 + 2 + 3
    ids = [token for _, text in texts.values() for token in text]
    ends = np.cumsum([len(text) for _, text in texts.values()]).tolist()
    segments = [
        {"position": place, "piece": 0, "start": end - len(texts[place][1]), "length": len(texts[place][1])}
        for place, end in zip(texts, ends, strict=True)
    ]
    labels = [-100 if place in {0, *ends} else token for place, token in enumerate(ids)]
    packed_ = pa.Table.from_pylist([{"row": 0, "input_ids": ids, "labels": labels, "segments": segments}])
    inputs = FakeInputs({"packed": packed_, "states": pa.Table.from_pylist(found.states)})
    laid = rows.write(inputs, tmp_path / "rows", len(ids))
    targets.write(inputs, laid, tmp_path / "targets")
    hidden = np.load(tmp_path / "targets" / targets.HIDDEN)
    names = {row["position"]: row["text"] for row in found.texts}
    kept = {(row["text"], row["offset"]): row["hidden"] for row in found.states}
    order = [(0, 3), (1, 2), (0, 3), (3, 3), (0, 3), (1, 2)]
    expected = [kept[names[source], offset] for source, last in order for offset in range(1, last + 1)]
    assert np.array_equal(hidden, np.array(expected, np.float32))


def test_lssd_stages_share_what_was_kept(
    here: list[int], teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is read, under whichever name; what was computed by other libraries is another thing."""
    shared = tmp_path / "shared"
    one = {0: ("a", [1, 2, 3, 4]), 1: ("b", [5, 6, 7])}
    other = {0: ("c", [9, 8, 7]), 1: ("d", [5, 6, 7]), 2: ("a", [1, 2, 3])}
    first = cached(tmp_path / "one", teacher, *tables(one), shared)
    assert here == [5]
    second = cached(tmp_path / "other", teacher, *tables(other), shared)
    assert here == [5, 2 + 2]
    assert [row for row in second.states if row in first.states] == first.states
    whole = cached(tmp_path / "alone", teacher, *tables(other)).said()
    for key, row in second.said().items():
        assert row["ids"] == whole[key]["ids"]
        assert row["hidden"] == pytest.approx(whole[key]["hidden"], abs=1e-5)
    assert len(list(shared.rglob("*.parquet"))) == 2
    here.clear()
    monkeypatch.setattr(sys.modules[cache_teacher.__module__], "version", lambda _: "another")
    cached(tmp_path / "later", teacher, *tables(one), shared)
    assert here == [5]


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


CHANGED = {"Granite": {"logits_scaling": 4.0}, "Cohere": {"logit_scale": 0.25}}


def network(family: str, seed: int = 0) -> Any:
    """A small model with opinions of a family that changes its logits behind the head."""
    kind: Any = getattr(transformers, f"{family}Config")
    config = kind(
        vocab_size=258,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=64,
        pad_token_id=256,
        bos_token_id=256,
        eos_token_id=256,
        **CHANGED[family],
    )
    automatic: Any = AutoModelForCausalLM
    torch.manual_seed(seed)
    model = automatic.from_config(config, attn_implementation="sdpa")
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(20)
    return model.eval()


@pytest.mark.parametrize("family", CHANGED)
def test_lssd_of_a_model_that_changes_its_logits(
    family: str, batch: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    model, asked = network(family), network(family, seed=1)
    answers = Frozen(asked, asked, PredictingHead(asked))
    objective = TokenLoss(PredictingHead(model), Recipe(weight=0.5, swap=ALWAYS), processes=1, teacher=answers)
    loss = objective(model, model.config, batch)
    assert "they are made whole" in capfd.readouterr().out
    forward = isolation.forward_arguments(model.config, batch["input_BT"], batch["segment_BT"], batch["position_BT"])
    mine, theirs = (which(**forward).logits.flatten(0, 1)[batch["predict_N"]] for which in (model, asked))
    expected = lssd_loss(mine, theirs, batch["target_N"])
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    undivided = lssd_loss(4 * mine, 4 * theirs, batch["target_N"])  # both families divide by four
    assert undivided.item() != pytest.approx(expected.item(), rel=1e-2)


@pytest.mark.parametrize("head", ["tied", "untied"])
def test_lssd_in_16_bits(head: str, base: Path, teacher: Path, batch: dict[str, Any], tmp_path: Path) -> None:
    start, asked = (
        (base, teacher) if head == "tied" else (untied(tmp_path / "start", base), untied(tmp_path / "asked", teacher))
    )

    def learnt(dtype: torch.dtype) -> tuple[float, dict[str, torch.Tensor]]:
        model, other = loaded(start).to(dtype), loaded(asked).to(dtype)
        answers = Frozen(other, other, PredictingHead(other))
        recipe = Recipe(weight=0.5, swap=ALWAYS)
        return graded(model, TokenLoss(PredictingHead(model), recipe, processes=1, teacher=answers), batch)

    (half, found), (whole, exact) = learnt(torch.bfloat16), learnt(torch.float32)
    assert half == pytest.approx(whole, rel=1e-2)
    assert ("lm_head.weight" in found) == (head == "untied")
    for name, gradient in exact.items():
        assert found[name].dtype == torch.bfloat16
        assert (found[name] - gradient).norm() < 0.15 * gradient.norm(), name


def test_lssd_asks_the_student_without_its_updates(base: Path, batch: dict[str, Any]) -> None:
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
