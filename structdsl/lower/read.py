"""Sources into documents: every reader yields the same columns, and says what it could not read."""

from __future__ import annotations

from structdsl.lower.languages import identify_language, unidentified_table
from structdsl.lower.own_columns import add_own_columns, own_columns
from structdsl.lower.planner import Planner
from structdsl.plan import (
    Column,
    Normalisation,
    Output,
    ReadDataset,
    ReadFiles,
    ReadObjects,
    ReadTable,
    Replacement,
)
from structdsl.promised import DROPPED, OFFSETS, REDACTIONS, promised_columns
from structdsl.schema.cleaning import REDACTIONS as REDACTIONS_BY_NAME
from structdsl.schema.cleaning import Boilerplate, Lines, Redaction, Unicode, Whitespace
from structdsl.schema.corpus import Files, HfDataset
from structdsl.unit import Declaration


def offsets_as_read(corpus: Declaration) -> str:
    """Where reading says which bytes of a text are which of its file; lines that are cut later move them."""
    cut = any(isinstance(method, Lines) for method in corpus.values.dedup)
    return f"{corpus.address}_read_offsets" if cut else f"{corpus.address}_offsets"


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
    operation = operation.model_copy(
        update={
            "columns": dict(sorted(values.columns.items())),
            "limit": values.limit,
            "normalise": tuple(_normalisation(entry) for entry in values.normalise),
            "redact": tuple(_replacement(entry) for entry in values.redact),
        }
    )
    redactions = {
        "redactions": Output(
            table=f"{name}_redactions", columns=REDACTIONS, doc="How often what was redacted, by document and kind."
        )
    }
    offsets = {
        "offsets": Output(
            table=offsets_as_read(corpus),
            columns=OFFSETS,
            doc="Where the texts stand in their files, as far as is known.",
        )
    }
    made = unidentified_table(corpus, planner)
    last = f"{name}_fields" if own else made
    planner.add(
        f"{name}.read",
        operation,
        at=corpus.span_of("source"),
        sources=sources,
        outputs={
            "documents": Output(table=last, columns=promised, doc="Every document that could be read."),
            "faults": Output(table=f"{name}_faults", columns=DROPPED, doc="What could not be read, and why."),
            **(offsets if not isinstance(operation, ReadDataset) else {}),
            **(redactions if values.redact else {}),
        },
        doc=corpus.block.doc,
    )
    if own:
        add_own_columns(corpus, last, made, own, planner)
    identify_language(corpus, planner)


def _reader(
    corpus: Declaration, planner: Planner
) -> tuple[ReadFiles | ReadObjects | ReadDataset | ReadTable, tuple[str, ...]]:
    """The operation that reads the source, as far as the source decides it, and the files that decide its result."""
    name, role, source = corpus.name, corpus.values.role, corpus.values.source
    if isinstance(source, Files):
        if "://" in source.pattern:
            return ReadObjects(corpus=name, role=role, pattern=source.pattern), (source.pattern,)
        return ReadFiles(corpus=name, role=role, pattern=source.pattern), (source.pattern,)
    if isinstance(source, HfDataset):
        dataset = ReadDataset(
            corpus=name,
            role=role,
            id=source.id,
            name=source.name,
            split=source.split,
            revision=planner.locked(f"{corpus.address}.read", source.id, source.revision),
            token=source.token,
        )
        return dataset, (dataset.place,) if dataset.place is not None else ()
    table = ReadTable(corpus=name, role=role, uri=source.uri)
    return table, (table.place, table.log) if table.is_of_database else (table.place,)


def _normalisation(entry: Unicode | Whitespace | Boilerplate) -> Normalisation:
    match entry:
        case Unicode(form=form):
            return Normalisation(what="unicode", form=form)
        case Whitespace():
            return Normalisation(what="whitespace")
        case Boilerplate(max_words=words, phrases=phrases):
            return Normalisation(what="boilerplate", max_words=words, phrases=phrases)


def _replacement(entry: Redaction) -> Replacement:
    what = next(name for name, schema in REDACTIONS_BY_NAME.items() if isinstance(entry, schema))
    return Replacement.model_validate({"what": what, "pattern": getattr(entry, "pattern", None), "put": entry.with_})
