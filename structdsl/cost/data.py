"""How many rows and tokens a stage reads.

What was packed for this very plan is counted. Before that, a mixture has its budget and a corpus the size that an
earlier run found; what neither says is known only once the source has been read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from structdsl.cost.facts import Facts, Feed, Size
from structdsl.cost.figure import Figure, about, derive, exact, most, unknown
from structdsl.plan import Dpo, GraphNode, LayOut, Pack, RenderSsft, Step, Train
from structdsl.plan.batch import realised

EARLIER = "as many as in an earlier run"
PROPORTION = "as many rows for its tokens as in an earlier run"


def packed_rows(node: GraphNode, steps: Mapping[str, Step], facts: Facts) -> Figure:
    """Rows of `length` positions that a stage would read if no cap ended it."""
    size = facts.sizes.get(node.data or "")
    if size is not None and size.current:
        return exact(size.rows)
    pack = steps[steps[node.step].inputs["packed"].rpartition(":")[0]]
    assert isinstance(pack.operation, Pack)
    layout = steps[pack.inputs["layout"].rpartition(":")[0]].operation
    assert isinstance(layout, LayOut)
    length = pack.operation.length
    tokens = source_tokens(node, steps, facts)
    before = _tokens_before(node, facts)
    if size is not None and before and tokens.value is not None:
        return about(math.ceil(size.rows * tokens.value / before), PROPORTION)
    if tokens.value is not None and layout.method != "none":
        return about(math.ceil(tokens.value / length), tokens.why)
    if size is not None:
        return about(size.rows, EARLIER)
    return tokens if tokens.value is None else unknown(f"the rows of {node.stage}: known after {pack.address}")


def _tokens_before(node: GraphNode, facts: Facts) -> int | None:
    """Tokens of the mixture that an earlier run of a stage read; prompts, maps and recall came on top of them."""
    feed = facts.feeds.get(node.stage)
    size = facts.sizes.get(feed.source) if feed is not None and feed.source.startswith("mixture.") else None
    return size.tokens if size is not None else None


def source_tokens(node: GraphNode, steps: Mapping[str, Step], facts: Facts) -> Figure:
    """Tokens of the data of a stage; what rendering adds to them (prompts, recall, templates) is not counted."""
    feed = facts.feeds.get(node.stage)
    if feed is None:
        return unknown(f"the data of {node.stage}")
    if feed.source.startswith("mixture."):
        return _mixture(feed.source, facts)
    passes = feed.epochs * (1 + _shown_twice(node, steps))
    return derive(lambda tokens: passes * tokens, _corpus(feed, facts))


def _mixture(address: str, facts: Facts) -> Figure:
    if address in facts.budgets:
        return about(facts.budgets[address], "a budget counts source tokens: prompts and recall come on top")
    size = facts.sizes.get(address)
    if size is not None and size.tokens is not None:
        return exact(size.tokens) if size.current else about(size.tokens, EARLIER)
    return unknown(f"the tokens of {address}: known after its corpora are read")


def _corpus(feed: Feed, facts: Facts) -> Figure:
    size = corpus_size(feed.source, facts.sizes)
    if size is None or size.tokens is None:
        return unknown(f"the tokens of {feed.source}: known after it is read")
    if feed.take is not None and feed.take < size.rows:
        return about(size.tokens / size.rows * feed.take, f"{feed.take} rows of {feed.source} of mean length")
    return exact(size.tokens) if size.current else about(size.tokens, EARLIER)


def corpus_size(address: str, sizes: Mapping[str, Size]) -> Size | None:
    """Documents of a corpus and their tokens: as it is where it is a table, else as its documents were counted."""
    return next((size for table in (address, f"{address}_counts") if (size := sizes.get(table)) is not None), None)


def _shown_twice(node: GraphNode, steps: Mapping[str, Step]) -> bool:
    """Whether each question is learnt plain and once more with its place in the taxonomy."""
    render = steps.get(f"{node.stage}.render")
    return render is not None and isinstance(render.operation, RenderSsft) and render.operation.reveal != "none"


def optimizer_steps(operation: Train | Dpo, rows: Figure) -> Figure:
    """Steps until the data or the cap ends, whichever comes first."""
    cap = operation.steps
    if rows.value is None and cap is not None:
        return most(cap, "`steps` is a cap")
    whole = derive(lambda number: math.ceil(number / realised(operation)), rows)
    if cap is None or whole.value is None or whole.value < cap:
        return whole
    return exact(cap) if whole.basis == "exact" else about(cap, "`steps` is a cap")


def positions(operation: Train | Dpo, rows: Figure, steps: Figure) -> Figure:
    """Positions that go through the model, padding included."""
    batch = realised(operation)
    if rows.value is None:
        return derive(lambda number: number * batch * operation.length, steps)
    return derive(lambda all_, number: min(all_, number * batch) * operation.length, rows, steps)
