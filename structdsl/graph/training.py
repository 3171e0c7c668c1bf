"""The training graph: what each stage starts from, what it reads, who teaches it, and on how many processes."""

from __future__ import annotations

from structdsl.counts import counted
from structdsl.graph.blocks import role_of, steps_by_block
from structdsl.graph.diagram import KINDS, Carries, Diagram, Edge, Node
from structdsl.plan import GraphNode, Plan, Step
from structdsl.plan.batch import realised
from structdsl.plan.operations.training import Training
from structdsl.plan.zero import planned_stage

CARRIES: dict[str, Carries] = {"from": "weights", "teacher": "teacher", "data": "rows"}


def training_diagram(plan: Plan) -> Diagram:
    """Stages and all that they are made from."""
    steps = {step.address: step for step in plan.steps}
    stages = {node.stage: node for node in plan.training.nodes}
    others = dict.fromkeys(
        end for edge in plan.training.edges for end in (edge.source, edge.target) if end not in stages
    )
    behind = steps_by_block(plan)
    nodes = [_source(address, behind.get(address, [])) for address in others]
    nodes += [_stage(node, steps) for node in plan.training.nodes]
    nodes.sort(key=lambda node: KINDS.index(node.kind) if node.kind in KINDS else len(KINDS))
    return Diagram(
        title=plan.name,
        subtitle="the training graph: what starts from what, and what it reads",
        nodes=tuple(nodes),
        edges=tuple(
            Edge(source=source, target=target, label=" and ".join(relations), carries=CARRIES[relations[0]])
            for (source, target), relations in _relations(plan).items()
        ),
    )


def _relations(plan: Plan) -> dict[tuple[str, str], list[str]]:
    """What a stage takes of another node; of the model that it starts from, it may take the teacher as well."""
    found: dict[tuple[str, str], list[str]] = {}
    for edge in plan.training.edges:
        relations = found.setdefault((edge.source, edge.target), [])
        if edge.relation not in relations:
            relations.append(edge.relation)
    return found


def _source(address: str, steps: list[Step]) -> Node:
    return Node(
        id=address,
        kind=address.partition(".")[0],
        role=role_of(address, steps),
        doc=next((step.doc for step in steps if step.doc), ""),
    )


def _stage(node: GraphNode, steps: dict[str, Step]) -> Node:
    step = steps.get(node.step)
    operation = step.operation if step is not None else None
    facts: list[str] = []
    if isinstance(operation, Training):
        machines = f"{node.nodes} machines · " if node.nodes > 1 else ""
        processes = f"{node.world} process{'' if node.world == 1 else 'es'}"
        facts = [
            f"{machines}{processes} · ZeRO-{planned_stage(operation)}",
            f"{realised(operation)} × {counted(operation.length, 'token')} a step",
        ]
    return Node(
        id=node.stage,
        kind="stage",
        role=node.variant,
        facts=tuple(facts),
        doc=step.doc if step is not None else "",
    )
