"""Duplicates: clusters of documents that are alike, of each of which one stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from sqlglot import exp

from structdsl import sql
from structdsl.lower.asked import asked_model
from structdsl.lower.lines import cut_lines
from structdsl.lower.planner import Planner
from structdsl.lower.staying import columns_of_staying, place, staying
from structdsl.plan import (
    ClusterDocuments,
    CompareDocuments,
    CompareEmbeddings,
    EmbedDocuments,
    Hashed,
    Output,
    SignDocuments,
)
from structdsl.promised import (
    CANDIDATES,
    CLUSTERS,
    DROPPED,
    EMBEDDINGS,
    SIGNATURES,
    SIMILAR,
)
from structdsl.schema.cleaning import Exact, Lines, Minhash, Semantic
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration

if TYPE_CHECKING:
    from structdsl.lower.corpus import Progress

_OF_ONE: Final = {
    "document": sql.condition("doc_id"),
    "columns": [sql.condition(column) for column in ("document AS doc_id", "other", "CAST(NULL AS VARCHAR) AS corpus")],
    "wanted": sql.condition("document <> other"),
}
_OF_SEVERAL: Final = {
    "document": sql.condition("{'own': corpus = '', 'corpus': corpus, 'doc_id': doc_id}"),
    "columns": [
        sql.condition(column)
        for column in ("document.doc_id AS doc_id", "other.doc_id AS other", "nullif(other.corpus, '') AS corpus")
    ],
    "wanted": sql.condition("document.own AND document <> other"),
}
"""How `duplicates_candidates` names documents: by their ids, or with the corpus; what is not ours comes first."""

CROWD: Final = 32
"""So many documents that share a band are all compared with one another; of more, each with a few next to it."""


def dedup(corpus: Declaration, made: Progress, tokenizer: str | None, planner: Planner) -> None:
    """The methods of a corpus, each over what those before it left."""
    name, methods = corpus.address, corpus.values.dedup
    clustered = []
    for number, method in enumerate(methods, start=1):
        suffix = f"_{number}" if len(methods) > 1 else ""
        if isinstance(method, Lines):
            cut_lines(corpus, method, suffix, made, tokenizer, planner)
            continue
        clusters = f"{name}_clusters{suffix}"
        clustered.append(clusters)
        if isinstance(method, Exact):
            _exact(corpus, method, clusters, suffix, made, planner)
        elif isinstance(method, Minhash):
            _minhash(corpus, method, clusters, suffix, made, planner)
        else:
            _semantic(corpus, method, clusters, suffix, made, planner)
        planner.query(
            f"{name}.duplicates{suffix}",
            "duplicates_dropped",
            f"{name}_duplicates{suffix}",
            DROPPED,
            at=place(corpus, suffix),
            tables={"clusters": clusters, "documents": made.documents},
            view=True,
        )
        made.gone.append(f"{name}_duplicates{suffix}")
        made.dropped.append(f"{name}_duplicates{suffix}")
    if len(methods) > 1 and clustered:
        planner.select(
            f"{name}.clusters",
            sql.text(sql.all_rows(clustered)),
            f"{name}_clusters",
            CLUSTERS,
            at=corpus.span_of("dedup"),
            reads=tuple(clustered),
            purpose="Documents that are alike, by every method.",
            view=True,
        )


def _exact(corpus: Declaration, method: Exact, clusters: str, suffix: str, made: Progress, planner: Planner) -> None:
    template = "duplicates_exact_against" if method.against else "duplicates_exact"
    relations = {"documents": staying(made.documents, made.gone)}
    if method.against:
        relations["others"] = sql.union(
            [exp.select("corpus", "doc_id", "text").from_(sql.table(other)) for other in method.against]
        )
    planner.select(
        f"{corpus.address}.dedup{suffix}",
        sql.fill(template, relations),
        clusters,
        CLUSTERS,
        at=place(corpus, suffix),
        reads=(made.documents, *made.gone, *method.against),
        purpose=sql.purpose(template),
        split=Hashed(key="text"),
    )


def _minhash(
    corpus: Declaration, method: Minhash, clusters: str, suffix: str, made: Progress, planner: Planner
) -> None:
    """Signatures of all that was read, and of what others keep; pairs that may be alike; how alike they are."""
    name, at = corpus.address, place(corpus, suffix)
    signed = f"{name}_signatures{suffix}"
    _sign(made.documents, signed, f"{name}.sign{suffix}", method, at, planner)
    others = {}
    for other in method.against:
        others[other] = f"{signed}_{other.partition('.')[2]}"
        address = f"{name}.sign{suffix}_{other.partition('.')[2]}"
        _sign(other, others[other], address, method, at, planner)
    candidates, similar = f"{name}_candidates{suffix}", f"{name}_similar{suffix}"
    template, width = "duplicates_candidates", method.permutations // method.bands
    signatures = _with_others(signed, made.gone, others) if others else staying(signed, made.gone)
    planner.select(
        f"{name}.candidates{suffix}",
        sql.fill(
            template,
            {"signatures": signatures},
            width=width,
            numbers=[sql.condition(f"signature[start + {number}]") for number in range(width)],
            crowd=CROWD,
            **(_OF_SEVERAL if others else _OF_ONE),
        ),
        candidates,
        CANDIDATES,
        at=at,
        reads=(signed, *made.gone, *others.values()),
        purpose=sql.purpose(template),
    )
    planner.add(
        f"{name}.compare{suffix}",
        CompareDocuments(ngram=method.ngram),
        at=at,
        inputs={"pairs": planner.owners[candidates], "documents": planner.owners[made.documents]}
        | {other: planner.owners[other] for other in method.against},
        outputs={"similar": Output(table=similar, columns=SIMILAR, doc="Pairs, and how alike they are.")},
    )
    _cluster(f"{name}.dedup{suffix}", "minhash", method.threshold, similar, clusters, at, planner)


def _sign(documents: str, table: str, address: str, method: Minhash, at: Span, planner: Planner) -> None:
    planner.add(
        address,
        SignDocuments(ngram=method.ngram, permutations=method.permutations),
        at=at,
        inputs={"documents": planner.owners[documents]},
        outputs={"signatures": Output(table=table, columns=SIGNATURES, doc="MinHash signatures of the documents.")},
    )


def _with_others(signed: str, gone: Sequence[str], others: Mapping[str, str]) -> sql.Relation:
    """Signatures of documents that stay and of those of other corpora, each with the name of its corpus; '' is ours."""
    columns = ("doc_id", "digest", "n_shingles", "signature")
    elsewhere = (
        columns_of_staying(table, (), *columns, f"'{name.partition('.')[2]}' AS corpus")
        for name, table in others.items()
    )
    return sql.union([columns_of_staying(signed, gone, *columns, "'' AS corpus"), *elsewhere])


def _semantic(
    corpus: Declaration, method: Semantic, clusters: str, suffix: str, made: Progress, planner: Planner
) -> None:
    """Embeddings of what is left, and of what others keep; pairs that are alike; those as clusters."""
    name, at = corpus.address, place(corpus, suffix)
    model = asked_model(method.model, planner)
    embedded = f"{name}_embeddings{suffix}"
    _embed(made.documents, embedded, f"{name}.embed{suffix}", model, at, planner, made.gone)
    inputs = {"embeddings": planner.owners[embedded]}
    for other in method.against:
        own = other.partition(".")[2]
        _embed(other, f"{embedded}_{own}", f"{name}.embed{suffix}_{own}", model, at, planner)
        inputs[other] = planner.owners[f"{embedded}_{own}"]
    similar = f"{name}_similar{suffix}"
    planner.add(
        f"{name}.compare{suffix}",
        CompareEmbeddings(above=float(method.above)),
        at=at,
        inputs=inputs,
        outputs={"similar": Output(table=similar, columns=SIMILAR, doc="Pairs, and the cosine of their embeddings.")},
    )
    _cluster(f"{name}.dedup{suffix}", "semantic", method.above, similar, clusters, at, planner)


def _embed(
    documents: str, table: str, address: str, model: str, at: Span, planner: Planner, left: Sequence[str] = ()
) -> None:
    planner.add(
        address,
        EmbedDocuments(),
        at=at,
        inputs={"documents": planner.owners[documents], "model": model}
        | {f"gone_{number}": planner.owners[gone] for number, gone in enumerate(left)},
        outputs={"embeddings": Output(table=table, columns=EMBEDDINGS, doc="What a model makes of the documents.")},
    )


def _cluster(
    address: str,
    method: Literal["minhash", "semantic"],
    threshold: Decimal,
    similar: str,
    clusters: str,
    at: Span,
    planner: Planner,
) -> None:
    planner.add(
        address,
        ClusterDocuments(method=method, threshold=float(threshold)),
        at=at,
        inputs={"similar": planner.owners[similar]},
        outputs={"clusters": Output(table=clusters, columns=CLUSTERS, doc="Documents that are alike.")},
    )
