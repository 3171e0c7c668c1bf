"""A corpus: read once, counted, judged; `corpus.<c>` is a view of what stayed, `_dropped` of all that left."""

from __future__ import annotations

from sqlglot import exp

from structdsl import sql
from structdsl.lineage import chunking
from structdsl.lower.planner import Planner, columns
from structdsl.plan import Chunk, Column, CountTokens, Output, ReadFiles
from structdsl.schema.corpus import PROMISED
from structdsl.unit import Declaration

DROPPED = columns("doc_id VARCHAR, source VARCHAR, step VARCHAR, reason VARCHAR, evidence VARCHAR")
COUNTS = columns("doc_id VARCHAR, n_tokens BIGINT")
CHUNKS = columns(
    "chunk_id VARCHAR, doc_id VARCHAR, corpus VARCHAR, position BIGINT, text VARCHAR, n_tokens BIGINT,"
    "heading_path VARCHAR[], heading_id VARCHAR, start_byte BIGINT, end_byte BIGINT"
)
HEADINGS = columns(
    "heading_id VARCHAR, doc_id VARCHAR, corpus VARCHAR, parent_id VARCHAR, level INTEGER, title VARCHAR,"
    "position BIGINT, start_byte BIGINT"
)


def read_corpus(corpus: Declaration, planner: Planner) -> None:
    """The source as documents; what could not be read goes to the faults."""
    values, name = corpus.values, corpus.address
    documents = tuple(Column(name=c, type=t) for c, t in PROMISED[values.role].items() if c != "n_tokens")
    planner.add(
        f"{name}.read",
        ReadFiles(
            corpus=corpus.name,
            role=values.role,
            pattern=values.source.pattern,
            columns=dict(sorted(values.columns.items())),
            limit=values.limit,
        ),
        at=corpus.span_of("source"),
        sources=(values.source.pattern,),
        outputs={
            "documents": Output(table=f"{name}_read", columns=documents, doc="Every document that could be read."),
            "faults": Output(table=f"{name}_faults", columns=DROPPED, doc="What could not be read, and why."),
        },
        doc=corpus.block.doc,
    )


def refine_corpus(corpus: Declaration, tokenizer: str | None, planner: Planner) -> None:
    """Token counts, verdicts of `keep`, and the views that users query."""
    name, read = corpus.address, f"{corpus.address}_read"
    _count(corpus, tokenizer, planner)
    tables: dict[str, str | tuple[str, ...]] = {"documents": read, "counts": f"{name}_counts"}
    predicates = planner.unit.predicates.get(name, ())
    if predicates:
        planner.query(
            f"{name}.keep",
            "verdicts",
            f"{name}_verdicts",
            DROPPED,
            at=corpus.span_of("keep"),
            tables=tables,
            holes={
                "verdicts": exp.array(*(sql.condition(predicate) for predicate in predicates), dialect=sql.DIALECT),
                "predicates": list(predicates),
            },
        )
        tables["verdicts"] = f"{name}_verdicts"
    promised = PROMISED[corpus.values.role]
    planner.query(
        name,
        "documents_kept" if predicates else "documents",
        name,
        tuple(Column(name=c, type=t) for c, t in promised.items()),
        at=corpus.block.head,
        tables=tables,
        holes={"columns": [exp.column(c) for c in promised if c != "doc_id"]},
        view=True,
        doc=corpus.block.doc,
    )
    dropped: dict[str, str | tuple[str, ...]] = {"faults": f"{name}_faults"}
    if predicates:
        dropped["verdicts"] = f"{name}_verdicts"
    planner.query(
        f"{name}.dropped",
        "dropped_kept" if predicates else "dropped",
        f"{name}_dropped",
        DROPPED,
        at=corpus.block.head,
        tables=dropped,
        view=True,
    )


def chunk_corpus(corpus: Declaration, tokenizer: str | None, planner: Planner) -> None:
    """The documents that stayed, cut for training."""
    name = corpus.address
    inputs = {"documents": planner.owners[name]} | ({"tokenizer": tokenizer} if tokenizer else {})
    planner.add(
        f"{name}.chunk",
        Chunk(max_tokens=chunking(corpus, planner.unit).max),
        at=corpus.span_of("chunk"),
        inputs=inputs,
        outputs={
            "chunks": Output(
                table=f"{name}_chunks", columns=CHUNKS, doc="The documents, cut at headings and paragraphs."
            ),
            "headings": Output(table=f"{name}_headings", columns=HEADINGS, doc="Every heading, with or without text."),
        },
    )


def _count(corpus: Declaration, tokenizer: str | None, planner: Planner) -> None:
    name = corpus.address
    if tokenizer is None:
        planner.query(
            f"{name}.count",
            "estimates",
            f"{name}_counts",
            COUNTS,
            at=corpus.block.head,
            tables={"documents": f"{name}_read"},
        )
        return
    planner.add(
        f"{name}.count",
        CountTokens(),
        at=corpus.block.head,
        inputs={"documents": planner.owners[f"{name}_read"], "tokenizer": tokenizer},
        outputs={"counts": Output(table=f"{name}_counts", columns=COUNTS, doc="Tokens of each document.")},
    )
