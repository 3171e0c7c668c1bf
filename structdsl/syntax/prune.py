"""Take out of the tree what was read from blanked text.

Half an attribute would be worse than none: a list without the item that could not be read is another list. So an
attribute, a param or an import with damage in it goes; a block stays, marked `damaged`, because others refer to it.
"""

from __future__ import annotations

import bisect
import dataclasses

from structdsl.syntax.tree import Attribute, Block, Import, Parameter, Quantity, Span

PLACEHOLDER = "_"  # the kind of a block whose header could not be read


def prune(
    items: list[Quantity | Import | Parameter | Block], damage: list[int]
) -> list[Quantity | Import | Parameter | Block]:
    """The items without what is damaged; `damage` holds offsets, in order."""
    kept: list[Quantity | Import | Parameter | Block] = []
    for item in items:
        if isinstance(item, Block):
            if item.kind.text != PLACEHOLDER:
                kept.append(_pruned(item, damage))
        elif not _hit(item.span, damage):
            kept.append(item)
    return kept


def _pruned(block: Block, damage: list[int]) -> Block:
    if not _hit(block.span, damage):
        return block
    body: list[Attribute | Block] = []
    for item in block.body:
        if isinstance(item, Block):
            if item.kind.text != PLACEHOLDER:
                body.append(_pruned(item, damage))
        elif not _hit(item.span, damage):
            body.append(item)
    return dataclasses.replace(block, body=tuple(body), damaged=True)


def _hit(span: Span, damage: list[int]) -> bool:
    index = bisect.bisect_left(damage, span.start)
    return index < len(damage) and damage[index] < span.end
