"""The folder `training/`: the graph of stages, what DeepSpeed is told, and a script that trains one after the other.

All of it is a projection of the plan: the runtime reads the plan alone, people and schedulers read these.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from structdsl.plan import Dpo, GraphNode, Plan, Train
from structdsl.plan.batch import realised
from structdsl.plan.launching import Start, shown
from structdsl.plan.operations import Training
from structdsl.plan.zero import ACCUMULATED, TYPES, accumulates_in_32_bits, planned_stage


def training_files(plan: Plan) -> dict[str, str]:
    """Text of each file by its path in the build folder."""
    files = {"training/graph.json": _json(plan.training.model_dump(mode="json"))}
    trainings = {step.address: step.operation for step in plan.steps if isinstance(step.operation, Train | Dpo)}
    for node in plan.training.nodes:
        if node.deepspeed is not None:
            files[node.deepspeed] = _json(deepspeed_json(trainings[node.step]))
    if plan.training.nodes:
        files["training/launch.sh"] = launch_script(plan)
    return files


def deepspeed_json(train: Training) -> dict[str, Any]:
    """The DeepSpeed configuration of a stage; "auto" is what only the machine can settle."""
    bf16 = "auto" if train.precision == "auto" else train.precision == "bf16"
    settings: dict[str, Any] = {
        "train_batch_size": realised(train),
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": train.optimizer.clip,
        "bf16": {"enabled": bf16},
    }
    if train.precision == "fp16":
        settings["fp16"] = {"enabled": True}
    if accumulates_in_32_bits(train.deepspeed, precision=train.precision):
        settings[TYPES] = {ACCUMULATED: "fp32"}
    for name, value in train.deepspeed.items():
        known = settings.get(name)
        settings[name] = {**value, **known} if isinstance(known, dict) and isinstance(value, dict) else value
    settings["zero_optimization"] = {**settings["zero_optimization"], "stage": planned_stage(train)}
    return settings


def launch_script(plan: Plan) -> str:
    """A script that brings each stage up to date, in order; a stage whose result is in the store costs nothing."""
    trainings = {step.address: step.operation for step in plan.steps if isinstance(step.operation, Train | Dpo)}
    params = "".join(f" -p {shlex.quote(f'{name}={value}')}" for name, value in plan.parameters.items())
    profile = f" --profile {shlex.quote(plan.profile)}" if plan.profile is not None else ""
    lines = [
        "#!/usr/bin/env bash",
        f"# Trains the stages of {plan.spec}, each after what it starts from; what is in the store is not done again.",
        "# Runs from anywhere: `bash launch.sh`. SPEC_FOLDER is the folder of the spec where the build lies elsewhere,",
        "# STRUCTDSL the command. Data that a stage reads are made first. On several nodes start it on the first one,",
        "# in the allocation where there is one: the processes of the others are started from there.",
        "set -euo pipefail",
        'cd "${SPEC_FOLDER:-$(dirname "${BASH_SOURCE[0]}")/../../..}"',
        f"spec={shlex.quote(plan.spec)}",
        "",
        "train() {",
        '  echo "== $1: $2" >&2',
        f'  ${{STRUCTDSL:-structdsl}} run "$spec"{profile}{params} --select "$1"',
        "}",
    ]
    for number, node in enumerate(plan.training.nodes, 1):
        lines += ["", *_comments(number, node, trainings.get(node.step))]
        lines.append(f"train {shlex.quote(node.stage)} {shlex.quote(_by(trainings.get(node.step)))}")
    return "\n".join([*lines, ""])


def _by(train: Training | None) -> str:
    """The command that a stage comes down to."""
    if train is None:
        return "weights between two models"
    return shown(Start(processes=train.processes, nodes=train.nodes, launcher=train.launcher))


def _comments(number: int, node: GraphNode, train: Training | None) -> list[str]:
    """What is about to happen."""
    source = node.model.rpartition(":")[0].rpartition(".")[0]
    if train is None:
        return [f"# {number}. {node.stage} ({node.variant}): weights between two models"]
    machines = f" on {node.nodes} nodes" if node.nodes > 1 else ""
    processes = "1 process" if node.world == 1 else f"{node.world} processes{machines}"
    comments = [
        f"# {number}. {node.stage} ({node.variant}) from {source}",
        f"#    {realised(train):,} rows of {train.length:,} positions a step, {processes}, ZeRO-{planned_stage(train)}",
    ]
    if node.teacher is not None:
        comments.append(f"#    learns from {node.teacher.rpartition(':')[0].rpartition('.')[0]} as well")
    return comments


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
