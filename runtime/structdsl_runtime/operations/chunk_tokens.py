"""Documents into windows of tokens, which may overlap and which no heading stops."""

from __future__ import annotations

from structdsl.plan import ChunkTokens
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.operations.chunk import cut_documents
from structdsl_runtime.text.chunking import window_documents


def chunk_tokens(arguments: ChunkTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Windows of at most `max_tokens` tokens; raises Fault E0710 where one character has more."""
    cap, overlap = arguments.max_tokens, arguments.overlap
    cut_documents(
        lambda texts, count, _: window_documents(texts, cap=cap, overlap=overlap, count=count), inputs, outputs, context
    )
