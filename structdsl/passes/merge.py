"""One body of attributes and blocks laid over another: what inheritance, defaults and profiles have in common."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from structdsl.syntax.tree import Attribute, Block

Body = tuple[Attribute | Block, ...]


def merged(below: Body, above: Body) -> Body:
    """Attributes above replace those below, blocks merge with the one of their kind and name; nothing is joined.

    What is below keeps its place, so that the order of rules is that of the base.
    """
    waiting: dict[tuple[str, str], list[Attribute | Block]] = {}
    for item in above:
        waiting.setdefault(_key(item), []).append(item)
    result: list[Attribute | Block] = []
    for item in below:
        match waiting.pop(_key(item), []):
            case []:
                result.append(item)
            case [Block() as over] if isinstance(item, Block):
                variant = over.variant or item.variant
                body = merged(item.body, over.body) if over.variant in (None, item.variant) else over.body
                result.append(dataclasses.replace(over, body=body, variant=variant, doc=over.doc or item.doc))
            case found:  # several of one name are a mistake, which is found where types are checked
                result += found
    return (*result, *(item for items in waiting.values() for item in items))


def marked(body: Iterable[Attribute | Block], via: str) -> Body:
    """A body whose attributes say how they came where they are."""
    return tuple(
        dataclasses.replace(item, body=marked(item.body, via))
        if isinstance(item, Block)
        else dataclasses.replace(item, via=f"{item.via}, {via}" if item.via else via)
        for item in body
    )


def _key(item: Attribute | Block) -> tuple[str, str]:
    if isinstance(item, Attribute):
        return ("=", item.name.text)
    return (item.kind.text, item.name.text if item.name else "")
