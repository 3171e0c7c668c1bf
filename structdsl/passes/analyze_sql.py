"""SQL of the user: one predicate over promised columns, parsed here and never spliced as text.

sqlglot finds unknown columns and what a spec may not do, each with its place in the spec; DuckDB, over an empty
table of the same columns, has the last word on types.
"""

from __future__ import annotations

import dataclasses
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from structdsl.diagnostics import Diagnostic, Label, Sink, nearest
from structdsl.schema.corpus import PROMISED
from structdsl.syntax.tree import Span, Sql, Text
from structdsl.unit import Declaration, Unit


def analyze_sql(unit: Unit, sink: Sink) -> Unit:
    predicates = {
        corpus.address: tuple(filter(None, (_predicate(sql, corpus, unit, sink) for sql in corpus.values.keep)))
        for corpus in unit.of_kind("corpus")
        if corpus.values.keep
    }
    return dataclasses.replace(unit, predicates=predicates)


def _predicate(sql: Sql, corpus: Declaration, unit: Unit, sink: Sink) -> str | None:
    """The predicate in canonical text, or none after a report."""
    columns = PROMISED[corpus.values.role]
    analysis = _Analysis(unit, sink, sql.text)
    try:
        statements = sqlglot.parse(sql.text.value, dialect="duckdb")
    except ParseError as error:
        first = error.errors[0]
        start = _offset(sql.text.value, first["line"] or 1, first["col"] or 1) - len(first["highlight"] or "")
        analysis.report(
            "E0601",
            "SQL cannot be parsed",
            start,
            len(first["highlight"] or "") or 1,
            (first["description"] or "").rstrip(".").lower(),
        )
        return None
    except TokenError as error:
        analysis.report(
            "E0601", "SQL cannot be parsed", 0, len(sql.text.value), str(error).splitlines()[0].rstrip(".").lower()
        )
        return None
    if len(statements) != 1 or statements[0] is None:
        analysis.report(
            "E0601", "`keep` expects one predicate", 0, len(sql.text.value), f"{len(statements)} statements"
        )
        return None
    tree = statements[0]
    fine = [analysis.allowed(tree), *(analysis.column(node, columns, corpus) for node in tree.find_all(exp.Column))]
    if not all(fine):
        return None
    text = tree.sql(dialect="duckdb", comments=False)
    return text if analysis.typed(text, columns) else None


def _offset(text: str, line: int, column: int) -> int:
    """Characters before (line, column), both from 1."""
    lines = text.splitlines(keepends=True)
    return min(len(text), sum(map(len, lines[: line - 1])) + column)


@dataclasses.dataclass(frozen=True, slots=True)
class _Analysis:
    unit: Unit
    sink: Sink
    text: Text

    def report(
        self,
        code: str,
        message: str,
        start: int,
        length: int,
        label: str,
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
    ) -> None:
        """Report `length` characters of the SQL from `start`, at their place in the spec."""
        last = len(self.text.origins) - 1
        start = max(0, min(start, last - 1))
        span = Span(self.text.origins[start], self.text.origins[max(start + 1, min(start + length, last))])
        self.sink.add(
            Diagnostic(
                code=code,
                message=message,
                source=self.unit.source,
                labels=(Label(span=span, text=label),),
                notes=notes,
                helps=helps,
            )
        )

    def allowed(self, tree: exp.Expr) -> bool:
        """One condition over one row: no query, no write, no aggregate, no window, no function that reads the world."""
        bad = tree.find(
            exp.Query, exp.DML, exp.DDL, exp.Command, exp.Pragma, exp.Set, exp.Attach, exp.Copy, exp.Window, exp.AggFunc
        )
        if bad is not None:
            what = (
                "an aggregate"
                if isinstance(bad, exp.AggFunc)
                else "a window"
                if isinstance(bad, exp.Window)
                else "a query or a statement"
            )
            self.report(
                "E0604",
                f"`keep` is a predicate over one document, not {what}",
                0,
                len(self.text.value),
                "not a predicate",
            )
            return False
        for function in tree.find_all(exp.Anonymous, exp.ReadCSV, exp.ReadParquet):
            name = function.name.lower() if isinstance(function, exp.Anonymous) else function.sql_name().lower()
            if name in IMPURE or name.startswith(("read_", "pragma_", "duckdb_")):
                start = function.meta.get("start", 0)
                self.report("E0604", f"`{name}` reads more than the row", start, len(name), "not allowed in a spec")
                return False
        return True

    def column(self, node: exp.Column, columns: dict[str, str], corpus: Declaration) -> bool:
        name = node.parts[0].name  # struct fields follow the column
        if name.lower() in columns:
            if name.lower() == "lang" and "lang" not in corpus.values.columns:
                self._report_node(
                    "E0801",
                    "language identification is not built yet",
                    node,
                    "`lang` is always NULL",
                    helps=('map a column of the source to it: `columns = { lang: "…" }`',),
                )
                return False
            return True
        found = nearest(name, list(columns))
        self._report_node(
            "E0602",
            f"unknown column `{name}`",
            node,
            f"not a column of `{corpus.address}`",
            notes=(f"columns at this point: {', '.join(columns)}",),
            helps=(f"did you mean `{found[0]}`?",)
            if found
            else (f"other fields of a source are in `meta`: `meta->>'{name}'`",),
        )
        return False

    def _report_node(
        self,
        code: str,
        message: str,
        node: exp.Column,
        label: str,
        *,
        notes: tuple[str, ...] = (),
        helps: tuple[str, ...] = (),
    ) -> None:
        meta = node.parts[0].meta
        start = meta.get("start", 0)
        self.report(code, message, start, meta.get("end", start) - start + 1, label, notes=notes, helps=helps)

    def typed(self, predicate: str, columns: dict[str, str]) -> bool:
        """Whether DuckDB binds the predicate as a boolean over these columns."""
        import duckdb  # noqa: PLC0415  # only specs with SQL pay for it

        table = ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in columns.items())
        try:
            with duckdb.connect(config={"enable_external_access": False}) as connection:
                relation = connection.sql(f"SELECT ({predicate}) AS kept FROM (SELECT {table})")  # noqa: S608  # parsed above
                type_ = str(relation.types[0])
        except duckdb.Error as error:
            lines = [line for line in str(error).splitlines() if line]
            message = re.sub(r"^[A-Z]\w+ Error: ", "", lines[0]).rstrip(".!")
            self.report("E0603", "DuckDB rejects the predicate", 0, len(self.text.value), "here", notes=(message,))
            return False
        if type_ != "BOOLEAN":
            self.report(
                "E0603",
                f"`keep` expects a condition, not a value of type {type_}",
                0,
                len(self.text.value),
                f"of type {type_}",
            )
            return False
        return True


IMPURE = frozenset(
    {
        "glob",
        "getenv",
        "random",
        "uuid",
        "gen_random_uuid",
        "now",
        "today",
        "current_setting",
        "query",
        "query_table",
        "sniff_csv",
        "parquet_scan",
        "nextval",
    }
)
