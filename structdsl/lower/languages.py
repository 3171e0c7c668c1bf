"""The language of documents: looked for only where SQL of the spec asks for `lang` and nothing says where it is.

A `lang` that nobody fills is NULL, and a condition on it drops every document. So whoever uses it has it identified:
by whatever way the corpus gets its documents, those that say no language are asked for theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.passes.places import call_span, nested_span
from structdsl.plan import IdentifyLanguage, Output
from structdsl.promised import columns, maker_of
from structdsl.schema.check import In, Rows
from structdsl.schema.corpus import Corpus
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration, Unit

LANG = "lang"
LANGUAGES = columns("doc_id VARCHAR, lang VARCHAR, score DOUBLE")
_WORD = re.compile(rf"\b{LANG}\b", re.IGNORECASE)


def unidentified_table(corpus: Declaration, planner: Planner) -> str:
    """The table of documents that is made before their language is identified, if it is."""
    return f"{corpus.address}_{'unidentified' if corpus.address in planner.languages else 'read'}"


def identify_language(corpus: Declaration, planner: Planner) -> None:
    """The language of each document, joined into the documents, where some SQL asks for it."""
    name, at = corpus.address, planner.languages.get(corpus.address)
    if at is None:
        return
    reference = planner.owners[f"{name}_unidentified"]
    address, _, output = reference.rpartition(":")
    documents = planner.steps[address].outputs[output].columns
    planner.add(
        f"{name}.identify",
        IdentifyLanguage(),
        at=at,
        inputs={"documents": reference},
        outputs={"languages": Output(table=f"{name}_languages", columns=LANGUAGES, doc="Languages of documents.")},
    )
    found = sqlglot.parse_one("coalesce(documents.lang, languages.lang) AS lang", dialect=sql.DIALECT)
    selected = [
        found if column.name == LANG else exp.column(column.name, "documents", quoted=True)
        for column in documents
        if column.name != "doc_id"
    ]
    planner.query(
        f"{name}.identified",
        "identified",
        f"{name}_read",
        documents,
        at=at,
        tables={"documents": f"{name}_unidentified", "languages": f"{name}_languages"},
        holes={"columns": selected},
        view=True,
    )


def languages_asked_for(unit: Unit) -> Mapping[str, Span]:
    """Corpora whose documents need a language, each with a place of the spec that asks for it."""
    waiting = [(table, span) for table, span in _asked(unit)]
    found: dict[str, Span] = {}
    seen: set[str] = set()
    while waiting:
        table, span = waiting.pop(0)
        block = maker_of(table, unit)
        if block is None or block.kind != "corpus" or table not in {block.address, f"{block.address}_heldout"}:
            continue
        if block.address in seen:
            continue
        seen.add(block.address)
        query = unit.queries.get(f"{block.address}.select")
        if isinstance(block.values, Corpus) and LANG in block.values.columns:
            continue
        if query is None or LANG not in {column.name.lower() for column in query.columns}:
            found[block.address] = span
        elif _takes_all(query.sql):
            waiting += [(read, span) for read in query.reads]
    return found


def _asked(unit: Unit) -> Iterator[tuple[str, Span]]:
    """Tables whose `lang` is used, and where."""
    for corpus in unit.of_kind("corpus"):
        for index, predicate in enumerate(unit.predicates.get(corpus.address, ())):
            if _names(predicate):
                yield corpus.address, corpus.values.conditions[index].span
    for key, query in unit.queries.items():
        if _names(query.sql):
            kind, name, last = key.split(".", 2)
            block = unit.blocks[f"{kind}.{name}"]
            for table in query.reads:
                yield table, _place(block, last)
    for check in unit.of_kind("check"):
        for index, expectation in enumerate(getattr(check.values, "expect", ())):
            span = call_span(check, "expect", index)
            if LANG in (getattr(expectation, "column", None), *getattr(expectation, "columns", ())):
                yield check.values.over, span
            if isinstance(expectation, In) and (expectation.other or expectation.column) == LANG:
                yield expectation.table, span


def _place(block: Declaration, last: str) -> Span:
    """A query by the end of its key: `select`, `violations`, `expect.2`, the name of a rule."""
    if block.kind == "taxonomy":
        return nested_span(block, "rule", last, "select", "where")
    if isinstance(block.values, Rows):
        return call_span(block, "expect", int(last.rpartition(".")[2]))
    return block.span_of(last)


def _names(text: str) -> bool:
    """Whether SQL uses a column `lang`."""
    if not _WORD.search(text):
        return False
    try:
        tree = sqlglot.parse_one(text, dialect=sql.DIALECT)
    except SqlglotError:
        return True  # some query of the user that only DuckDB can read
    return any(column.name.lower() == LANG for column in tree.find_all(exp.Column))


def _takes_all(text: str) -> bool:
    """Whether a query takes columns that it does not name."""
    try:
        tree = sqlglot.parse_one(text, dialect=sql.DIALECT)
    except SqlglotError:
        return True
    return any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star))
