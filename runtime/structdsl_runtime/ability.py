"""What this runtime cannot do yet: asked of a plan before its first step, so that no work is begun in vain.

`compile` accepts the whole language. A step is missing where its operation is not there, or where the operation is and
passes over one of its arguments. Nothing heavy is imported: names stand here as literals, and a test holds them to the
operations that there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from structdsl.plan import (
    CacheTeacher,
    Place,
    Plan,
    ReadTable,
    Step,
)
from structdsl.plan.addresses import is_remote
from structdsl_runtime.order import selected

CARRIED_OUT = frozenset(
    {
        "build_outline",
        "cache_teacher",
        "chunk",
        "chunk_sections",
        "chunk_tokens",
        "closed_book",
        "cluster_documents",
        "compare_documents",
        "compare_embeddings",
        "count_tokens",
        "decontaminate",
        "dedup_lines",
        "divergence",
        "embed_documents",
        "fetch_model",
        "fetch_tokenizer",
        "fixture",
        "identify_language",
        "lay_out",
        "load_model",
        "load_tokenizer",
        "measure_signals",
        "merge_models",
        "number_lines",
        "pack",
        "perplexity",
        "query",
        "read_dataset",
        "read_files",
        "read_objects",
        "read_table",
        "read_terms",
        "render_chat",
        "render_scpt",
        "render_ssft",
        "score_rows",
        "scratch_model",
        "sign_documents",
        "split_conversations",
        "tokenise",
        "train",
        "train_tokenizer",
        "view",
    }
)
"""Operations of this runtime; `view` is the executor's own."""

WORDS = {
    "dpo": "a stage of variant dpo",
    "embed_chunks": "a rule of variant embedding",
    "endpoint": "asking a server (`endpoint`)",
    "group_by_cohesion": "a rule of variant cohesion",
    "lm_eval": "the task `lm_eval`",
    "map_python": "a corpus made in Python (`python`)",
    "multiple_choice": "the task `multiple_choice`",
    "read_structure": "a rule of variant given",
    "recall": "the task `recall`",
    "score_samples": "choosing rows by a model (`easiest`, `fas`)",
    "structurise": "a rule of variant structurise",
    "synthesise": "a corpus of variant synthetic",
}
"""Operations of the language that are not here, in the words of the language."""


FILES_OF_ROWS = (".parquet", ".arrow", ".feather", ".csv", ".tsv", ".jsonl", ".ndjson", ".gz", ".zst")
"""Ends of addresses behind which there are files, and no database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something that a step needs, and where the spec asks for it; `what` completes "… is not built yet"."""

    address: str
    place: Place
    what: str


def missing(plan: Plan, only: Collection[str] | None = None) -> tuple[Missing, ...]:
    """All that a run of a plan, or of the steps `only` and what they are made from, would need and not find."""
    return tuple(found for step in selected(plan, only) for found in _missing(step))


def _missing(step: Step) -> Iterator[Missing]:
    op = step.operation.op
    if op not in CARRIED_OUT:
        yield Missing(address=step.address, place=step.place, what=WORDS.get(op, f"the operation `{op}`"))
        return
    for attribute, what in _passed_over(step):
        place = step.places.get(attribute, step.place)
        yield Missing(address=step.address, place=place, what=what)


def _passed_over(step: Step) -> Iterator[tuple[str, str]]:
    """Attributes of the spec that the operation is told of and takes no notice of, and what they ask for."""
    if step.placement is not None and step.placement.processes > 1:
        yield "cluster", "making data on several processes (`cluster`)"
    match step.operation:
        case ReadTable(uri=uri) if is_remote(uri) and not uri.lower().endswith(FILES_OF_ROWS):
            yield "source", f"reading a table of a database (`{uri.partition('://')[0]}://`)"
        case CacheTeacher(cache=cache) if cache.method != "hidden":
            yield "distill", f"`cache = {cache.method}`"
        case _:
            pass
