"""Pictures of a plan: what its blocks hand to each other, and how its stages train."""

from structdsl.graph.blocks import block_diagram, shares
from structdsl.graph.diagram import Diagram, Edge, Node
from structdsl.graph.mermaid import mermaid
from structdsl.graph.svg import svg
from structdsl.graph.training import training_diagram

__all__ = ["Diagram", "Edge", "Node", "block_diagram", "mermaid", "shares", "svg", "training_diagram"]
