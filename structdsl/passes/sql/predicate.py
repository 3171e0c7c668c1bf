"""A predicate: one expression over the columns of one row, whose value depends on nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from structdsl.diagnostics import did_you_mean, nearest
from structdsl.passes.sql.carry import canonical_predicate_text
from structdsl.passes.sql.engine import SELECT, Fault, nodes
from structdsl.passes.sql.functions import Refusal
from structdsl.passes.sql.meaning import Node
from structdsl.passes.sql.written import Written
from structdsl.plan import Column
from structdsl.promised import UNTYPED
from structdsl.signals import UNICODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows that a predicate is asked about."""

    what: str  # the attribute that the predicate is the value of
    one: str  # "document", "chunk", "row"
    table: str  # whose rows they are
    columns: tuple[Column, ...]
    signals: tuple[Column, ...] = ()  # what can be measured of them, and stands beside their columns
    source: str = ""  # what else may have columns, which nobody can know before it is read
    mapped: bool = True  # whether `columns` could say that it has them
    locked: tuple[str, ...] = ()  # what else has columns, as the lock says
    unless: str = ""  # help for an empty predicate

    @property
    def names(self) -> dict[str, str]:
        return {column.name.lower(): column.type for column in (*self.columns, *self.signals)}


def canonical_predicate(written: Written, rows: Rows) -> tuple[str, tuple[str, ...]] | None:
    """The predicate in canonical text, and its columns that nobody can know yet; none after a report."""
    written.before = len(SELECT)
    try:
        return _Judge(written, rows).canonical()
    except RecursionError:
        written.report("E0601", "SQL cannot be parsed", "nested too deeply")
        return None


@dataclass(slots=True)
class _Judge:
    written: Written
    rows: Rows
    found: tuple[str, ...] = ()  # columns that nobody can know yet

    def canonical(self) -> tuple[str, tuple[str, ...]] | None:
        written = self.written
        if not self._fill():
            return None
        tree = written.engine.expression(written.text)
        if isinstance(tree, Fault):
            self._cannot_be_parsed(tree)
            return None
        if not (self._allowed(tree) and self._typed(tree)):
            return None
        text = canonical_predicate_text(written.engine, written.text, tree)
        if text is None:
            message = "the predicate cannot be written into the plan without a change of meaning"
            written.report("E0604", message, "not portable", helps=("say it with simpler functions",))
            return None
        return text, self.found

    def _fill(self) -> bool:
        """Put values in the place of `${param.x}`, if each stands where SQL takes a value."""
        written = self.written
        holes = written.holes()
        if holes is None:
            return False
        for hole in holes:
            if not hole.is_value:
                message = f"{self._alone()}, and reads no table"
                written.report("E0604", message, "a table", (hole.start, hole.end))
        literals = written.values(holes)
        if literals is None or len(literals) < len(holes):
            return False
        if not holes:
            return True
        tree = written.engine.expression(written.with_placeholders(holes))
        if isinstance(tree, Fault):
            if not written.misplaced_value(holes, tree):
                self._cannot_be_parsed(tree)
            return False
        fine = written.values_in_place(holes, tree)
        written.fill(literals)
        return fine

    def _alone(self) -> str:
        return f"`{self.rows.what}` is a predicate over one {self.rows.one}"

    def _cannot_be_parsed(self, fault: Fault) -> None:
        written, message = self.written, "SQL cannot be parsed"
        if fault.start is not None and not written.engine.is_statement(written.text):
            written.report("E0601", message, fault.message, written.characters(fault.start, fault.length))
        elif fault.start is not None:
            written.report("E0604", f"{self._alone()}, not a query or a statement", "not a predicate")
        elif "expression depth" in fault.message:
            written.report("E0601", message, "nested too deeply")
        elif "selection list" in fault.message:
            helps = (self.rows.unless,) if self.rows.unless else ()
            written.report("E0601", "the predicate is empty", "no SQL", helps=helps)
        else:
            written.report("E0601", f"`{self.rows.what}` expects one predicate", fault.message)

    # ── what a predicate may be ─────────────────────────────────────────────────────────────────────────────────

    def _allowed(self, tree: Node) -> bool:
        """Whether every node is about this row alone; each that is not is reported."""
        written = self.written
        if not self._functions_are_lambdas(tree):
            return False
        fine, refused = True, list[tuple[int, int]]()
        for node, bound in nodes(tree):
            where = written.span(node)
            if any(where is None or (start <= where[0] and where[1] <= end) for start, end in refused):
                continue
            match node:
                case {"class": "COLUMN_REF", "column_names": [name, *_]} if name not in bound:
                    allowed = self._column(name, where)
                case {"class": "FUNCTION", "function_name": name, "arguments": arguments, "schema": schema}:
                    allowed = self._function(name.lower(), len(arguments), where)
                    if schema not in {"", "main", "pg_catalog", *bound}:
                        allowed &= self._column(schema, where and (where[0], where[0] + len(schema)))
                case {"class": "PARAMETER"}:
                    no_parameter(written, where)
                    allowed = False
                case {"class": kind, "type": type_} if kind not in ROW_WISE or type_ == "GROUPING_FUNCTION":
                    message = f"{self._alone()}, not {REFUSED.get(kind, 'something else')}"
                    written.report("E0604", message, "not a predicate", where)
                    refused.append(where or (0, len(written.text)))
                    allowed = False
                case _:
                    allowed = True
            fine &= allowed
        return fine

    def _functions_are_lambdas(self, tree: Node) -> bool:
        """Whether no function is written `x -> …`, which reads `x` as a column."""
        columns, fine = self.rows.names, True
        for node, _ in nodes(tree):
            match node:
                case {"syntax_type": "SINGLE_ARROW", "lhs": {"column_names": [name]}, "expr": body}:
                    used = [inner for inner, _ in nodes(body) if inner.get("column_names") == [name]]
                    if used and name.lower() not in columns:
                        helps = (f"write `lambda {name}: …`",)
                        message = "DuckDB knows no functions of this form"
                        self.written.report("E0603", message, "deprecated syntax", self.written.span(node), helps=helps)
                        fine = False
        return fine

    def _function(self, name: str, arguments: int, where: tuple[int, int] | None) -> bool:
        refusal = self.written.engine.refusal(name, arguments)
        match refusal:
            case None:
                return True
            case Refusal.UNKNOWN | Refusal.WORLD:
                refuse_function(self.written, name, refusal, where, "the row")
            case _:
                what = "an aggregate" if refusal is Refusal.AGGREGATE else "several rows"
                head = before_bracket(self.written, where)
                self.written.report("E0604", f"{self._alone()}, not {what}", refusal.value, head)
        return False

    def _column(self, name: str, where: tuple[int, int] | None) -> bool:
        written, rows = self.written, self.rows
        if name.lower() in rows.names or name in self.found:
            return True
        if name in rows.locked:
            self.found += (name,)
            return True
        if written.engine.is_constant(name):
            refuse_function(written, name, Refusal.WORLD, where, "the row")
            return False
        near = nearest(name, [*rows.names, *rows.locked])
        place = written.name_span(name, where)
        if rows.source and not near:
            self.found += (name,)
            notes: tuple[str, ...] = (f"columns that are promised: {', '.join(c.name for c in rows.columns)}",)
            helps = (f'name it in `columns`: `{name}: "…"`',) if rows.mapped else ()
            message = f"whether `{rows.table}` has a column `{name}` is not known yet"
            written.report("W0603", message, f"looked for in {rows.source} when it is first read", place, notes=notes,
                           helps=helps)  # fmt: skip
            return True
        columns = [column.name for column in rows.columns]
        notes = (f"columns at this point: {', '.join(columns)}",)
        if rows.signals and not any(found in columns for found in near):
            measured = ", ".join(signal.name for signal in rows.signals if not signal.name.endswith(UNICODE))
            notes += (f"signals at this point: {measured}; those of words with `{UNICODE}` as well",)
        elsewhere = (f"other fields of a source are in `meta`: `meta->>'{name}'`",) if "meta" in rows.names else ()
        written.report(
            "E0602",
            f"unknown column `{name}`",
            f"not a column of `{rows.table}`",
            place,
            notes=notes,
            helps=did_you_mean(near) or elsewhere,
            fixes=written.respelling(name, near, place),
        )
        return False

    def _typed(self, tree: Node) -> bool:
        """Whether DuckDB binds the text, as the user wrote it, to a truth value."""
        written = self.written
        columns = {column.name: column.type for column in (*self.rows.columns, *self.rows.signals)}
        type_ = written.engine.type_of(written.text, columns | dict.fromkeys(self.found, UNTYPED))
        if isinstance(type_, Fault):
            arrow = any(node.get("syntax_type") == "SINGLE_ARROW" for node, _ in nodes(tree))
            helps = ("`->` takes all that follows: write `(meta->'key')` in brackets, a function as `lambda x: …`",)
            where = None if type_.start is None or arrow else written.characters(type_.start, type_.length)
            written.report(
                "E0603", "DuckDB rejects the predicate", "here", where, notes=(type_.message,),
                helps=helps if arrow else (),
            )  # fmt: skip
            return False
        if type_ not in {"BOOLEAN", UNTYPED}:
            message = f"`{self.rows.what}` expects a condition, not a value of type {type_}"
            written.report("E0603", message, f"of type {type_}")
            return False
        return True


def refuse_function(written: Written, name: str, refusal: Refusal, where: tuple[int, int] | None, allowed: str) -> None:
    """Report a function that DuckDB does not know, or one that looks beyond what it is given."""
    head = before_bracket(written, where)
    if refusal is Refusal.UNKNOWN:
        near = nearest(name, written.engine.functions())
        message, fixes = f"unknown function `{name}`", written.respelling(name, near, head)
        written.report("E0603", message, "no function of DuckDB", head, helps=did_you_mean(near), fixes=fixes)
        return
    message = f"`{name}` reads more than {allowed}"
    written.report("E0604", message, "not allowed in a spec", head, notes=(refusal.value,))


def no_parameter(written: Written, where: tuple[int, int] | None) -> None:
    """Report a parameter of a prepared statement."""
    helps = ("a param of the spec is written `${param.name}`",)
    written.report("E0604", "SQL of a spec has no parameters of its own", "no value", where, helps=helps)


def before_bracket(written: Written, where: tuple[int, int] | None) -> tuple[int, int] | None:
    """The name of a call, without its arguments."""
    if where and (bracket := written.text.find("(", *where)) > 0:
        return where[0], bracket
    return where


ROW_WISE = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
        *("FUNCTION", "LAMBDA", "OPERATOR", "TYPE"),
    }
)
REFUSED = {
    "OPERATOR": "an aggregate",
    "POSITIONAL_REFERENCE": "the number of a column",
    "STAR": "several columns",
    "SUBQUERY": "a query or a statement",
    "WINDOW": "a window",
}
