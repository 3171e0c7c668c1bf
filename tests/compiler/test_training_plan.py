"""Training and evaluation as a plan: who waits for whom, what DeepSpeed is told, what the gates ask."""

from __future__ import annotations

import glob
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from structdsl.compile import compile_text
from structdsl.emit.build import artefacts
from structdsl.plan import (
    CacheTeacher,
    ClosedBook,
    Divergence,
    Dpo,
    MergeModels,
    Perplexity,
    Plan,
    Query,
    RenderChat,
    ScoreSamples,
    Step,
    Train,
    View,
)
from structdsl.plan.operations import Cache, Distill, Lora, Swap, Template
from structdsl.promised import ITEMS

SPEC = """\
language 1
param passes: epochs = 2
model base { source = hf("org/base", token = secret("HF_TOKEN")) }
corpus notes { source = files("notes/*.md"), role = domain }
corpus web { source = files("web/*.md"), role = replay, holdout = 1% }
corpus asked { source = files("q/*.jsonl"), role = instruction }
corpus rated { source = files("r/*.jsonl"), role = preference }
corpus exam { source = files("e/*.jsonl"), role = exam }
mixture m { budget = 1M tokens, weights = { corpus.notes: 80%, corpus.web: rest } }
cluster node {
  nodes = 2
  gpus = 8
  precision = bf16
  launcher = pdsh(hostfile = "my hosts")
  deepspeed { zero = 3, offload = nvme("/fast"), overlap = true, bucket = 8MB, extra = { "fp16": { "loss_scale": 0 } } }
  checkpoint { every = 30min, keep = 3 }
}
## Knowledge first.
stage inject: cpt {
  from    = model.base
  data    = mixture.m
  distill = lssd(weight = 40%, swap = top(5), on = [domain], cache = topk(64))
  cluster = cluster.node
}
stage soft: merge { base = model.base, tuned = stage.inject, weight = 70% }
stage style: sft {
  from     = stage.soft
  data     = easiest(corpus.asked, take = 10)
  template = chatml
  adapter  = lora(rank = 8)
  epochs   = param.passes
}
stage more: sft { from = stage.style, data = corpus.asked, adapter = continue }
stage align: dpo { from = stage.more, data = fas(corpus.rated, take = 5), template = own, optimizer = adamw(lr = 5e-7) }
evaluation board {
  models  = [model.base, stage.align]
  tasks   = {
    exam:  closed_book(corpus.exam)
    pick:  multiple_choice(corpus.exam)
    drift: divergence(corpus.web_heldout, from = model.base)
    mmlu:  lm_eval("mmlu")
  }
  require = [
    gain(exam, at_least = 5 points),
    drop(mmlu, at_most = 1 points),
    drop(drift, at_most = 0.05),
    at_least(pick, 40 points, of = model.base),
  ]
}
"""


@pytest.fixture(scope="module")
def plan() -> Plan:
    found, sink = compile_text(SPEC, Path("town.adapt"))
    assert found is not None, [diagnostic.message for diagnostic in sink]
    return found


def step(plan: Plan, address: str) -> Step:
    return next(step for step in plan.steps if step.address == address)


def test_the_graph_says_who_needs_whom(plan: Plan) -> None:
    edges = {(edge.source, edge.relation, edge.target) for edge in plan.training.edges}
    assert edges == {
        ("model.base", "from", "stage.inject"),
        ("model.base", "teacher", "stage.inject"),
        ("mixture.m", "data", "stage.inject"),
        ("model.base", "from", "stage.soft"),
        ("stage.inject", "from", "stage.soft"),
        ("stage.soft", "from", "stage.style"),
        ("corpus.asked", "data", "stage.style"),
        ("stage.style", "from", "stage.more"),
        ("corpus.asked", "data", "stage.more"),
        ("stage.more", "from", "stage.align"),
        ("corpus.rated", "data", "stage.align"),
    }
    nodes = {node.stage: node for node in plan.training.nodes}
    assert [nodes[f"stage.{name}"].trainer for name in ("inject", "soft", "align")] == ["train", "merge_models", "dpo"]
    assert nodes["stage.inject"].teacher == "model.base.load:model"
    assert (nodes["stage.inject"].world, nodes["stage.inject"].nodes) == (16, 2)
    assert nodes["stage.style"].outputs["adapter"] == "stage.style.train:adapter"
    assert nodes["stage.soft"].data is None


def test_steps_come_after_what_they_read(plan: Plan) -> None:
    seen: set[str] = set()
    for each in plan.steps:
        assert seen.issuperset(each.upstream), each.address
        seen.add(each.address)


def test_a_teacher_is_asked_once_and_its_answers_are_read(plan: Plan) -> None:
    teacher, train = step(plan, "stage.inject.teacher"), step(plan, "stage.inject.train")
    assert isinstance(teacher.operation, CacheTeacher)
    assert teacher.outputs["targets"].table == "teacher.inject"
    assert set(train.inputs) == {"model", "packed", "samples", "targets"}
    assert isinstance(train.operation, Train)
    assert train.operation.distill == Distill(
        weight=0.4, swap=Swap(where="top", k=5), roles=("domain",), cache=Cache(method="topk", n=64)
    )


def test_hidden_states_are_shared_and_shown_by_sample() -> None:
    """Neither the temperature nor the seed decides them."""
    more = (
        "stage one: cpt { from = model.base, data = mixture.m, distill = lssd(temperature = 2, cache = hidden) }\n"
        "stage two: cpt { from = model.base, data = mixture.m, distill = kd(weight = 10%, cache = hidden) }\n"
    )
    found, _ = compile_text(SPEC + more, Path("spec.adapt"))
    assert found is not None
    one, two = (step(found, f"stage.{name}.teacher") for name in ("one", "two"))
    assert one.operation == two.operation == CacheTeacher(cache=Cache(method="hidden"))
    assert [output.table for output in one.outputs.values()] == ["teacher.one_texts", "teacher.one_states"]
    assert step(found, "stage.one.train").inputs["states"] == "stage.one.teacher:states"
    shown = step(found, "stage.one.targets")
    assert isinstance(shown.operation, View)
    assert shown.outputs["rows"].table == "teacher.one"


def test_rows_are_chosen_by_the_nearest_stage_that_read_text(plan: Plan) -> None:
    for name in ("style", "align"):
        scores = step(plan, f"stage.{name}.difficulty")
        assert isinstance(scores.operation, ScoreSamples)
        assert scores.inputs["model"] == "stage.inject.train:model"
    assert isinstance(step(plan, "stage.style.render").operation, RenderChat)
    assert step(plan, "stage.style.rows").inputs == {"stage.style_chosen": "stage.style.chosen:rows"}


def test_an_adapter_goes_on_where_it_stopped(plan: Plan) -> None:
    first, second = step(plan, "stage.style.train"), step(plan, "stage.more.train")
    assert isinstance(first.operation, Train)
    assert first.operation.adapter == Lora(rank=8, alpha=8.0)
    assert first.inputs["model"] == second.inputs["model"] == "stage.soft.merge:model"
    assert second.inputs["adapter"] == "stage.style.train:adapter"
    assert isinstance(step(plan, "stage.soft.merge").operation, MergeModels)
    align = step(plan, "stage.align.train")
    assert isinstance(align.operation, Dpo)
    assert align.inputs["model"] == "stage.more.train:model"


def test_no_secret_is_written_but_its_name(plan: Plan) -> None:
    text = artefacts(plan)["plan.json"]
    assert text.count("HF_TOKEN") == 2


def test_deepspeed_is_told_what_the_cluster_says(plan: Plan) -> None:
    told = json.loads(artefacts(plan)["training/inject/deepspeed.json"])
    device = {"device": "nvme", "nvme_path": "/fast", "pin_memory": True}
    assert told == {
        "train_batch_size": 32,
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": 1.0,
        "bf16": {"enabled": True},
        "fp16": {"loss_scale": 0},
        "data_types": {"grad_accum_dtype": "fp32"},
        "zero_optimization": {
            "stage": 3,
            "offload_optimizer": device,
            "offload_param": device,
            "overlap_comm": True,
            "reduce_bucket_size": 4_000_000,
            "stage3_prefetch_bucket_size": 4_000_000,
        },
    }


LAUNCH = """\
set -euo pipefail
cd "${SPEC_FOLDER:-$(dirname "${BASH_SOURCE[0]}")/../../..}"
spec=town.adapt

train() {
  echo "== $1: $2" >&2
  ${STRUCTDSL:-structdsl} run "$spec" -p 'passes=2 epochs' --select "$1"
}

# 1. stage.inject (cpt) from model.base
#    32 rows of 2,048 positions a step, 16 processes on 2 nodes, ZeRO-3
#    learns from model.base as well
train stage.inject 'python -m deepspeed.launcher.runner --launcher pdsh --hostfile '"'"'my hosts'"'"' --num_nodes 2 \
--num_gpus 8 --master_addr $MASTER_ADDR --master_port $MASTER_PORT --no_local_rank \
--module structdsl_runtime.training.worker JOB'

# 2. stage.soft (merge): weights between two models
train stage.soft 'weights between two models'
"""


WAYS = {
    "torchrun": "# Start it on each of the 3 nodes, which see this folder under the same path:\n"
    "#   NODE_RANK=0 MASTER_ADDR=first-node MASTER_PORT=29500 bash launch.sh\n"
    "#   NODE_RANK=1 MASTER_ADDR=first-node MASTER_PORT=29500 bash launch.sh    # and so on to 2\n",
    "slurm": "#   sbatch --nodes 3 --ntasks-per-node 2 --wrap 'bash launch.sh'\n",
    'pdsh(hostfile = "my hosts")': "over ssh. They are the hosts of\n# my hosts, a line `name slots=2` each.\n",
}


@pytest.mark.parametrize("launcher", WAYS)
def test_the_script_says_where_to_start_it(launcher: str) -> None:
    cluster = f"cluster c {{ nodes = 3, gpus = 2, launcher = {launcher} }}\n"
    spec = SPEC.partition("cluster node")[0] + cluster
    spec += "stage s: cpt { from = model.base, data = mixture.m, cluster = cluster.c, batch = 24Ki }\n"
    plan = compile_text(spec.replace("param passes: epochs = 2\n", ""), Path("town.adapt"))[0]
    assert plan is not None
    assert WAYS[launcher] in artefacts(plan)["training/launch.sh"]


def test_the_script_trains_one_stage_after_the_other(plan: Plan) -> None:
    script = artefacts(plan)["training/launch.sh"]
    assert script.startswith("#!/usr/bin/env bash\n")
    assert LAUNCH in script
    assert script.count("\ntrain stage.") == 5


def test_scores_are_judged_by_what_is_required(plan: Plan) -> None:
    scores = {
        ("exam", "exact_match"): (Decimal("0.50"), Decimal("0.55")),
        ("pick", "accuracy"): (Decimal("0.30"), Decimal("0.90")),
        ("mmlu", "acc"): (Decimal("0.62"), Decimal("0.61")),
        ("drift", "divergence"): (Decimal(0), Decimal("0.06")),
    }
    gates, gate = step(plan, "evaluation.board.gates"), step(plan, "evaluation.board.gate")
    assert isinstance(gates.operation, Query)
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA evaluation")
        connection.execute("CREATE TABLE evaluation.board_scores (model TEXT, task TEXT, metric TEXT, value DOUBLE)")
        for (task, metric), values in scores.items():
            for model, value in zip(("model.base", "stage.align"), values, strict=True):
                row = [model, task, metric, value]
                connection.execute("INSERT INTO evaluation.board_scores VALUES (?, ?, ?, ?)", row)
        connection.execute(f"CREATE TABLE evaluation.board_gates AS {gates.operation.sql}")
        found = connection.sql("SELECT gate, found, unit, passed FROM evaluation.board_gates").fetchall()
        failed = connection.sql(gate.guards[0].sql).fetchall()
    assert found == [
        ("gain(exam, at_least = 5 points)", 5.0, "points", True),
        ("drop(mmlu, at_most = 1 points)", -1.0, "points", True),
        ("drop(drift, at_most = 0.05)", -0.06, "divergence", False),
        ("at_least(pick, 40 points, of = model.base)", 30.0, "points", False),
    ]
    assert failed == [
        ("`drop(drift, at_most = 0.05)` is not met: it came out at -0.06 divergence",),
        ("`at_least(pick, 40 points, of = model.base)` is not met: it came out at 30 points",),
    ]


RETENTION = """
language 1
model base { source = path("models/base") }
model other { source = hf("org/other", revision = "main") }
corpus notes { source = files("n/*.md"), role = domain }
corpus web { source = files("w/*.md"), role = replay }
corpus exam { source = files("e.jsonl"), role = exam }
mixture m { budget = 1M tokens, weights = { corpus.notes: 50%, corpus.web: rest } }
stage learn: cpt { from = model.base, data = mixture.m }
evaluation board { models = [model.base, stage.learn], tasks = { exam: closed_book(corpus.exam) } }
"""
PROBE = 'corpus prose { source = files("p/*.md"), role = probe }\n'
HELD = ("role = replay }", "role = replay, holdout = 1% }")


def test_a_model_folder_is_no_pattern() -> None:
    plan, _ = compile_text(RETENTION.replace("models/base", "models/[a]*"), Path("spec.adapt"))
    assert plan is not None
    found = {source for each in plan.steps if each.address.startswith("model.base") for source in each.sources}
    assert {source.rpartition("/")[0] for source in found} == {"models/[[]a][*]"}


def measured(spec: str) -> list[str]:
    plan, sink = compile_text(spec, Path("spec.adapt"))
    assert plan is not None, sink.diagnostics
    return sorted(
        f"{step.operation.op}({step.operation.model}, {step.inputs['documents'].partition(':')[0]})"
        for step in plan.steps
        if isinstance(step.operation, Perplexity | Divergence)
    )


def test_an_evaluation_measures_unasked_what_was_forgotten() -> None:
    assert measured(RETENTION) == []
    models, texts = ("model.base", "stage.learn"), ("corpus.prose", "corpus.web.heldout")
    every = sorted(
        f"{op}({model}, {text})" for op in ("divergence", "perplexity") for model in models for text in texts
    )
    assert measured(RETENTION.replace(*HELD) + PROBE) == every
    written = RETENTION.replace(
        "tasks = {", "tasks = { x: perplexity(corpus.prose), y: divergence(corpus.prose, from = model.base), "
    )
    assert measured(written + PROBE) == [row for row in every if "prose" in row]


@pytest.mark.parametrize(
    ("written", "template"),
    [
        ("", None),
        ("template = chatml", {"kind": "chatml"}),
        ('template = file("chat.jinja")', {"kind": "file", "path": "chat.jinja"}),
        ('template = file("chat[1].jinja")', {"kind": "file", "path": "chat[1].jinja"}),
        ("template = of(model.other)", {"kind": "tokenizer"}),
        ("template = own", {"kind": "file", "path": "own.jinja"}),
    ],
)
def test_a_model_is_asked_in_the_template_of_the_stage_that_taught_it_to_answer(
    written: str, template: dict[str, str] | None
) -> None:
    """Whatever came after; before that, or where there was none, a question is a line of its own."""
    spec = (
        RETENTION.replace('path("models/base") }', 'path("models/base"), template = file("own.jinja") }').replace(
            "stage learn: cpt { from = model.base,", "stage learn: cpt { from = stage.soft,"
        )
        + f"""
corpus asked {{ source = files("q.jsonl"), role = instruction }}
stage style: sft {{ from = model.base, data = corpus.asked, {written} }}
stage soft: merge {{ base = model.base, tuned = stage.style, weight = 70% }}
"""
    )
    plan, sink = compile_text(spec, Path("spec.adapt"))
    assert plan is not None, sink.diagnostics
    before, after = (step(plan, f"evaluation.board.exam.{name}") for name in ("model_base", "stage_learn"))
    assert isinstance(before.operation, ClosedBook)
    assert isinstance(after.operation, ClosedBook)
    assert before.operation.template is None
    if template is None:
        assert (after.operation.template, set(after.inputs)) == (None, {"model", "exam"})
        return
    taught = step(plan, "stage.style.render")
    assert isinstance(taught.operation, RenderChat)
    assert after.operation.template == taught.operation.template == Template.model_validate(template)
    assert after.sources == taught.sources == ((glob.escape(template["path"]),) if "path" in template else ())
    assert {name: after.inputs[name] for name in after.inputs if name not in ("model", "exam")} == {
        name: taught.inputs[name] for name in taught.inputs if name != "samples"
    }


def test_models_of_other_tokens_are_measured_each_for_itself() -> None:
    spec = RETENTION.replace("[model.base, stage.learn]", "[model.base, model.other]")
    found = measured(spec + PROBE)
    assert found == ["perplexity(model.base, corpus.prose)", "perplexity(model.other, corpus.prose)"]


def test_a_divergence_is_a_mean_over_tokens(plan: Plan) -> None:
    scores = step(plan, "evaluation.board.scores")
    assert isinstance(scores.operation, Query)
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA evaluation")
        for name in scores.inputs:
            schema, _, table = name.partition(".")
            columns = ", ".join(f'"{column.name}" {column.type}' for column in ITEMS)
            connection.execute(f'CREATE TABLE {schema}."{table}" ({columns})')
        drift = next(name for name in scores.inputs if name.endswith("_drift_stage_align"))
        for item, score, count in (("a", 0.1, 30), ("b", 0.5, 10)):
            values = f"'stage.align', 'drift', '{item}', {score}, {count}, 0"
            connection.execute(f"INSERT INTO {drift} (model, task, item, score, n_tokens, n_bytes) VALUES ({values})")
        found = connection.sql(scores.operation.sql).fetchall()
    assert [row[:3] for row in found] == [("stage.align", "drift", "divergence")]
    value, low, high, count = found[0][3:]
    assert count == 2
    margin = 1.96 * (2 * ((0.1 - 0.2) ** 2 * 30**2 + (0.5 - 0.2) ** 2 * 10**2)) ** 0.5 / 40
    assert [float(value), float(low), float(high)] == pytest.approx([0.2, 0.2 - margin, 0.2 + margin])


def test_the_queries_of_the_plan_fit_together(plan: Plan) -> None:
    """Every query runs over empty tables of the promised columns, and yields the columns that the plan says."""
    with duckdb.connect() as connection:
        for schema in ("corpus", "mixture", "stage", "teacher", "evaluation"):
            connection.execute(f"CREATE SCHEMA {schema}")
        for each in plan.steps:
            for output in (output for output in each.outputs.values() if output.table):
                schema, _, table = str(output.table).partition(".")
                columns = ", ".join(f'"{column.name}" {column.type}' for column in output.columns)
                if isinstance(each.operation, Query | View):
                    connection.execute(f'CREATE TABLE {schema}."{table}" AS {each.operation.sql}')
                    made = connection.sql(f'DESCRIBE {schema}."{table}"').fetchall()
                    assert [row[:2] for row in made] == [(c.name, c.type) for c in output.columns], output.table
                else:
                    connection.execute(f'CREATE TABLE {schema}."{table}" ({columns})')
            for guard in each.guards:
                assert connection.sql(guard.sql).columns == ["message"]


@pytest.mark.parametrize(
    ("stage", "roles"),
    [
        ("inject", {"notes": "domain", "web": "replay"}),
        ("style", {"asked": "instruction"}),
        ("align", {"rated": "preference"}),
    ],
)
def test_a_stage_knows_its_corpora_and_their_samples(stage: str, roles: dict[str, str], plan: Plan) -> None:
    found = step(plan, f"stage.{stage}.train")
    assert isinstance(found.operation, Train | Dpo)
    assert found.operation.corpora == roles
    assert (
        found.inputs["samples"] == f"stage.{stage}.samples:{next(iter(step(plan, f'stage.{stage}.samples').outputs))}"
    )
    assert found.outputs["loss"].table == f"stage.{stage}_loss"
