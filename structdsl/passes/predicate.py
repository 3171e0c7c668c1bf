"""A predicate as DuckDB reads it: what is decided about SQL is decided on DuckDB's own syntax tree and catalogue.

The plan carries a predicate as text that sqlglot reads and writes once more, and sqlglot now and then writes something
else than it read: `meta->>'a.b'` becomes the path `$.a.b`, which is another value. `canonical` therefore trusts no
text: it takes the first of its candidates that DuckDB, after sqlglot, understands as it understood the user.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlglot
from sqlglot.errors import SqlglotError

from structdsl import sql
from structdsl.passes.functions import IMPURE, PURE, Refusal
from structdsl.passes.meaning import Node, meaning, spell_out

if TYPE_CHECKING:
    import duckdb

SELECT = "SELECT "


@dataclass(frozen=True, slots=True)
class Fault:
    """What DuckDB has against a text, and the bytes at which it noticed, where it says so."""

    message: str
    start: int | None = None
    length: int = 0


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
    _catalogue: dict[str, list[Entry]] = field(default_factory=dict)
    _blank: Node = field(init=False)  # `SELECT true`: what surrounds an expression that is alone

    def __post_init__(self) -> None:
        blank = self.statements("true")
        assert isinstance(blank, list)
        self._blank = blank[0]

    def statements(self, text: str) -> list[Node] | Fault:
        """The syntax trees of `SELECT <text>`."""
        answer = self.connection.execute("SELECT json_serialize_sql(?)", [SELECT + text]).fetchone()
        assert answer is not None
        read = json.loads(answer[0])
        if not read["error"]:
            return [statement["node"] for statement in read["statements"]]
        if read["error_type"] == "not implemented":
            return Fault("more than an expression")
        if "location" not in read:
            return Fault(read["error_message"])
        start, length = json.loads(read["location"])
        return Fault(read["error_message"], start - len(SELECT), length)

    def expression(self, text: str) -> Node | Fault:
        """The syntax tree of a text that is one expression and nothing else."""
        found = self.statements(text)
        if isinstance(found, Fault):
            return found
        items = found[0].get("select_list", [])
        if len(found) > 1 or len(items) > 1:
            return Fault(f"{max(len(found), len(items))} expressions")
        if not items or found[0] | {"select_list": []} != self._blank | {"select_list": []} or items[0]["alias"]:
            return Fault("more than an expression")
        item: Node = items[0]
        return item

    def is_statement(self, text: str) -> bool:
        """Whether the text is SQL by itself: a query, a write."""
        import duckdb  # noqa: PLC0415  # as in `analyze_sql`

        try:
            return bool(self.connection.extract_statements(text))
        except duckdb.Error:
            return False

    def type_of(self, text: str, columns: Mapping[str, str]) -> str | Fault:
        """The type that DuckDB gives an expression over these columns."""
        import duckdb  # noqa: PLC0415  # as in `analyze_sql`

        table = ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in columns.items())
        try:
            relation = self.connection.sql(f"FROM (SELECT {table}) SELECT {text}" if table else SELECT + text)
            return str(relation.types[0])
        except duckdb.Error as error:
            first = next((line for line in str(error).splitlines() if line), "")
            return Fault(re.sub(r"^[A-Z]\w+(?: \w+)* Error: ", "", first).rstrip(".!"))

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

    def canonical(self, text: str, tree: Node) -> str | None:
        """A text of the same meaning that layout does not change; none where sqlglot can carry no such text."""
        for candidate in self._candidates(text, tree):
            try:
                carried = sql.condition(candidate).sql(dialect=sql.DIALECT, pretty=True, comments=False)
            except SqlglotError:
                continue
            found = self.expression(carried)
            if not isinstance(found, Fault) and meaning(found) == meaning(tree):
                return candidate
        return None

    def _candidates(self, text: str, tree: Node) -> Iterator[str]:
        """As sqlglot writes it, which reads best, then with all functions spelt out, which sqlglot leaves alone."""
        with contextlib.suppress(SqlglotError):
            yield sqlglot.parse_one(text, dialect=sql.DIALECT).sql(dialect=sql.DIALECT, comments=False)
        spelt = {"error": False, "statements": [{"node": self._blank | {"select_list": [spell_out(tree)]}}]}
        answer = self.connection.execute("SELECT json_deserialize_sql(?)", [json.dumps(spelt)]).fetchone()
        assert answer is not None
        yield answer[0].removeprefix(SELECT)


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
