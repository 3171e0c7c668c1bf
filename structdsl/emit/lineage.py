"""A page of a build that shows how its blocks hang together, as GitHub and editors draw it."""

from __future__ import annotations

from structdsl.graph.blocks import block_diagram
from structdsl.graph.diagram import Diagram
from structdsl.graph.mermaid import mermaid
from structdsl.graph.training import training_diagram
from structdsl.plan import Plan


def lineage_page(plan: Plan) -> str:
    """The blocks of a plan and its training graph, each a Mermaid diagram; `structdsl graph` draws them as SVG."""
    diagrams = [block_diagram(plan), *([training_diagram(plan)] if plan.training.nodes else [])]
    return "\n\n".join([f"# {plan.name}", *(_section(diagram) for diagram in diagrams)]) + "\n"


def _section(diagram: Diagram) -> str:
    words = diagram.subtitle[:1].upper() + diagram.subtitle[1:]
    return f"{words}.\n\n```mermaid\n{mermaid(diagram)}```"
