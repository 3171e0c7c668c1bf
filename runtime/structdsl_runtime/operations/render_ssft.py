"""Questions as SSFT samples, each as twins: the plain answer, and the answer after the place of the question.

Both twins end in the same answer. The map shown is the sub-tree of just the path to the question's node; beside the
twins each tree that a question touches is asked for once an epoch. A question without a place has no second twin.
`reveal = path` gives the path alone, `reveal = none` leaves plain questions only. A chat template goes around whatever
is asked and answered; without one, they are a line each.

Every epoch is a fresh permutation: samples ordered by MD5 of seed, epoch, kind and id, twins apart from each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from structdsl.plan import RenderSsft
from structdsl_runtime.operation import Context, Inputs, Outputs
from structdsl_runtime.structure.mindmap import clean, draw, path_only
from structdsl_runtime.structure.recall import Recall, outline_question, too_long
from structdsl_runtime.structure.templates import DEFAULT, TEMPLATES
from structdsl_runtime.structure.tree import Node, read_nodes
from structdsl_runtime.structure.ways import fit
from structdsl_runtime.text import chat, stable, tokens
from structdsl_runtime.text.conversations import Turn
from structdsl_runtime.text.prompts import question_prompt

Row = dict[str, Any]


def render_ssft(arguments: RenderSsft, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Samples of all epochs in training order.

    Raises Fault E0710 where no map of a tree fits in `length`, and those of a chat template.
    """
    tokenizer = tokens.load(inputs.folder("tokenizer"))
    template = chat.of_step(arguments.template, tokenizer, inputs, context) if arguments.template is not None else None
    nodes = read_nodes(inputs, "trees")
    room = arguments.length - (1 + len(tokenizer.prefix) if template is None else template.overhead())
    shown = arguments.reveal == "map"
    maps = _maps(inputs, nodes, room, tokenizer) if shown else []
    position = 0
    with outputs.table("samples") as samples:
        for epoch in range(1, arguments.epochs + 1):
            for row, turns in _epoch(arguments, inputs, nodes, maps, epoch):
                rendered = {} if template is None else template.sample(row, turns)
                samples.row(position=position, epoch=epoch, **row | rendered)
                position += 1
                context.progress(position, None, "samples")


def _maps(inputs: Inputs, nodes: dict[str, Node], room: int, tokenizer: tokens.Tokenizer) -> list[Recall]:
    """The map-recall question of each tree that a question belongs to."""
    rows = inputs.rows("rows", columns="node_id", order="position")
    roots = list(dict.fromkeys(nodes[row["node_id"]].root for row in rows if row["node_id"] is not None))
    ways = [outline_question(root, room) for root in roots]
    fitted = fit(
        [next(each) for each in ways],
        ways.__getitem__,
        [0] * len(roots),
        room,
        tokenizer,
        lambda number, *sizes: too_long(roots[number], room, *sizes),
    )
    return [Recall(*found) for found in zip(roots, fitted.prompts, fitted.responses, strict=True)]


def _epoch(
    arguments: RenderSsft, inputs: Inputs, nodes: dict[str, Node], maps: list[Recall], epoch: int
) -> Iterator[tuple[Row, list[Turn]]]:
    """The samples of an epoch in the order of their hashes, each with the turns before the answer.

    Only the few map questions are held in memory.
    """
    waiting = sorted(
        ((stable.digest(arguments.seed, epoch, "recall", sample.sample_id), sample) for sample in maps),
        key=lambda entry: entry[0],
        reverse=True,
    )
    kinds = "['question']" if arguments.reveal == "none" else "['question', 'structured']"
    rows = inputs.rows(
        "rows",
        columns=f"*, unnest({kinds}) AS twin",
        order=f"md5('{arguments.seed}/{epoch}/' || twin || '/' || sample_id), position",
    )
    for row in rows:
        key = stable.digest(arguments.seed, epoch, row["twin"], row["sample_id"])
        while waiting and waiting[-1][0] < key:
            yield _recall(waiting.pop()[1])
        turns = chat.asked(row["messages"], row["question"])
        if row["twin"] == "question":
            yield _row(row, "question", question_prompt(row["question"]), row["answer"]), turns
        elif row["node_id"] is not None:
            cue, response = _structured(row, nodes[row["node_id"]], arguments)
            prompt = f"{question_prompt(row['question'])}{cue}\n"
            last = turns[-1] | {"content": f"{turns[-1]['content']}\n{cue}"}
            yield _row(row, "structured", prompt, response), [*turns[:-1], last]
    while waiting:
        yield _recall(waiting.pop()[1])


def _recall(sample: Recall) -> tuple[Row, list[Turn]]:
    return sample.row(), chat.asked(None, sample.prompt.rstrip())


def _structured(row: Row, node: Node, arguments: RenderSsft) -> tuple[str, str]:
    """What leads to the place of a question, and the place before its answer."""
    templates = TEMPLATES[DEFAULT]
    cue = stable.pick(templates.cue, "cue", row["sample_id"])
    field = clean(node.root.title)
    if arguments.reveal == "map":
        place = f"{templates.related.format(field=field)}\n{draw(path_only([node]), node)}"
    else:
        place = f"{templates.located.format(field=field)}\n{' > '.join(clean(above.title) for above in node.line)}"
    return cue, f"{place}\n\n{templates.answer}{row['answer']}"


def _row(row: Row, kind: str, prompt: str, response: str) -> Row:
    return {
        "sample_id": row["sample_id"],
        "kind": kind,
        "prompt": prompt,
        "response": response,
        "corpus": row["corpus"],
        "doc_id": row["doc_id"],
        "chunk_id": None,
        "node_id": row["node_id"],
        "marks": None,
    }
