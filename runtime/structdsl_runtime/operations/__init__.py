"""Every operation that a plan may name."""

from dataclasses import replace

from structdsl_runtime.operation import Function
from structdsl_runtime.operations.build_outline import build_outline
from structdsl_runtime.operations.cache_teacher import cache_teacher
from structdsl_runtime.operations.chunk import chunk
from structdsl_runtime.operations.chunk_sections import chunk_sections
from structdsl_runtime.operations.chunk_tokens import chunk_tokens
from structdsl_runtime.operations.count_tokens import count_tokens
from structdsl_runtime.operations.decontaminate import decontaminate
from structdsl_runtime.operations.dedup_documents import cluster_documents, compare_documents, sign_documents
from structdsl_runtime.operations.dedup_lines import dedup_lines, number_lines
from structdsl_runtime.operations.embed_documents import compare_embeddings, embed_documents
from structdsl_runtime.operations.evaluate import closed_book, divergence, perplexity
from structdsl_runtime.operations.fixture import fixture
from structdsl_runtime.operations.identify_language import identify_language
from structdsl_runtime.operations.measure_signals import measure_signals
from structdsl_runtime.operations.merge_models import merge_models
from structdsl_runtime.operations.models import fetch_model, load_model, scratch_model
from structdsl_runtime.operations.pack import pack
from structdsl_runtime.operations.query import query
from structdsl_runtime.operations.read_dataset import read_dataset
from structdsl_runtime.operations.read_files import read_files, read_objects
from structdsl_runtime.operations.read_table import is_database, read_table
from structdsl_runtime.operations.read_terms import read_terms
from structdsl_runtime.operations.render_chat import render_chat
from structdsl_runtime.operations.render_scpt import render_scpt
from structdsl_runtime.operations.render_ssft import render_ssft
from structdsl_runtime.operations.schedule_recalls import schedule_recalls
from structdsl_runtime.operations.score_rows import score_rows
from structdsl_runtime.operations.split_conversations import split_conversations
from structdsl_runtime.operations.tokenise import tokenise
from structdsl_runtime.operations.tokenizer import fetch_tokenizer, load_tokenizer, train_tokenizer
from structdsl_runtime.operations.train import train
from structdsl_runtime.parts import Divided
from structdsl_runtime.reading.in_parts import READING

OPERATIONS: dict[str, Function] = {
    "read_files": read_files,
    "read_objects": read_objects,
    "read_dataset": read_dataset,
    "read_table": read_table,
    "read_terms": read_terms,
    "train_tokenizer": train_tokenizer,
    "load_tokenizer": load_tokenizer,
    "fetch_tokenizer": fetch_tokenizer,
    "scratch_model": scratch_model,
    "load_model": load_model,
    "fetch_model": fetch_model,
    "merge_models": merge_models,
    "count_tokens": count_tokens,
    "query": query,
    "split_conversations": split_conversations,
    "identify_language": identify_language,
    "measure_signals": measure_signals,
    "chunk": chunk,
    "sign_documents": sign_documents,
    "compare_documents": compare_documents,
    "cluster_documents": cluster_documents,
    "embed_documents": embed_documents,
    "compare_embeddings": compare_embeddings,
    "number_lines": number_lines,
    "dedup_lines": dedup_lines,
    "chunk_sections": chunk_sections,
    "chunk_tokens": chunk_tokens,
    "decontaminate": decontaminate,
    "build_outline": build_outline,
    "fixture": fixture,
    "render_chat": render_chat,
    "score_rows": score_rows,
    "render_scpt": render_scpt,
    "schedule_recalls": schedule_recalls,
    "render_ssft": render_ssft,
    "tokenise": tokenise,
    "pack": pack,
    "cache_teacher": cache_teacher,
    "train": train,
    "closed_book": closed_book,
    "divergence": divergence,
    "perplexity": perplexity,
}
"""Operations by name; `view` is no operation, the executor defines it."""

DIVIDED: dict[str, Divided] = {
    "read_files": READING,
    "read_objects": READING,
    "read_table": replace(READING, applies=lambda arguments: READING.applies(arguments) and not is_database(arguments)),
}
"""Those that divide their own work, and how."""

__all__ = ["DIVIDED", "OPERATIONS"]
