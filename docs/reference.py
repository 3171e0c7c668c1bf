"""A page for each kind of block, read off its schemas: what may stand in it, of which type, and what it means.

Nothing is known here of a particular kind or type. An attribute is asked for its type, a type describes itself, and
calls are found by following types into what they are made of; a new one needs no change.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from structdsl.schema.block import Nested, Schema, type_of
from structdsl.schema.containers import CallOf, ListOf, MapOf, OneOf, OneOrMany
from structdsl.schema.kinds import KINDS, Kind
from structdsl.schema.reader import Type
from structdsl.schema.spell import default_text
from structdsl.schema.tables import PROMISED_TABLES

IN_BRACKETS = re.compile(
    r"\s*\[([^\[\]]+(?:\[[^\]]*\])?[^\[\]]*)\]\.?$"
)  # the default in words, at the end of a description
Row = tuple[str, ...]
HEADS: dict[bool, Row] = {
    False: ("attribute", "type", "default", "meaning"),
    True: ("argument", "type", "default", "meaning"),
}


def reference() -> dict[str, str]:
    """The page of each kind, by the name of the kind."""
    return {name: _page(name, kind) for name, kind in KINDS.items()}


def summary(name: str) -> str:
    """What a kind is for, in a line: how the module of its schema begins."""
    schema = next(iter(KINDS[name].variants.values()))
    opening = (inspect.getdoc(inspect.getmodule(schema)) or "").partition("\n")[0]
    words = opening.partition(": ")[2] or opening
    return words[:1].upper() + words[1:]


def _page(name: str, kind: Kind) -> str:
    parts = [f"# `{name}`", summary(name), _head(name, kind)]
    schemas: dict[type[Schema], list[str | None]] = {}
    for variant, schema in kind.variants.items():
        schemas.setdefault(schema, []).append(variant)
    if len(schemas) == 1:
        parts += _schema(next(iter(schemas)), level=2)
    else:
        alike = [schema for schema in schemas if _shared([next(iter(schemas)), schema])]
        shared = _shared(alike)
        for schema, variants in schemas.items():
            without = frozenset(shared) if schema in alike else frozenset()
            parts += [f"## {_variant(name, variants)}", *_schema(schema, level=3, without=without)]
        if shared:
            others = " and ".join(
                _variant(name, variants) for schema, variants in schemas.items() if schema not in alike
            )
            parts.append(f"## Every variant{others and f' but {others}'}")
            parts.append(_table([_row(alike[0], field) for field in shared], HEADS[False]))
    calls = list(_calls(list(schemas)))
    if calls:
        parts.append("## Calls")
        for word, schema in calls:
            parts += [f"### `{word}(…)`", _doc(schema), *_attributes(schema, HEADS[True])]
    if name in PROMISED_TABLES:
        names = [f"`{name}.<name>`"] if name != "stage" else []
        names += [f"`{name}.<name>_{suffix}`" for suffix in PROMISED_TABLES[name]]
        parts.append(f"## Tables\n\n{', '.join(names)}: see [tables](../tables.md).")
    return "\n\n".join(parts) + "\n"


def _head(name: str, kind: Kind) -> str:
    variants = [variant for variant in kind.variants if variant]
    label = f"{name} <name>"
    lines = [f"{label}{': <variant>' if variants else ''} {{ … }}"]
    if variants:
        optional = "" if None not in kind.variants else "   # may be left out"
        lines.append(f"# variants: {', '.join(variants)}{optional}")
    return "```adapt\n" + "\n".join(lines) + "\n```"


def _variant(name: str, variants: list[str | None]) -> str:
    words = [f"`{name}: {variant}`" if variant else f"`{name}`" for variant in variants]
    return " or ".join(words)


def _shared(schemas: list[type[Schema]]) -> list[str]:
    """Attributes that all schemas have, with the same type, default and meaning."""
    first, *others = schemas
    return [
        field
        for field in first.attributes()
        if all(field in other.attributes() and _row(other, field) == _row(first, field) for other in others)
    ]


def _schema(schema: type[Schema], level: int, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """What a block is, its attributes and the blocks that may stand in it."""
    yield _doc(schema)
    yield from _attributes(schema, HEADS[False], without)
    for word, (field, nested) in schema.nested().items():
        yield f"{'#' * level} Block `{word}`"
        many = "Any number of them, each with a name." if nested.many else "At most one."
        yield f"{schema.model_fields[field].description or ''} {many}".strip()
        for variant, inner in nested.variants.items():
            if variant:
                yield f"{'#' * (level + 1)} `{word} <name>: {variant}`"
            yield from _schema(inner, level + 1)


def _doc(schema: type[Schema]) -> str:
    return " ".join((inspect.getdoc(schema) or "").split())


def _attributes(schema: type[Schema], head: Row, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """A table of the attributes, the required ones first."""
    fields = [(field, info) for field, info in schema.attributes().items() if field not in without]
    fields.sort(key=lambda pair: not pair[1].is_required())
    if fields:
        yield _table([_row(schema, field) for field, _ in fields], head)


def _table(rows: list[Row], head: Row) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def _row(schema: type[Schema], field: str) -> Row:
    info = schema.model_fields[field]
    description = info.description or ""
    words = IN_BRACKETS.search(description)
    text = default_text(schema, field)
    default = "**required**" if info.is_required() else f"`{text}`" if text is not None else words[1] if words else "–"
    meaning = f"{description[: words.start()]}." if words and text is None else description
    cells = (f"`{info.alias or field}`", in_words(type_of(info)), default, re.sub(r"([.!?])\.$", r"\1", meaning))
    return tuple(" ".join(cell.split()).replace("|", r"\|") for cell in cells)


def in_words(type_: Type) -> str:
    """What a type reads: as messages say it, and for lists and maps also of what."""
    if isinstance(type_, ListOf):
        return "a list of " + re.sub(r"^a (\w+)", r"\1s", in_words(type_.item))
    if isinstance(type_, MapOf):
        key, value = in_words(type_.key) if type_.key else "names", in_words(type_.value)
        return f"a map from {key} to {f'({value})' if ' or ' in value else value}"
    if isinstance(type_, OneOf):
        forms = [alternative for _, alternative in type_.fits]
        many = any(isinstance(form, OneOrMany) for form in forms)  # which says that it may be a list
        words = (in_words(form) for form in forms if not (many and isinstance(form, ListOf)))
        return ", or ".join(dict.fromkeys(words))
    return type_.describe()


def _calls(schemas: list[type[Schema]]) -> Iterator[tuple[str, type[Schema]]]:
    """The calls that may stand in blocks of these schemas, each once, those inside others after them."""
    seen: set[tuple[str, type[Schema]]] = set()
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop(0)
        for info in schema.model_fields.values():
            type_ = info.metadata[-1]
            if isinstance(type_, Nested):
                waiting += list(type_.variants.values())
                continue
            for word, call in _calls_of(type_):
                if (word, call) not in seen:
                    seen.add((word, call))
                    yield word, call
                    waiting.append(call)


def _calls_of(type_: Any) -> Iterator[tuple[str, type[Schema]]]:
    """The calls that a type reads, however deep in what it is made of."""
    if isinstance(type_, CallOf):
        yield from type_.schemas.items()
    elif isinstance(type_, tuple):
        for part in type_:
            yield from _calls_of(part)
    elif hasattr(type_, "describe") and not isinstance(type_, type):
        slots = [name for each in type(type_).__mro__ for name in getattr(each, "__slots__", ())]
        inside = {
            **vars(type(type_)),
            **getattr(type_, "__dict__", {}),
            **{name: getattr(type_, name) for name in slots},
        }
        for name, part in inside.items():
            if not name.startswith("__") and not callable(part):
                yield from _calls_of(part)
