"""Documents as embeddings, and which of those are alike; see `structdsl_runtime.dedup.cosine` for how pairs are found.

Embeddings are a table of their own: another threshold embeds nothing again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from structdsl.plan import CompareEmbeddings, EmbedDocuments
from structdsl_runtime.dedup.cosine import Vectors, alike
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.operations.evaluate import ask


def embed_documents(arguments: EmbedDocuments, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `embeddings` of the documents that are in no table `gone_…`, by the folder `model`.

    Raises Fault E0805 where the worker died, E0715 where the model makes no numbers of a document.
    """
    gone = {
        row["doc_id"]
        for name in inputs.names()
        if name.startswith("gone_")
        for row in inputs.rows(name, columns="doc_id")
    }
    names: list[str] = []
    total = inputs.count("documents") - len(gone)

    def texts() -> Iterator[dict[str, Any]]:
        for row in inputs.rows("documents", columns="doc_id, text", order="doc_id"):
            if row["doc_id"] not in gone:
                names.append(row["doc_id"])
                yield {"text": row["text"]}

    done = 0
    with outputs.table("embeddings") as table:

        def record(event: dict[str, Any]) -> None:
            nonlocal done
            vector = np.frombuffer(base64.b64decode(event["embedding"]), np.float32)
            if not np.isfinite(vector).all():
                raise _no_numbers(names[event["number"]])
            table.row(doc_id=names[event["number"]], embedding=vector.tolist())
            done += 1
            context.progress(done, total, "documents")

        ask(arguments, inputs, context, texts(), record)


def _no_numbers(doc_id: str) -> Fault:
    return Fault(
        "E0715",
        f"the model makes no numbers of document `{doc_id}`",
        notes=("an embedding of it is infinite or no number, and like nothing",),
        helps=("look at the weights of the model", "leave the document out with `keep`"),
    )


def compare_embeddings(arguments: CompareEmbeddings, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `similar`: pairs of `embeddings`, and of one and one of another corpus, whose cosine is `above` or more."""
    own, mine = _read("embeddings", inputs, context.scratch / "own")
    corpora = [name for name in inputs.names() if name != "embeddings"]
    others = [_read(name, inputs, context.scratch / f"other-{number}") for number, name in enumerate(corpora)]
    names: Any = pa.concat_arrays([mine, *(ids for _, ids in others)])
    sizes = [len(mine), *(len(ids) for _, ids in others)]
    known: Any = pa.array([None, *(name.partition(".")[2] for name in corpora)], pa.string())
    corpus = known.take(pa.array(np.repeat(np.arange(len(sizes)), sizes), pa.int64()))

    def progress(done: int) -> None:
        context.progress(done, len(mine), "documents")

    with outputs.table("similar") as table:
        for first, second, similarity in alike(own, [vectors for vectors, _ in others], arguments.above, progress):
            here, there = pa.array(first, pa.int64()), pa.array(second, pa.int64())
            table.write(
                pa.table(
                    {
                        "doc_id": names.take(here),
                        "other": names.take(there),
                        "corpus": corpus.take(there),
                        "similarity": pa.array(similarity),
                    }
                )
            )


def _read(name: str, inputs: Inputs, path: Path) -> tuple[Vectors, pa.Array[Any]]:
    """The embeddings of a table in a file (N, D), and whose they are; in the order of ids."""
    ids: list[Any] = []
    width = 0
    with path.open("wb") as file:
        for batch in inputs.batches(name, columns="doc_id, embedding", order="doc_id"):
            ids.append(batch.column("doc_id"))
            values = np.asarray(batch.column("embedding").flatten(), np.float32)  # type: ignore[attr-defined]
            width = len(values) // batch.num_rows
            file.write(values.tobytes())
    count = sum(map(len, ids))
    vectors = np.memmap(path, np.float32, "r", shape=(count, width)) if count else np.empty((0, 0), np.float32)
    return vectors, pa.concat_arrays(ids) if ids else pa.array([], pa.string())
