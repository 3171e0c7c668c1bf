"""Suffixes of the tables that a block makes: `corpus.notes_chunks` is a table of `corpus.notes`.

The promised ones are part of the language and may be referred to; all of them are names that no block may take.
"""

from __future__ import annotations

from collections.abc import Mapping

PROMISED_TABLES: Mapping[str, tuple[str, ...]] = {
    "corpus": ("dropped", "offsets", "redactions", "chunks", "clusters", "matches", "heldout", "signals"),
    "taxonomy": ("links", "titles", "attempts"),
    "mixture": ("summary",),
    "stage": ("samples", "packed", "lineage", "log", "loss", "checkpoints"),
    "evaluation": ("scores",),
}

OTHER_KINDS: Mapping[str, str] = {"checks": "check", "teacher": "stage"}
"""Schemas of tables that are called otherwise than the kind of block that makes them."""

RECORDS = ("llm", "meta")
"""Schemas of what runs write beside the work: `meta.steps` and the like, which no block may read."""

INNER_TABLES: Mapping[str, tuple[str, ...]] = {
    "corpus": ("read", "faults", "counts", "verdicts", "headings", "kept", "cut", "screened", "read_offsets"),
    "taxonomy": ("nodes", "trees", "named", "outlined"),
    "mixture": ("pool", "quotas", "drawn", "scores"),
    "stage": ("rows", "rendered", "tokens", "layout", "difficulty", "chosen"),
    "evaluation": ("gates", "gate"),
}
"""Tables inside the pipeline: there to be looked at, and free to change."""
