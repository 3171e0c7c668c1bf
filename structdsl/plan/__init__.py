"""The contract between compiler and runtime: what `plan.json` holds.

The compiler writes a `Plan`; the runtime reads a `Plan` and nothing else of the spec.
"""

from structdsl.plan.operations import (
    BuildOutline,
    Chunk,
    ClosedBook,
    CountTokens,
    LoadModel,
    LoadTokenizer,
    Operation,
    Pack,
    Perplexity,
    Query,
    ReadFiles,
    RenderScpt,
    RenderSsft,
    ScratchModel,
    Tokenise,
    Train,
    TrainTokenizer,
    View,
)
from structdsl.plan.plan import Column, Graph, GraphEdge, GraphNode, Guard, Note, Output, Place, Plan, Step

__all__ = [
    "BuildOutline",
    "Chunk",
    "ClosedBook",
    "Column",
    "CountTokens",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "Guard",
    "LoadModel",
    "LoadTokenizer",
    "Note",
    "Operation",
    "Output",
    "Pack",
    "Perplexity",
    "Place",
    "Plan",
    "Query",
    "ReadFiles",
    "RenderScpt",
    "RenderSsft",
    "ScratchModel",
    "Step",
    "Tokenise",
    "Train",
    "TrainTokenizer",
    "View",
]
