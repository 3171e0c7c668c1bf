"""One evaluation task: `python -m structdsl_runtime.evaluation.worker job.json`.

Reads items as JSON lines, reports one event per item; scoring against answers is the parent's.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from structdsl.plan import ClosedBook
from structdsl_runtime.text import tokens
from structdsl_runtime.training.events import Reporter, end_with, failures
from structdsl_runtime.training.job import EvaluateJob

POOL: Final = 256  # documents whose windows are batched together


def main(path: str) -> None:
    job = EvaluateJob.model_validate_json(Path(path).read_bytes())
    end_with(job.executor)
    with failures(job.events, rank=0):
        evaluate(job, Reporter(job.events, rank=0))


def evaluate(job: EvaluateJob, reporter: Reporter) -> None:
    model, tokenizer = _model(job.model), tokens.load(job.model)
    with job.items.open(encoding="utf-8") as stream:
        items = (json.loads(line) for line in stream)
        if isinstance(job.arguments, ClosedBook):
            answer(job.arguments, model, tokenizer, items, reporter)
        else:
            score(model, tokenizer, items, reporter)


def answer(
    arguments: ClosedBook, model: Any, tokenizer: tokens.Tokenizer, items: Iterator[dict[str, Any]], reporter: Reporter  # noqa: ANN401
) -> None:
    """Events `item`: number, output, tokens."""
    from structdsl_runtime.evaluation import generate  # noqa: PLC0415

    prompts = [item["prompt"] for item in items]
    ends = frozenset({tokenizer.eos_id, *_ids(model.config.eos_token_id), *_ids(model.generation_config.eos_token_id)})
    for number, output, count in generate.answers(
        model, tokenizer, prompts, max_tokens=arguments.max_tokens, ends=ends
    ):
        reporter.emit("item", number=number, output=output, tokens=count)


def score(model: Any, tokenizer: tokens.Tokenizer, items: Iterator[dict[str, Any]], reporter: Reporter) -> None:  # noqa: ANN401
    """Events `item`: number, nats, tokens."""
    from structdsl_runtime.evaluation import likelihood  # noqa: PLC0415
    from structdsl_runtime.training.objective import PredictingHead  # noqa: PLC0415

    head = PredictingHead(model)
    context = max(1, len(tokenizer.prefix))
    for first in itertools.count(0, POOL):
        texts = [item["text"] for item in itertools.islice(items, POOL)]
        if not texts:
            return
        documents = [[*tokenizer.prefix, *ids, tokenizer.eos_id] for ids in tokenizer.encode_batch(texts)]
        for number, (nats, count) in enumerate(likelihood.document_losses(model, head, documents, context=context)):
            reporter.emit("item", number=first + number, nats=nats, tokens=count)


def _model(folder: Path) -> Any:  # noqa: ANN401
    """The model on the GPU in bf16 where there is one, else on the CPU in fp32."""
    sys.modules.setdefault("datasets", None)  # type: ignore[arg-type] (None: "not installed"; it is never used here)
    gc.disable()
    import torch  # noqa: PLC0415
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM  # noqa: PLC0415

    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()
    gpu = torch.cuda.is_available() and os.environ.get("DS_ACCELERATOR") != "cpu"
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16 if gpu else torch.float32, attn_implementation="sdpa"
    )
    gc.enable()
    gc.freeze()
    return model.to("cuda" if gpu else "cpu").eval()


def _ids(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    main(sys.argv[1])
