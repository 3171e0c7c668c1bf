"""The folder `training/`: the graph of stages, what DeepSpeed is told, and a script that trains one after the other.

All of it is a projection of the plan: the runtime reads the plan alone, people and schedulers read these.
"""

from __future__ import annotations

import json
import shlex
from typing import Any

from structdsl.plan import Dpo, GraphNode, Plan, Train
from structdsl.plan.operations import Launcher, Training


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
        "train_batch_size": "auto" if train.about else train.batch,
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": train.optimizer.clip,
        "bf16": {"enabled": bf16},
    }
    if train.precision == "fp16":
        settings["fp16"] = {"enabled": True}
    for name, value in train.deepspeed.items():
        known = settings.get(name)
        settings[name] = {**value, **known} if isinstance(known, dict) and isinstance(value, dict) else value
    return settings


def launch_script(plan: Plan) -> str:
    """A script that brings each stage up to date, in order; a stage whose result is in the store costs nothing."""
    trainings = {step.address: step.operation for step in plan.steps if isinstance(step.operation, Train | Dpo)}
    params = "".join(f" -p {shlex.quote(f'{name}={value}')}" for name, value in plan.parameters.items())
    profile = f" --profile {shlex.quote(plan.profile)}" if plan.profile is not None else ""
    lines = [
        "#!/usr/bin/env bash",
        f"# Trains the stages of {plan.spec}, each after what it starts from; what is in the store is not done again.",
        "# Start it on the first node: a stage on several is handed to the launcher that its cluster names.",
        "set -euo pipefail",
        'cd "${SPEC_FOLDER:-$(dirname "$0")/../../..}"',
        f"spec={shlex.quote(plan.spec)}",
    ]
    for number, node in enumerate(plan.training.nodes, 1):
        lines += ["", *_comments(number, node, trainings.get(node.step))]
        lines.append(f'structdsl run "$spec"{profile}{params} --select {shlex.quote(node.stage)}')
    return "\n".join([*lines, ""])


def _comments(number: int, node: GraphNode, train: Training | None) -> list[str]:
    """What is about to happen, and the command that it comes down to on several nodes."""
    source = node.model.rpartition(":")[0].rpartition(".")[0]
    if train is None:
        return [f"# {number}. {node.stage} ({node.variant}): weights between two models"]
    zero = train.deepspeed["zero_optimization"]["stage"]
    machines = f" on {node.nodes} nodes" if node.nodes > 1 else ""
    processes = "1 process" if node.world == 1 else f"{node.world} processes{machines}"
    comments = [
        f"# {number}. {node.stage} ({node.variant}) from {source}",
        f"#    {train.batch:,} rows of {train.length:,} positions a step, {processes}, ZeRO-{zero}",
    ]
    if node.teacher is not None:
        comments.append(f"#    learns from {node.teacher.rpartition(':')[0].rpartition('.')[0]} as well")
    if train.launcher is not None:
        comments.append(f"#    by: {_command(node, train.launcher)} JOB")
    return comments


WORKER = "structdsl_runtime.training.worker"


def _command(node: GraphNode, launcher: Launcher) -> str:
    """The line by which a launcher starts the workers of a stage."""
    each = node.world // node.nodes
    match launcher.name:
        case "slurm":
            return f"srun --nodes {node.nodes} --ntasks-per-node {each} python -m {WORKER}"
        case "torchrun":
            return f"torchrun --nnodes {node.nodes} --nproc-per-node {each} -m {WORKER}"
        case name:
            hosts = f" --hostfile {shlex.quote(launcher.hostfile)}" if launcher.hostfile else ""
            return f"deepspeed --launcher {name}{hosts} --num_nodes {node.nodes} --num_gpus {each} --module {WORKER}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
