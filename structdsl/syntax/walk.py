"""Going through a syntax tree: moving it to other offsets, and finding what it refers to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypeVar

from structdsl.syntax.tree import Span, Text

Node = TypeVar("Node")


def rebuild(node: Node, change: Callable[[Any], Any]) -> Node:
    """The tree with `change` applied to every node, children first; spans and texts of names are nodes of none."""
    if isinstance(node, tuple):
        return tuple(rebuild(item, change) for item in node)  # type: ignore[return-value]  # the same kind of tuple
    if isinstance(node, Span) or not dataclasses.is_dataclass(node):
        return node
    changed = {}
    for field in dataclasses.fields(node):
        before = getattr(node, field.name)
        if isinstance(before, tuple) and field.name in {"origins", "parts"}:
            continue
        after = rebuild(before, change)
        if after is not before:
            changed[field.name] = after
    result: Node = change(dataclasses.replace(node, **changed) if changed else node)  # type: ignore[type-var]
    return result


def moved(node: Node, by: int) -> Node:
    """The tree with every offset `by` bytes further on."""

    def shift(node: Any) -> Any:
        changes: dict[str, Any] = {
            field.name: Span(span.start + by, span.end + by)
            for field in dataclasses.fields(node)
            if isinstance(span := getattr(node, field.name), Span)
        }
        if isinstance(node, Text):
            changes["origins"] = tuple(origin + by for origin in node.origins)
        return dataclasses.replace(node, **changes)

    return rebuild(node, shift)


def nodes(node: Any) -> Iterator[Any]:
    """Every node of a tree, parents first."""
    stack = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, tuple):
            stack += reversed(at)
        elif names := _inner(at.__class__):
            yield at
            stack += [getattr(at, name) for name in reversed(names)]
        elif dataclasses.is_dataclass(at) and not isinstance(at, Span):
            yield at


@cache
def _inner(type_: type[object]) -> tuple[str, ...]:
    """The fields of a class of nodes in which there may be nodes."""
    if not dataclasses.is_dataclass(type_) or type_ is Span:
        return ()
    plain = {"str", "bool", "Span", "tuple[int, ...]", "tuple[str, ...]"}
    return tuple(field.name for field in dataclasses.fields(type_) if field.type not in plain)
