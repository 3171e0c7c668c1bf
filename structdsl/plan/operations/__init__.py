"""What each operation is told: one model per operation, its name and hand-bumped version included."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from structdsl.plan.operations.base import Arguments, Role
from structdsl.plan.operations.data import BuildOutline, Chunk, CountTokens, Query, ReadFiles, View
from structdsl.plan.operations.evaluation import ClosedBook, Perplexity
from structdsl.plan.operations.models import LoadModel, LoadTokenizer, ScratchModel, TrainTokenizer
from structdsl.plan.operations.training import Optimizer, Pack, RenderScpt, RenderSsft, Schedule, Tokenise, Train

Operation = Annotated[
    ReadFiles
    | TrainTokenizer
    | LoadTokenizer
    | ScratchModel
    | LoadModel
    | CountTokens
    | Query
    | View
    | Chunk
    | BuildOutline
    | RenderScpt
    | RenderSsft
    | Tokenise
    | Pack
    | Train
    | ClosedBook
    | Perplexity,
    Field(discriminator="op"),
]

__all__ = [
    "Arguments",
    "BuildOutline",
    "Chunk",
    "ClosedBook",
    "CountTokens",
    "LoadModel",
    "LoadTokenizer",
    "Operation",
    "Optimizer",
    "Pack",
    "Perplexity",
    "Query",
    "ReadFiles",
    "RenderScpt",
    "RenderSsft",
    "Role",
    "Schedule",
    "ScratchModel",
    "Tokenise",
    "Train",
    "TrainTokenizer",
    "View",
]
