"""Rows of a mixture as SCPT samples: each chunk under the map of its place, the map itself recalled, the rest plain.

The rows keep their order; recalls come between them as they were scheduled.

The response of a chunk sample is the chunk without the white space at its end, under its title where it does not open
with its heading. A response may take `reserve` tokens, or what it takes; the rest of `length` bounds the map. To know
what fits is to have the tokens, so they are written as well, and no text is encoded a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from structdsl.plan import RenderScpt
from structdsl_runtime.garbage import uncollected
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.operations.tokenise import framed, token_rows
from structdsl_runtime.structure.mindmap import Maps, clean
from structdsl_runtime.structure.recall import recall, sample_id_of, too_long
from structdsl_runtime.structure.templates import chunk_prompt, training_text
from structdsl_runtime.structure.tree import Node, read_nodes
from structdsl_runtime.structure.ways import Fitted, Way, fit
from structdsl_runtime.text import tokens
from structdsl_runtime.text.engines import LONGEST, OF_EACH
from structdsl_runtime.text.markdown import opens_with
from structdsl_runtime.text.ragged import Numbers

_ROWS = 1024  # of the mixture that are worked on together
_COLUMNS = "sample_id, epoch, corpus, doc_id, chunk_id, kind, node_id, text, heading_path"


class _Sample(NamedTuple):
    sample_id: str
    epoch: int
    kind: str
    corpus: str
    doc_id: str | None
    chunk_id: str | None
    node_id: str | None


class _Recall(NamedTuple):
    position: int
    epoch: int
    node_id: str


class _Recalls(NamedTuple):
    """The positions of the mixture that recalls come after, of all of them; and those after some of its rows."""

    after: Numbers
    due: dict[int, list[_Recall]]


@uncollected()
def render_scpt(arguments: RenderScpt, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Samples in training order; raises Fault E0710 where a chunk and the bare path to it exceed `length`."""
    recalls, nodes = _structure(inputs)
    maps = Maps()
    tokenizer = tokens.load_fast(inputs, "rows", ("text",), "sample_id", context, also=_examples(nodes, maps))
    total, done = inputs.count("rows"), 0
    with outputs.table("samples") as samples, outputs.table("tokens") as table:
        for batch in inputs.batches("rows", columns=f"position, {_COLUMNS}", order="position", rows=_ROWS):
            place = batch.column("position").to_numpy()
            due = [each for after in place.tolist() for each in recalls.due.get(after, ())]
            position = np.append(place + np.searchsorted(recalls.after, place), [each.position for each in due])
            order = np.argsort(position)
            entries = [*_shown(batch, nodes, maps), *_recalled(due, nodes)]
            ordered = [entries[number] for number in order.tolist()]
            numbers = pa.array(position[order].astype(np.int64))
            fitted = _fitted(ordered, nodes, tokenizer, arguments)
            samples.write(_table([sample for sample, _ in ordered], numbers, fitted.ways))
            asked = np.array([prompt != "" for prompt, _ in fitted.ways], np.bool_)
            encoded = framed(fitted.ids, np.ones(len(ordered), np.bool_), tokenizer)
            table.write(token_rows(numbers, encoded, asked, arguments.length))
            done += batch.num_rows
            context.progress(done, total, "rows")


def _examples(nodes: dict[str, Node], maps: Maps) -> Iterator[str]:
    """Templates, and the widest maps around some nodes, those with the most letters beyond ASCII in their titles."""
    yield from training_text()
    for node in nlargest(OF_EACH, nodes.values(), key=lambda node: len(node.title.encode()) - len(node.title)):
        yield next(maps.of(node))[:LONGEST]


def _fitted(
    entries: list[tuple[_Sample, Iterator[Way]]],
    nodes: dict[str, Node],
    tokenizer: tokens.Tokenizer,
    arguments: RenderScpt,
) -> Fitted:
    fixed = 1 + len(tokenizer.prefix)  # the end of text, and what the model wants before a text
    room = arguments.length - fixed

    def fault(number: int, prompt: int, response: int) -> Fault:
        sample, _ = entries[number]
        if sample.kind == "recall":
            return too_long(nodes[str(sample.node_id)], room, prompt, response)
        return _too_long(sample.sample_id, prompt, max(arguments.reserve, response), fixed, arguments.length)

    reserves = {"chunk": arguments.reserve, "recall": 0, "plain": None}
    return fit([ways for _, ways in entries], [reserves[sample.kind] for sample, _ in entries], room, tokenizer, fault)


def _structure(inputs: Inputs) -> tuple[_Recalls, dict[str, Node]]:
    """The recalls, and the trees of the rows and of what is recalled among them."""
    places: list[Numbers] = []
    met: set[str] = set()
    for batch in inputs.batches("rows", columns="position, node_id", rows=1 << 16):
        places.append(batch.column("position").to_numpy())
        met.update(map(str, batch.column("node_id").drop_null().unique().to_pylist()))
    there = np.concatenate([np.empty(0, np.int64), *places])
    recalls = _Recalls(np.empty(0, np.int64), {})
    for batch in inputs.batches("recalls", columns="after, position, epoch, node_id", rows=1 << 16):
        after = batch.column("after").to_numpy()
        recalls = recalls._replace(after=np.append(recalls.after, after))
        among = batch.filter(pa.array(np.isin(after, there)))
        for row_after, *each in zip(*(column.to_pylist() for column in among.columns), strict=True):
            recalls.due.setdefault(row_after, []).append(_Recall(*each))
    recalls.after.sort()
    met.update(each.node_id for due in recalls.due.values() for each in due)
    return recalls, read_nodes(inputs, of=met)


def _shown(batch: pa.RecordBatch, nodes: dict[str, Node], maps: Maps) -> Iterator[tuple[_Sample, Iterator[Way]]]:
    """The rows of a batch as samples, each with the ways to put it."""
    columns = (batch.column(name).to_pylist() for name in _COLUMNS.split(", "))
    for sample_id, epoch, corpus, doc_id, chunk_id, kind, node_id, text, titles in zip(*columns, strict=True):
        if kind == "chunk" and node_id is not None:
            response = _response(text, titles[-1] if titles else None, nodes[node_id])
            sample = _Sample(sample_id, epoch, "chunk", corpus, doc_id, chunk_id, node_id)
            yield sample, _ways(sample_id, nodes[node_id], response, maps)
        else:
            yield _Sample(sample_id, epoch, "plain", corpus, doc_id, chunk_id, None), iter([("", text)])


def _recalled(due: list[_Recall], nodes: dict[str, Node]) -> Iterator[tuple[_Sample, Iterator[Way]]]:
    for _, epoch, node_id in due:
        node = nodes[node_id]
        yield _Sample(sample_id_of(node), epoch, "recall", node.corpus, node.doc_id, None, node_id), recall(node)


def _table(samples: list[_Sample], position: pa.Array[Any], ways: list[Way]) -> pa.Table:
    columns: dict[str, Any] = dict(zip(_Sample._fields, map(list, zip(*samples, strict=True)), strict=True))
    columns["prompt"], columns["response"] = map(list, zip(*ways, strict=True))
    return pa.table({**columns, "position": position, "marks": pa.nulls(len(samples))})


def _response(text: str, title: str | None, node: Node) -> str:
    text = text.rstrip() or text
    return text if title and opens_with(text, title) else f"{clean(title or node.title)}\n{text}"


def _ways(sample_id: str, node: Node, response: str, maps: Maps) -> Iterator[Way]:
    """The widest map first."""
    field, aspect = clean(node.root.title), clean(node.title)
    for map_ in maps.of(node):
        yield chunk_prompt(map_, field=field, aspect=aspect, sample_id=sample_id), response


def _too_long(sample_id: str, prompt: int, kept: int, fixed: int, length: int) -> Fault:
    return Fault(
        "E0710",
        f"the map of `{sample_id}` does not fit beside its chunk",
        notes=(
            f"shortest prompt {prompt} + response {kept} + end {fixed} = {prompt + kept + fixed} tokens",
            f"`length` is {length}",
        ),
        helps=("raise `length` of the stage, or lower `max` of `chunk`",),
    )
