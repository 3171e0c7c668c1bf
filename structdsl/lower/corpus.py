"""A corpus: read once, counted, judged; `corpus.<c>` is a view of what stayed, `_dropped` of all that left.

What was read is written once. Every step after it says who leaves and why, over `doc_id`; a changed threshold reads
nothing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.apart import held_apart
from structdsl.lineage import TEXT_ROLES, chunking
from structdsl.lower.dedup import dedup
from structdsl.lower.keep import keep
from structdsl.lower.planner import Planner
from structdsl.lower.read import corpus_columns
from structdsl.lower.staying import staying
from structdsl.plan import (
    Chunk,
    ChunkSections,
    ChunkTokens,
    CountTokens,
    Decontaminate,
    Guard,
    Operation,
    Output,
    Passes,
    Rows,
)
from structdsl.promised import CHUNKS, COUNTS, DROPPED, HEADINGS, MATCHES
from structdsl.schema.chunking import Chunking, Paragraphs, Sections
from structdsl.schema.corpus import Derived
from structdsl.unit import Declaration


@dataclass(slots=True)
class Progress:
    """How far a corpus has come: where its documents and counts are, who has left it."""

    documents: str
    counts: str
    gone: list[str] = field(default_factory=list)  # tables with the `doc_id` of who is no longer in it
    dropped: list[str] = field(default_factory=list)  # those of them that say why


def prepare_corpus(corpus: Declaration, tokenizer: str | None, planner: Planner) -> Progress:
    """Token counts, verdicts, and what is held out: all that comes before a corpus is held against others'."""
    name, values = corpus.address, corpus.values
    made = Progress(documents=f"{name}_read", counts=f"{name}_counts")
    if f"{name}_unsplit" in planner.owners:
        made.dropped.append(f"{name}_unsplit")
    _count(corpus, tokenizer, planner)
    keep(corpus, made, planner)
    dedup(corpus, made, tokenizer, planner)
    if values.holdout is not None:
        _documents(corpus, f"{name}_heldout", "heldout", made, planner, salt=corpus.name, share=values.holdout)
        made.gone.append(f"{name}_heldout")
    return made


def refine_corpus(corpus: Declaration, made: Progress, tokenizer: str | None, planner: Planner) -> None:
    """What leaves because it is measured, the views that users query, and the chunks that training reads."""
    name, values = corpus.address, corpus.values
    if name not in planner.unit.screened:
        _documents(corpus, name, "", made, planner)
        _dropped(corpus, made, planner)
        if _is_cut(corpus, planner):
            _chunk(corpus, name, f"{name}_chunks", tokenizer, planner)
        return
    _documents(corpus, f"{name}_kept", "kept", made, planner)
    if values.role in TEXT_ROLES:
        _chunk(corpus, f"{name}_kept", f"{name}_cut", tokenizer, planner)
    _decontaminate(corpus, planner)
    made.gone.append(f"{name}_screened")
    made.dropped.append(f"{name}_screened")
    _documents(corpus, name, "", made, planner)
    _dropped(corpus, made, planner)


def _is_cut(corpus: Declaration, planner: Planner) -> bool:
    """Text is; text that is only measured where it says how, or where something reads its chunks."""
    values = corpus.values
    if values.role == "probe":
        return values.chunk is not None or f"{corpus.address}_chunks" in planner.read
    return values.role in TEXT_ROLES


def _count(corpus: Declaration, tokenizer: str | None, planner: Planner) -> None:
    name = corpus.address
    guards: tuple[Guard, ...] = ()
    if isinstance(corpus.values, Derived) and corpus.values.select is not None:
        helps = ("a `doc_id` names one row, and every row has text",)
        table = {"documents": f"{name}_read"}
        guard = planner.guard(
            "E0521",
            "unfit_documents",
            at=corpus.span_of("select"),
            tables=table,
            holes={"corpus": name},
            helps=helps,
        )
        guards = (guard,)
    if tokenizer is None:
        planner.query(
            f"{name}.count",
            "estimates",
            f"{name}_counts",
            COUNTS,
            at=corpus.block.head,
            tables={"documents": f"{name}_read"},
            guards=guards,
            split=Rows(input=f"{name}_read"),
        )
        return
    planner.add(
        f"{name}.count",
        CountTokens(),
        at=corpus.block.head,
        inputs={"documents": planner.owners[f"{name}_read"], "tokenizer": tokenizer},
        outputs={"counts": Output(table=f"{name}_counts", columns=COUNTS, doc="Tokens of each document.")},
        guards=guards,
    )


def _documents(corpus: Declaration, table: str, part: str, made: Progress, planner: Planner, **holes: object) -> None:
    """A view or table of whole documents: those that stayed so far, or those of them that are held out.

    Who has left is taken out of the counts: a join keeps one of its sides in memory, and must not choose the texts.
    """
    promised = corpus_columns(corpus, planner)
    names = [column.name for column in promised]
    relations: dict[str, sql.Relation] = {"documents": made.documents, "counts": staying(made.counts, made.gone)}
    reads = [made.documents, made.counts, *made.gone]
    template = "heldout" if part == "heldout" else "documents"
    text = sql.fill(template, relations, columns=[exp.column(c) for c in names if c != "doc_id"], **_literals(holes))
    license_ = corpus.values.license
    planner.select(
        f"{corpus.address}.{part}" if part else corpus.address,
        text,
        table,
        promised,
        at=corpus.span_of("holdout") if part == "heldout" else corpus.block.head,
        reads=tuple(reads),
        purpose=sql.purpose(template),
        view=part != "heldout",
        split=Rows(input=made.documents) if part == "heldout" else None,
        passes=Passes(table=made.documents, key="doc_id", others=("n_tokens",)) if part != "heldout" else None,
        doc="\n".join(filter(None, (corpus.block.doc, license_ and f"Licence: {license_}."))) if not part else "",
    )


def _literals(holes: Mapping[str, object]) -> dict[str, object]:
    """Values as SQL writes them: an exact share is a number, not text."""
    return {
        name: value if isinstance(value, str) else sqlglot.exp.Literal.number(str(value))
        for name, value in holes.items()
    }


def _dropped(corpus: Declaration, made: Progress, planner: Planner) -> None:
    """All that left, whatever the step."""
    name = corpus.address
    faults = f"{name}_faults"
    tables = [*([faults] if faults in planner.owners else []), *made.dropped]
    queries = [sql.part("dropped", {"verdicts": table}) for table in tables]
    template = "dropped" if tables else "nothing_dropped"
    text = sql.text(sql.union(queries or [sql.part("nothing_dropped", {})]))
    planner.select(
        f"{name}.dropped",
        text,
        f"{name}_dropped",
        DROPPED,
        at=corpus.block.head,
        reads=tuple(dict.fromkeys((*tables, made.documents, *made.gone, name))),
        purpose=sql.purpose(template),
        view=True,
        guards=(_accounted(corpus, made, planner), _something_stays(corpus, tables, planner)),
    )


def _accounted(corpus: Declaration, made: Progress, planner: Planner) -> Guard:
    """Every document that was read is kept, held out or dropped, and none of them twice."""
    relations = {"documents": made.documents, "kept": corpus.address}
    counts = [exp.select("count(*)").from_(sql.table(table)).subquery() for table in made.gone]
    gone = reduce(add, counts) if counts else 0
    text = sql.fill("unaccounted", relations, corpus=corpus.address, gone=gone)
    return Guard(code="E0522", sql=text, helps=(), place=planner.place(corpus.block.head))


def _something_stays(corpus: Declaration, dropped: Sequence[str], planner: Planner) -> Guard:
    """A corpus that has lost all its documents stops the run."""
    columns = ("step", "reason", "evidence")
    lost: list[exp.Query | sql.Part] = [exp.select(*columns).from_(sql.table(table)) for table in dropped]
    tables, heldout = list(dropped), f"{corpus.address}_heldout"
    if heldout in planner.owners:
        tables.append(heldout)
        lost.append(exp.select("'holdout' AS step", "NULL AS reason", "NULL AS evidence").from_(sql.table(heldout)))
    none = sql.part("nothing_dropped", {})
    relations: dict[str, sql.Relation] = {"lost": sql.union(lost or [none]), "kept": corpus.address}
    text = sql.fill("nothing_stays", relations, corpus=corpus.address)
    shown = (f"what left is in {', '.join(f'`{table}`' for table in tables)}",) if tables else ()
    helps = (*shown, "ask for less where most are lost, or leave the corpus out")
    return Guard(code="E0516", sql=text, helps=helps, place=planner.place(corpus.block.head))


def _chunk(corpus: Declaration, documents: str, table: str, tokenizer: str | None, planner: Planner) -> None:
    """The documents that stayed, cut for training."""
    name = corpus.address
    planner.add(
        f"{name}.chunk",
        _cut(chunking(corpus, planner.unit)),
        at=corpus.span_of("chunk"),
        inputs={"documents": planner.owners[documents]} | ({"tokenizer": tokenizer} if tokenizer else {}),
        outputs={
            "chunks": Output(table=table, columns=CHUNKS, doc="The documents, cut for training."),
            "headings": Output(table=f"{name}_headings", columns=HEADINGS, doc="Every heading, with or without text."),
        },
    )


def _cut(chunk: Chunking) -> Operation:
    if isinstance(chunk, Paragraphs):
        return Chunk(max_tokens=chunk.max)
    if isinstance(chunk, Sections):
        return ChunkSections(max_tokens=chunk.max)
    return ChunkTokens(max_tokens=chunk.max, overlap=chunk.overlap)


def _decontaminate(corpus: Declaration, planner: Planner) -> None:
    """What is left after the items of exams are taken out: chunks of text, whole rows of the others."""
    name, unit = corpus.address, planner.unit
    methods = unit.screened[name]
    against = [held_apart(corpus, method.against, unit) for method in methods]
    roles = {table: unit.blocks[table.removesuffix("_heldout")].values.role for tables in against for table in tables}
    cut = corpus.values.role in TEXT_ROLES
    outputs = {
        "matches": Output(table=f"{name}_matches", columns=MATCHES, doc="What matched, with the item of the exam."),
        "verdicts": Output(table=f"{name}_screened", columns=DROPPED, doc="Documents of which nothing is left."),
    }
    if cut:
        outputs["chunks"] = Output(table=f"{name}_chunks", columns=CHUNKS, doc="The chunks that share no exam item.")
    planner.add(
        f"{name}.decontaminate",
        Decontaminate(
            n=tuple(method.n for method in methods),
            against=tuple(against),
            roles={"documents": corpus.values.role} | dict(sorted(roles.items())),
        ),
        at=corpus.span_of("decontaminate"),
        inputs={"documents": planner.owners[f"{name}_kept"]}
        | ({"chunks": planner.owners[f"{name}_cut"]} if cut else {})
        | {other: planner.owners[other] for others in against for other in others},
        outputs=outputs,
    )
