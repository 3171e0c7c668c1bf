"""Evaluation tasks as steps: items out to a worker, events back, scores into the table `items`.

The worker is a process of its own: the executor never imports torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from structdsl.plan import ClosedBook, Divergence, EmbedDocuments, Perplexity
from structdsl.plan.operations.evaluation import Asked
from structdsl_runtime.evaluation.questions import Item, chats, item_of, prompts
from structdsl_runtime.evaluation.scoring import exact_match, parse
from structdsl_runtime.machine import gpus, processors
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs, TableWriter
from structdsl_runtime.pretrained import read_json
from structdsl_runtime.text import chat, tokens
from structdsl_runtime.training.job import EvaluateJob
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.torchrun import is_spread

WORKER: Final = "structdsl_runtime.evaluation.worker"


def closed_book(arguments: ClosedBook, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Ask the folder `model` each question of the table `exam`; score 1 where it says an accepted answer, else 0.

    It is asked in the chat template that it was trained in, where there is one. `prompt`, `output`, `parsed` (its first
    line with text) and `answer` are kept as they are; `n_tokens` and `n_bytes` are those of the output. Raises Fault
    E0805 where the worker died, and those of a chat template.
    """
    columns = "doc_id, question, answer, aliases, path"
    items = [item_of(row) for row in inputs.rows("exam", columns=columns, order="doc_id")]
    asked = _asked(items, arguments, inputs, context)
    found: dict[int, tuple[str, int]] = {}

    def record(event: dict[str, Any]) -> None:
        found[event["number"]] = event["output"], event["tokens"]
        context.progress(len(found), len(items), "questions")

    ask(arguments, inputs, context, (asdict(question) for question in asked), record)
    with outputs.table("items") as table:
        for number, item in enumerate(items):
            output, count = found[number]
            parsed = parse(output)
            table.row(
                model=arguments.model,
                task=arguments.task,
                item=item.item,
                prompt=asked[number].prompt + asked[number].lead,
                output=output,
                parsed=parsed,
                answer=item.answer,
                score=float(exact_match(parsed, item.accepted)),
                path=item.path,
                n_tokens=count,
                n_bytes=len(output.encode()),
            )


def _asked(items: list[Item], arguments: ClosedBook, inputs: Inputs, context: Context) -> list[chat.Asked]:
    """Each item as the model was trained to be asked."""
    if arguments.template is None:
        plain = prompts(items, shots=arguments.shots, seed=arguments.seed)
        return [chat.Asked(prompt) for prompt in plain]
    template = chat.of_step(arguments.template, tokens.load(inputs.folder("tokenizer")), inputs, context)
    return chats(items, template, shots=arguments.shots, seed=arguments.seed)


def perplexity(arguments: Perplexity, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Score each document of the table `documents`: nats per token, the end of the text scored as a token.

    `n_tokens` counts scored tokens, `n_bytes` the UTF-8 bytes of the text, so that nats per byte compare models of
    different tokenizers. Raises Fault E0805 where the worker died.
    """
    _documents(arguments, inputs, outputs, context)


def divergence(arguments: Divergence, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Hold the folder `model` against the folder `reference` on each document of the table `documents`.

    The score is KL(reference ‖ model) in nats per token, over the tokens that `perplexity` scores; a model is not asked
    how far it is from itself. Raises Fault E0708 where the two read with different tokenizers, E0805 where the worker
    died.
    """
    model, reference = inputs.folder("model"), inputs.folder("reference")
    if model.resolve() == reference.resolve():
        _unmoved(arguments, tokens.load(model), inputs, outputs)
        return
    sizes = [read_json(folder / "config.json", str(folder)).get("vocab_size") for folder in (model, reference)]
    if sizes[0] != sizes[1] or not tokens.same(model, reference):
        raise Fault(
            "E0708",
            f"`{arguments.model}` and what `{arguments.task}` is measured from read with different tokenizers",
            notes=(f"entry for entry their distributions, over {sizes[0]} and {sizes[1]}, are of other tokens",),
            helps=("measure the divergence from a model that shares the tokenizer",),
        )
    _documents(arguments, inputs, outputs, context, reference)


def _unmoved(arguments: Divergence, tokenizer: tokens.Tokenizer, inputs: Inputs, outputs: Outputs) -> None:
    """The items of a model that is its own reference: 0 for each, with no model asked."""
    before = max(0, 1 - len(tokenizer.prefix))  # the first token is context where no prefix is
    with outputs.table("items") as table:
        for row in inputs.rows("documents", columns="doc_id, text", order="doc_id"):
            count = tokenizer.count_batch([row["text"]])[0] + 1 - before
            _text_item(table, arguments, row["doc_id"], 0.0, count, len(row["text"].encode()))


def _documents(
    arguments: Perplexity | Divergence,
    inputs: Inputs,
    outputs: Outputs,
    context: Context,
    reference: Path | None = None,
) -> None:
    """A score in nats per token for each document."""
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

    ask(arguments, inputs, context, documents(), record, reference)
    with outputs.table("items") as table:
        for number, (item, size) in enumerate(known):
            nats, count = found[number]
            _text_item(table, arguments, item, nats / count, count, size)


def losses(texts: Iterable[str], inputs: Inputs, context: Context, *, total: int, unit: str) -> list[tuple[float, int]]:
    """Nats and scored tokens of each text, by the folder `model`, as `perplexity` finds them."""
    found: dict[int, tuple[float, int]] = {}

    def record(event: dict[str, Any]) -> None:
        found[event["number"]] = event["nats"], event["tokens"]
        context.progress(len(found), total, unit)

    asked = Perplexity(model=context.address, task=context.address)
    ask(asked, inputs, context, ({"text": text} for text in texts), record)
    return [found[number] for number in range(len(found))]


def _text_item(
    table: TableWriter, arguments: Perplexity | Divergence, item: str, score: float, n_tokens: int, n_bytes: int
) -> None:
    table.row(
        model=arguments.model,
        task=arguments.task,
        item=item,
        prompt=None,
        output=None,
        parsed=None,
        answer=None,
        score=score,
        path=None,
        n_tokens=n_tokens,
        n_bytes=n_bytes,
    )


def ask(
    arguments: ClosedBook | Perplexity | Divergence | EmbedDocuments,
    inputs: Inputs,
    context: Context,
    items: Iterable[dict[str, Any]],
    record: Callable[[dict[str, Any]], None],
    reference: Path | None = None,
) -> None:
    """Have a worker go through `items` with the folder `model`; nothing is started where there are none.

    Raises Fault E0805 where the worker died.
    """
    path = context.scratch / "items.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        count = sum(stream.write(json.dumps(item, ensure_ascii=False) + "\n") > 0 for item in items)
    if not count:
        return
    events = context.scratch / "events"
    events.mkdir()
    job = EvaluateJob(
        arguments=arguments,
        model=inputs.folder("model"),
        items=path,
        events=events,
        executor=os.getpid(),
        reference=reference,
    )
    described = context.scratch / "job.json"
    described.write_text(job.model_dump_json(), encoding="utf-8")

    def on_event(event: dict[str, Any]) -> None:
        if event.pop("event") == "item":
            record(event)

    placed = arguments if isinstance(arguments, Asked) else Asked(model=context.address, task=context.address)
    nodes = placed.nodes if context.lead is not None and is_spread(placed) and count >= placed.nodes else 1
    each = min(placed.processes // nodes, count // nodes, gpus() or processors())  # any number finds the same
    launch(
        WORKER,
        described,
        events,
        processes=nodes * each,
        nodes=nodes,
        launcher=placed.launcher if nodes > 1 else None,
        context=context,
        on_event=on_event,
    )
