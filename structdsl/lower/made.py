"""Corpora that are made and not read: by a query, by a function in Python, or by a writer along a taxonomy."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.lower.asked import asked_model
from structdsl.lower.languages import identify_language, unidentified_table
from structdsl.lower.mixture import quotas
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner
from structdsl.lower.read import documents_columns
from structdsl.plan import Column, MapPython, Output, SplitConversations, Synthesise
from structdsl.promised import DROPPED, converses
from structdsl.schema.corpus import Synthetic
from structdsl.unit import Analysed, Declaration

TEXTS = {"instruction": ("question", "answer"), "exam": ("question", "answer"), "preference": ("prompt", "chosen")}
"""What the text of a row is joined from, where it is not a column of its own."""


def make_corpus(corpus: Declaration, planner: Planner) -> None:
    """The documents of a corpus without a source, in the table that a reader would have filled."""
    if isinstance(corpus.values, Synthetic):
        _write(corpus, planner)
    elif corpus.values.python is not None:
        _map(corpus, planner)
    else:
        _select(corpus, planner)
    identify_language(corpus, planner)


def _select(corpus: Declaration, planner: Planner) -> None:
    """The query of the user, its columns in our types and order, the others filled in."""
    name = corpus.address
    query = planner.unit.queries[f"{name}.select"]
    documents = documents_columns(corpus, planner)
    found = {column.name.lower(): column.name for column in query.columns}
    selected = [exp.alias_(_column(column, corpus, found), column.name) for column in documents]
    head = sql.text(exp.select(*selected))
    body = (
        f"SELECT *, {_text(corpus, query, planner)} AS text_ FROM (\n{query.sql.strip().removesuffix(';')}\n) AS made"  # noqa: S608 - analysed
    )
    made, split = unidentified_table(corpus, planner), converses(corpus, planner.unit)
    planner.select(
        f"{name}.select",
        f"{head}\nFROM (\n{body}\n) AS documents",
        f"{name}_source" if split else made,
        documents,
        at=corpus.span_of("select"),
        reads=query.reads,
        purpose="The rows of the query as documents.",
        doc=corpus.block.doc,
    )
    if split:
        _split(corpus, f"{name}_source", made, documents, planner)


def _text(corpus: Declaration, query: Analysed, planner: Planner) -> str:
    if any(column.name.lower() == "text" for column in query.columns):
        return "text"
    if converses(corpus, planner.unit):
        return "CAST(NULL AS VARCHAR)"
    first, second = TEXTS[corpus.values.role]
    return f"{first} || chr(10) || {second}"


def _column(column: Column, corpus: Declaration, found: dict[str, str]) -> exp.Expr:
    fixed = {"corpus": corpus.name, "role": corpus.values.role}
    if column.name in fixed:
        return exp.Literal.string(fixed[column.name])
    if column.name == "text":
        return exp.cast(exp.column("text_"), column.type, dialect=sql.DIALECT)
    if column.name == "n_chars":
        return sqlglot.parse_one("length(text_)", dialect=sql.DIALECT)
    if column.name in found:
        return exp.cast(exp.column(found[column.name], quoted=True), column.type, dialect=sql.DIALECT)
    values = {"source": exp.Literal.string(corpus.address), "meta": exp.Literal.string("{}")}
    return exp.cast(values.get(column.name, exp.null()), column.type, dialect=sql.DIALECT)


def _split(corpus: Declaration, rows: str, table: str, declared: tuple[Column, ...], planner: Planner) -> None:
    """The last reply of a conversation as the answer, what comes before it as the question, as a reader does it."""
    name = corpus.address
    planner.add(
        f"{name}.split",
        SplitConversations(),
        at=corpus.span_of("select"),
        inputs={"documents": planner.owners[rows]},
        outputs={
            "documents": Output(table=table, columns=declared, doc="Conversations with their question and answer."),
            "faults": Output(table=f"{name}_unsplit", columns=DROPPED, doc="What is no conversation, and why."),
        },
    )


def _map(corpus: Declaration, planner: Planner) -> None:
    name, values = corpus.address, corpus.values
    planner.add(
        f"{name}.python",
        MapPython(corpus=corpus.name, role=values.role, function=values.python, function_version=values.version),
        at=corpus.span_of("python"),
        inputs={table: planner.owners[table] for table in values.over},
        outputs=_outputs(corpus, "What the function yields.", planner),
        doc=corpus.block.doc,
    )


def _write(corpus: Declaration, planner: Planner) -> None:
    name, values, taxonomy = corpus.address, corpus.values, corpus.values.over
    shares = quotas(values.limit, {str(hops): share for hops, share in sorted(values.hops.items())})
    inputs = {
        "nodes": planner.owners[f"{taxonomy}_nodes"],
        "links": planner.owners[f"{taxonomy}_links"],
    } | {c: planner.owners[f"{c}_chunks"] for c in planner.unit.blocks[taxonomy].values.over}
    if values.writer is not None:
        inputs["writer"] = asked_model(values.writer, planner)
    planner.add(
        f"{name}.write",
        Synthesise(
            corpus=corpus.name,
            hops=tuple((int(hops), share) for hops, share in shares.items()),
            seed=seed_of(planner),
        ),
        at=corpus.span_of("over"),
        inputs=inputs,
        outputs=_outputs(corpus, "Questions and answers, each with the chunk that it is about.", planner),
        doc=corpus.block.doc,
    )


def _outputs(corpus: Declaration, doc: str, planner: Planner) -> dict[str, Output]:
    return {
        "documents": Output(
            table=unidentified_table(corpus, planner), columns=documents_columns(corpus, planner), doc=doc
        ),
        "faults": Output(table=f"{corpus.address}_faults", columns=DROPPED, doc="Rows that are no documents, and why."),
    }
