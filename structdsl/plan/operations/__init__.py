"""What each operation is told: one model per operation, its name and hand-bumped version included."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from structdsl.plan.operations.base import Arguments, Files, Hashed, Ordered, Partition, Role, Rows, Single
from structdsl.plan.operations.data import (
    BuildOutline,
    Chunk,
    ChunkSections,
    ChunkTokens,
    ClusterDocuments,
    CompareDocuments,
    CompareEmbeddings,
    CountTokens,
    Decontaminate,
    DedupLines,
    EmbedChunks,
    EmbedDocuments,
    Fixture,
    GroupByCohesion,
    IdentifyLanguage,
    MapPython,
    MeasureSignals,
    Normalisation,
    NumberLines,
    Passes,
    Query,
    ReadDataset,
    ReadFiles,
    Reading,
    ReadObjects,
    ReadStructure,
    ReadTable,
    ReadTerms,
    Replacement,
    ScoreRows,
    SignDocuments,
    SplitConversations,
    Structurise,
    Synthesise,
    View,
)
from structdsl.plan.operations.evaluation import (
    ClosedBook,
    Divergence,
    LmEval,
    MultipleChoice,
    Perplexity,
    Recall,
)
from structdsl.plan.operations.models import (
    Endpoint,
    FetchModel,
    FetchTokenizer,
    LoadModel,
    LoadTokenizer,
    MergeModels,
    ScratchModel,
    TrainTokenizer,
)
from structdsl.plan.operations.training import (
    SMALL_TREE,
    Cache,
    CacheTeacher,
    Checkpoint,
    Distill,
    Dpo,
    Launcher,
    LayOut,
    Lora,
    Optimizer,
    Pack,
    RenderChat,
    RenderScpt,
    RenderSsft,
    Schedule,
    ScoreSamples,
    Swap,
    Template,
    Tokenise,
    Train,
    Training,
)

Operation = Annotated[
    ReadFiles
    | TrainTokenizer
    | LoadTokenizer
    | FetchTokenizer
    | ScratchModel
    | LoadModel
    | FetchModel
    | Endpoint
    | MergeModels
    | CountTokens
    | Query
    | View
    | Chunk
    | ChunkSections
    | ChunkTokens
    | Decontaminate
    | DedupLines
    | NumberLines
    | ClusterDocuments
    | CompareDocuments
    | CompareEmbeddings
    | SignDocuments
    | EmbedChunks
    | EmbedDocuments
    | GroupByCohesion
    | IdentifyLanguage
    | MeasureSignals
    | MapPython
    | ReadDataset
    | ReadObjects
    | ReadStructure
    | ReadTable
    | ReadTerms
    | ScoreRows
    | SplitConversations
    | Structurise
    | Synthesise
    | BuildOutline
    | Fixture
    | RenderScpt
    | RenderSsft
    | RenderChat
    | ScoreSamples
    | Tokenise
    | LayOut
    | Pack
    | CacheTeacher
    | Train
    | Dpo
    | ClosedBook
    | MultipleChoice
    | Perplexity
    | Divergence
    | Recall
    | LmEval,
    Field(discriminator="op"),
]

__all__ = [
    "SMALL_TREE",
    "Arguments",
    "BuildOutline",
    "Cache",
    "CacheTeacher",
    "Checkpoint",
    "Chunk",
    "ChunkSections",
    "ChunkTokens",
    "ClosedBook",
    "ClusterDocuments",
    "CompareDocuments",
    "CompareEmbeddings",
    "CountTokens",
    "Decontaminate",
    "DedupLines",
    "Distill",
    "Divergence",
    "Dpo",
    "EmbedChunks",
    "EmbedDocuments",
    "Endpoint",
    "FetchModel",
    "FetchTokenizer",
    "Files",
    "Fixture",
    "GroupByCohesion",
    "Hashed",
    "IdentifyLanguage",
    "Launcher",
    "LayOut",
    "LmEval",
    "LoadModel",
    "LoadTokenizer",
    "Lora",
    "MapPython",
    "MeasureSignals",
    "MergeModels",
    "MultipleChoice",
    "Normalisation",
    "NumberLines",
    "Operation",
    "Optimizer",
    "Ordered",
    "Pack",
    "Partition",
    "Passes",
    "Perplexity",
    "Query",
    "ReadDataset",
    "ReadFiles",
    "ReadObjects",
    "ReadStructure",
    "ReadTable",
    "ReadTerms",
    "Reading",
    "Recall",
    "RenderChat",
    "RenderScpt",
    "RenderSsft",
    "Replacement",
    "Role",
    "Rows",
    "Schedule",
    "ScoreRows",
    "ScoreSamples",
    "ScratchModel",
    "SignDocuments",
    "Single",
    "SplitConversations",
    "Structurise",
    "Swap",
    "Synthesise",
    "Template",
    "Tokenise",
    "Train",
    "TrainTokenizer",
    "Training",
    "View",
]
