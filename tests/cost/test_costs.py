"""What a plan costs, held against the papers' formulas and against what the runtime builds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from structdsl.cli.costs import table
from structdsl.compile import compile_unit
from structdsl.cost import Estimate, Facts, Machine, Size, StageCost, estimate, facts_of
from structdsl.lock import Shape
from structdsl.plan import ScratchModel
from structdsl.plan.batch import most_rows
from structdsl_runtime.operations.models import configuration, weights
from structdsl_runtime.training import teacher_states
from structdsl_runtime.training.sizing import layout, row_bytes

LLAMA = Shape(
    parameters=8_030_261_248, hidden=4096, inner=14336, layers=32, heads=32, kv_heads=8, vocab=128256, positions=131072
)

SPEC = """\
language 1
model base { source = hf("meta-llama/Llama-3.1-8B") }
model writer { source = endpoint("http://127.0.0.1:1/v1", model = "w") }
corpus notes { source = files("notes/*.md"), role = domain }
corpus web { source = files("web/*.md"), role = replay }
corpus chat { source = files("chat.jsonl"), role = instruction }
corpus pairs { source = files("pairs.jsonl"), role = preference }
taxonomy topics { over = [corpus.notes], rule outline: headings { depth = 2 } }
corpus drills: synthetic { over = taxonomy.topics, writer = model.writer, limit = 200 docs }
mixture knowledge { budget = 8Mi tokens, weights = { corpus.notes: 50%, corpus.web: rest } }
cluster node { gpus = 8, precision = bf16, deepspeed { zero = 3 } }
defaults stage { cluster = cluster.node, batch = 64Ki tokens, length = 4Ki tokens }
stage learn: cpt { from = model.base, data = mixture.knowledge }
stage talk: sft { from = stage.learn, data = corpus.chat }
stage drill: sft { from = stage.talk, data = corpus.drills }
"""


def costs(
    spec: str = SPEC, *, shapes: bool = True, sizes: dict[str, Size] | None = None, machine: Machine | None = None
) -> Estimate:
    unit, sink = compile_unit(spec, Path("spec.adapt"))
    assert unit.plan is not None, [diagnostic.message for diagnostic in sink]
    facts = facts_of(unit, sizes or {})
    known = Facts(**{**_fields(facts), "shapes": {"model.base": LLAMA} if shapes else {}})
    return estimate(unit.plan, known, machine=machine)


def _fields(facts: Facts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in Facts.__dataclass_fields__}


def stage(name: str = "learn", spec: str = SPEC, **known: Any) -> StageCost:
    return next(cost for cost in costs(spec, **known).stages if cost.stage == f"stage.{name}")


def edited(old: str, new: str) -> str:
    assert SPEC.count(old) == 1
    return SPEC.replace(old, new)


N, L, H, T = 8_030_261_248, 32, 4096, 4096
TOKENS = 8 * 2**20
ONCE = 2 * N + 4 * L * H * T  # a forward pass, per token


def learns(more: str) -> str:
    return edited("data = mixture.knowledge }", f"data = mixture.knowledge, {more} }}")


PASSES = {
    "plain": (SPEC, 3 * ONCE),
    "activation checkpointing": (learns("activation_checkpointing = true"), 4 * ONCE),
    "teacher online": (learns("distill = lssd"), 4 * ONCE),
    "kept probabilities": (learns("distill = lssd(cache = topk(64))"), 3 * ONCE),
    "kept hidden states": (learns("distill = lssd(cache = hidden)"), 3 * ONCE + 2 * H * 128256),
    "adapter": (learns("adapter = lora(rank = 16)"), 3 * ONCE - 2 * N),
}


@pytest.mark.parametrize(("spec", "each"), PASSES.values(), ids=PASSES)
def test_flops_of_a_token(spec: str, each: float) -> None:
    cost = stage(spec=spec)
    assert cost.tokens.value == TOKENS
    assert cost.flops.value == pytest.approx(each * TOKENS)
    asked = ONCE if cost.teacher_cache is not None else 0
    assert cost.teacher_flops.value == pytest.approx(asked * TOKENS)
    assert cost.seconds.value == pytest.approx((each + asked) * TOKENS / (8 * 0.4 * 989e12))


def test_preferences_ask_the_reference_as_well() -> None:
    spec = edited("stage talk: sft", "stage align: dpo").replace("data = corpus.chat", "data = corpus.pairs")
    spec = spec.replace("from = stage.talk", "from = stage.align")
    sizes = {"stage.align_packed": Size(rows=16), "corpus.pairs_counts": Size(rows=9, tokens=90)}
    cost = stage("align", spec, sizes=sizes)
    assert cost.flops.value == pytest.approx(4 * ONCE * 16 * T)
    assert cost.memory.second.value == pytest.approx(2 * N / 8)


ZERO = {  # bytes a parameter: weights, gradients, optimizer
    0: (2, 6, 12 / 8),  # as 1: 16 bits need a stage
    1: (2, 6, 12 / 8),  # those of 16 bits and their sum in 32
    2: (2, 4 / 8, 12 / 8),
    3: (2 / 8, 4 / 8, 12 / 8),
}


@pytest.mark.parametrize(("zero", "parts"), ZERO.items(), ids=map(str, ZERO))
def test_memory_by_what_zero_shares_out(zero: int, parts: tuple[float, ...]) -> None:
    held = stage(spec=edited("zero = 3", f"zero = {zero}")).memory
    assert [held.weights.value, held.gradients.value, held.optimizer.value] == pytest.approx([N * p for p in parts])
    assert held.second.value == 0


def test_memory_elsewhere() -> None:
    held = stage(spec=edited("zero = 3", "zero = 3, offload = cpu")).memory
    assert (held.weights.value, held.optimizer.value) == (0, 0)
    assert held.host.value == pytest.approx(N * 14 / 8)


def test_an_adapter_trains_few_weights() -> None:
    held = stage(spec=learns("adapter = lora(rank = 16)")).memory
    assert held.gradients.value is not None
    assert held.weights.value == pytest.approx(2 * N / 8)
    assert held.gradients.value < 0.01 * N / 8 * 4


@dataclass(frozen=True)
class Config:
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_hidden_layers: int = 32
    vocab_size: int = 128256


@pytest.mark.parametrize("checkpointing", [False, True])
def test_activations_as_the_runtime_counts_them(checkpointing: bool) -> None:  # noqa: FBT001 - a case
    cost = stage(spec=learns(f"activation_checkpointing = {str(checkpointing).lower()}"))
    assert cost.memory.activations.value == row_bytes(Config(), T, element=2, checkpointing=checkpointing)


def test_teacher_cache() -> None:
    for cache, each in (("topk(64)", 5 * 64 + 7), ("hidden", 1.5 * H)):
        kept = stage(spec=learns(f"distill = lssd(cache = {cache})")).teacher_cache
        assert kept is not None
        assert kept.value == TOKENS * each
    sizes = {"stage.learn_tokens": Size(rows=5, tokens=2000, supervised=1000)}
    counted = stage(spec=learns("distill = lssd(cache = topk(64))"), sizes=sizes).teacher_cache
    assert counted is not None
    assert (counted.value, counted.basis) == (1000 * 327, "exact")


def test_what_one_stage_keeps_of_a_teacher_costs_the_next_nothing() -> None:
    """Whatever it makes of it; more samples, another teacher and another precision are asked again."""
    again = "stage again: cpt {{ from = model.base, data = mixture.knowledge, distill = {} }}\n"
    cases = {
        "kd(weight = 10%, temperature = 2, cache = hidden)": True,
        "lssd(teacher = stage.learn, cache = hidden)": False,
        "lssd(cache = hidden), length = 2Ki tokens": False,
        "lssd(cache = topk(64))": False,
    }
    for distill, shares in cases.items():
        found = costs(learns("distill = lssd(cache = hidden)") + again.format(distill)).stages
        one, other = (next(cost for cost in found if cost.stage == f"stage.{name}") for name in ("learn", "again"))
        assert one.teacher_cache is not None
        assert other.teacher_cache is not None
        assert one.teacher_cache.value
        assert (other.teacher_cache.value == other.teacher_flops.value == 0) == shares, distill


CPU = edited("gpus = 8, precision = bf16, ", "")
ELEMENTS = {
    "on a GPU": (SPEC, torch.bfloat16),
    "on a CPU": (CPU, torch.float32),
    "in 16 bits on a CPU": (CPU.replace("cluster node { ", "cluster node { precision = bf16, "), torch.bfloat16),
}


@pytest.mark.parametrize(("spec", "dtype"), ELEMENTS.values(), ids=ELEMENTS)
def test_teacher_cache_is_as_large_as_the_table(spec: str, dtype: torch.dtype, tmp_path: Path) -> None:
    kept = stage(spec=spec.replace("knowledge }\n", "knowledge, distill = lssd(cache = hidden) }\n")).teacher_cache
    assert kept is not None
    assert kept.value is not None
    count, each = 400, kept.value / TOKENS
    hidden = torch.randn((count, H), generator=torch.Generator().manual_seed(0)).to(dtype).float().numpy()
    texts, pairs = ["a text"] * count, np.zeros((count, 2))
    size = (
        teacher_states.add(tmp_path, teacher_states.table_of(texts, np.arange(count), pairs, pairs, hidden))
        .stat()
        .st_size
    )
    assert 0.9 * each < size / count < 1.1 * each


def test_what_nobody_can_know_yet_is_said() -> None:
    cost = stage("talk")
    assert (cost.tokens.value, cost.tokens.why) == (None, "the tokens of corpus.chat: known after it is read")
    assert (cost.flops.value, cost.seconds.value) == (None, None)


SIZES: dict[str, tuple[dict[str, Size], float, str]] = {
    "a budget": ({}, 2048, "about"),
    "packed for this plan": ({"stage.learn_packed": Size(rows=2100)}, 2100, "exact"),
    "packed for another": ({"stage.learn_packed": Size(rows=2100, current=False)}, 2048, "about"),
    "packed for half as many tokens": (
        {
            "stage.learn_packed": Size(rows=2100, current=False),
            "mixture.knowledge": Size(rows=9, tokens=4 * 2**20, current=False),
        },
        4200,
        "about",
    ),
}


@pytest.mark.parametrize(("sizes", "rows", "basis"), SIZES.values(), ids=SIZES)
def test_rows_of_a_mixture(sizes: dict[str, Size], rows: float, basis: str) -> None:
    cost = stage(sizes=sizes)
    assert (cost.rows.value, cost.rows.basis) == (rows, basis)
    assert cost.steps.value == -(-rows // 16)


def test_rows_of_a_corpus() -> None:
    sizes = {"corpus.chat_counts": Size(rows=100, tokens=409_600)}
    assert stage("talk", sizes=sizes).rows.value == 100
    thrice = edited("data = corpus.chat }", "data = corpus.chat, epochs = 3 epochs }")
    assert stage("talk", thrice, sizes=sizes).rows.value == 300
    chosen = edited("data = corpus.chat }", "data = easiest(corpus.chat, take = 50 docs) }")
    assert stage("talk", chosen, sizes=sizes).rows.value == 50


def test_a_cap_on_steps() -> None:
    capped = stage("talk", edited("data = corpus.chat }", "data = corpus.chat, steps = 10 steps }"))
    assert (capped.steps.value, capped.steps.basis) == (10, "most")
    assert capped.tokens.value == 10 * 64 * 2**10
    assert stage(spec=learns("steps = 10 steps")).steps.value == 10
    assert stage(spec=learns("steps = 1000 steps")).steps.value == 128


def test_a_model_by_its_name() -> None:
    cost = stage(shapes=False)
    assert (cost.parameters.value, cost.parameters.basis) == (8e9, "about")
    assert cost.parameters.why == "the size of model.base is read from its name"
    assert cost.memory.states.value == pytest.approx(18 * 8e9 / 8)
    assert cost.memory.activations.value is None
    assert cost.flops.value == pytest.approx(6 * 8e9 * TOKENS)
    assert "without attention" in cost.flops.why


NAMES = {"Qwen/Qwen2.5-0.5B": 0.5e9, "EleutherAI/pythia-70m": 70e6, "a/b_7b_chat": 7e9, "gpt2": None, "x/v2b1": None}


@pytest.mark.parametrize(("name", "parameters"), NAMES.items(), ids=NAMES)
def test_names(name: str, parameters: float | None) -> None:
    assert stage(spec=edited("meta-llama/Llama-3.1-8B", name), shapes=False).parameters.value == parameters


def test_a_scratch_model_is_counted_as_it_is_built() -> None:
    scratch = edited(
        'hf("meta-llama/Llama-3.1-8B")',
        "scratch(hidden = 64, layers = 2, heads = 4, positions = 4096), "
        "tokenizer = bpe(vocab = 500, over = [corpus.web])",
    )
    arguments = ScratchModel(arch="llama", hidden=64, layers=2, heads=4, positions=4096, seed=0)
    built = sum(array.size for _, array in weights(configuration(arguments, 500, 0, 0), 0))
    found = stage(spec=scratch).parameters
    assert (found.value, found.basis) == (built, "most")


def test_without_a_gpu() -> None:
    cost = stage(spec=edited("gpus = 8, precision = bf16, ", ""))
    assert not cost.gpu
    assert cost.memory.gradients.value == 4 * N
    assert cost.seconds.value == pytest.approx(3 * ONCE * TOKENS / Machine().cpu)


def test_calls_and_totals() -> None:
    found = costs(SPEC)
    assert {address: calls.value for address, calls in found.calls.items()} == {"corpus.drills.write": 200}
    assert found.flops.value is None
    assert {cost.stage for cost in found.stages} == {"stage.learn", "stage.talk", "stage.drill"}


MICRO = 'deepspeed { zero = 3, extra = { "train_micro_batch_size_per_gpu": 2 } }'
BATCHES: dict[str, tuple[str, str, str]] = {  # spec, rows = a pass × passes × processes, what the pass rests on
    "as many as memory has room for": (edited("batch = 64Ki", "batch = 256Ki"), "64 = 1 × 8 × 8", "about"),
    "stated": (SPEC.replace("64Ki", "256Ki").replace("deepspeed { zero = 3 }", MICRO), "64 = 2 × 4 × 8", "exact"),
    "one row a process": (edited("64Ki", "32Ki"), "8 = 1 × 1 × 8", "exact"),
    "of about, the nearest": (edited("64Ki tokens", "about(80Ki tokens)"), "24 = 1 × 3 × 8", "about"),
}


@pytest.mark.parametrize(("spec", "shares", "basis"), BATCHES.values(), ids=BATCHES)
def test_rows_of_a_step(spec: str, shares: str, basis: str) -> None:
    batch = stage(spec=spec).batch
    assert f"{batch.rows} = {batch.micro.value} × {batch.passes.value} × {batch.processes}" == shares
    assert batch.micro.basis == basis
    assert stage(spec=spec).steps.value == -(-2048 // batch.rows)


def test_rows_of_a_pass_wait_for_the_shape() -> None:
    assert stage(shapes=False).batch.micro.why.startswith("the shape of model.base")


@pytest.mark.parametrize("room", [1e9, 30e9, 1e12])
def test_rows_of_a_pass_as_the_runtime_chooses_them(room: float) -> None:
    spec = edited("gpus = 8, precision = bf16, ", "processes = 2, ").replace("64Ki", "256Ki").replace("4Ki", "1Ki")
    found = next(iter(costs(spec, machine=Machine(cpu_memory=room)).stages)).batch
    row = row_bytes(Config(), 1024, element=4, checkpointing=False)
    chosen = layout(batch=256, processes=2, stated=None, most=most_rows(room // 6, row, 1024, gpu=False))
    assert (found.micro.value, found.passes.value) == (chosen.micro, chosen.accumulation)


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_is_no_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = table(costs(learns("distill = lssd(cache = hidden)")))
    head = lines[: lines.index("")]
    shares = "16 = ~1 × 2 × 8"
    assert max(map(len, head)) <= width
    assert (shares in "\n".join(head)) == (width == 120)
    assert "\n".join(lines).count(shares) == 3
