"""The blocks of a spec and what they hand to each other, read off the inputs of the steps.

A block is all steps below its address. A tokenizer goes from the model at the root to nearly everything: such edges
say nothing and are left out, but for the corpora that a tokenizer is trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from structdsl.graph.diagram import KINDS, Carries, Diagram, Edge, Node
from structdsl.plan import Plan, Step, Synthesise
from structdsl.schema.quantities import plain

if TYPE_CHECKING:
    from structdsl.unit import Unit

Shares = Mapping[tuple[str, str], str]


def block_of(address: str) -> str:
    """The block that a step belongs to: `corpus.notes.chunk` is of `corpus.notes`."""
    return ".".join(address.split(".")[:2])


def block_diagram(plan: Plan, labels: Shares | None = None) -> Diagram:
    """The blocks of a plan, by kind and then in the order of the plan; `labels` are words for some of the edges."""
    variants = {node.stage: node.variant for node in plan.training.nodes}
    nodes = [_node(address, steps, variants.get(address)) for address, steps in steps_by_block(plan).items()]
    nodes.sort(key=lambda node: KINDS.index(node.kind) if node.kind in KINDS else len(KINDS))
    return Diagram(
        title=plan.name,
        subtitle="blocks, and what they hand to each other",
        nodes=tuple(nodes),
        edges=tuple(_edges(plan, labels or {})),
        inlet="corpus",
    )


def shares(unit: Unit) -> dict[tuple[str, str], str]:
    """The share of each corpus in each mixture, as a label of the edge between them."""
    found: dict[tuple[str, str], str] = {}
    for mixture in unit.of_kind("mixture"):
        weights = mixture.values.weights
        if isinstance(weights, Mapping):
            given = sum((weight for weight in weights.values() if weight != "rest"), Decimal(0))
            for corpus, weight in weights.items():
                share = 1 - given if weight == "rest" else weight
                found[corpus, mixture.address] = f"{plain(share * 100)}%"
    return found


def steps_by_block(plan: Plan) -> dict[str, list[Step]]:
    """The steps of each block, in the order of the plan."""
    steps: dict[str, list[Step]] = {}
    for step in plan.steps:
        steps.setdefault(block_of(step.address), []).append(step)
    return steps


def _node(address: str, steps: list[Step], variant: str | None) -> Node:
    """What a box says of its block; all of it stands in the plan."""
    tasks = dict.fromkeys(task for step in steps if (task := getattr(step.operation, "task", None)))
    main = next((step for step in steps if step.address == address), steps[0])
    return Node(
        id=address,
        kind=address.partition(".")[0],
        role=variant or role_of(address, steps),
        facts=(", ".join(tasks),) if tasks else (),
        doc=main.doc or next((step.doc for step in steps if step.doc), ""),
    )


def role_of(address: str, steps: list[Step]) -> str:
    """The role of a corpus that is read, else how it is made; nothing for blocks of other kinds."""
    if not address.startswith("corpus."):
        return ""
    if any(isinstance(step.operation, Synthesise) for step in steps):
        return "synthetic"
    return next((word for step in steps if (word := getattr(step.operation, "role", None))), "derived")


def _edges(plan: Plan, labels: Shares) -> Iterator[Edge]:
    """An edge for each pair of blocks of which one reads the other, in the order of the plan."""
    relations = {(edge.source, edge.target, edge.relation) for edge in plan.training.edges}
    folders = {
        f"{step.address}:{name}"
        for step in plan.steps
        for name, output in step.outputs.items()
        if output.kind == "folder"
    }
    reads: dict[tuple[str, str], set[str]] = {}
    for step in plan.steps:
        target = block_of(step.address)
        for reference in step.inputs.values():
            source = block_of(reference.rpartition(":")[0])
            counts = reference.endswith(":tokenizer") and not target.startswith("model.")
            if source != target and not counts:
                reads.setdefault((source, target), set()).add(reference)
    for (source, target), references in reads.items():
        carries: Carries = "weights" if references & folders else "rows"
        doc = ""
        if (source, target, "teacher") in relations:
            doc = "teaches"
            if (source, target, "from") not in relations:
                carries = "teacher"
        elif target.startswith("model."):
            carries = "tokenizer"
            doc = "the tokenizer is trained on it" if source.startswith("corpus.") else "lends its tokenizer"
        yield Edge(source=source, target=target, label=labels.get((source, target), ""), carries=carries, doc=doc)
