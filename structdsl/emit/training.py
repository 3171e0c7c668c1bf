"""The folder `training/`: the graph of stages, what DeepSpeed is told, and a script that trains one after the other.

All of it is a projection of the plan: the runtime reads the plan alone, people and schedulers read these.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any, Final

from structdsl.counts import counted
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
        "# STRUCTDSL the command. Data that a stage reads are made first.",
        *_on_several_nodes(list(trainings.values())),
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


def _on_several_nodes(trainings: Sequence[Training]) -> list[str]:
    """Where to start the script, for each way in which its stages reach several nodes."""
    most: dict[str, Start] = {}
    for train in trainings:
        start = Start(processes=train.processes, nodes=train.nodes, launcher=train.launcher)
        if start.by != "local" and (start.by not in most or start.nodes > most[start.by].nodes):
            most[start.by] = start
    said = [line for by, start in most.items() for line in ("", *WAYS[by](start))]
    return [f"# {line}".rstrip() for line in said]


def _slurm(start: Start) -> list[str]:
    return [
        "Start it in an allocation of SLURM, once: `srun` starts the processes of every node.",
        f"  sbatch --nodes {start.nodes} --ntasks-per-node {start.each} --wrap 'bash launch.sh'",
    ]


def _hosts(start: Start) -> list[str]:
    return [
        "Start it once, on the first node: it starts the processes of the others over ssh. They are the hosts of",
        f"{start.hostfile}, a line `name slots={start.each}` each.",
    ]


def _torchrun(start: Start) -> list[str]:
    meeting = "MASTER_ADDR=first-node MASTER_PORT=29500 bash launch.sh"
    return [
        f"Start it on each of the {start.nodes} nodes, which see this folder under the same path:",
        f"  NODE_RANK=0 {meeting}",
        f"  NODE_RANK=1 {meeting}{'' if start.nodes == 2 else f'    # and so on to {start.nodes - 1}'}",
        "or on all of them at once, in an allocation of SLURM:",
        '  export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1) MASTER_PORT=29500',
        f"  srun --nodes {start.nodes} --ntasks-per-node 1 bash -c 'NODE_RANK=$SLURM_NODEID bash launch.sh'",
        "Node 0 does all that is not training; the others wait, and start their processes with each stage.",
    ]


WAYS: Final = {"slurm": _slurm, "pdsh": _hosts, "openmpi": _hosts, "torchrun": _torchrun}
"""Where to start the script, by what starts the processes; the arguments are those of the stage with the most nodes."""


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
    processes = f"{counted(node.world, 'process')}{machines}"
    rows = counted(realised(train), "row")
    comments = [
        f"# {number}. {node.stage} ({node.variant}) from {source}",
        f"#    {rows} of {counted(train.length, 'position')} a step, {processes}, ZeRO-{planned_stage(train)}",
    ]
    if node.teacher is not None:
        comments.append(f"#    learns from {node.teacher.rpartition(':')[0].rpartition('.')[0]} as well")
    return comments


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
