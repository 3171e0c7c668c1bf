"""Which node of a run this machine is, where the environment of torchrun says so.

With `launcher = torchrun` on several nodes every node starts the same run, over one store. Node 0 carries it out; the
others take part in the stages that it starts (`leading`, `joining`). What says which node is which is what torchrun
itself goes by: variables that a user or a scheduler sets, `PET_…` for its own options, or a torchrun around the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from structdsl.plan import Plan, Step
from structdsl.plan.operations.evaluation import Asked
from structdsl.plan.operations.training import Training
from structdsl_runtime.operation import Fault
from structdsl_runtime.progress import counted

RANK: Final = ("NODE_RANK", "PET_NODE_RANK", "GROUP_RANK")
NODES: Final = ("NNODES", "PET_NNODES", "GROUP_WORLD_SIZE")
ADDRESS: Final = ("MASTER_ADDR", "PET_MASTER_ADDR")
PORT: Final = ("MASTER_PORT", "PET_MASTER_PORT")
OUTER: Final = ("PET_", "TORCHELASTIC_", "GROUP_", "ROLE_")  # of a torchrun around the run: not for the one within
HELP: Final = "start it on each node: `NODE_RANK=0 MASTER_ADDR=first-node MASTER_PORT=29500 structdsl run …`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine of the run, numbered from 0, and where processes of all of them meet."""

    rank: int
    nodes: int
    address: str
    port: str | None  # any free one of node 0 where none is given


def spread(plan: Plan) -> tuple[Step, ...]:
    """The steps that work on several nodes by torchrun, those that train first."""
    found = [step for step in plan.steps if isinstance(step.operation, Training | Asked) and is_spread(step.operation)]
    return tuple(sorted(found, key=lambda step: not isinstance(step.operation, Training)))


def is_spread(operation: Training | Asked) -> bool:
    return operation.nodes > 1 and operation.launcher is not None and operation.launcher.name == "torchrun"


def this_node(plan: Plan, environ: Mapping[str, str]) -> Node | None:
    """The node that the environment names; none where it names none, or the plan needs no other.

    Raises Fault E0741 where what the environment says does not fit the plan.
    """
    operations = [step.operation for step in spread(plan)]
    needed = max((each.nodes for each in operations if isinstance(each, Training | Asked)), default=1)
    rank = _number(RANK, environ) if needed > 1 else None
    if rank is None:
        return None
    nodes, port = _number(NODES, environ), _number(PORT, environ)
    address = next((environ[name] for name in ADDRESS if environ.get(name)), None)
    copies = int(environ.get("LOCAL_WORLD_SIZE") or 1) if "TORCHELASTIC_RUN_ID" in environ else 1
    if copies > 1:
        raise Fault(
            "E0741",
            f"torchrun has started the run {copies} times on this node",
            helps=("one is enough, which starts the processes of a stage itself: `--nproc-per-node 1`",),
        )
    if nodes is not None and nodes != needed:
        raise Fault(
            "E0741",
            f"the cluster has {counted(needed, 'node')}, and the environment {nodes}",
            notes=(_set(NODES, environ),),
            helps=(f"start the run on {counted(needed, 'node')}, or write `nodes = {nodes}`",),
        )
    if not 0 <= rank < needed:
        raise Fault(
            "E0741",
            f"the cluster has {counted(needed, 'node')}, numbered from 0, and this is node {rank}",
            notes=(_set(RANK, environ),),
            helps=(f"give each node a number of its own, from 0 to {needed - 1}",),
        )
    if address is None:
        raise Fault("E0741", "nothing says where the processes of all nodes meet: `MASTER_ADDR`", helps=(HELP,))
    return Node(rank=rank, nodes=needed, address=address, port=None if port is None else str(port))


def mark(plan: Plan) -> str:
    """What two nodes have in common that compiled the same: the version, and the recipe of every step."""
    said = [plan.compiler, *((step.address, step.recipe) for step in plan.steps)]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def nobody(nodes: int) -> Fault:
    """What to raise where a stage is to start, and nothing says which node this is."""
    return Fault(
        "E0741",
        f"`launcher = torchrun` on {nodes} nodes, and nothing says which of them this is",
        notes=("there is no NODE_RANK in the environment",),
        helps=(HELP,),
    )


def _number(names: tuple[str, ...], environ: Mapping[str, str]) -> int | None:
    name = next((name for name in names if environ.get(name)), None)
    if name is None:
        return None
    text = environ[name].strip()
    if not text.isdecimal():
        raise Fault("E0741", f"`{name}={environ[name]}` is no number", helps=(HELP,))
    return int(text)


def _set(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """Which variable says so."""
    name = next(name for name in names if environ.get(name))
    return f"{name} is {environ[name]}"
