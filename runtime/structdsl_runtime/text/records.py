"""One JSON object into the fields of one document, or into the reason why it is none.

A field is looked for under the name that `columns` gives it, else under its own; a name with dots reaches into nested
objects unless a field is called just that. What no field of ours takes goes to `meta`. Instructions and preferences
come in several shapes, which `shapes` tells row by row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from structdsl.plan import Reading
from structdsl_runtime.text import shapes
from structdsl_runtime.text.conversations import UnfitError
from structdsl_runtime.text.normalise import check_encodable, normalise
from structdsl_runtime.text.slug import slug_path

REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "domain": ("text",),
    "replay": ("text",),
    "probe": ("text",),
    "instruction": ("question", "answer"),
    "preference": ("prompt", "chosen", "rejected"),
    "exam": ("question", "answer"),
}
_PLACE: Final = ("path", "chunk_id")
OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {
    "instruction": _PLACE,
    "exam": (*_PLACE, "aliases", "options", "answer_idx"),
}
_NUMBERS: Final = frozenset({"answer", "answer_idx", "doc_id", "id"})  # fields in which a number is as good as text
_TYPED: Final = frozenset({"aliases", "options"})  # not optional in their type, where they are there
_KINDS: Final = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
_ABSENT: Final = object()


@dataclass(slots=True)
class Seen:
    """Which names the rows of a corpus had, and which of the wanted fields were found anywhere."""

    names: dict[str, None] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)


def parse(line: str) -> dict[str, Any]:
    """The object of a line of JSON; raises `UnfitError`."""
    try:
        value = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UnfitError("not json", str(error)[:200]) from None
    if not isinstance(value, dict):
        raise UnfitError("not an object", f"{type(value).__name__}: {line.strip()[:80]}")
    return value


def identity(record: Mapping[str, Any], arguments: Reading) -> str | None:
    """The row's own `doc_id` or `id`."""
    for name in ("doc_id", "id"):
        value = look_up(record, arguments.columns.get(name, name))
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def document(record: Mapping[str, Any], arguments: Reading, seen: Seen) -> dict[str, Any]:
    """Fields of a document without its id, place and origin; raises `UnfitError`."""
    role, columns = arguments.role, arguments.columns
    optional = ("title", "lang", *OPTIONAL.get(role, ()))
    found = {name: look_up(record, columns.get(name, name)) for name in (*optional, *columns)}
    if "lang" not in columns:
        del found["lang"]
    found = {name: value for name, value in found.items() if value is not _ABSENT}
    seen.names.update(dict.fromkeys(record))
    seen.found.update(found)

    values, text, theirs = _content(record, arguments, seen)
    taken = {columns.get(name, name) for name in ("doc_id", "id")} | theirs
    for name in optional:
        values[name] = _value(name, found.get(name, _ABSENT), columns.get(name, name), strict=name in columns)
        if values[name] is not None:
            taken.add(columns.get(name, name))
    meta = {name: value for name, value in record.items() if name not in taken}
    meta.update((name, found[name]) for name in columns if name in found and name not in (*values, "doc_id", "id"))
    if isinstance(path := values.get("path"), str):
        values["path"] = slug_path(path)
    values["meta"] = _written(meta)
    values["text"] = text
    for value in values.values():
        _check_encodable(value)
    return values


def required(arguments: Reading) -> tuple[str, ...]:
    """Our columns that some row of a corpus must have."""
    if arguments.role in shapes.SHAPES:
        return shapes.required(arguments.role, arguments.columns)
    return REQUIRED[arguments.role]


def _content(record: Mapping[str, Any], arguments: Reading, seen: Seen) -> tuple[dict[str, Any], str, frozenset[str]]:
    """What a row is for: its fields, its text, and the names that it had for them."""
    role, columns = arguments.role, arguments.columns
    shape = None
    names: Mapping[str, str] = {name: columns.get(name, name) for name in REQUIRED[role]}
    if role in shapes.SHAPES:

        def look(name: str) -> object:
            value = look_up(record, name)
            return None if value is _ABSENT else value

        shape = shapes.recognise(role, columns, look)
        names = shape.columns
    given: dict[str, Any] = {name: look_up(record, theirs) for name, theirs in names.items()}
    seen.found.update(name for name, value in given.items() if value is not _ABSENT)
    for name, theirs in names.items():
        if given[name] is _ABSENT or given[name] is None:
            state = "not there" if given[name] is _ABSENT else "null"
            raise UnfitError("missing column", f"`{theirs}` is {state}")
        if shape is None or not isinstance(given[name], list):
            given[name] = _value(name, given[name], theirs, strict=True)
            if not str(given[name]).strip():
                raise UnfitError("empty", f"`{theirs}` has no text")
    if shape is None:
        text = given["text"] if "text" in given else f"{given['question']}\n{given['answer']}"
        return given, text, frozenset(names.values())
    fields = shapes.fields_of(shape, given, look)
    seen.found.update(shapes.required(role, columns))
    values = {**fields.values, "messages": fields.messages, "shape": shape.name}
    return values, fields.text, frozenset({*names.values(), *shape.context})


def _value(name: str, value: object, theirs: str, *, strict: bool) -> str | list[str] | None:
    """A value in the type of its field; None where it is missing or does not fit, or `UnfitError` if that is strict."""
    if value is _ABSENT or value is None:
        return None
    fitted = _fit(name, value)
    if fitted is None and (strict or name in _TYPED):
        raise UnfitError("wrong type", f"`{theirs}` is {_KINDS[type(value)]}: {json.dumps(value)[:80]}")
    return fitted


def look_up(record: Mapping[str, Any], name: str) -> object:
    """The value under a name, dots reaching into nested objects; `_ABSENT` where there is none."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value


def _fit(name: str, value: object) -> str | list[str] | None:
    """The value in the type of its field, or None."""
    if name == "options":
        return _written(value) if isinstance(value, dict | list) else None
    if name == "aliases":
        fitted = [_text(item, numbers=True) for item in value] if isinstance(value, list) else [None]
        return None if None in fitted else [item for item in fitted if item is not None]
    return _text(value, numbers=name in _NUMBERS)


def _text(value: object, *, numbers: bool) -> str | None:
    if isinstance(value, str):
        return normalise(value)
    if numbers and isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if numbers and isinstance(value, int | float) else None


def _written(value: object) -> str:
    """JSON that every reader of JSON can read; raises `UnfitError` for what only Python can."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise UnfitError("not json", "a number is beyond what 64 bits can hold") from None
    except RecursionError:
        raise UnfitError("not json", "too deep") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _check_encodable(value: object) -> None:
    """Raise `UndecodableError` for text in a value that UTF-8 cannot spell."""
    if isinstance(value, str):
        check_encodable(value)
    elif isinstance(value, list):
        for item in value:
            _check_encodable(item)
    elif isinstance(value, dict):
        for item in value.values():
            _check_encodable(item)
