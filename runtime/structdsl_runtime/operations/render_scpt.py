"""Rows of a mixture as SCPT samples: each chunk under the map of its place, the map itself recalled, the rest plain.

The rows keep their order. A pass is an epoch of a corpus; in each, what it visited of the taxonomy is recalled once,
somewhere (by a hash of seed, epoch and node) between the first chunk of the node and the end of the pass.

The response of a chunk sample is the chunk without the white space at its end, under its title where it does not open
with its heading. A response may take `reserve` tokens, or what it takes; the rest of `length` bounds the map.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from structdsl.plan import RenderScpt
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.structure.mindmap import clean, draw, views
from structdsl_runtime.structure.recall import Recall, recall, recalled
from structdsl_runtime.structure.templates import chunk_prompt
from structdsl_runtime.structure.tree import Node, read_nodes
from structdsl_runtime.text import stable, tokens
from structdsl_runtime.text.markdown import opens_with

Row = dict[str, Any]


@dataclass(slots=True)
class _Pass:
    """An epoch of a corpus: where each node was first met, and where the pass ended."""

    first: dict[Node, int] = field(default_factory=dict)
    end: int = 0


def render_scpt(arguments: RenderScpt, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Samples in training order; raises Fault E0710 where a chunk and the bare path to it exceed `length`."""
    tokenizer = tokens.load_fast(inputs, "rows", ("text",), "sample_id", context)
    nodes = read_nodes(inputs)
    waiting = _schedule(_passes(inputs, nodes), arguments.seed)
    made: dict[Node, Recall] = {}
    total, position = inputs.count("rows") + len(waiting), 0
    with outputs.table("samples") as samples:
        for row in _rendered(inputs, nodes, tokenizer, arguments):
            after = row.pop("after")
            samples.row(position=position, **row)
            position += 1
            while waiting and waiting[-1][0] <= after:
                *_, epoch, node = waiting.pop()
                if node not in made:
                    room = arguments.length - 1 - len(tokenizer.prefix)
                    made[node] = recall(node, room, lambda text: tokenizer.count_batch([text])[0])
                samples.row(position=position, epoch=epoch, **made[node].row())
                position += 1
            context.progress(position, total, "samples")


def _passes(inputs: Inputs, nodes: dict[str, Node]) -> dict[tuple[str, int], _Pass]:
    passes: dict[tuple[str, int], _Pass] = {}
    for row in inputs.rows("rows", columns="position, corpus, epoch, node_id", order="position"):
        if row["node_id"] is not None:
            current = passes.setdefault((row["corpus"], row["epoch"]), _Pass())
            current.first.setdefault(nodes[row["node_id"]], row["position"])
            current.end = row["position"]
    return passes


def _schedule(passes: dict[tuple[str, int], _Pass], seed: int) -> list[tuple[int, int, int, Node]]:
    """Recall samples as (position after which they come, tie-break, epoch, node), the last of them first."""
    places: list[tuple[int, int, int, Node]] = []
    for (_, epoch), current in passes.items():
        for node, below in recalled(current.first).items():
            draw_ = stable.number(seed, epoch, node.node_id)
            first = min(current.first[met] for met in below)
            places.append((first + draw_ % (current.end - first + 1), draw_, epoch, node))
    return sorted(places, key=lambda place: place[:3], reverse=True)


def _rendered(
    inputs: Inputs, nodes: dict[str, Node], tokenizer: tokens.Tokenizer, arguments: RenderScpt
) -> Iterator[Row]:
    """The rows of the mixture as samples, with `after`, their place in the mixture."""
    for batch in inputs.batches("rows", order="position", rows=512):
        rows = batch.to_pylist()
        placed = [row for row in rows if row["kind"] == "chunk" and row["node_id"] is not None]
        responses = [_response(row, nodes[row["node_id"]]) for row in placed]
        prompts = _prompts(placed, responses, nodes, tokenizer, arguments)
        samples = iter(zip(prompts, responses, strict=True))
        for row in rows:
            is_chunk = row["kind"] == "chunk" and row["node_id"] is not None
            prompt, response = next(samples) if is_chunk else ("", row["text"])
            yield {
                "after": row["position"],
                "sample_id": row["sample_id"],
                "epoch": row["epoch"],
                "kind": "chunk" if is_chunk else "plain",
                "prompt": prompt,
                "response": response,
                "corpus": row["corpus"],
                "doc_id": row["doc_id"],
                "chunk_id": row["chunk_id"],
                "node_id": row["node_id"] if is_chunk else None,
                "marks": None,
            }


def _response(row: Row, node: Node) -> str:
    text: str = row["text"].rstrip() or row["text"]
    title = clean(row["heading_path"][-1] if row["heading_path"] else node.title)
    return text if row["heading_path"] and opens_with(text, row["heading_path"][-1]) else f"{title}\n{text}"


def _prompts(
    rows: list[Row],
    responses: list[str],
    nodes: dict[str, Node],
    tokenizer: tokens.Tokenizer,
    arguments: RenderScpt,
) -> list[str]:
    """The widest prompt of each row that leaves room for its response."""
    fixed = 1 + len(tokenizer.prefix)  # the end of text, and what the model wants before a text
    sizes = tokenizer.count_batch(responses)
    rooms = [arguments.length - fixed - max(arguments.reserve, size) for size in sizes]
    candidates = [_candidates(row, nodes[row["node_id"]]) for row in rows]
    prompts = [""] * len(rows)
    needed = [0] * len(rows)
    open_ = list(range(len(rows)))
    while open_:
        for number in open_:
            prompt = next(candidates[number], None)
            if prompt is None:
                raise _too_long(rows[number], needed[number], sizes[number], arguments, fixed)
            prompts[number] = prompt
        for number, size in zip(open_, tokenizer.count_batch([prompts[n] for n in open_]), strict=True):
            needed[number] = size
        open_ = [number for number in open_ if needed[number] > rooms[number]]
    return prompts


def _candidates(row: Row, node: Node) -> Iterator[str]:
    field_, aspect = clean(node.root.title), clean(node.title)
    for view in views(node):
        yield chunk_prompt(draw(view, node), field=field_, aspect=aspect, sample_id=row["sample_id"])


def _too_long(row: Row, prompt: int, response: int, arguments: RenderScpt, fixed: int) -> Fault:
    kept = max(arguments.reserve, response)
    return Fault(
        "E0710",
        f"the map of `{row['sample_id']}` does not fit beside its chunk",
        notes=(
            f"shortest prompt {prompt} + response {kept} + end {fixed} = {prompt + kept + fixed} tokens",
            f"`length` is {arguments.length}",
        ),
        helps=("raise `length` of the stage, or lower `max` of `chunk`",),
    )
