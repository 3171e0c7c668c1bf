"""The promised tables and their columns, from the one place that promises them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from docs.columns import meaning
from structdsl import promised
from structdsl.plan import Column
from structdsl.signals import SIGNALS

TABLES: tuple[tuple[str, str, Iterable[Column]], ...] = (
    ("corpus.<c>_dropped", "What left the corpus, where and why.", promised.DROPPED),
    ("corpus.<c>_redactions", "What `redact` replaced in each document, by kind.", promised.REDACTIONS),
    ("corpus.<c>_chunks", "Its documents, cut for training.", promised.CHUNKS),
    ("corpus.<c>_clusters", "Documents that `dedup` holds for the same.", promised.CLUSTERS),
    (
        "corpus.<c>_signals",
        "What was measured of each document: what its `keep` names, or all where a block of the spec reads the table.",
        (Column(name="doc_id", type="VARCHAR"), *SIGNALS),
    ),
    ("corpus.<c>_matches", "What `decontaminate` found of an exam, and where.", promised.MATCHES),
    (
        "corpus.<c>_offsets",
        "Which bytes of a text are which of its file, as far as is known: not of HTML, PDF, Parquet, Arrow, databases.",
        promised.OFFSETS,
    ),
    ("taxonomy.<t>", "A row a node.", promised.TAXONOMY),
    (
        "taxonomy.<t>_links",
        "A row a chunk, with the node that it has; and a column for each of `levels`.",
        promised.links(()),
    ),
    ("taxonomy.<t>_titles", "Titles of nodes, and where they come from.", promised.TITLES),
    ("taxonomy.<t>_attempts", "What a model was asked, and what became of its answer.", promised.ATTEMPTS),
    ("mixture.<m>", "A row for each that is drawn, in the order in which it is read.", promised.MIXTURE),
    (
        "mixture.<m>_summary",
        "What was asked of each corpus, what it has, and what bound it: `max_epochs`, whole `rows`, or the `budget`.",
        promised.SUMMARY,
    ),
    ("stage.<s>_samples", "What the stage is shown, before it is tokenised.", promised.SAMPLES),
    ("stage.<s>_packed", "The rows that it trains on.", promised.PACKED),
    (
        "stage.<s>_lineage",
        (
            "Every stretch of these rows: its sample, chunk and document, its bytes in `text` and in the file. Where no"
            " bytes of the file are the text, `file_start` and `file_end` are NULL; `source` names file and row."
        ),
        promised.LINEAGE,
    ),
    ("stage.<s>_log", "A row an optimizer step.", promised.LOG),
    (
        "stage.<s>_loss",
        "The loss of each corpus: what is trained on, a row a step; what `track` names, when it is measured.",
        promised.LOSS,
    ),
    ("stage.<s>_checkpoints", "What was saved on the way.", promised.CHECKPOINTS),
    ("teacher.<s>", "Cached targets of the teacher.", promised.TEACHER),
    ("evaluation.<e>", "Every item that a model was asked.", promised.ITEMS),
    ("evaluation.<e>_scores", "The scores, with their intervals.", promised.SCORES),
)

RECORDS: Mapping[str, str] = {
    "llm.calls": "A row a call of a language model by a rule or a writer of the spec.",
    "meta.runs": "A row a run of this spec.",
    "meta.steps": "The steps of one run: the latest, or the one that `--run` names.",
    "meta.lineage": "Which step reads from which, in every run.",
}

OPENING = """\
Everything lands in a table that `structdsl query` reads, also while a run is going on. These names and columns are part
of the language; a version may add columns, and takes none away."""


def tables() -> str:
    """The page."""
    parts = [
        "# Tables",
        OPENING,
        "## `corpus.<c>`\n\nThe documents that stayed; the columns depend on the role.",
        _roles(),
        "## `corpus.<c>_heldout`\n\nThe documents that `holdout` takes away; its columns are those of `corpus.<c>`.",
    ]
    for name, about, columns in TABLES:
        parts.append(f"## `{name}`\n\n{about}\n\n{_columns(name, columns)}")
    parts.append("## `checks.<name>`\n\nThe rows that fail a `check`, with the columns of what it looks at.")
    for name, columns in promised.RECORDS.items():
        parts.append(f"## `{name}`\n\n{RECORDS[name]}\n\n{_columns(name, columns)}")
    return "\n\n".join(parts) + "\n"


def _roles() -> str:
    """Columns that all roles have, and what each has besides."""
    rows = ["| column | type | of the roles | |", "| --- | --- | --- | --- |"]
    roles = promised.PROMISED
    columns = {name: type_ for each in roles.values() for name, type_ in each.items()}
    for name, type_ in columns.items():
        having = [role for role, each in roles.items() if name in each]
        told = "all" if len(having) == len(roles) else ", ".join(having)
        rows.append(f"| `{name}` | {type_} | {told} | {meaning('corpus.<c>', name)} |")
    return "\n".join(rows)


def _columns(table: str, columns: Iterable[Column]) -> str:
    """A row a column, with what it means."""
    rows = [f"| `{column.name}` | {column.type} | {column.doc or meaning(table, column.name)} |" for column in columns]
    return "\n".join(["| column | type | |", "| --- | --- | --- |", *rows])
