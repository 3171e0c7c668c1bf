"""SQL as DuckDB reads it: what is decided about SQL is decided on DuckDB's own syntax tree and catalogue.

Trees are those of `json_serialize_sql`; DuckDB counts bytes in them, and in what it says of mistakes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from structdsl.passes.sql.functions import IMPURE, PURE, Refusal
from structdsl.passes.sql.meaning import Node
from structdsl.plan import Column

if TYPE_CHECKING:
    import duckdb

SELECT = "SELECT "
DESCRIBE = "DESCRIBE "
NO_QUERY = "statement"


@dataclass(frozen=True, slots=True)
class Fault:
    """What DuckDB has against a text, and the bytes at which it noticed, where it says so."""

    message: str
    start: int | None = None
    length: int = 0
    kind: str = ""  # DuckDB's name for it, such as COLUMN_NOT_FOUND
    name: str = ""  # what was not found


class Entry(NamedTuple):
    """A function in DuckDB's catalogue."""

    kind: str
    stability: str | None
    body: str | None  # of a macro
    parameters: list[str]


@dataclass(slots=True)
class Engine:
    """DuckDB, without data and without the world."""

    connection: duckdb.DuckDBPyConnection
    _defined: set[str] = field(default_factory=set)  # tables
    _constants: dict[str, bool] = field(default_factory=dict)  # names -> whether they mean something without a table
    _catalogue: dict[str, list[Entry]] = field(default_factory=dict)
    blank: Node = field(init=False)  # `SELECT true`: what surrounds an expression that is alone

    def __post_init__(self) -> None:
        self.connection.execute("SET errors_as_json = true")
        blank = self.statements("true")
        assert isinstance(blank, list)
        self.blank = blank[0]

    def statements(self, text: str) -> list[Node] | Fault:
        """The syntax trees of `SELECT <text>`."""
        return self._trees(text, SELECT)

    def query(self, text: str) -> list[Node] | Fault:
        """The syntax trees of a text of queries; a statement that is none has no tree."""
        return self._trees(text, "")

    def _trees(self, text: str, before: str) -> list[Node] | Fault:
        answer = self.connection.execute("SELECT json_serialize_sql(?)", [before + text]).fetchone()
        assert answer is not None
        read = json.loads(answer[0])
        if not read["error"]:
            return [statement["node"] for statement in read["statements"]]
        if read["error_type"] == "not implemented":
            return Fault("more than an expression", kind=NO_QUERY)
        if "location" not in read:
            return Fault(read["error_message"])
        start, length = json.loads(read["location"])
        return Fault(read["error_message"], start - len(before), length)

    def expression(self, text: str) -> Node | Fault:
        """The syntax tree of a text that is one expression and nothing else."""
        found = self.statements(text)
        if isinstance(found, Fault):
            return found
        items = found[0].get("select_list", [])
        if len(found) > 1 or len(items) > 1:
            return Fault(f"{max(len(found), len(items))} expressions")
        if not items or found[0] | {"select_list": []} != self.blank | {"select_list": []} or items[0]["alias"]:
            return Fault("more than an expression")
        item: Node = items[0]
        return item

    def is_statement(self, text: str) -> bool:
        """Whether the text is SQL by itself: a query, a write."""
        return bool(self.statements_of(text))

    def statements_of(self, text: str) -> list[str]:
        """The texts of the statements that a text is; empty where it cannot be parsed as such."""
        import duckdb  # noqa: PLC0415  # as in `analyze_sql`

        try:
            return [statement.query.strip() for statement in self.connection.extract_statements(text)]
        except duckdb.Error:
            return []

    def type_of(self, text: str, columns: Mapping[str, str]) -> str | Fault:
        """The type that DuckDB gives an expression over these columns."""
        table = ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in columns.items())
        found = self.describe(text, f"FROM (SELECT {table}) SELECT " if table else SELECT)
        return found if isinstance(found, Fault) else found[0].type

    def describe(self, text: str, before: str = "") -> tuple[Column, ...] | Fault:
        """The columns that DuckDB gives a query, or what it has against it."""
        import duckdb  # noqa: PLC0415  # as in `analyze_sql`

        before = DESCRIBE + before
        try:
            rows = self.connection.execute(before + text).fetchall()
        except duckdb.Error as error:
            return _fault(str(error), len(before.encode()))
        return tuple(Column(name=name, type=type_) for name, type_, *_ in rows)

    def define(self, table: str, columns: Iterable[Column]) -> None:
        """Make an empty table for queries to be bound over."""
        if table in self._defined:
            return
        self._defined.add(table)
        schema, _, name = table.partition(".")
        entries = ", ".join(f"{quoted(column.name)} {column.type}" for column in columns)
        self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        self.connection.execute(f"CREATE TABLE {quoted(schema)}.{quoted(name)} ({entries})")

    def name_of(self, table: str) -> str:
        """A table as SQL knows it, quoted only where it would be a word of SQL; at most two characters longer."""
        schema, _, name = table.partition(".")
        return table if isinstance(self.query(f"FROM {table}"), list) else f"{schema}.{quoted(name)}"

    def is_constant(self, name: str) -> bool:
        """Whether a name means something where no table has a column of it: `current_date`, `user`."""
        if name not in self._constants:
            self._constants[name] = not isinstance(self.type_of(quoted(name), {}), Fault)
        return self._constants[name]

    def refusal(self, name: str, arguments: int) -> Refusal | None:
        """Why a predicate may not call this function; none if its value depends on its arguments alone."""
        if name in IMPURE or (name == "age" and arguments < 2):
            return Refusal.WORLD
        if name in PURE:
            return None
        if name == "unnest":
            return Refusal.ROWS
        return self.listed(name)

    def functions(self) -> Mapping[str, list[Entry]]:
        """DuckDB's catalogue of functions; to ask for it costs 30 ms, once."""
        if not self._catalogue:
            columns = "lower(function_name), function_type, stability, macro_definition, parameters"
            for name, *entry in self.connection.execute(f"SELECT {columns} FROM duckdb_functions()").fetchall():  # noqa: S608  # no input
                self._catalogue.setdefault(name, []).append(Entry(*entry))
        return self._catalogue

    def listed(self, name: str) -> Refusal | None:
        """What the catalogue says of a function."""
        entries = self.functions().get(name, [])
        kinds = {entry.kind for entry in entries}
        if not entries:
            return Refusal.UNKNOWN
        if kinds & {"aggregate", "window"}:
            return Refusal.AGGREGATE
        if not kinds & {"scalar", "macro"} or any(e.stability not in {None, "CONSISTENT"} for e in entries):
            return Refusal.WORLD
        return next(filter(None, (self._macro(entry) for entry in entries if entry.kind == "macro")), None)

    def _macro(self, macro: Entry) -> Refusal | None:
        """What is wrong with the body of a macro."""
        tree = self.expression(macro.body or "")
        if isinstance(tree, Fault):
            return Refusal.WORLD
        for node, _ in nodes(tree):
            match node:
                case {"class": "FUNCTION"}:
                    found = self.refusal(node["function_name"].lower(), len(node["arguments"]))
                    if found is not None:
                        return found
                case {"class": "COLUMN_REF", "column_names": [name]} if name not in macro.parameters:
                    return Refusal.WORLD  # `current_timestamp` and its like are written as columns
                case {"class": "SUBQUERY"}:
                    return Refusal.WORLD
        return None

    def written(self, tree: Node) -> str:
        """The text that DuckDB writes for a tree."""
        whole = {"error": False, "statements": [{"node": tree}]}
        answer = self.connection.execute("SELECT json_deserialize_sql(?)", [json.dumps(whole)]).fetchone()
        assert answer is not None
        return str(answer[0])

    def columns_from(self, relation: Node, common: list[Node], qualifier: str) -> list[str]:
        """Names of the columns of what stands after FROM, or of one relation of it; empty where that cannot be said."""
        import duckdb  # noqa: PLC0415  # as in `analyze_sql`

        star = self.statements(f"{quoted(qualifier)}.*" if qualifier else "*")
        assert isinstance(star, list)
        node = self.blank | {
            "select_list": star[0]["select_list"],
            "from_table": relation,
            "cte_map": {"map": common},
        }
        try:
            found = self.describe(self.written(node))
        except duckdb.Error:
            return []
        return [] if isinstance(found, Fault) else [column.name for column in found]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _fault(text: str, before: int) -> Fault:
    """An error of DuckDB, with its place in the text that follows `before` bytes."""
    start = text.find("{")
    try:
        told = json.loads(text[start:])
    except ValueError:
        return Fault(next((line for line in text.splitlines() if line), "").rstrip(".!"))
    message = next((line for line in told["exception_message"].splitlines() if line), "").rstrip(".!")
    kind, name = told.get("error_subtype", ""), told.get("name", "")
    if "location" not in told:
        return Fault(message, kind=kind, name=name)
    at, length = json.loads(told["location"])
    if at < before:
        return Fault(message, kind=kind, name=name)
    return Fault(message, at - before, length or max(1, len(name)), kind, name)


def nodes(tree: Any, bound: frozenset[str] = frozenset()) -> Iterator[tuple[Node, frozenset[str]]]:
    """Every node from the top down, with the names that functions around it (`lambda x: …`) bind."""
    stack = [(tree, bound)]
    while stack:
        node, names = stack.pop()
        if isinstance(node, list):
            stack += [(item, names) for item in reversed(node)]
        elif isinstance(node, dict):
            if "class" in node:
                yield node, names
            parts = dict(node)
            if node.get("class") == "LAMBDA" and node["syntax_type"] != "SINGLE_ARROW":
                head = parts.pop("lhs")
                names |= {name for inner, _ in nodes(head) for name in inner.get("column_names", ())}
            stack += [(part, names) for part in reversed(parts.values())]
