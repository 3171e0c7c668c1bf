"""Names and types of a query: DuckDB binds it over empty tables of the promised columns.

It stops at the first mistake. What it has named is reported and gives way to NULL, which goes with every type, and
DuckDB is asked again: so each column that does not exist is reported in one run, at its place in the spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from structdsl.diagnostics import did_you_mean, nearest
from structdsl.passes.sql.engine import Fault
from structdsl.passes.sql.meaning import Node
from structdsl.passes.sql.written import Written
from structdsl.plan import Column

MOST = 8  # mistakes of one query
_COLUMN = re.compile(r'(?:Referenced column|column named|Column) "?([^"\s]+)"?')
_TABLE = re.compile(r'Referenced table "([^"]+)" not found')
_NOT_GROUPED = re.compile(r'column "([^"]+)" must appear in the GROUP BY')
_QUOTED = re.compile(r"""["']([^"']+)["']""")


def bind(written: Written, tree: Node) -> tuple[Column, ...] | None:
    """The columns of a query; none after a report."""
    seen: set[str] = set()
    for _ in range(MOST):
        found = written.engine.describe(written.text)
        if not isinstance(found, Fault):
            return None if written.reported else found
        where = _place(written, found)
        name = _missing(found) or _ungrouped(written, found, tree)
        if name is None and written.reported:
            return None  # NULL in the place of a column may be what DuckDB has something against
        if name is None:
            _rejected(written, found, where)
            return None
        if name.casefold() not in seen:
            seen.add(name.casefold())
            _unknown(written, found, name, where, tree)
        if where is None:
            return None
        written.mute(*where)
        trees = written.engine.query(written.text)
        if isinstance(trees, Fault):
            return None
        tree = trees[0]
    return None


def _missing(fault: Fault) -> str | None:
    """The column or relation that does not exist, if that is what DuckDB has against the query."""
    if fault.kind == "COLUMN_NOT_FOUND":
        return fault.name
    if match := _TABLE.search(fault.message):
        return match[1]
    known = ("not found", "does not have a column", "does not exist on")
    if any(words in fault.message for words in known) and (match := _COLUMN.search(fault.message)):
        return match[1]
    return None


def _ungrouped(written: Written, fault: Fault, tree: Node) -> str | None:
    """The column that is not in GROUP BY, as DuckDB says, because there is none of this name."""
    match = _NOT_GROUPED.match(fault.message)
    if match is None or fault.start is None:
        return None
    columns = _columns(written, next(_path(tree, fault.start), []), "")
    return match[1] if columns and match[1].casefold() not in map(str.casefold, columns) else None


def _place(written: Written, fault: Fault) -> tuple[int, int] | None:
    """Where in the text DuckDB noticed; where it does not say so, the first word that it names."""
    if fault.start is not None:
        return written.characters(fault.start, fault.length)
    for name in _QUOTED.findall(fault.message):
        if match := re.search(rf"(?<!\w){re.escape(name)}(?!\w)", written.text):
            return match.span()
    return None


def _rejected(written: Written, fault: Fault, where: tuple[int, int] | None) -> None:
    match = re.search(r"arguments? types? '(.+?)\((.*)\)'", fault.message)
    if fault.kind == "NO_MATCHING_FUNCTION" and match:
        message = f"`{match[1]}` does not take these types"
        if where is not None and written.text[where[0] :].lower().startswith(match[1].lower()):
            where = where[0], where[0] + len(match[1])
        written.report(
            "E0603", message, f"given {match[2] or 'nothing'}", where, helps=("convert with `CAST(… AS …)`",)
        )
        return
    written.report("E0603", "DuckDB rejects the query", "here", where, notes=(fault.message,))


def _unknown(written: Written, fault: Fault, name: str, where: tuple[int, int] | None, tree: Node) -> None:
    """Report a column that no relation has at this point, or a relation that is not there."""
    path = next(_path(tree, fault.start), []) if fault.start is not None else []
    if _TABLE.search(fault.message):
        relations = sorted(_names(path))
        notes = (f"relations at this point: {', '.join(relations)}",) if relations else ()
        near = nearest(name, relations)
        place = written.name_span(name, where)
        message, fixes = f"`{name}` is no relation of this query", written.respelling(name, near, place)
        helps = did_you_mean(near)
        written.report("E0606", message, "no relation of this name", place, notes=notes, helps=helps, fixes=fixes)
        return
    qualifier = next(iter(path[-1]["column_names"][:-1][-1:]), "") if path else ""
    columns, of = _columns(written, path, qualifier), qualifier or _only(path)
    if where is not None and qualifier:
        where = max(where[0], where[1] - len(name)), where[1]
    notes = (f"columns at this point: {', '.join(columns)}",) if columns else ()
    field = f"`{qualifier}.meta->>'{name}'`" if qualifier else f"`meta->>'{name}'`"
    elsewhere = (f"other fields of a source are in `meta`: {field}",) if "meta" in columns else ()
    near = nearest(name, columns)
    written.report(
        "E0602",
        f"unknown column `{name}`",
        f"not a column of `{of}`" if of else "not a column at this point",
        where,
        notes=notes,
        helps=did_you_mean(near) or elsewhere,
        fixes=written.respelling(name, near, where),
    )


# ── what is visible ─────────────────────────────────────────────────────────────────────────────────────────────────


def _path(node: Any, start: int) -> Iterator[list[Node]]:
    """The nodes from the root of a tree to the name that stands at a byte of the text."""
    if isinstance(node, list):
        for item in node:
            yield from _path(item, start)
    elif isinstance(node, dict):
        if node.get("class") == "COLUMN_REF" and node["query_location"] == start:
            yield [node]
        for part in node.values():
            yield from ([node, *rest] for rest in _path(part, start))


def _select(path: list[Node]) -> Node | None:
    """The innermost SELECT around a name."""
    return next((node for node in reversed(path) if node.get("type") == "SELECT_NODE"), None)


def _columns(written: Written, path: list[Node], qualifier: str) -> list[str]:
    """Columns of the relations that the SELECT around a name reads."""
    select = _select(path)
    if select is None:
        return []
    inside = {id(node) for node in path}
    common: list[Node] = []
    for node in path:
        for entry in node.get("cte_map", {"map": []})["map"]:
            if id(entry) in inside:
                break
            common.append(entry)
    found = written.engine.columns_from(_unconditional(select["from_table"]), common, qualifier)
    return list(dict.fromkeys(found))


def _unconditional(node: Node) -> Node:
    """A relation without the conditions of its joins, one of which may be what is wrong."""
    if node.get("type") != "JOIN":
        return node
    parts = {side: _unconditional(node[side]) for side in ("left", "right")}
    if node["condition"] is None:
        return node | parts
    return node | parts | {"condition": None, "ref_type": "CROSS", "join_type": "INNER"}


def _only(path: list[Node]) -> str:
    """The relation that the SELECT around a name reads, if it is one table."""
    match _select(path):
        case {"from_table": {"type": "BASE_TABLE", "schema_name": schema, "table_name": name}}:
            return f"{schema}.{name}" if schema else str(name)
        case _:
            return ""


def _names(path: list[Node]) -> set[str]:
    """Names of the relations that the SELECT around a name reads."""

    def walk(node: Node) -> Iterator[str]:
        if node.get("type") == "JOIN":
            yield from walk(node["left"])
            yield from walk(node["right"])
        elif name := node.get("alias") or node.get("table_name"):
            yield name

    select = _select(path)
    return set(walk(select["from_table"])) if select is not None else set()
