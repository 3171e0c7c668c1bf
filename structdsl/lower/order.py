"""The order in which blocks become steps: each after those that it reads, else as the kinds and the text have it."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush

from structdsl.apart import corpora_behind
from structdsl.lineage import mixed_corpora
from structdsl.passes.finding import Finding
from structdsl.promised import maker_of
from structdsl.retention import unseen_texts
from structdsl.syntax.tree import Reference
from structdsl.syntax.walk import nodes
from structdsl.unit import Declaration, Unit

KINDS = ("check", "corpus", "taxonomy", "mixture", "stage", "evaluation")  # a check comes as soon as it can


def in_order(unit: Unit) -> tuple[list[Declaration], Finding | None]:
    """Blocks that make tables, each after what it reads; and what is wrong where some wait for each other."""
    blocks = {block.address: block for kind in KINDS for block in unit.of_kind(kind)}
    number = {address: index for index, address in enumerate(blocks)}
    read = _read_by_sql(unit)
    waiting: dict[str, set[str]] = {}
    after: dict[str, list[str]] = defaultdict(list)
    for address, block in blocks.items():
        waiting[address] = {name for name in _behind(block, read[address], unit) if name in blocks and name != address}
        for name in waiting[address]:
            after[name].append(address)
    ready = [number[address] for address, behind in waiting.items() if not behind]
    addresses, ordered = list(blocks), list[Declaration]()
    while ready:  # the first in the order of kinds and text that waits for nothing
        address = addresses[heappop(ready)]
        ordered.append(blocks[address])
        del waiting[address]
        for follower in after[address]:
            waiting[follower].discard(address)
            if not waiting[follower]:
                heappush(ready, number[follower])
    return ordered, _circle([blocks[address] for address in waiting]) if waiting else None


def tables_read(unit: Unit) -> set[str]:
    """Names of blocks and tables that some block of a spec refers to."""
    blocks = list(unit.blocks.values())
    names = {str(node) for block in blocks for node in nodes(block.block) if isinstance(node, Reference)}
    return names | {table for query in unit.queries.values() for table in query.reads}


def _behind(block: Declaration, read: list[str], unit: Unit) -> set[str]:
    """Addresses of the blocks that must be there before this one can be made."""
    names = {str(node) for node in nodes(block.block) if isinstance(node, Reference) and len(node.parts) > 1}
    if block.kind == "corpus":
        names |= corpora_behind(block, unit)
    if block.kind == "mixture":
        names |= set(mixed_corpora(block, unit))
    if block.kind == "evaluation":
        names |= set(unseen_texts(unit))
    makers = (maker_of(name, unit) for name in names.union(read))
    return {maker.address for maker in makers if maker is not None}


def _read_by_sql(unit: Unit) -> dict[str, list[str]]:
    """The tables that the queries of each block read."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, query in unit.queries.items():
        kind, name, _ = key.split(".", 2)
        found[f"{kind}.{name}"] += query.reads
    return found


def _circle(blocks: list[Declaration]) -> Finding:
    names = ", ".join(f"`{block.address}`" for block in blocks)
    first = blocks[0]
    helps = ("let one of them do without the others",)
    return Finding("E0405", f"blocks wait for each other: {names}", first.block.head, "one of them", helps=helps)
