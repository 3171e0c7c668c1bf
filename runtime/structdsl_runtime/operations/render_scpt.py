"""Rows of a mixture as SCPT samples: each chunk under the map of its place, the map itself recalled, the rest plain.

The rows keep their order; recalls come between them as they were scheduled.

The response of a chunk sample is the chunk without the white space at its end, under its title where it does not open
with its heading. A response may take `reserve` tokens, or what it takes; the rest of `length` bounds the map. To know
what fits is to have the tokens, so they are written as well, and no text is encoded a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from structdsl.plan import RenderScpt
from structdsl_runtime.garbage import uncollected
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.operations.tokenise import framed, token_rows
from structdsl_runtime.structure.forest import Forest, read_forest
from structdsl_runtime.structure.mindmap import Maps, clean
from structdsl_runtime.structure.recall import recall, sample_id_of, too_long, tree_prompt
from structdsl_runtime.structure.templates import chunk_prompt, training_text
from structdsl_runtime.structure.ways import Fitted, Way, fit
from structdsl_runtime.text import tokens
from structdsl_runtime.text.engines import LONGEST, OF_EACH
from structdsl_runtime.text.markdown import opens_with
from structdsl_runtime.text.ragged import Numbers

_ROWS = 1024  # of the mixture that are worked on together
_PASSED = ["sample_id", "epoch", "kind", "corpus", "doc_id", "chunk_id", "node_id"]  # on, as they are
_COLUMNS = f"position, {', '.join(_PASSED)}, text, heading_path[-1] AS title"
_DUE: dict[str, pa.DataType] = {
    "after": pa.int64(),
    "position": pa.int64(),
    "epoch": pa.int32(),
    "node_id": pa.string(),
}


@dataclass(frozen=True, slots=True)
class _Recalls:
    """The positions of the mixture that recalls come after, of all of them; and those after some of its rows."""

    after: Numbers
    due: Numbers  # those of `samples`
    samples: pa.Table  # position, and what is passed on


@uncollected()
def render_scpt(arguments: RenderScpt, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Samples in training order; raises Fault E0710 where a chunk and the bare path to it exceed `length`."""
    order, recalls, forest = _structure(inputs)
    maps = Maps(forest)
    tokenizer = tokens.load_fast(inputs, "rows", ("text",), "sample_id", context, also=_examples(maps))
    total, done = inputs.count("rows"), 0
    with outputs.table("samples") as samples, outputs.table("tokens") as table:
        for batch in inputs.batches("rows", columns=_COLUMNS, order=order, rows=_ROWS):
            passed, ways = _samples(batch, recalls, maps)
            fitted = _fitted(passed, ways, maps, tokenizer, arguments)
            made: dict[str, Any] = {name: passed[name] for name in passed.column_names}
            made["prompt"] = pa.array(fitted.prompts, pa.string())
            made["response"] = pa.array(fitted.responses, pa.string())
            samples.write(pa.table(made | {"marks": pa.nulls(len(ways))}))
            asked = np.fromiter(map(bool, fitted.prompts), np.bool_, len(ways))
            encoded = framed(fitted.ids, np.ones(len(ways), np.bool_), tokenizer)
            table.write(token_rows(passed["position"].combine_chunks(), encoded, asked, arguments.length))
            done += batch.num_rows
            context.progress(done, total, "rows")


def _examples(maps: Maps) -> Iterator[str]:
    """Templates, and the widest maps around some nodes, those with the most letters beyond ASCII in their titles."""
    yield from training_text(repeats=1)
    titles = maps.forest.columns["title"]
    beyond = pc.subtract(pc.binary_length(titles), pc.utf8_length(titles)).to_numpy()
    for row in np.argsort(-beyond, kind="stable")[:OF_EACH].tolist():
        yield maps.widest(row)[:LONGEST]


def _structure(inputs: Inputs) -> tuple[str, _Recalls, Forest]:
    """The order to read rows in, recalls, and the trees of the rows and of what is recalled among them."""
    places = [np.empty(0, np.int64)]
    met: list[pa.Array[Any]] = [pa.nulls(0, pa.string())]
    for batch in inputs.batches("rows", columns="position, node_id", rows=1 << 16):
        places.append(batch.column("position").to_numpy())
        met.append(batch.column("node_id").cast(pa.string()).drop_null())
    there = np.concatenate(places)
    after, due = [np.empty(0, np.int64)], []
    for batch in inputs.batches("recalls", columns=", ".join(_DUE), rows=1 << 16):
        after.append(batch.column("after").to_numpy())
        due.append(batch.filter(pa.array(np.isin(after[-1], there))))
    among = pa.Table.from_batches(due) if due else pa.schema(_DUE).empty_table()
    forest = read_forest(inputs, of=pa.concat_arrays([*met, *among["node_id"].chunks]).unique())
    order = "" if (np.diff(there) > 0).all() else "position"  # to sort texts takes longer than to render them
    return order, _recalls(np.sort(np.concatenate(after)), among.sort_by("after"), forest), forest


def _recalls(after: Numbers, due: pa.Table, forest: Forest) -> _Recalls:
    nodes = forest.columns.take(forest.rows(due["node_id"]))
    columns: dict[str, Any] = {
        "position": due["position"],
        "sample_id": pa.array(map(sample_id_of, map(str, due["node_id"].to_pylist())), pa.string()),
        "epoch": due["epoch"],
        "kind": pa.repeat("recall", len(due)),
        "corpus": nodes["corpus"],
        "doc_id": nodes["doc_id"],
        "chunk_id": pa.nulls(len(due), pa.string()),
        "node_id": due["node_id"],
    }
    return _Recalls(after, due["after"].to_numpy(), pa.table(columns))


def _samples(batch: pa.RecordBatch, recalls: _Recalls, maps: Maps) -> tuple[pa.Table, list[Way]]:
    """Rows and what is recalled after them, in their order, and the first way to put each."""
    place = batch.column("position").to_numpy()
    first, last = np.searchsorted(recalls.due, place[[0, -1]] + [0, 1])
    due = recalls.samples.slice(first, last - first)
    rows = pa.table(batch.select(_PASSED)).add_column(
        0, "position", pa.array(place + np.searchsorted(recalls.after, place))
    )
    samples = pa.concat_tables([rows, due], promote_options="permissive")
    order = np.argsort(samples["position"].to_numpy())
    ways = [*_shown(batch, maps), *(_recalled(node_id, maps) for node_id in map(str, due["node_id"].to_pylist()))]
    return samples.take(order), [ways[number] for number in order.tolist()]


def _shown(batch: pa.RecordBatch, maps: Maps) -> Iterator[Way]:
    columns = (batch.column(name).to_pylist() for name in ("sample_id", "node_id", "text", "title"))
    for sample_id, node_id, text, title in zip(*columns, strict=True):
        if node_id is None:
            yield "", text
        else:
            row = maps.forest.row[node_id]
            yield _prompt(sample_id, row, maps.widest(row), maps), _response(text, title, maps.titles[row])


def _recalled(node_id: str, maps: Maps) -> Way:
    row = maps.forest.row[node_id]
    map_ = maps.whole(row)
    if map_ is None:
        return next(recall(maps.forest.node(row)))
    return tree_prompt(sample_id_of(node_id), maps.titles[row], maps.titles[row]), map_


def _prompt(sample_id: str, row: int, map_: str, maps: Maps) -> str:
    field, aspect = maps.titles[maps.forest.root[row]], maps.titles[row]
    return chunk_prompt(map_, field=field, aspect=aspect, sample_id=sample_id)


def _response(text: str, title: str | None, named: str) -> str:
    text = text.rstrip() or text
    return text if title and opens_with(text, title) else f"{clean(title) if title else named}\n{text}"


def _fitted(
    samples: pa.Table, ways: list[Way], maps: Maps, tokenizer: tokens.Tokenizer, arguments: RenderScpt
) -> Fitted:
    fixed = 1 + len(tokenizer.prefix)  # the end of text, and what the model wants before a text
    room = arguments.length - fixed

    def of(number: int) -> tuple[Any, ...]:
        return tuple(samples[name][number].as_py() for name in ("kind", "sample_id", "node_id"))

    def others(number: int) -> Iterator[Way]:
        kind, sample_id, node_id = of(number)
        row, (_, response) = maps.forest.row[node_id], ways[number]
        if kind == "recall":
            return islice(recall(maps.forest.node(row)), 1, None)
        return ((_prompt(sample_id, row, map_, maps), response) for map_ in islice(maps.of(row), 1, None))

    def fault(number: int, prompt: int, response: int) -> Fault:
        kind, sample_id, node_id = of(number)
        if kind == "recall":
            return too_long(maps.forest.node(maps.forest.row[node_id]), room, prompt, response)
        return _too_long(sample_id, prompt, max(arguments.reserve, response), fixed, arguments.length)

    reserves = {"chunk": arguments.reserve, "recall": 0, "plain": None}
    return fit(ways, others, [reserves[str(kind)] for kind in samples["kind"].to_pylist()], room, tokenizer, fault)


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
