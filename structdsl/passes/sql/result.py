"""What a query yields: names that stand once, and types that fit the table which its rows become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from structdsl.passes.sql.engine import nodes
from structdsl.passes.sql.meaning import Node
from structdsl.passes.sql.written import Written
from structdsl.plan import Column
from structdsl.promised import UNTYPED

_WHOLE = ("UTINYINT", "USMALLINT", "UINTEGER", "TINYINT", "SMALLINT", "INTEGER", "BIGINT")
_WIDENED: Mapping[str, tuple[str, ...]] = {
    "BIGINT": _WHOLE,
    "INTEGER": ("UTINYINT", "USMALLINT", "TINYINT", "SMALLINT", "INTEGER"),
    "DOUBLE": (*_WHOLE, "FLOAT", "DECIMAL"),
    "JSON": ("VARCHAR", "STRUCT", "MAP"),
}
"""Types that DuckDB turns into another one without loss."""


def fitted(
    written: Written, tree: Node, columns: Sequence[Column], wanted: Mapping[str, str]
) -> tuple[Column, ...] | None:
    """The columns of a result, each with a name of its own and the type that is wanted of it; none after a report."""
    seen: set[str] = set()
    settled: list[Column] = []
    twice: list[str] = []  # names of columns that come from a `*`
    for index, column in enumerate(columns):
        name, where = column.name, _item(written, tree, index, len(columns))
        if name.casefold() in seen and where is None:
            twice.append(name)
        elif name.casefold() in seen:
            helps = ("give one of them another name with AS, or leave it out",)
            written.report("E0605", f"the query yields two columns `{name}`", "the second", where, helps=helps)
        seen.add(name.casefold())
        type_ = wanted.get(name.casefold())
        settled.append(Column(name=name, type=_settled(column.type, type_)))
        if type_ is None or column.type == UNTYPED or _fits(column.type, type_):
            continue
        help_ = f"convert it: `CAST(… AS {type_}) AS {name}`"
        if column.type == "JSON" and type_ == "VARCHAR":
            help_ = "take text out of JSON with `->>`, not with `->`"
        message = f"`{name}` must be of type {type_}, not {column.type}"
        written.report("E0605", message, f"of type {column.type}", where, helps=(help_,))
    if twice:
        names = ", ".join(f"`{name}`" for name in twice)
        what = f"two columns {names}" if len(twice) == 1 else f"{len(twice)} names for two columns each: {names}"
        helps = ("name the columns that are wanted, or write `* EXCLUDE (…)`",)
        written.report("E0605", f"the query yields {what}", "once from each relation", helps=helps)
    return None if written.reported else tuple(settled)


def _settled(found: str, wanted: str | None) -> str:
    """DuckDB stores a column of nothing but NULL as integers, where nothing else is wanted."""
    return (wanted or "INTEGER") if found == UNTYPED else found.replace(UNTYPED, "INTEGER")


def _fits(found: str, wanted: str) -> bool:
    plain = found.partition("(")[0]
    return wanted in {found, plain} or plain in _WIDENED.get(wanted, ())


def _item(written: Written, tree: Node, index: int, count: int) -> tuple[int, int] | None:
    """The entry of the SELECT that a column comes from; none where several come from one, or no SELECT is alone."""
    entries = tree.get("select_list", [])
    if len(entries) != count or any(entry["class"] == "STAR" for entry in entries):
        return None
    spans = [span for node, _ in nodes(entries[index]) if (span := written.span(node)) is not None]
    return (min(start for start, _ in spans), max(end for _, end in spans)) if spans else None
