"""Where in the text an entry of a list or a map was written."""

from __future__ import annotations

from structdsl.diagnostics import Edit, removal
from structdsl.syntax.tree import Attribute, Block, Mapping, Pair, Reference, Sequence, Span, Text
from structdsl.unit import Declaration, Unit


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


def call_span(block: Declaration, attribute: str, index: int) -> Span:
    """The entry at a place of a list, else the one value."""
    written = block.attribute(attribute)
    if written is not None and isinstance(written.value, Sequence) and index < len(written.value.items):
        return written.value.items[index].span
    return block.span_of(attribute)


def nested_block(block: Declaration, word: str, name: str) -> Block | None:
    """A named block inside a block: `rule outline: headings { … }`."""
    found = (b for b in block.block.body if isinstance(b, Block) and b.kind.text == word)
    return next((b for b in found if b.name is not None and b.name.text == name), None)


def nested_span(block: Declaration, word: str, name: str, *attributes: str) -> Span:
    """The value of the first of these attributes of a nested block that was written, else its head."""
    nested = nested_block(block, word, name)
    if nested is None:
        return block.block.head
    written = {item.name.text: item.value.span for item in nested.body if isinstance(item, Attribute)}
    return next((written[attribute] for attribute in attributes if attribute in written), nested.head)


def taken_out(unit: Unit, block: Declaration, attribute: str) -> tuple[Edit, ...]:
    """The removal of an attribute; none where it came from elsewhere, and may be of use to others."""
    return _removal(unit, block.block, attribute)


def taken_out_of_nested(unit: Unit, block: Declaration, word: str, name: str, attribute: str) -> tuple[Edit, ...]:
    """The same for an attribute of a named block inside a block."""
    nested = nested_block(block, word, name)
    return _removal(unit, nested, attribute) if nested is not None else ()


def _removal(unit: Unit, block: Block, attribute: str) -> tuple[Edit, ...]:
    for item in block.body:
        if isinstance(item, Attribute) and item.name.text == attribute and not item.via:
            return removal(unit.source, item.span)
    return ()


def row_span(block: Declaration, attribute: str, table: str, row: int, column: str | None = None) -> Span:
    """A row of a fixture, or the name of one of its columns."""
    pair = _pair(block, attribute, table)
    if pair is None or not isinstance(pair.value, Sequence) or row >= len(pair.value.items):
        return block.span_of(attribute)
    written = pair.value.items[row]
    if column is not None and isinstance(written, Mapping):
        for entry in written.pairs:
            name = entry.key.value if isinstance(entry.key, Text) else str(entry.key)
            if name == column:
                return entry.key.span
    return written.span
