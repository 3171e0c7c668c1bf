"""Every operation that a plan may name, each loaded when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from structdsl_runtime.operation import Function
from structdsl_runtime.parts import Divided
from structdsl_runtime.reading.in_parts import READING


@dataclass(frozen=True, slots=True)
class Operations(Mapping[str, Function]):
    """Functions by their names, each of a module of this package: a run loads what its plan names, and no more."""

    modules: Mapping[str, str]

    def __getitem__(self, name: str) -> Function:
        found: Function = getattr(import_module(f"{__name__}.{self.modules[name]}"), name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.modules  # which loads nothing

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)


OPERATIONS: Final = Operations(
    {
        "read_files": "read_files",
        "read_objects": "read_files",
        "read_dataset": "read_dataset",
        "read_table": "read_table",
        "read_terms": "read_terms",
        "train_tokenizer": "tokenizer",
        "load_tokenizer": "tokenizer",
        "fetch_tokenizer": "tokenizer",
        "scratch_model": "models",
        "load_model": "models",
        "fetch_model": "models",
        "merge_models": "merge_models",
        "count_tokens": "count_tokens",
        "query": "query",
        "split_conversations": "split_conversations",
        "identify_language": "identify_language",
        "measure_signals": "measure_signals",
        "chunk": "chunk",
        "sign_documents": "dedup_documents",
        "compare_documents": "dedup_documents",
        "cluster_documents": "dedup_documents",
        "embed_documents": "embed_documents",
        "compare_embeddings": "embed_documents",
        "number_lines": "dedup_lines",
        "dedup_lines": "dedup_lines",
        "chunk_sections": "chunk_sections",
        "chunk_tokens": "chunk_tokens",
        "decontaminate": "decontaminate",
        "build_outline": "build_outline",
        "fixture": "fixture",
        "render_chat": "render_chat",
        "score_rows": "score_rows",
        "render_scpt": "render_scpt",
        "render_ssft": "render_ssft",
        "tokenise": "tokenise",
        "lay_out": "lay_out",
        "pack": "pack",
        "cache_teacher": "cache_teacher",
        "train": "train",
        "closed_book": "evaluate",
        "divergence": "evaluate",
        "perplexity": "evaluate",
    }
)
"""Operations by name; `view` is no operation, the executor defines it."""


DIVIDED: Final[Mapping[str, Divided]] = {
    "read_files": READING,
    "read_objects": READING,
    "read_table": READING,
}
"""Those that divide their own work, and how."""

__all__ = ["DIVIDED", "OPERATIONS"]
