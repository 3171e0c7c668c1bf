"""What one of DuckDB's syntax trees means: two texts of the same meaning are the same predicate.

Trees are those of `json_serialize_sql`. Only spellings are evened out that DuckDB binds to the very same operation.
"""

from __future__ import annotations

import re
from typing import Any

from structdsl.passes.sql.functions import ALIASES

Node = dict[str, Any]

CAST_NAMES = {
    alias: name
    for name, aliases in {
        "bigint": "int8 int64 long",
        "bit": "bitstring",
        "blob": "binary bytea varbinary",
        "boolean": "bool logical",
        "double": "float8",
        "float": "float4 real",
        "hugeint": "int128",
        "integer": "int int4 int32 signed",
        "smallint": "int2 int16 short",
        "timestamp": "datetime timestamp_us",
        "timestamp with time zone": "timestamptz",
        "time with time zone": "timetz",
        "tinyint": "int1",
        "uhugeint": "uint128",
        "varchar": "bpchar char nvarchar string text",
    }.items()
    for alias in aliases.split()
}
"""Other names of DuckDB's types, which sqlglot takes for each other."""

_NO_MEANING = frozenset({"query_location", "query_location_length", "qualified_name", "is_operator"})
_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NEGATED = {"OPERATOR_IS_NOT_NULL": "OPERATOR_IS_NULL", "COMPARE_NOT_IN": "COMPARE_IN"}
_INFIX = frozenset({"+", "-", "*", "/", "%", "||", "~~", "!~~", "~~*", "!~~*"})


def meaning(node: Any) -> Any:
    """A node without its places, and in one spelling where DuckDB has several."""
    match node:
        case list():
            return [meaning(item) for item in node]
        case {"class": "FUNCTION", "function_name": name, "schema": schema, "arguments": arguments}:
            values = [(argument["name"], argument["expression"]) for argument in arguments]
            return _call(name, schema if schema != "main" else "", values)
        case {"class": "LAMBDA", "syntax_type": "SINGLE_ARROW", "lhs": left, "expr": right}:
            return _call("json_extract", "", [("", left), ("", right)])
        case {"class": "OPERATOR", "type": kind} if kind in _NEGATED:
            return meaning(node | {"type": "OPERATOR_NOT", "children": [node | {"type": _NEGATED[kind]}]})
        case {"class": "CONSTANT", "literal": {"kind": "INTEGER" | "NUMERIC", "text": text}}:
            return ("number", text.replace("_", "").lower())
        case {"class": "TYPE", "type_name": name}:
            return ("type", CAST_NAMES.get(name.lower(), name.lower()), node["alias"], meaning(node["children"]))
        case dict():
            return {name: meaning(part) for name, part in node.items() if name not in _NO_MEANING}
        case _:
            return node


def _call(name: str, schema: str, arguments: list[tuple[str, Any]]) -> tuple[Any, ...]:
    name = ALIASES.get(name.lower(), name.lower())
    values = [(label, meaning(value)) for label, value in arguments]
    if name in {"->>", "json_extract"}:
        match arguments:
            case [_, (_, {"class": "CONSTANT", "literal": {"kind": "STRING", "text": key}})] if _KEY.fullmatch(key):
                values[1] = ("", meaning(_string(f"$.{key}")))
    return ("call", name, schema, values)


def _string(text: str) -> Node:
    return {"class": "CONSTANT", "type": "VALUE_CONSTANT", "alias": "", "literal": {"kind": "STRING", "text": text}}


def spell_out(node: Any) -> Any:
    """The tree with every function but plain arithmetic called as `main.name(…)`, in which sqlglot changes nothing."""
    match node:
        case list():
            return [spell_out(item) for item in node]
        case {"class": "LAMBDA", "syntax_type": "SINGLE_ARROW", "lhs": left, "expr": right}:
            return _FUNCTION | _named("json_extract") | {"arguments": [_argument(left), _argument(right)]}
        case {"class": "FUNCTION", "function_name": name, "schema": ""} if name not in _INFIX:
            return {key: spell_out(part) for key, part in node.items()} | _named(name.lower())
        case {"class": "TYPE", "type_name": name}:
            return node | {"type_name": name.lower(), "children": spell_out(node["children"])}
        case {"literal": {"kind": "BOOLEAN", "text": text}}:
            return node | {"literal": {"kind": "BOOLEAN", "text": text.lower()}}
        case dict():
            return {key: spell_out(part) for key, part in node.items()}
        case _:
            return node


_FUNCTION: Node = {
    "class": "FUNCTION",
    "type": "FUNCTION",
    "alias": "",
    "filter": None,
    "order_bys": {"type": "ORDER_MODIFIER", "orders": []},
    "distinct": False,
    "export_state": False,
    "catalog": "",
}


def _named(name: str) -> Node:
    return {"function_name": name, "schema": "main", "qualified_name": {"path": ["main", name]}, "is_operator": False}


def _argument(value: Node) -> Node:
    return {"name": "", "expression": spell_out(value)}
