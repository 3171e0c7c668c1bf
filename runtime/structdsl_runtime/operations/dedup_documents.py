"""Near-duplicates in three steps: each document signed by itself, pairs compared, pairs made clusters.

Between the first and the second, SQL finds the pairs that may be alike; so another number of bands signs nothing
again, and another threshold compares nothing again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import compute

from structdsl.plan import ClusterDocuments, CompareDocuments, SignDocuments
from structdsl_runtime.dedup.clusters import components
from structdsl_runtime.dedup.minhash import digests, signatures
from structdsl_runtime.dedup.names import Names
from structdsl_runtime.dedup.shingles import shingles
from structdsl_runtime.dedup.similarity import Sets, distinct
from structdsl_runtime.dedup.threads import in_threads
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.text.hashed import Hashes, hashed_blocks
from structdsl_runtime.text.ragged import Numbers
from structdsl_runtime.text.words import Texts

pc: Any = compute  # its stubs know neither every array nor every result
_PAIRS: Final = 1 << 16  # read at a time


def sign_documents(arguments: SignDocuments, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `signatures`: how many shingles a document has, one number for all of them, and its signature."""
    k, done = arguments.permutations, 0
    batch: Any
    with outputs.table("signatures") as table:
        for batch in inputs.batches("documents", columns="doc_id, text"):
            counts, digested, signed = [], [], []
            for _, words in hashed_blocks(batch["text"]):
                found, starts = shingles(words, arguments.ngram)
                counts.append(np.diff(starts))
                digested.append(digests(found, starts))
                signed.append(signatures(found, starts, k).ravel())
            numbers: Any = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(signed)), k)
            table.write(
                pa.table(
                    {
                        "doc_id": batch["doc_id"],
                        "n_shingles": pa.array(np.concatenate(counts)),
                        "digest": pa.array(np.concatenate(digested)),
                        "signature": numbers,
                    }
                )
            )
            done += batch.num_rows
            context.progress(done, None, "documents")


def compare_documents(arguments: CompareDocuments, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `similar`: each of `pairs` with its Jaccard similarity.

    Those whose shingles are the `same` have it already; of the others, the documents are looked at, and no more.
    """
    total, done = inputs.count("pairs"), 0
    others = {name.partition(".")[2]: name for name in inputs.names() if name not in {"pairs", "documents"}}
    wanted: dict[str, list[Any]] = {name: [] for name in ("documents", *others.values())}
    pairs: Any
    for pairs in inputs.batches("pairs", rows=_PAIRS):
        batch = _differing(pairs)
        wanted["documents"].append(pc.unique(batch["doc_id"]))
        for corpus, name in _of(batch, others):
            wanted[name].append(pc.unique(batch["other"].filter(corpus)))
    with Sets(context.scratch / "shingles") as sets:
        named = {}
        for name, ids in wanted.items():
            names = Names(pa.chunked_array(ids, pa.string()).unique() if ids else pa.array([], pa.string()))
            named[name] = (names, _read(names, name, arguments.ngram, sets, inputs))
        with outputs.table("similar") as table:
            for pairs in inputs.batches("pairs", rows=_PAIRS):
                batch = _differing(pairs)
                first, second = (np.empty(batch.num_rows, np.int64) for _ in range(2))
                names, places = named["documents"]
                first[:] = places[names.find(batch["doc_id"])]
                for corpus, name in _of(batch, others):
                    names, places = named[name]
                    second[np.asarray(corpus)] = places[names.find(batch["other"].filter(corpus))]
                similarity = np.ones(pairs.num_rows)
                similarity[~np.asarray(pairs["same"])] = sets.similarities(first, second)
                table.write(pa.table(pairs).drop_columns("same").append_column("similarity", pa.array(similarity)))
                done += pairs.num_rows
                context.progress(done, total, "pairs")


def _differing(pairs: Any) -> Any:
    return pairs.filter(pc.invert(pairs["same"]))


def _of(batch: Any, others: dict[str, str]) -> list[tuple[Any, str]]:
    """Which rows have their other document from where."""
    here = [(pc.is_null(batch["corpus"]), "documents")]
    return here + [(pc.fill_null(pc.equal(batch["corpus"], corpus), False), name) for corpus, name in others.items()]  # noqa: FBT003


def _read(names: Names, name: str, n: int, sets: Sets, inputs: Inputs) -> Any:
    """The number in `sets` of each document of these names, by its number in `names`."""
    places = np.full(len(names), -1, np.int64)

    def chosen() -> Iterator[tuple[Numbers, Texts]]:
        batch: Any
        for batch in inputs.batches(name, columns="doc_id, text") if len(names) else ():
            found = names.find(batch["doc_id"])
            there = found >= 0
            if there.any():
                yield found[there], batch["text"].filter(pa.array(there))

    def distinct_shingles(some: tuple[Numbers, Texts]) -> tuple[Numbers, list[tuple[Hashes, Numbers]]]:
        found, texts = some
        return found, [distinct(*shingles(words, n)) for _, words in hashed_blocks(texts)]

    for found, made in in_threads(distinct_shingles, chosen()):
        places[found] = np.concatenate([sets.add(*each) for each in made])
    return places


def cluster_documents(arguments: ClusterDocuments, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Write `clusters`: all documents that a chain of pairs connects, under the name of the one that stays.

    `similarity` is the greatest that a document has with another of its cluster.
    """
    edges: list[Any] = []
    done = 0
    batch: Any
    for batch in inputs.batches("similar", rows=_PAIRS):
        edges.append(pa.table(batch.filter(pc.greater_equal(batch["similarity"], arguments.threshold))))
        done += batch.num_rows
        context.progress(done, None, "pairs")
    with outputs.table("clusters") as table:
        if not edges or not sum(part.num_rows for part in edges):
            return
        pairs = pa.concat_tables(edges).combine_chunks()
        here = pc.is_null(pairs["corpus"])
        own = _sorted(pa.chunked_array([*pairs["doc_id"].chunks, *pairs["other"].filter(here).chunks], pa.string()))
        away = pairs.filter(pc.invert(here))
        foreign = _sorted(pc.binary_join_element_wise(away["corpus"], away["other"], "/"))
        first = np.asarray(pc.index_in(pairs["doc_id"], value_set=own), np.int64) + len(foreign)
        second = np.empty(len(first), np.int64)
        second[np.asarray(here)] = np.asarray(pc.index_in(pairs["other"].filter(here), value_set=own), np.int64) + len(
            foreign
        )
        second[~np.asarray(here)] = np.asarray(
            pc.index_in(pc.binary_join_element_wise(away["corpus"], away["other"], "/"), value_set=foreign), np.int64
        )
        count = len(foreign) + len(own)
        head = components(count, first, second)[len(foreign) :]
        best = np.zeros(count)
        for end in (first, second):
            np.maximum.at(best, end, np.asarray(pairs["similarity"]))
        names = pa.concat_arrays([foreign, own])
        table.write(
            pa.table(
                {
                    "doc_id": own,
                    "cluster_id": names.take(pa.array(head)),
                    "kept": pa.array(head == np.arange(len(foreign), count)),
                    "method": pa.array(np.full(len(own), arguments.method)),
                    "similarity": pa.array(best[len(foreign) :]),
                }
            )
        )


def _sorted(names: Any) -> Any:
    unique = names.unique()
    unique = unique.combine_chunks() if isinstance(unique, pa.ChunkedArray) else unique
    return unique.take(pc.sort_indices(unique))
