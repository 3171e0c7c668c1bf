"""Documents into chunks and headings; see `structdsl_runtime.text.chunking` for how."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from structdsl.plan import Chunk
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text import tokens
from structdsl_runtime.text.chunking import Chunked, chunk_documents
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.spans import Spans, of_arrow
from structdsl_runtime.text.windows import Count
from structdsl_runtime.text.words import blocks

TOGETHER: Final = 4 << 20  # bytes that are cut and counted together

Cut = Callable[[Spans, Count, Numbers | None], Chunked]
"""Texts, what counts their tokens, and those of each where they are known, into chunks."""


def chunk(arguments: Chunk, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Chunks of at most `max_tokens` tokens; raises Fault E0710 where one character has more."""
    cap = arguments.max_tokens
    cut_documents(
        lambda texts, count, known: chunk_documents(texts, cap=cap, count=count, known=known), inputs, outputs, context
    )


def cut_documents(cut: Cut, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """The documents of the inputs, cut in this way; both outputs written.

    With a tokenizer, `n_tokens` of a document are those that it makes of its text.
    """
    count, columns = tokens.estimate, "doc_id, corpus, text"
    if "tokenizer" in inputs.names():
        count = tokens.load_fast(inputs, "documents", ("text",), "doc_id", context).count_batch
        columns += ", n_tokens"
    total, done = inputs.count("documents"), 0
    with outputs.table("chunks") as chunks, outputs.table("headings") as headings:
        for documents in _groups(inputs, columns):
            texts = of_arrow(documents["text"])
            known = documents["n_tokens"].to_numpy() if "n_tokens" in documents.schema.names else None
            found = cut(texts, count, known)
            ids = _heading_ids(documents, texts, found)
            headings.write(_headings(documents, texts, found, ids))
            chunks.write(_chunks(documents, texts, found, ids))
            done += documents.num_rows
            context.progress(done, total, "documents")


def _groups(inputs: Inputs, columns: str) -> Iterator[pa.RecordBatch]:
    """Documents in groups of about `TOGETHER` bytes."""
    for batch in inputs.batches("documents", columns=columns):
        for first, texts in blocks(batch["text"], TOGETHER):
            yield batch.slice(first, len(texts))


def _heading_ids(documents: pa.RecordBatch, texts: Spans, found: Chunked) -> list[str]:
    """Documents name their headings by where they begin, so that text below one never renames another above."""
    names = _names(documents)
    headings = found.layout.headings
    starts = found.layout.starts - texts.starts[headings.texts]
    return [f"{names[text]}@{start}" for text, start in zip(headings.texts, starts.tolist(), strict=True)]


def _names(documents: pa.RecordBatch) -> list[str]:
    pairs = zip(documents["corpus"].to_pylist(), documents["doc_id"].to_pylist(), strict=True)
    return [f"{corpus}/{doc_id}" for corpus, doc_id in pairs]


def _headings(documents: pa.RecordBatch, texts: Spans, found: Chunked, ids: list[str]) -> pa.Table:
    headings = found.layout.headings
    own = np.array(headings.texts, np.int64)
    return pa.table(
        {
            "heading_id": pa.array(ids, pa.string()),
            "doc_id": documents["doc_id"].take(own),
            "corpus": documents["corpus"].take(own),
            "parent_id": pa.array([None if above is None else ids[above] for above in headings.parents], pa.string()),
            "level": pa.array(headings.levels, pa.int32()),
            "title": pa.array(headings.titles, pa.string()),
            "position": pa.array(_positions(own)),
            "start_byte": pa.array(found.layout.starts - texts.starts[own]),
        }
    )


def _chunks(documents: pa.RecordBatch, texts: Spans, found: Chunked, ids: list[str]) -> pa.Table:
    own = texts.holding(found.chunks.starts)
    positions, names = _positions(own), _names(documents)
    above = np.where(found.above < 0, len(ids), found.above)
    numbered = zip(own.tolist(), positions.tolist(), strict=True)
    return pa.table(
        {
            "chunk_id": pa.array([f"{names[text]}#{position:04d}" for text, position in numbered], pa.string()),
            "doc_id": documents["doc_id"].take(own),
            "corpus": documents["corpus"].take(own),
            "position": pa.array(positions),
            "text": found.chunks.to_arrow(),
            "n_tokens": pa.array(found.tokens),
            "heading_path": pa.array([*_paths(found), []], pa.list_(pa.string())).take(above),
            "heading_id": pa.array([*ids, None], pa.string()).take(above),
            "start_byte": pa.array(found.chunks.starts - texts.starts[own]),
            "end_byte": pa.array(found.chunks.ends - texts.starts[own]),
        }
    )


def _paths(found: Chunked) -> list[list[str]]:
    """Titles from the outermost heading down to each one."""
    headings = found.layout.headings
    paths: list[list[str]] = []
    for title, above in zip(headings.titles, headings.parents, strict=True):
        paths.append([title] if above is None else [*paths[above], title])
    return paths


def _positions(own: Numbers) -> Numbers:
    """Which each is of its document, for documents in order."""
    return np.arange(len(own)) - np.searchsorted(own, own)
