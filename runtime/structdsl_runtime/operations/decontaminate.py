"""What is measured leaves what is trained on: chunks of text, whole rows of questions and preferences.

Each batch is held against all items, which are in memory; what goes is written with the item and the words that it
shares with it. A document goes when all its chunks did, which only the end of the chunks can tell: of documents, those
with a match are remembered and no others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import compute

from structdsl.plan import Decontaminate
from structdsl_runtime.operation import Context, Inputs, Outputs, TableWriter
from structdsl_runtime.text.overlap import Batch, Hit, Item, Overlap

pc: Any = compute  # its stubs know neither every array nor every result
_ROWS: Final = 256  # read at a time
_BYTES: Final = 8 << 20  # looked through at a time
_ITEMS: Final = {
    "domain": "doc_id, text AS question",
    "replay": "doc_id, text AS question",
    "probe": "doc_id, text AS question",
    "exam": "doc_id, question, answer",
    "instruction": "doc_id, question, answer",
    "preference": "doc_id, prompt AS question, chosen AS answer, rejected",
}
_TRAINED: Final = {
    "instruction": "doc_id, source, question, text",
    "preference": "doc_id, source, prompt AS question, prompt || chr(10) || chosen AS text, "
    "prompt || chr(10) || rejected AS other",
}


def decontaminate(arguments: Decontaminate, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `matches`, `verdicts` (documents of which nothing is left) and, of text, the `chunks` that stay."""
    overlaps = [
        Overlap(n, _items(names, arguments, inputs)) for n, names in zip(arguments.n, arguments.against, strict=True)
    ]
    if "chunks" in inputs.names():
        gone = _chunks(overlaps, inputs, outputs, context)
        with outputs.table("verdicts") as verdicts:
            for row in inputs.rows("documents", columns="doc_id, source") if gone else ():
                if row["doc_id"] in gone:
                    _leaves(row["doc_id"], row["source"], gone[row["doc_id"]], verdicts)
    else:
        _documents(_TRAINED[arguments.roles["documents"]], overlaps, inputs, outputs, context)


def _items(names: tuple[str, ...], arguments: Decontaminate, inputs: Inputs) -> Iterator[Batch]:
    for name in names:
        batch: Any
        for batch in inputs.batches(name, columns=_ITEMS[arguments.roles[name]], order="doc_id"):
            items = [Item(exam=name, item=doc_id) for doc_id in batch["doc_id"].to_pylist()]
            answers = [batch[name] for name in ("answer", "rejected") if name in batch.schema.names]
            for answer in answers or [None]:
                yield Batch(items=items, questions=batch["question"], answers=answer)


def _chunks(overlaps: list[Overlap], inputs: Inputs, outputs: Outputs, context: Context) -> dict[str, str]:
    """What is to be said of each document that lost all its chunks."""
    total, done = inputs.count("chunks"), 0
    lost: Counter[str] = Counter()
    evidence: dict[str, str] = {}
    batch: Any
    with outputs.table("chunks") as kept, outputs.table("matches") as matches:
        for batch in _gathered(inputs.batches("chunks", rows=_ROWS), "text"):
            found = _unique(hit for overlap in overlaps for hit in overlap.runs(batch["text"]))
            chunk_ids, doc_ids = batch["chunk_id"], batch["doc_id"]
            for hit in found:
                doc_id = doc_ids[hit.text].as_py()
                _matches(chunk_ids[hit.text].as_py(), doc_id, hit, matches)
                evidence.setdefault(doc_id, _said(hit))
            texts = sorted({hit.text for hit in found})
            lost.update(doc_ids[text].as_py() for text in texts)
            kept.write(_without(batch, texts))
            done += batch.num_rows
            context.progress(done, total, "chunks")
    made: Counter[str] = Counter()
    looked_for = pa.array(list(lost), pa.string())
    for batch in inputs.batches("chunks", columns="doc_id") if lost else ():
        made.update(batch["doc_id"].filter(pc.is_in(batch["doc_id"], value_set=looked_for)).to_pylist())
    return {doc_id: evidence[doc_id] for doc_id, count in lost.items() if count == made[doc_id]}


def _documents(columns: str, overlaps: list[Overlap], inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Rows leave as they are; a question of few words is looked for among theirs."""
    total, done = inputs.count("documents"), 0
    with outputs.table("verdicts") as verdicts, outputs.table("matches") as matches:
        for batch in _gathered(inputs.batches("documents", columns=columns, rows=_ROWS), "text"):
            texts = [batch[name] for name in ("text", "other") if name in batch.schema.names]
            found = _unique(
                hit
                for overlap in overlaps
                for hits in (*(overlap.runs(text) for text in texts), overlap.questions(batch["question"]))
                for hit in hits
            )
            told: dict[str, str] = {}
            for hit in found:
                doc_id = batch["doc_id"][hit.text].as_py()
                _matches(None, doc_id, hit, matches)
                told.setdefault(doc_id, _said(hit))
            sources = dict(zip(batch["doc_id"].to_pylist(), batch["source"].to_pylist(), strict=True))
            for doc_id, said in told.items():
                _leaves(doc_id, sources[doc_id], said, verdicts)
            done += batch.num_rows
            context.progress(done, total, "rows")


def _gathered(batches: Iterator[pa.RecordBatch], column: str) -> Iterator[Any]:
    """Batches put together until `column` has about `_BYTES`: looking words up costs something for each."""
    group: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += pc.sum(pc.binary_length(batch[column])).as_py() or 0
        if size >= _BYTES:
            yield _one(group)
            group, size = [], 0
    if group:
        yield _one(group)


def _one(group: list[pa.RecordBatch]) -> pa.RecordBatch:
    (batch,) = pa.Table.from_batches(group).combine_chunks().to_batches()
    return batch


def _unique(hits: Iterator[Hit]) -> list[Hit]:
    """One hit for each text and item, in the order of the texts."""
    found: dict[tuple[int, Item], Hit] = {}
    for hit in hits:
        found.setdefault((hit.text, hit.item), hit)
    return sorted(found.values(), key=lambda hit: hit.text)


def _without(batch: pa.RecordBatch, texts: list[int]) -> pa.RecordBatch:
    stays = np.ones(batch.num_rows, np.bool_)
    stays[texts] = False
    return batch.filter(pa.array(stays))


def _said(hit: Hit) -> str:
    return f"{hit.item.exam}, item {hit.item.item}: {hit.run}"


def _matches(chunk_id: str | None, doc_id: str, hit: Hit, matches: TableWriter) -> None:
    matches.row(chunk_id=chunk_id, doc_id=doc_id, exam=hit.item.exam, item=hit.item.item, evidence=hit.run)


def _leaves(doc_id: str, source: str, evidence: str, verdicts: TableWriter) -> None:
    verdicts.row(doc_id=doc_id, source=source, step="decontaminate", reason="ngrams", evidence=evidence)
