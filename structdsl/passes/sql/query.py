"""A query: one SELECT over tables of the spec, whose rows depend on nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from structdsl.diagnostics import Edit, nearest, text_at
from structdsl.passes.sql.binding import bind
from structdsl.passes.sql.carry import canonical_query_text
from structdsl.passes.sql.engine import NO_QUERY, Fault, nodes
from structdsl.passes.sql.functions import Refusal
from structdsl.passes.sql.meaning import Node, meaning
from structdsl.passes.sql.predicate import no_parameter, refuse_function
from structdsl.passes.sql.references import Columns, resolve
from structdsl.passes.sql.written import Hole, Written
from structdsl.promised import maker_of, promised_tables
from structdsl.unit import Analysed


def analyse_query(written: Written, what: str, columns: Columns) -> tuple[Analysed, Node] | None:
    """The query with its tables, columns and tree; none after a report.

    Parameters
    ----------
    written
        The query.
    what
        The attribute that it is the value of.
    columns
        Columns of a table of the spec.

    """
    try:
        return _analyse(written, what, columns)
    except RecursionError:
        written.report("E0601", "SQL cannot be parsed", "nested too deeply")
        return None


def _analyse(written: Written, what: str, columns: Columns) -> tuple[Analysed, Node] | None:
    holes = written.holes()
    values = written.values(holes) if holes is not None else None
    if holes is None or values is None:
        return None
    tree = _parsed(written, what, holes)
    if tree is None:
        return None
    tables = {hole: resolve(hole, written, columns) for hole in holes if not hole.is_value}
    fine = written.values_in_place(holes, tree)
    fine &= _relations(written, tree, list(tables))
    refused = _refused(written, tree, holes)
    if not fine or None in tables.values():
        return None
    for hole, known in tables.items():
        written.engine.define(hole.name, known or ())
    wanted = meaning(_filled(tree, list(tables)))
    written.fill({hole: written.engine.name_of(hole.name).ljust(hole.end - hole.start) for hole in tables})
    trees = written.engine.query(written.with_placeholders(values))
    assert isinstance(trees, list), "a text with placeholders could be parsed"
    assert meaning(trees[0]) == wanted, "a name stands for a table and for nothing else"
    written.fill(_without(values, refused))
    trees = written.engine.query(written.text)
    assert isinstance(trees, list), "a literal fits where a parameter does, and NULL where a call does"
    bound = bind(written, trees[0])
    if bound is None:
        return None
    sql = canonical_query_text(written.engine, written.text, trees[0], whole=what == "violations")
    if sql is None:
        message = "the query cannot be written into the plan without a change of meaning"
        written.report("E0604", message, "not portable", helps=("say it with simpler functions",))
        return None
    reads = tuple(dict.fromkeys(hole.name for hole in tables))
    return Analysed(sql=sql, reads=reads, columns=bound), trees[0]


def _parsed(written: Written, what: str, holes: list[Hole]) -> Node | None:
    """The tree of the one query, with placeholders; none after a report."""
    text, engine = written.with_placeholders(holes), written.engine
    trees = engine.query(text)
    statements = engine.statements_of(text)
    if len(statements) > 1:
        start = text.find(statements[1])
        where = (start, len(text)) if start > 0 else None
        written.report("E0604", f"`{what}` expects one SELECT, not {len(statements)}", "one too many", where)
    elif isinstance(trees, Fault):
        _cannot_be_parsed(written, what, holes, trees)
    elif not trees:
        written.report("E0601", "the query is empty", "no SQL")
    else:
        return trees[0]
    return None


def _cannot_be_parsed(written: Written, what: str, holes: list[Hole], fault: Fault) -> None:
    text = written.with_placeholders(holes)
    if fault.kind == NO_QUERY:
        _no_query(written, what, next(iter(text.split()), "").upper())
    elif written.misplaced_value(holes, fault):
        pass
    elif not isinstance(written.engine.expression(text), Fault):
        helps = ("write `SELECT … FROM ${…} WHERE` before it",)
        written.report("E0604", f"`{what}` expects one SELECT, not a predicate", "not a query", helps=helps)
    elif fault.start is None:
        label = "nested too deeply" if "depth" in fault.message else fault.message
        written.report("E0601", "SQL cannot be parsed", label)
    else:
        label = fault.message
        for hole in holes:
            label = label.replace(hole.placeholder.strip(), hole.text)
        written.report("E0601", "SQL cannot be parsed", label, written.characters(fault.start, fault.length))


def _no_query(written: Written, what: str, word: str) -> None:
    if word in {"PIVOT", "FROM", "SELECT", "WITH"}:
        helps = ("name the values: `PIVOT … ON lang IN ('de', 'en')`",)
        message = f"the columns of `{what}` depend on rows"
        written.report("E0604", message, "a PIVOT without IN", helps=helps)
        return
    notes = ("a spec says what its tables are; nothing in it writes",)
    written.report("E0604", f"`{what}` expects one SELECT, not `{word}`", "not a query", notes=notes)


# ── relations ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _relations(written: Written, tree: Node, holes: list[Hole]) -> bool:
    """Whether everything that rows come from is a table of the spec or made of such."""
    placed = {hole.identifier: hole for hole in holes}
    missing, fine = dict(placed), True
    for node, common in _parts(tree, frozenset()):
        where = written.span(node)
        match node:
            case {"type": "BASE_TABLE", "table_name": name} if name in placed:
                missing.pop(name, None)
            case {"type": "BASE_TABLE", "table_name": name, "schema_name": ""} if name.casefold() in common:
                pass
            case {"type": "BASE_TABLE", "table_name": name, "schema_name": schema}:
                _bare(written, f"{schema}.{name}" if schema else name, where)
                fine = False
            case {"type": "TABLE_FUNCTION", "function": {"function_name": name}}:
                fine &= _table_function(written, name.lower(), where)
            case {"type": "SHOW_REF"}:
                helps = ("`structdsl query` shows what is in a table",)
                written.report("E0604", "a description is not a query", "not allowed in a spec", where, helps=helps)
                return False
            case {"type": str(kind), "cte_map": _} if kind not in QUERIES:
                written.report("E0604", "SQL of a spec writes nothing", "not a SELECT", where)
                return False
            case _:
                pass
        if node.get("sample"):
            helps = ("choose rows by what is in them: `WHERE hash(doc_id) % 10 = 0`",)
            notes = (Refusal.WORLD.value,)
            written.report("E0604", "a sample differs between two runs", "chance", where, notes=notes, helps=helps)
            fine = False
    for hole in missing.values():
        fine = False
        _misplaced(written, hole, tree)
    return fine


def _parts(node: Any, common: frozenset[str]) -> Iterator[tuple[Node, frozenset[str]]]:
    """Queries and relations of a tree, each with the names that WITH gives around it."""
    if isinstance(node, list):
        for item in node:
            yield from _parts(item, common)
    elif isinstance(node, dict):
        if "cte_map" in node:
            common |= {entry["key"].casefold() for entry in node["cte_map"]["map"]}
        if "type" in node and "class" not in node:
            yield node, common
        for part in node.values():
            yield from _parts(part, common)


def _bare(written: Written, name: str, where: tuple[int, int] | None) -> None:
    """Report a relation that is not written as a reference."""
    if where is not None:
        where = where[0], min(where[1], where[0] + len(name) + 2 * (written.text[where[0]] in "\"'"))
    if where is not None and (written.text[where[0]] == "'" or any(c in name for c in "/\\*:")):
        helps = (f'declare `corpus … {{ source = table("{name}") }}`, and read `${{corpus.…}}`',)
        written.report("E0604", "a query reads no files", "a path", where, helps=helps)
        return
    schema = name.partition(".")[0].lower()
    if schema in {"information_schema", "pg_catalog"}:
        message = f"`{name}` reads more than the tables of the spec"
        written.report("E0604", message, "not allowed in a spec", where, notes=(Refusal.WORLD.value,))
        return
    tables = promised_tables(written.unit)
    exact = [table for table in tables if name.casefold() in {table.casefold(), table.partition(".")[2].casefold()}]
    found = exact or nearest(name, tables) or nearest(f"corpus.{name}", tables)
    help_ = f"write {' or '.join(f'`${{{table}}}`' for table in found)}" if found else "write `${corpus.name}`"
    message = f"`{name}` is no relation of this query"
    label, fixes = "neither a reference nor a name that WITH gives", _referring(written, name, exact, where)
    written.report("E0606", message, label, where, helps=(help_,), fixes=fixes)


def _referring(written: Written, name: str, exact: list[str], where: tuple[int, int] | None) -> tuple[Edit, ...]:
    """A reference to the one table of the name, where the file calls it the same."""
    span, source = written.place(where), written.unit.source
    if len(exact) != 1 or where is None or text_at(source, span) != name:
        return ()
    maker = maker_of(exact[0], written.unit)
    if maker is None or {source.index(span.start), source.index(maker.block.head.start)} != {0}:
        return ()
    return (Edit(span=span, text=f"${{{exact[0]}}}"),)


def _table_function(written: Written, name: str, where: tuple[int, int] | None) -> bool:
    if name in TABLE_FUNCTIONS:
        return True
    known = name in written.engine.functions()
    refuse_function(written, name, Refusal.WORLD if known else Refusal.UNKNOWN, where, TABLES)
    return False


def _misplaced(written: Written, hole: Hole, tree: Node) -> None:
    """Report a reference to a table where no relation can stand."""
    where = hole.start, hole.end
    helps: tuple[str, ...] = ("it stands after FROM or JOIN, without quotes",)
    if any(hole.identifier in node.get("column_names", ()) for node, _ in nodes(tree)):
        other = f"or write `{hole.name.partition('.')[2]}.column`"
        helps = (f"name it where it is read, `FROM {hole.text} AS x`, and write `x.column`", other)
    written.report("E0604", f"`{hole.text}` is a table, and stands for no value", "not a relation here", where,
                   helps=helps)  # fmt: skip


def _filled(node: Any, holes: list[Hole]) -> Any:
    """The tree with a table in the place of each placeholder."""
    names = {hole.identifier: hole.name.partition(".")[::2] for hole in holes}

    def fill(part: Any) -> Any:
        match part:
            case list():
                return [fill(item) for item in part]
            case {"type": "BASE_TABLE", "table_name": name} if name in names:
                schema, table = names[name]
                return part | {"schema_name": schema, "table_name": table}
            case dict():
                return {key: fill(value) for key, value in part.items()}
            case _:
                return part

    return fill(node)


# ── expressions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _refused(written: Written, tree: Node, holes: list[Hole]) -> list[tuple[int, int]]:
    """Where values stand that depend on more than rows; each is reported."""
    found, filled = list[tuple[int, int] | None](), {hole.start for hole in holes}
    sources = {id(node["function"]) for node, _ in _parts(tree, frozenset()) if node["type"] == "TABLE_FUNCTION"}
    aliases = {node["alias"].casefold() for node, _ in nodes(tree) if node.get("alias")}
    for node, bound in nodes(tree):
        where = written.span(node)
        match node:
            case {"class": "COLUMN_REF", "column_names": [name]} if (
                name.casefold() in CLOCKS and name.casefold() not in bound | aliases
            ):
                refuse_function(written, name, Refusal.WORLD, where, TABLES)
                found.append(where)
            case {"class": "FUNCTION" | "WINDOW", "function_name": name, "arguments": arguments} if (
                id(node) not in sources
            ):
                refusal = written.engine.refusal(name.lower(), len(arguments))
                if refusal in {Refusal.UNKNOWN, Refusal.WORLD}:
                    refuse_function(written, name.lower(), refusal, where, TABLES)
                    found.append(where)
            case {"class": "PARAMETER"} if where is None or where[0] - 1 not in filled:
                no_parameter(written, where)
                found.append(where)
            case _:
                pass
    return [where for where in found if where is not None]


def _without(values: dict[Hole, str], refused: list[tuple[int, int]]) -> dict[Hole, str]:
    """What to put in the place of values and of refused calls, in the order of the text; the outermost wins."""
    texts = values | {Hole("", start, end, ""): " NULL " for start, end in refused}
    chosen: dict[Hole, str] = {}
    end = 0
    for hole in sorted(texts, key=lambda hole: (hole.start, -hole.end)):
        if hole.start >= end:
            chosen[hole] = texts[hole]
            end = hole.end
    return chosen


TABLES = "the tables of the spec"
QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "repeat_row"})
CLOCKS = frozenset(
    """
    current_date current_time current_timestamp localtime localtimestamp current_user session_user current_role user
    current_catalog current_database current_schema
    """.split()  # noqa: SIM905 - a table of names
)
"""Names that mean something where no table has a column of them."""
