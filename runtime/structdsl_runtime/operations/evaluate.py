"""Evaluation tasks as steps: items out to a worker, events back, scores into the table `items`.

The worker is a process of its own: the executor never imports torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from structdsl.plan import ClosedBook, Perplexity
from structdsl_runtime.evaluation.questions import item_of, prompts
from structdsl_runtime.evaluation.scoring import exact_match, parse
from structdsl_runtime.machine import gpus, processors
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.training.job import EvaluateJob
from structdsl_runtime.training.launch import launch

WORKER: Final = "structdsl_runtime.evaluation.worker"


def closed_book(arguments: ClosedBook, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Ask the folder `model` each question of the table `exam`; score 1 where it says an accepted answer, else 0.

    `prompt`, `output`, `parsed` (its first line with text) and `answer` are kept as they are; `n_tokens` and `n_bytes`
    are those of the output. Raises Fault E0805 where the worker died.
    """
    columns = "doc_id, question, answer, aliases, path"
    items = [item_of(row) for row in inputs.rows("exam", columns=columns, order="doc_id")]
    asked = prompts(items, shots=arguments.shots, seed=arguments.seed)
    found: dict[int, tuple[str, int]] = {}

    def record(event: dict[str, Any]) -> None:
        found[event["number"]] = event["output"], event["tokens"]
        context.progress(len(found), len(items), "questions")

    _run(arguments, inputs, context, ({"prompt": prompt} for prompt in asked), record)
    with outputs.table("items") as table:
        for number, item in enumerate(items):
            output, count = found[number]
            parsed = parse(output)
            table.row(
                model=arguments.model,
                task=arguments.task,
                item=item.item,
                prompt=asked[number],
                output=output,
                parsed=parsed,
                answer=item.answer,
                score=float(exact_match(parsed, item.accepted)),
                path=item.path,
                n_tokens=count,
                n_bytes=len(output.encode()),
            )


def perplexity(arguments: Perplexity, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Score each document of the table `documents`: nats per token, the end of the text scored as a token.

    `n_tokens` counts scored tokens, `n_bytes` the UTF-8 bytes of the text, so that nats per byte compare models of
    different tokenizers. Raises Fault E0805 where the worker died.
    """
    total = inputs.count("documents")
    known: list[tuple[str, int]] = []
    found: dict[int, tuple[float, int]] = {}

    def documents() -> Iterable[dict[str, Any]]:
        for row in inputs.rows("documents", columns="doc_id, text", order="doc_id"):
            known.append((row["doc_id"], len(row["text"].encode())))
            yield {"text": row["text"]}

    def record(event: dict[str, Any]) -> None:
        found[event["number"]] = event["nats"], event["tokens"]
        context.progress(len(found), total, "documents")

    _run(arguments, inputs, context, documents(), record)
    with outputs.table("items") as table:
        for number, (item, size) in enumerate(known):
            nats, count = found[number]
            table.row(
                model=arguments.model,
                task=arguments.task,
                item=item,
                prompt=None,
                output=None,
                parsed=None,
                answer=None,
                score=nats / count,
                path=None,
                n_tokens=count,
                n_bytes=size,
            )


def _run(
    arguments: ClosedBook | Perplexity,
    inputs: Inputs,
    context: Context,
    items: Iterable[dict[str, Any]],
    record: Callable[[dict[str, Any]], None],
) -> None:
    """Have a worker go through `items`; nothing is started where there are none."""
    path = context.scratch / "items.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        count = sum(stream.write(json.dumps(item, ensure_ascii=False) + "\n") > 0 for item in items)
    if not count:
        return
    events = context.scratch / "events"
    events.mkdir()
    job = EvaluateJob(
        arguments=arguments, model=inputs.folder("model"), items=path, events=events, executor=os.getpid()
    )
    described = context.scratch / "job.json"
    described.write_text(job.model_dump_json(), encoding="utf-8")

    def on_event(event: dict[str, Any]) -> None:
        if event.pop("event") == "item":
            record(event)

    processes = min(arguments.processes, count, gpus() or processors())  # any number finds the same
    launch(WORKER, described, events, processes=processes, context=context, on_event=on_event)
