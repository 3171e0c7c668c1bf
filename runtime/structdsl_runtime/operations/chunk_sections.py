"""Documents into the sections between their headings; one that is too long into as few, as even chunks as can be."""

from __future__ import annotations

from structdsl.plan import ChunkSections
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.operations.chunk import cut_documents
from structdsl_runtime.text.chunking import chunk_documents


def chunk_sections(arguments: ChunkSections, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Chunks of at most `max_tokens` tokens; raises Fault E0710 where one character has more."""
    cap = arguments.max_tokens
    cut_documents(
        lambda texts, count, known: chunk_documents(texts, cap=cap, count=count, known=known, even=True),
        inputs,
        outputs,
        context,
    )
