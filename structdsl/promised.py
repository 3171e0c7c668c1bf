"""The tables that a spec promises, and their columns: what users may query, and what SQL in a spec may read.

The names belong to the language. A step that makes one of these tables takes its columns from here, and so does the
analysis of SQL that reads it; columns of a table inside the pipeline stand beside the step that makes it, or here
where more than one step is written against them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from structdsl.plan.plan import Column
from structdsl.schema.cleaning import Lines
from structdsl.schema.corpus import Files, Table
from structdsl.schema.tables import OTHER_KINDS
from structdsl.schema.taxonomy import Structurise
from structdsl.signals import SIGNALS

if TYPE_CHECKING:
    from structdsl.unit import Declaration, Unit


def columns(text: str) -> tuple[Column, ...]:
    """Columns from `name TYPE` entries, separated by commas outside brackets."""
    entries, depth, entry = [], 0, ""
    for character in text + ",":
        if character == "," and not depth:
            entries.append(entry.split(maxsplit=1))
            entry = ""
            continue
        depth += (character == "(") - (character == ")")
        entry += character
    return tuple(Column(name=name, type=" ".join(type_.split())) for name, type_ in entries)


_HEAD = "doc_id VARCHAR, corpus VARCHAR, role VARCHAR, text VARCHAR, title VARCHAR, lang VARCHAR,"
_TAIL = "n_chars BIGINT, n_tokens BIGINT, source VARCHAR, meta JSON"
_ASKED = ", question VARCHAR, answer VARCHAR, path VARCHAR, chunk_id VARCHAR"
_EXAM = ", aliases VARCHAR[], options JSON, answer_idx VARCHAR"
_TOLD = ', messages STRUCT("role" VARCHAR, "content" VARCHAR)[], shape VARCHAR'

PROMISED: Mapping[str, Mapping[str, str]] = {
    role: {column.name: column.type for column in columns(_HEAD + _TAIL + more)}
    for role, more in {
        "domain": "",
        "replay": "",
        "probe": "",
        "instruction": _ASKED + _TOLD,
        "preference": ", prompt VARCHAR, chosen VARCHAR, rejected VARCHAR" + _TOLD,
        "exam": _ASKED + _EXAM,
    }.items()
}
"""Columns of `corpus.<c>` by role, in order, with their DuckDB types."""

MESSAGES = "messages"
"""The column with the turns of a row that is a conversation, the answer or the better answer last."""

DROPPED = columns("doc_id VARCHAR, source VARCHAR, step VARCHAR, reason VARCHAR, evidence VARCHAR")
OFFSETS = columns("doc_id VARCHAR, text_byte BIGINT, file_byte BIGINT, n_bytes BIGINT")
REDACTIONS = columns("doc_id VARCHAR, kind VARCHAR, n BIGINT")
CHUNKS = columns(
    "chunk_id VARCHAR, doc_id VARCHAR, corpus VARCHAR, position BIGINT, text VARCHAR, n_tokens BIGINT,"
    "heading_path VARCHAR[], heading_id VARCHAR, start_byte BIGINT, end_byte BIGINT"
)
CLUSTERS = columns("doc_id VARCHAR, cluster_id VARCHAR, kept BOOLEAN, method VARCHAR, similarity DOUBLE")
MATCHES = columns("chunk_id VARCHAR, doc_id VARCHAR, exam VARCHAR, item VARCHAR, evidence VARCHAR")

TAXONOMY = columns(
    "node_id VARCHAR, parent_id VARCHAR, path VARCHAR, title VARCHAR, depth INTEGER, position BIGINT,"
    "n_chunks BIGINT, n_chunks_total BIGINT, n_tokens BIGINT"
)
TITLES = columns("node_id VARCHAR, title VARCHAR, source VARCHAR")
ATTEMPTS = columns(
    "rule VARCHAR, chunk_id VARCHAR, attempt INTEGER, call_id VARCHAR, path VARCHAR, verdict VARCHAR, reason VARCHAR"
)

MIXTURE = columns("position BIGINT, sample_id VARCHAR, corpus VARCHAR, role VARCHAR, epoch INTEGER, n_tokens BIGINT")
SUMMARY = columns(
    "corpus VARCHAR, population BIGINT, target BIGINT, realised BIGINT, share DOUBLE, epochs DOUBLE, binding VARCHAR"
)

SAMPLES = columns(
    "sample_id VARCHAR, kind VARCHAR, prompt VARCHAR, response VARCHAR, corpus VARCHAR, chunk_id VARCHAR,"
    "n_tokens BIGINT, n_supervised BIGINT, mask_reason VARCHAR, position BIGINT, epoch INTEGER, doc_id VARCHAR,"
    "node_id VARCHAR"
)
SEGMENTS = 'segments STRUCT("position" BIGINT, piece INTEGER, "start" INTEGER, length INTEGER)[]'
LAYOUT = columns(f"row BIGINT, {SEGMENTS}, first BIGINT, last BIGINT")
PACKED = columns(f"row BIGINT, input_ids INTEGER[], labels INTEGER[], {SEGMENTS}, n_supervised INTEGER, density DOUBLE")
LINEAGE = columns(
    "row BIGINT, start INTEGER, length INTEGER, position BIGINT, piece INTEGER, sample_id VARCHAR, kind VARCHAR,"
    "corpus VARCHAR, chunk_id VARCHAR, doc_id VARCHAR, start_byte BIGINT, end_byte BIGINT, source VARCHAR,"
    "file_start BIGINT, file_end BIGINT"
)
LOG = columns(
    "step BIGINT, loss DOUBLE, grad_norm DOUBLE, lr DOUBLE, tokens BIGINT, tokens_per_second DOUBLE,"
    "ntp DOUBLE, kl DOUBLE, supervised BIGINT, mfu DOUBLE, memory BIGINT, loss_scale DOUBLE, skipped BOOLEAN"
)
LOSS = columns("step BIGINT, corpus VARCHAR, loss DOUBLE, tokens BIGINT, kind VARCHAR, bits_per_byte DOUBLE")
CHECKPOINTS = columns("step BIGINT, path VARCHAR, bytes BIGINT")
TEACHER = columns("sample_id VARCHAR, offset BIGINT, ids INTEGER[], logprobs FLOAT[]")

ITEMS = columns(
    "model VARCHAR, task VARCHAR, item VARCHAR, prompt VARCHAR, output VARCHAR, parsed VARCHAR, answer VARCHAR,"
    "score DOUBLE, path VARCHAR, n_tokens BIGINT, n_bytes BIGINT"
)
SCORES = columns("model VARCHAR, task VARCHAR, metric VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE, n BIGINT")

FIGURES = columns("expectation VARCHAR, value DOUBLE, at_least DOUBLE, at_most DOUBLE")

CALLS = columns(
    "call_id VARCHAR, step VARCHAR, model VARCHAR, prompt VARCHAR, response VARCHAR, tokens BIGINT, seconds DOUBLE,"
    "attempt INTEGER, error VARCHAR"
)
RECORDS: Mapping[str, tuple[Column, ...]] = {
    "llm.calls": CALLS,
    "meta.runs": columns(
        "run_id VARCHAR, spec VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP, status VARCHAR,"
        "parameters MAP(VARCHAR, VARCHAR)"
    ),
    "meta.steps": columns(
        "address VARCHAR, op VARCHAR, status VARCHAR, rows BIGINT, bytes BIGINT, seconds DOUBLE, recipe VARCHAR,"
        "key VARCHAR, started_at TIMESTAMP, finished_at TIMESTAMP, error VARCHAR"
    ),
    "meta.lineage": columns("run_id VARCHAR, source VARCHAR, target VARCHAR"),
}
"""Tables that runs write beside the work: no step makes them, so no step can read them."""

# Inside the pipeline: not promised, and known to more than the step that makes them.
SIGNATURES = columns("doc_id VARCHAR, n_shingles BIGINT, digest UBIGINT, signature UINTEGER[]")
CANDIDATES = columns("doc_id VARCHAR, other VARCHAR, corpus VARCHAR, same BOOLEAN")
EMBEDDINGS = columns("doc_id VARCHAR, embedding FLOAT[]")
SIMILAR = columns("doc_id VARCHAR, other VARCHAR, corpus VARCHAR, similarity DOUBLE")
LINES = columns("doc_id VARCHAR, lines UBIGINT[]")
REPEATED = columns("line UBIGINT, documents BIGINT")
CUT_LINES = columns("doc_id VARCHAR, line BIGINT, text VARCHAR, start_byte BIGINT, end_byte BIGINT")
COUNTS = columns("doc_id VARCHAR, n_tokens BIGINT")
HEADINGS = columns(
    "heading_id VARCHAR, doc_id VARCHAR, corpus VARCHAR, parent_id VARCHAR, level INTEGER, title VARCHAR,"
    "position BIGINT, start_byte BIGINT"
)
NODES = columns(
    "node_id VARCHAR, parent_id VARCHAR, tree_id VARCHAR, corpus VARCHAR, doc_id VARCHAR, heading_id VARCHAR,"
    "path VARCHAR, title VARCHAR, depth INTEGER, position BIGINT"
)
POOL = columns(
    "sample_id VARCHAR, corpus VARCHAR, role VARCHAR, doc_id VARCHAR, chunk_id VARCHAR, heading_path VARCHAR[],"
    "text VARCHAR, n_tokens BIGINT"
)
RECALLS = columns("position BIGINT, after BIGINT, epoch INTEGER, node_id VARCHAR")
RENDERED = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, prompt VARCHAR, response VARCHAR,"
    "corpus VARCHAR, doc_id VARCHAR, chunk_id VARCHAR, node_id VARCHAR, marks INTEGER[]"
)
TOKENS = columns(
    "position BIGINT, piece INTEGER, input_ids INTEGER[], n_prompt INTEGER, n_tokens INTEGER, n_supervised INTEGER,"
    "mask_reason VARCHAR"
)

UNTYPED = '"NULL"'
"""DuckDB's type of what has none yet: a column of a source that nobody has read. It goes with every other type."""


def links(levels: tuple[str, ...]) -> tuple[Column, ...]:
    """Columns of `taxonomy.<t>_links`."""
    return (
        *columns("chunk_id VARCHAR, doc_id VARCHAR, node_id VARCHAR, path VARCHAR"),
        *(Column(name=level, type="VARCHAR") for level in levels),
        *columns("rule VARCHAR, score DOUBLE, evidence VARCHAR"),
    )


def columns_of(table: str, unit: Unit) -> tuple[Column, ...] | None:
    """Columns of a promised table, such as `corpus.notes_chunks`; none where the spec makes no such table.

    A derived corpus has the columns of its query once that was analysed, after those that its role promises.
    """
    if table in RECORDS:
        return RECORDS[table]
    block = maker_of(table, unit)
    return dict(_tables(block, unit)).get(table) if block is not None and block.values is not None else None


def maker_of(table: str, unit: Unit) -> Declaration | None:
    """The block whose steps make a table, where there is a block of this name."""
    kind, _, name = table.partition(".")
    if kind in OTHER_KINDS:
        return unit.blocks.get(f"{OTHER_KINDS[kind]}.{name}")
    stem = table
    while stem not in unit.blocks and "_" in stem:
        stem = stem.rpartition("_")[0]
    return unit.blocks.get(stem)


def promised_tables(unit: Unit) -> tuple[str, ...]:
    """Names of all tables that the steps of a spec promise, in the order of its blocks."""
    return tuple(
        table for block in unit.blocks.values() if block.values is not None for table, _ in _tables(block, unit)
    )


def _tables(block: Declaration, unit: Unit) -> Iterator[tuple[str, tuple[Column, ...]]]:
    """The promised tables of a block."""
    name = block.address
    match block.kind:
        case "corpus":
            yield from _of_corpus(block, unit)
        case "taxonomy":
            yield name, TAXONOMY
            yield f"{name}_links", links(block.values.levels)
            if any(isinstance(rule, Structurise) for rule in block.values.rules.values()):
                yield f"{name}_titles", TITLES
                yield f"{name}_attempts", ATTEMPTS
        case "mixture":
            yield name, MIXTURE
            yield f"{name}_summary", SUMMARY
        case "stage" if block.variant != "merge":
            yield f"{name}_samples", SAMPLES
            yield f"{name}_packed", PACKED
            yield f"{name}_lineage", LINEAGE
            yield f"{name}_log", LOG
            yield f"{name}_loss", LOSS
            yield f"{name}_checkpoints", CHECKPOINTS
            if block.values.distill is not None and block.values.distill.cache != "none":
                yield f"teacher.{block.name}", TEACHER
        case "evaluation":
            yield name, ITEMS
            yield f"{name}_scores", SCORES
        case "check":
            yield f"checks.{block.name}", _failing(block, unit)


def _of_corpus(corpus: Declaration, unit: Unit) -> Iterator[tuple[str, tuple[Column, ...]]]:
    name, documents = corpus.address, _documents(corpus, unit)
    yield name, documents
    yield f"{name}_dropped", DROPPED
    yield f"{name}_signals", (Column(name="doc_id", type="VARCHAR"), *SIGNALS)
    if getattr(corpus.values, "redact", ()):
        yield f"{name}_redactions", REDACTIONS
    if isinstance(getattr(corpus.values, "source", None), Files | Table):
        yield f"{name}_offsets", OFFSETS
    if corpus.values.role in {"domain", "replay", "probe"}:
        yield f"{name}_chunks", CHUNKS
    if finds_clusters(corpus):
        yield f"{name}_clusters", CLUSTERS
    if corpus.address in unit.screened:
        yield f"{name}_matches", MATCHES
    if corpus.values.holdout is not None:
        yield f"{name}_heldout", documents


def signals_of(corpus: Declaration, unit: Unit) -> tuple[Column, ...]:
    """The signals that a `keep` may name: a column of the corpus with the name of one hides it."""
    own = {column.name.lower() for column in _documents(corpus, unit)}
    return tuple(signal for signal in SIGNALS if signal.name not in own)


def converses(corpus: Declaration, unit: Unit) -> bool:
    """Whether an instruction corpus is told to have conversations: `messages` is mapped, or comes out of its query."""
    query = unit.queries.get(f"{corpus.address}.select")
    found = {column.name.lower() for column in query.columns} if query is not None else set(corpus.values.columns)
    return corpus.values.role == "instruction" and MESSAGES in found


def promised_columns(corpus: Declaration) -> tuple[Column, ...]:
    """Columns that a corpus has by its role."""
    return tuple(Column(name=name, type=type_) for name, type_ in PROMISED[corpus.values.role].items())


def finds_clusters(corpus: Declaration) -> bool:
    """Whether a corpus looks for documents that are alike; repeated lines are cut out, and make no clusters."""
    return any(not isinstance(method, Lines) for method in corpus.values.dedup)


def _documents(corpus: Declaration, unit: Unit) -> tuple[Column, ...]:
    columns = {column.name: column for column in promised_columns(corpus)}
    for name in (*getattr(corpus.values, "columns", ()), *unit.unpromised.get(corpus.address, ())):
        columns.setdefault(name, Column(name=name, type=UNTYPED))
    query = unit.queries.get(f"{corpus.address}.select")
    for column in query.columns if query is not None else ():
        columns.setdefault(column.name, column)
    return tuple(columns.values())


def _failing(check: Declaration, unit: Unit) -> tuple[Column, ...]:
    """What a check shows: rows, each with the expectation that it fails; figures of a whole table; or its query."""
    if check.variant == "distribution":
        return FIGURES
    if check.variant == "rows":
        return (Column(name="expectation", type="VARCHAR"), *(columns_of(check.values.over, unit) or ()))
    query = unit.queries.get(f"{check.address}.violations")
    return query.columns if query is not None else ()
