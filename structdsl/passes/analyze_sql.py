"""SQL of the user: one predicate over the promised columns of one document, judged before anything runs.

DuckDB's own syntax tree says which columns and functions a predicate uses and where they stand in the spec, and DuckDB
binds the user's text over an empty table of the same columns. `${param.x}` is a placeholder while the text is parsed;
only where DuckDB finds a value in that place does the param's value stand there, as a literal.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from structdsl.diagnostics import Diagnostic, Label, Sink, did_you_mean, nearest
from structdsl.passes.functions import Refusal
from structdsl.passes.meaning import Node
from structdsl.passes.predicate import SELECT, Engine, Fault, nodes
from structdsl.schema.corpus import PROMISED
from structdsl.syntax.tree import Span, Sql
from structdsl.unit import Declaration, Unit


def analyze_sql(unit: Unit, sink: Sink) -> Unit:
    corpora = [corpus for corpus in unit.of_kind("corpus") if corpus.values.keep]
    if not corpora:
        return unit
    import duckdb  # noqa: PLC0415  # only specs with SQL pay for it

    found = {}
    with duckdb.connect(config={"enable_external_access": False}) as connection:
        engine = Engine(connection)
        for corpus in corpora:
            read = [_Predicate(sql, corpus, unit, sink, engine).canonical() for sql in corpus.values.keep]
            texts = tuple(text for text in read if text is not None)
            if len(texts) == len(read):  # else later passes would take one predicate for another
                found[corpus.address] = texts
    return dataclasses.replace(unit, predicates=found)


@dataclasses.dataclass(slots=True)
class _Predicate:
    sql: Sql
    corpus: Declaration
    unit: Unit
    sink: Sink
    engine: Engine
    text: str = ""
    origins: tuple[int, ...] = ()  # of each character of `text` in the spec, and of its end

    def canonical(self) -> str | None:
        """The predicate in canonical text, or none after a report."""
        self.text, self.origins = self.sql.text.value, self.sql.text.origins
        try:
            return self._canonical() if self._fill() else None
        except RecursionError:
            self.report("E0601", "SQL cannot be parsed", "nested too deeply")
            return None

    def _canonical(self) -> str | None:
        tree = self.engine.expression(self.text)
        if isinstance(tree, Fault):
            self._cannot_be_parsed(tree)
            return None
        if not (self._allowed(tree) and self._typed(tree)):
            return None
        text = self.engine.canonical(self.text, tree)
        if text is None:
            message = "the predicate cannot be written into the plan without a change of meaning"
            self.report("E0604", message, "not portable", helps=("say it with simpler functions",))
        return text

    # ── params ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _fill(self) -> bool:
        """Put values in the place of `${param.x}`, if each stands where SQL takes a value."""
        holes = [] if self.sql.text.raw else list(HOLE.finditer(self.text))
        literals = [_literal(hole[1].strip(), self.unit) for hole in holes]
        if None in literals:
            return False  # reported where params are bound
        if not holes:
            return True
        places = {len(self.text[: hole.start()].encode()) + 1: hole for hole in holes}
        blanks = iter(f" $h{number}" for number in range(len(holes)))
        tree = self.engine.expression(HOLE.sub(lambda hole: next(blanks).ljust(len(hole[0])), self.text))
        if isinstance(tree, Fault) and tree.start in places:
            self.report("E0601", "SQL cannot be parsed", "no value fits here", places[tree.start].span())
            return False
        if isinstance(tree, Fault):
            self._cannot_be_parsed(tree)
            return False
        for node, _ in nodes(tree):
            if node["class"] == "PARAMETER":
                places.pop(node["query_location"] - len(SELECT), None)
        for hole in places.values():
            self.report(
                "E0604",
                f"`{hole[0]}` is a value, and does not stand inside quotes or a comment",
                "not a value here",
                hole.span(),
                helps=("write it without the quotes: a param of type string brings its own",),
            )
        self._replace(holes, [f" {literal} " for literal in literals])
        return not places

    def _replace(self, holes: list[re.Match[str]], literals: list[str]) -> None:
        text, origins, end = "", list[int](), 0
        for hole, literal in zip(holes, literals, strict=True):
            text += self.text[end : hole.start()] + literal
            origins += [*self.origins[end : hole.start()], *[self.origins[hole.start()]] * len(literal)]
            end = hole.end()
        self.text, self.origins = text + self.text[end:], (*origins, *self.origins[end:])

    # ── what a predicate may be ─────────────────────────────────────────────────────────────────────────────────

    def _cannot_be_parsed(self, fault: Fault) -> None:
        message = "SQL cannot be parsed"
        if fault.start is not None and not self.engine.is_statement(self.text):
            where = self._characters(fault.start, fault.length)
            self.report("E0601", message, fault.message, where)
        elif fault.start is not None:
            self.report("E0604", f"{ONE_DOCUMENT}, not a query or a statement", "not a predicate")
        elif "expression depth" in fault.message:
            self.report("E0601", message, "nested too deeply")
        elif "selection list" in fault.message:
            helps = ("leave `keep` out to keep every document",)
            self.report("E0601", "the predicate is empty", "no SQL", helps=helps)
        else:
            self.report("E0601", "`keep` expects one predicate", fault.message)

    def _allowed(self, tree: Node) -> bool:
        """Whether every node is about this row alone; each that is not is reported."""
        if not self._functions_are_lambdas(tree):
            return False
        fine, refused = True, list[tuple[int, int]]()
        for node, bound in nodes(tree):
            where = self._span(node)
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
                    helps = ("a param of the spec is written `${param.name}`",)
                    self.report("E0604", "SQL of a spec has no parameters of its own", "no value", where, helps=helps)
                    allowed = False
                case {"class": kind, "type": type_} if kind not in ROW_WISE or type_ == "GROUPING_FUNCTION":
                    message = f"{ONE_DOCUMENT}, not {REFUSED.get(kind, 'something else')}"
                    self.report("E0604", message, "not a predicate", where)
                    refused.append(where or (0, len(self.text)))
                    allowed = False
                case _:
                    allowed = True
            fine &= allowed
        return fine

    def _functions_are_lambdas(self, tree: Node) -> bool:
        """Whether no function is written `x -> …`, which reads `x` as a column."""
        columns, fine = PROMISED[self.corpus.values.role], True
        for node, _ in nodes(tree):
            match node:
                case {"syntax_type": "SINGLE_ARROW", "lhs": {"column_names": [name]}, "expr": body}:
                    used = [inner for inner, _ in nodes(body) if inner.get("column_names") == [name]]
                    if used and name.lower() not in columns:
                        helps = (f"write `lambda {name}: …`",)
                        message = "DuckDB knows no functions of this form"
                        self.report("E0603", message, "deprecated syntax", self._span(node), helps=helps)
                        fine = False
        return fine

    def _function(self, name: str, arguments: int, where: tuple[int, int] | None) -> bool:
        refusal = self.engine.refusal(name, arguments)
        if refusal is None:
            return True
        if where and (bracket := self.text.find("(", *where)) > 0:
            where = (where[0], bracket)
        match refusal:
            case Refusal.UNKNOWN:
                helps = did_you_mean(nearest(name, self.engine.functions()))
                self.report("E0603", f"unknown function `{name}`", "no function of DuckDB", where, helps=helps)
            case Refusal.WORLD:
                self.report(
                    "E0604", f"`{name}` reads more than the row", "not allowed in a spec", where, notes=(refusal.value,)
                )
            case _:
                what = "an aggregate" if refusal is Refusal.AGGREGATE else "several rows"
                self.report("E0604", f"{ONE_DOCUMENT}, not {what}", refusal.value, where)
        return False

    def _column(self, name: str, where: tuple[int, int] | None) -> bool:
        columns = PROMISED[self.corpus.values.role]
        if name.lower() == "lang" and "lang" not in self.corpus.values.columns:
            helps = ('map a column of the source to it: `columns = { lang: "…" }`',)
            message = "language identification is not built yet"
            self.report("E0801", message, "`lang` is always NULL", where, helps=helps)
            return False
        if name.lower() in columns:
            return True
        quoted = '"' + name.replace('"', '""') + '"'
        if not isinstance(self.engine.type_of(quoted, {}), Fault):
            notes = (Refusal.WORLD.value,)
            self.report("E0604", f"`{name}` reads more than the row", "not allowed in a spec", where, notes=notes)
            return False
        found = nearest(name, list(columns))
        written = len(quoted) if where and self.text[where[0]] == '"' else len(name)
        self.report(
            "E0602",
            f"unknown column `{name}`",
            f"not a column of `{self.corpus.address}`",
            where and (where[0], where[0] + written),  # without the fields that follow
            notes=(f"columns at this point: {', '.join(columns)}",),
            helps=did_you_mean(found) or (f"other fields of a source are in `meta`: `meta->>'{name}'`",),
        )
        return False

    def _typed(self, tree: Node) -> bool:
        """Whether DuckDB binds the text, as the user wrote it, to a truth value."""
        type_ = self.engine.type_of(self.text, PROMISED[self.corpus.values.role])
        if isinstance(type_, Fault):
            arrow = any(node.get("syntax_type") == "SINGLE_ARROW" for node, _ in nodes(tree))
            helps = ("`->` takes all that follows: write `(meta->'key')` in brackets, a function as `lambda x: …`",)
            self.report(
                "E0603", "DuckDB rejects the predicate", "here", notes=(type_.message,), helps=helps if arrow else ()
            )
            return False
        if type_ != "BOOLEAN":
            self.report("E0603", f"`keep` expects a condition, not a value of type {type_}", f"of type {type_}")
        return type_ == "BOOLEAN"

    # ── places ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _span(self, node: Node) -> tuple[int, int] | None:
        """Where a node stands in the text; none for one that DuckDB added."""
        start = node["query_location"] - len(SELECT)
        return self._characters(start, node["query_location_length"]) if 0 <= start < len(self.text.encode()) else None

    def _characters(self, start: int, length: int) -> tuple[int, int]:
        """DuckDB counts bytes."""
        data = self.text.encode()
        first = len(data[:start].decode(errors="ignore"))
        return first, first + len(data[start : start + length].decode(errors="ignore"))

    def report(
        self,
        code: str,
        message: str,
        label: str,
        where: tuple[int, int] | None = None,
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
    ) -> None:
        """Report a stretch of the text, or all of it, at its place in the spec."""
        span = self.sql.text.span
        if self.text:
            last = len(self.text)
            start, end = where or (0, last)
            start = min(start, last - 1)
            span = Span(self.origins[start], self.origins[max(start + 1, min(end, last))])
        labels = (Label(span=span, text=label),)
        source = self.unit.source
        self.sink.add(Diagnostic(code=code, message=message, source=source, labels=labels, notes=notes, helps=helps))


HOLE = re.compile(r"\$\{([^}]*)\}")
ONE_DOCUMENT = "`keep` is a predicate over one document"
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


def _literal(name: str, unit: Unit) -> str | None:
    """The value of `param.x` as one literal of SQL; none where there is no such value."""
    assert unit.tree is not None
    types: Mapping[str, str] = {f"param.{param.name.text}": param.type.text for param in unit.tree.parameters}
    value = unit.parameters.get(name.removeprefix("param."))
    if name not in types or value is None:
        return None
    match types[name]:
        case "string":
            return "'" + value.replace("'", "''") + "'"
        case "bool":
            return value
        case "ratio" if "." not in value:
            return f"{value}.0"
    number = value.partition(" ")[0]
    return f"({number})" if number.startswith("-") else number
