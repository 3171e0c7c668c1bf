"""Sources into documents: every reader yields the same columns, and says what it could not read."""

from __future__ import annotations

from structdsl.lower.languages import identify_language, unidentified_table
from structdsl.lower.own_columns import add_own_columns, own_columns
from structdsl.lower.planner import Planner
from structdsl.plan import (
    Column,
    Operation,
    Output,
    ReadDataset,
    ReadFiles,
    ReadObjects,
    ReadTable,
    Redact,
    Replacement,
)
from structdsl.promised import DROPPED, promised_columns
from structdsl.schema.corpus import Files, HfDataset
from structdsl.unit import Declaration


def documents_columns(corpus: Declaration, planner: Planner) -> tuple[Column, ...]:
    """Columns of `corpus.<c>_read`: those of `corpus.<c>`, without what is added when its documents are counted."""
    return tuple(column for column in corpus_columns(corpus, planner) if column.name != "n_tokens")


def corpus_columns(corpus: Declaration, planner: Planner) -> tuple[Column, ...]:
    """Columns of `corpus.<c>`, all with the type that they have when the plan runs."""
    return (*promised_columns(corpus), *own_columns(corpus, planner))


def read_corpus(corpus: Declaration, planner: Planner) -> None:
    """The source as documents; what could not be read goes to the faults."""
    values, name = corpus.values, corpus.address
    promised = tuple(column for column in promised_columns(corpus) if column.name != "n_tokens")
    own = own_columns(corpus, planner)
    operation, sources = _reader(corpus, planner)
    made = unidentified_table(corpus, planner)
    last = f"{name}_fields" if own else made
    planner.add(
        f"{name}.read",
        operation,
        at=corpus.span_of("source"),
        sources=sources,
        outputs={
            "documents": Output(
                table=f"{name}_source" if values.redact else last,
                columns=promised,
                doc="Every document that could be read.",
            ),
            "faults": Output(table=f"{name}_faults", columns=DROPPED, doc="What could not be read, and why."),
        },
        doc=corpus.block.doc,
    )
    if values.redact:
        replacements = tuple(
            Replacement(what=type(entry).__name__.lower(), pattern=getattr(entry, "pattern", None), put=entry.with_)
            for entry in values.redact
        )
        planner.add(
            f"{name}.redact",
            Redact(replacements=replacements),
            at=corpus.span_of("redact"),
            inputs={"documents": planner.owners[f"{name}_source"]},
            outputs={"documents": Output(table=last, columns=promised, doc="The documents, redacted.")},
        )
    if own:
        add_own_columns(corpus, last, made, own, planner)
    identify_language(corpus, planner)


def _reader(corpus: Declaration, planner: Planner) -> tuple[Operation, tuple[str, ...]]:
    """The operation that reads the source, and the files on disk that decide its result."""
    values, source = corpus.values, corpus.values.source
    mapped = dict(sorted(values.columns.items()))
    if isinstance(source, Files):
        if "://" in source.pattern:
            operation: Operation = ReadObjects(
                corpus=corpus.name, role=values.role, pattern=source.pattern, columns=mapped, limit=values.limit
            )
            return operation, ()
        operation = ReadFiles(
            corpus=corpus.name, role=values.role, pattern=source.pattern, columns=mapped, limit=values.limit
        )
        return operation, (source.pattern,)
    if isinstance(source, HfDataset):
        dataset = ReadDataset(
            corpus=corpus.name,
            role=values.role,
            id=source.id,
            name=source.name,
            split=source.split,
            revision=planner.locked(f"{corpus.address}.read", source.id, source.revision),
            columns=mapped,
            limit=values.limit,
            token=source.token,
        )
        return dataset, ()
    table = ReadTable(corpus=corpus.name, role=values.role, uri=source.uri, columns=mapped, limit=values.limit)
    return table, () if "://" in source.uri else (source.uri,)
