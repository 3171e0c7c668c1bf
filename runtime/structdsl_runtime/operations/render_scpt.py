"""Rows of a stage as SCPT samples: each chunk under the map of its place, the map itself recalled, the rest plain.

The response of a chunk sample is the chunk without the white space at its end, under its title where it does not open
with its heading. A response may take `reserve` tokens, or what it takes; the rest of `length` bounds the map. To know
what fits is to have the tokens, so they are written as well, and no text is encoded a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import RenderScpt
from structdsl_runtime.garbage import uncollected
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.operations.tokenise import framed, token_rows
from structdsl_runtime.structure.forest import read_forest
from structdsl_runtime.structure.mindmap import Maps, clean
from structdsl_runtime.structure.recall import recall, sample_id_of, too_long, tree_prompt
from structdsl_runtime.structure.templates import chunk_prompt, training_text
from structdsl_runtime.structure.ways import Fitted, Way, fit
from structdsl_runtime.text import tokens
from structdsl_runtime.text.engines import LONGEST, OF_EACH
from structdsl_runtime.text.markdown import opens_with

_ROWS = 1024  # that are worked on together
_PASSED = ["position", "sample_id", "epoch", "kind", "corpus", "doc_id", "chunk_id", "node_id"]  # on, as they are


@uncollected()
def render_scpt(arguments: RenderScpt, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Samples in training order; raises Fault E0710 where a chunk and the bare path to it exceed `length`."""
    maps = Maps(read_forest(inputs, "trees"), arguments.length)
    tokenizer = tokens.load_fast(inputs, "rows", ("text",), "sample_id", context, also=_examples(maps))
    total, done = inputs.count("rows"), 0
    columns = ", ".join((*_PASSED, "text", "heading"))
    with outputs.table("samples") as samples, outputs.table("tokens") as table:
        for batch in inputs.batches("rows", columns=columns, rows=_ROWS):
            ways = list(_ways(batch, maps))
            fitted = _fitted(batch, ways, maps, tokenizer, arguments)
            made: dict[str, Any] = {name: batch.column(name) for name in _PASSED}
            made["prompt"] = pa.array(fitted.prompts, pa.string())
            made["response"] = pa.array(fitted.responses, pa.string())
            samples.write(pa.table(made | {"marks": pa.nulls(len(ways))}))
            asked = np.fromiter(map(bool, fitted.prompts), np.bool_, len(ways))
            encoded = framed(fitted.ids, np.ones(len(ways), np.bool_), tokenizer)
            table.write(token_rows(batch.column("position"), encoded, asked, arguments.length))
            done += batch.num_rows
            context.progress(done, total, "rows")


def _examples(maps: Maps) -> Iterator[str]:
    """Templates, and the widest maps around some nodes, those with the most letters beyond ASCII in their titles."""
    yield from training_text(repeats=1)
    titles = maps.forest.columns["title"]
    beyond = pc.subtract(pc.binary_length(titles), pc.utf8_length(titles)).to_numpy()
    for row in np.argsort(-beyond, kind="stable")[:OF_EACH].tolist():
        yield maps.widest(row)[:LONGEST]


def _ways(batch: pa.RecordBatch, maps: Maps) -> Iterator[Way]:
    """The first way to put each row."""
    columns = (batch.column(name).to_pylist() for name in ("kind", "sample_id", "node_id", "text", "heading"))
    for kind, sample_id, node_id, text, heading in zip(*columns, strict=True):
        if kind == "plain":
            yield "", text
        elif kind == "recall":
            yield _recalled(node_id, maps)
        else:
            row = maps.forest.row[node_id]
            yield _prompt(sample_id, row, maps.widest(row), maps), _response(text, heading, maps.titles[row])


def _recalled(node_id: str, maps: Maps) -> Way:
    row = maps.forest.row[node_id]
    map_ = maps.whole(row)
    if map_ is None:
        return next(recall(maps.forest.node(row), maps.most))
    return tree_prompt(sample_id_of(node_id), maps.titles[row], maps.titles[row]), map_


def _prompt(sample_id: str, row: int, map_: str, maps: Maps) -> str:
    field, aspect = maps.titles[maps.forest.root[row]], maps.titles[row]
    return chunk_prompt(map_, field=field, aspect=aspect, sample_id=sample_id)


def _response(text: str, heading: str | None, named: str) -> str:
    text = text.rstrip() or text
    return text if heading and opens_with(text, heading) else f"{clean(heading) if heading else named}\n{text}"


def _fitted(
    rows: pa.RecordBatch, ways: list[Way], maps: Maps, tokenizer: tokens.Tokenizer, arguments: RenderScpt
) -> Fitted:
    fixed = 1 + len(tokenizer.prefix)  # the end of text, and what the model wants before a text
    room = arguments.length - fixed

    def of(number: int) -> tuple[Any, ...]:
        return tuple(rows.column(name)[number].as_py() for name in ("kind", "sample_id", "node_id"))

    def others(number: int) -> Iterator[Way]:
        kind, sample_id, node_id = of(number)
        row, (_, response) = maps.forest.row[node_id], ways[number]
        if kind == "recall":
            return islice(recall(maps.forest.node(row), maps.most), 1, None)
        return ((_prompt(sample_id, row, map_, maps), response) for map_ in islice(maps.of(row), 1, None))

    def fault(number: int, prompt: int, response: int) -> Fault:
        kind, sample_id, node_id = of(number)
        if kind == "recall":
            return too_long(maps.forest.node(maps.forest.row[node_id]), room, prompt, response)
        return _too_long(sample_id, prompt, max(arguments.reserve, response), fixed, arguments.length)

    reserves = {"chunk": arguments.reserve, "recall": 0, "plain": None}
    return fit(ways, others, [reserves[str(kind)] for kind in rows.column("kind").to_pylist()], room, tokenizer, fault)


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
