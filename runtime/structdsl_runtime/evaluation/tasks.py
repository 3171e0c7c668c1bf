"""What an evaluation worker does: items in as JSON lines, one event per item out; scoring answers is the parent's."""

from __future__ import annotations

import base64
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from transformers.models.auto.modeling_auto import AutoModel, AutoModelForCausalLM
from transformers.utils import logging

from structdsl.plan import ClosedBook, EmbedDocuments
from structdsl_runtime.evaluation import embedding, generate, likelihood
from structdsl_runtime.pretrained import code_files
from structdsl_runtime.text import tokens
from structdsl_runtime.text.chat import Asked
from structdsl_runtime.training.events import Reporter
from structdsl_runtime.training.job import EvaluateJob
from structdsl_runtime.training.objective import PredictingHead

POOL: Final = 256  # documents whose windows are batched together

Items = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Share:
    """What one of several processes does: items r, r + P, r + 2P, … of the job, reported under those numbers."""

    reporter: Reporter
    rank: int
    processes: int

    def of(self, lines: Iterable[str]) -> Iterator[str]:
        return itertools.islice(lines, self.rank, None, self.processes)

    def emit(self, event: str, *, number: int, **values: Any) -> None:
        """`number` counts the items of this process."""
        self.reporter.emit(event, number=number * self.processes + self.rank, **values)


def evaluate(job: EvaluateJob, reporter: Share) -> None:
    """Go through this process's items of a job."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if isinstance(job.arguments, EmbedDocuments):
        with job.items.open(encoding="utf-8") as stream:
            embed(job.model, (json.loads(line) for line in reporter.of(stream)), reporter)
        return
    model, tokenizer = load(job.model), tokens.load(job.model)
    reference = load(job.reference) if job.reference is not None else None
    with job.items.open(encoding="utf-8") as stream:
        items = (json.loads(line) for line in reporter.of(stream))
        if isinstance(job.arguments, ClosedBook):
            answer(job.arguments, model, tokenizer, items, reporter)
        else:
            score(model, reference, tokenizer, items, reporter)


def answer(arguments: ClosedBook, model: Any, tokenizer: tokens.Tokenizer, items: Items, reporter: Share) -> None:
    """Events `item`: number, output, tokens."""
    asked = [Asked(**item) for item in items]
    stop = asked[0].stop if asked else ""  # one template is around them all
    ends = frozenset({tokenizer.eos_id, *_ids(model.config.eos_token_id), *_ids(model.generation_config.eos_token_id)})
    found = generate.answers(
        model, tokenizer, _ids_of(asked, tokenizer), max_tokens=arguments.max_tokens, ends=ends, stop=stop
    )
    for number, output, count in found:
        reporter.emit("item", number=number, output=output, tokens=count)


def _ids_of(asked: Sequence[Asked], tokenizer: tokens.Tokenizer) -> list[list[int]]:
    """What training made of such prompts."""
    plain = iter(tokenizer.encode_batch([question.prompt for question in asked if question.marks is None]))
    return [
        [*tokenizer.prefix, *next(plain)]
        if question.marks is None
        else [*itertools.chain(*tokenizer.encode_parts(question.prompt, question.lead, question.marks))]
        for question in asked
    ]


def score(model: Any, reference: Any | None, tokenizer: tokens.Tokenizer, items: Items, reporter: Share) -> None:
    """Events `item`: number, nats, tokens; the nats are of the text, or from a reference to the model."""
    head, context = PredictingHead(model), max(1, len(tokenizer.prefix))
    other = (reference, PredictingHead(reference)) if reference is not None else None
    for first in itertools.count(0, POOL):
        texts = [item["text"] for item in itertools.islice(items, POOL)]
        if not texts:
            return
        documents = [[*tokenizer.prefix, *ids, tokenizer.eos_id] for ids in tokenizer.encode_batch(texts)]
        if other is None:
            found = likelihood.document_losses(model, head, documents, context=context)
        else:
            found = likelihood.document_divergences((model, head), other, documents, context=context)
        for number, (nats, count) in enumerate(found):
            reporter.emit("item", number=first + number, nats=nats, tokens=count)


def embed(folder: Path, items: Items, reporter: Share) -> None:
    """Events `item`: number, embedding, as the bytes of its 32-bit floats in base64."""
    model = load(folder, AutoModel)
    engine = embedding.windowed(tokens.engine_of(folder), model, folder)
    for first in itertools.count(0, POOL):
        texts = [item["text"] for item in itertools.islice(items, POOL)]
        if not texts:
            return
        for number, vector in enumerate(embedding.embeddings(model, engine, texts)):
            reporter.emit("item", number=first + number, embedding=base64.b64encode(vector.tobytes()).decode())


def load(folder: Path, kind: Any = AutoModelForCausalLM) -> Any:
    """The model on the GPU in bf16 where there is one, else on the CPU in fp32.

    Attention is SDPA where the architecture has it, else plain (eager), as transformers chooses: here texts are alone.
    """
    gpu = torch.cuda.is_available()
    model: Any = kind.from_pretrained(
        folder,
        dtype=torch.bfloat16 if gpu else torch.float32,
        trust_remote_code=bool(code_files(folder)),
        use_safetensors=True,
    )
    return model.to(f"cuda:{os.environ['LOCAL_RANK']}" if gpu else "cpu").eval()


def _ids(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
