"""One JSON object into the fields of one document, or into the reason why it is none.

A field is looked for under the name that `columns` gives it, else under its own; a name with dots reaches into nested
objects unless a field is called just that. What no field of ours takes goes to `meta`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from structdsl.plan import ReadFiles
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


class UnfitError(Exception):
    """Why a row is no document."""

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = evidence


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


def identity(record: Mapping[str, Any], arguments: ReadFiles) -> str | None:
    """The row's own `doc_id` or `id`."""
    for name in ("doc_id", "id"):
        value = look_up(record, arguments.columns.get(name, name))
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            return str(value)
    return None


def document(record: Mapping[str, Any], arguments: ReadFiles, seen: Seen) -> dict[str, Any]:
    """Fields of a document without its id, place and origin; raises `UnfitError`."""
    columns = arguments.columns
    required = REQUIRED[arguments.role]
    wanted = (*required, "title", "lang", *OPTIONAL.get(arguments.role, ()))
    found = {name: look_up(record, columns.get(name, name)) for name in dict.fromkeys((*wanted, *columns))}
    if "lang" not in columns:
        del found["lang"]
    found = {name: value for name, value in found.items() if value is not _ABSENT}
    seen.names.update(dict.fromkeys(record))
    seen.found.update(found)

    values = {name: _value(name, found, columns, required=name in required) for name in wanted}
    taken = {columns.get(name, name) for name in ("doc_id", "id", *(n for n in wanted if values[n] is not None))}
    meta = {name: value for name, value in record.items() if name not in taken}
    meta.update((name, found[name]) for name in columns if name in found and name not in (*wanted, "doc_id", "id"))
    if isinstance(path := values.get("path"), str):
        values["path"] = slug_path(path)
    values["meta"] = json.dumps(meta, ensure_ascii=False)
    if "text" not in values:
        first, second = required[:2]
        values["text"] = f"{values[first]}\n{values[second]}"
    for value in values.values():
        for text in value if isinstance(value, list) else (value,):
            check_encodable(text or "")
    return values


def _value(
    name: str, found: Mapping[str, Any], columns: Mapping[str, str], *, required: bool
) -> str | list[str] | None:
    """The value of a field in its type, None where it may be missing and is; raises `UnfitError`."""
    theirs = columns.get(name, name)
    value = found.get(name)
    if value is None:
        if required:
            raise UnfitError("missing column", f"`{theirs}` is {'null' if name in found else 'not there'}")
        return None
    fitted = _fit(name, value)
    if fitted is None and (required or name in columns or name in _TYPED):
        raise UnfitError("wrong type", f"`{theirs}` is {_KINDS[type(value)]}: {json.dumps(value)[:80]}")
    if required and isinstance(fitted, str) and not fitted.strip():
        raise UnfitError("empty", f"`{theirs}` has no text")
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
        return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else None
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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
