"""Documents into chunks and headings; see `structdsl_runtime.text.chunking` for how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from structdsl.plan import Chunk
from structdsl_runtime.operation import Context, Inputs, Outputs, TableWriter
from structdsl_runtime.text import tokens
from structdsl_runtime.text.chunking import Chunked, chunk_documents, titles_above
from structdsl_runtime.text.windows import Count

_BATCH: Final = 4 << 20  # characters that are cut and counted together


Cut = Callable[[Sequence[str], Count], list[Chunked]]
"""Texts, and what counts their tokens, into the chunks and headings of each."""


def chunk(arguments: Chunk, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Chunks of at most `max_tokens` tokens; raises Fault E0710 where one character has more."""
    cap = arguments.max_tokens
    cut_documents(lambda texts, count: chunk_documents(texts, cap=cap, count=count), inputs, outputs, context)


def cut_documents(cut: Cut, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """The documents of the inputs, cut in this way; both outputs written."""
    count = tokens.estimate
    if "tokenizer" in inputs.names():
        count = tokens.load_fast(inputs, "documents", ("text",), "doc_id", context).count_batch
    total, done = inputs.count("documents"), 0
    with outputs.table("chunks") as chunks, outputs.table("headings") as headings:
        for documents in _batches(inputs):
            found = cut([document["text"] for document in documents], count)
            for document, chunked in zip(documents, found, strict=True):
                _write_headings(document, chunked, headings)
                _write_chunks(document, chunked, chunks)
            done += len(documents)
            context.progress(done, total, "documents")


def heading_id(document: dict[str, Any], start: int) -> str:
    """Documents name their headings by where they begin, so that text below one never renames another above."""
    return f"{document['corpus']}/{document['doc_id']}@{start}"


def _batches(inputs: Inputs) -> Iterator[list[dict[str, Any]]]:
    """Documents in groups of about `_BATCH` characters."""
    group: list[dict[str, Any]] = []
    size = 0
    for document in inputs.rows("documents", columns="doc_id, corpus, text"):
        group.append(document)
        size += len(document["text"])
        if size >= _BATCH:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write_headings(document: dict[str, Any], chunked: Chunked, headings: TableWriter) -> None:
    doc_id = document["doc_id"]
    for position, heading in enumerate(chunked.headings):
        parent = None if heading.parent is None else heading_id(document, chunked.headings[heading.parent].start)
        headings.row(
            heading_id=heading_id(document, heading.start),
            doc_id=doc_id,
            corpus=document["corpus"],
            parent_id=parent,
            level=heading.level,
            title=heading.title,
            position=position,
            start_byte=heading.start,
        )


def _write_chunks(document: dict[str, Any], chunked: Chunked, chunks: TableWriter) -> None:
    doc_id = document["doc_id"]
    for position, part in enumerate(chunked.chunks):
        above = None if part.heading is None else heading_id(document, chunked.headings[part.heading].start)
        chunks.row(
            chunk_id=f"{document['corpus']}/{doc_id}#{position:04d}",
            doc_id=doc_id,
            corpus=document["corpus"],
            position=position,
            text=part.text,
            n_tokens=part.tokens,
            heading_path=titles_above(chunked.headings, part.heading),
            heading_id=above,
            start_byte=part.start,
            end_byte=part.end,
        )
