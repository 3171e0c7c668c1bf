"""Where in the text an entry of a list or a map was written."""

from __future__ import annotations

from structdsl.syntax.tree import Mapping, Pair, Reference, Sequence, Span
from structdsl.unit import Declaration


def key_span(block: Declaration, attribute: str, key: str) -> Span:
    """The key of a map, else the attribute."""
    pair = _pair(block, attribute, key)
    return pair.key.span if pair is not None else block.span_of(attribute)


def task_span(evaluation: Declaration, name: str) -> Span:
    """The call that a task is."""
    pair = _pair(evaluation, "tasks", name)
    return pair.value.span if pair is not None else evaluation.span_of("tasks")


def item_span(block: Declaration, attribute: str, item: str) -> Span:
    """The entry of a list, else the attribute."""
    written = block.attribute(attribute)
    if written is not None and isinstance(written.value, Sequence):
        for entry in written.value.items:
            if isinstance(entry, Reference) and str(entry) == item:
                return entry.span
    return block.span_of(attribute)


def _pair(block: Declaration, attribute: str, key: str) -> Pair | None:
    written = block.attribute(attribute)
    if written is not None and isinstance(written.value, Mapping):
        for pair in written.value.pairs:
            if isinstance(pair.key, Reference) and str(pair.key) == key:
                return pair
    return None
