"""What of the imported declarations a spec uses: blocks of the spec itself are there for their own sake, imported
ones only where something refers to them.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from structdsl.passes.respell import strangers
from structdsl.schema.kinds import KINDS
from structdsl.schema.tables import OTHER_KINDS
from structdsl.syntax.tree import Block, Reference, Text
from structdsl.syntax.walk import nodes
from structdsl.unit import Unit

HEADS = frozenset({*KINDS, *OTHER_KINDS, "profile", "param"})
HOLE = re.compile(r"\$\{\s*([\w.]+)\s*\}")


def pruned(unit: Unit, *, bases: bool) -> Unit:
    """The unit without imported blocks and params that nothing reaches; `bases` says whether `extends` reaches."""
    assert unit.tree is not None
    blocks = {_address(block): block for block in unit.tree.blocks}
    defaults: dict[tuple[int, str], list[Block]] = defaultdict(list)
    for block in unit.tree.blocks:
        if block.kind.text == "defaults" and block.name is not None:
            defaults[unit.source.index(block.span.start), block.name.text].append(block)
    strange = strangers(unit.tree)
    waiting = [block for block in unit.tree.blocks if _own(block, unit) or (block.name and block.name.text in strange)]
    kept = {id(block) for block in waiting}
    params: set[str] = set()
    while waiting:
        block = waiting.pop()
        parts = [block, *defaults[unit.source.index(block.span.start), block.kind.text]]
        for reference in references(parts, bases=bases):
            if reference[0] == "param":
                params.add(reference[1])
            reached = _block(reference, blocks)
            if reached is not None and id(reached) not in kept:
                kept.add(id(reached))
                waiting.append(reached)
    tree = dataclasses.replace(
        unit.tree,
        blocks=tuple(b for b in unit.tree.blocks if id(b) in kept or b.kind.text in {"defaults", "profile"}),
        parameters=tuple(p for p in unit.tree.parameters if _own(p, unit) or p.name.text in params),
    )
    return dataclasses.replace(unit, tree=tree)


def references(parts: Iterable[Any], *, bases: bool = True) -> Iterator[tuple[str, str]]:
    """Kind and name of every dotted name in these trees, those inside strings and SQL included."""
    for part in parts:
        skipped = part.base if isinstance(part, Block) and not bases else None
        for node in nodes(part):
            match node:
                case Reference(parts=(head, name, *_)) if node is not skipped:
                    yield head, name
                case Text(raw=False) if "${" in node.value:
                    for hole in HOLE.finditer(node.value):
                        head, _, rest = hole[1].partition(".")
                        yield head, rest.partition(".")[0]


def _own(node: Any, unit: Unit) -> bool:
    """Whether a declaration stands in the spec itself."""
    return unit.source.index(node.span.start) == 0


def _address(block: Block) -> str:
    return f"{block.kind.text}.{block.name.text}" if block.name is not None else block.kind.text


def _block(reference: tuple[str, str], blocks: dict[str, Block]) -> Block | None:
    """The block behind a name, which may be that of one of its tables."""
    head, name = reference
    kind = OTHER_KINDS.get(head, head)
    while True:
        if f"{kind}.{name}" in blocks:
            return blocks[f"{kind}.{name}"]
        name, cut, _ = name.rpartition("_")
        if not cut:
            return None
