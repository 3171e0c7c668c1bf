"""SQL of the user: predicates over the rows of a table and queries over several, judged before anything runs.

DuckDB's own syntax tree says which tables, columns and functions a text uses and where they stand in the spec, and
DuckDB binds the text over empty tables of the promised columns. A query may read what another one makes: whoever
asks for the columns of a derived corpus or of a check has its query analysed first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from structdsl.diagnostics import Sink
from structdsl.lock import HubDataset
from structdsl.passes.sql.engine import Engine
from structdsl.passes.sql.predicate import Rows, canonical_predicate
from structdsl.passes.sql.query import analyse_query
from structdsl.passes.sql.reads import circles
from structdsl.passes.sql.result import fitted
from structdsl.passes.sql.written import Written
from structdsl.plan import Column
from structdsl.promised import CHUNKS, PROMISED, columns_of, maker_of, signals_of
from structdsl.schema.check import Holds
from structdsl.schema.corpus import Corpus, HfDataset, Table
from structdsl.syntax.tree import Sql
from structdsl.unit import Analysed, Declaration, Unit


@dataclasses.dataclass(frozen=True, slots=True)
class Site:
    """A query or a predicate in the spec: `key` is its name in the unit, `what` the attribute that it is."""

    key: str
    what: str
    sql: Sql
    block: Declaration
    rows: str = ""  # the table whose rows a predicate is about; a query has none


def analyze_sql(unit: Unit, sink: Sink) -> Unit:
    sites = {site.key: site for site in _sites(unit)}
    filtered = [corpus for corpus in unit.of_kind("corpus") if corpus.values.conditions]
    if not sites and not filtered:
        return unit
    import duckdb  # noqa: PLC0415  # only specs with SQL pay for it

    with duckdb.connect(config={"enable_external_access": False}) as connection:
        analysis = _Analysis(unit, sink, Engine(connection), sites)
        for key in sites:
            analysis.settle(key)
        for corpus in filtered:
            analysis.filter(corpus)
    queries = [(site.block, site.sql) for site in sites.values() if not site.rows]
    for finding in circles(queries, analysis.unit):
        finding.into(sink, unit.source)
    return analysis.unit


def _sites(unit: Unit) -> Iterator[Site]:
    """All SQL of a spec but the conditions of `keep`."""
    for corpus in unit.of_kind("corpus"):
        if (select := getattr(corpus.values, "select", None)) is not None:
            yield Site(f"{corpus.address}.select", "select", select, corpus)
    for taxonomy in unit.of_kind("taxonomy"):
        for name, rule in taxonomy.values.rules.items():
            key = f"{taxonomy.address}.{name}"
            if (select := getattr(rule, "select", None)) is not None:
                yield Site(key, "select", select, taxonomy)
            elif (where := getattr(rule, "where", None)) is not None:
                yield Site(key, "where", where, taxonomy, f"{taxonomy.values.over[0]}_chunks")
    for check in unit.of_kind("check"):
        if (violations := getattr(check.values, "violations", None)) is not None:
            yield Site(f"{check.address}.violations", "violations", violations, check)
        for index, expectation in enumerate(getattr(check.values, "expect", ())):
            if isinstance(expectation, Holds):
                key = f"{check.address}.expect.{index}"
                yield Site(key, "holds", expectation.condition, check, check.values.over)


class _Analysis:
    """One connection to DuckDB, and what it has found so far."""

    def __init__(self, unit: Unit, sink: Sink, engine: Engine, sites: dict[str, Site]) -> None:
        self.queries: dict[str, Analysed] = dict(unit.queries)
        self.predicates: dict[str, tuple[str, ...]] = dict(unit.predicates)
        self.unpromised: dict[str, tuple[str, ...]] = dict(unit.unpromised)
        self.unit = dataclasses.replace(  # it sees each result as soon as it is there
            unit, queries=self.queries, predicates=self.predicates, unpromised=self.unpromised
        )
        self.sink, self.engine, self.sites = sink, engine, sites
        self.begun: set[str] = set()

    def settle(self, key: str) -> None:
        """Analyse a query or a predicate, once."""
        if key in self.begun:
            return
        self.begun.add(key)
        site = self.sites[key]
        found = self._predicate(site) if site.rows else self._query(site)
        if found is not None:
            self.queries[key] = found

    def filter(self, corpus: Declaration) -> None:
        """Analyse the conditions of a `keep`."""
        columns = self.columns(corpus.address)
        if columns is None:
            return
        rows = self._documents(corpus, columns)
        texts: list[str | None] = []
        for sql in corpus.values.conditions:
            written = Written(sql, self.unit, self.sink, self.engine)
            found = canonical_predicate(written, rows)
            texts.append(found[0] if found is not None else None)
            known = self.unpromised.get(corpus.address, ())
            new = tuple(name for name in (found[1] if found is not None else ()) if name not in known)
            if new:
                self.unpromised[corpus.address] = known + new
                rows = self._documents(corpus, self.columns(corpus.address) or ())
        kept = tuple(text for text in texts if text is not None)
        if len(kept) == len(texts):  # else later passes would take one predicate for another
            self.predicates[corpus.address] = kept

    def _documents(self, corpus: Declaration, columns: tuple[Column, ...]) -> Rows:
        pin = self.unit.lock.pins.get(f"{corpus.address}.read") if self.unit.lock is not None else None
        locked = tuple(pin.columns or ()) if isinstance(pin, HubDataset) else ()
        return Rows(
            what="keep",
            one="document",
            table=corpus.address,
            columns=columns,
            signals=signals_of(corpus, self.unit),
            source="" if locked else _source(corpus),
            mapped=isinstance(corpus.values, Corpus),
            locked=locked,
            unless="leave `keep` out to keep every document",
        )

    def _query(self, site: Site) -> Analysed | None:
        written = Written(site.sql, self.unit, self.sink, self.engine)
        found = analyse_query(written, site.what, self.columns)
        if found is None:
            return None
        analysed, tree = found
        wanted = {"chunk_id": "VARCHAR", "path": "VARCHAR"} if site.block.kind == "taxonomy" else {}
        if site.block.kind == "corpus":
            wanted = dict(PROMISED[site.block.values.role])
        columns = fitted(written, tree, analysed.columns, wanted)
        return dataclasses.replace(analysed, columns=columns) if columns is not None else None

    def _predicate(self, site: Site) -> Analysed | None:
        columns = CHUNKS if site.block.kind == "taxonomy" else self.columns(site.rows)
        if columns is None:
            return None
        one = "chunk" if site.block.kind == "taxonomy" else "row"
        rows = Rows(what=site.what, one=one, table=site.rows, columns=columns)
        found = canonical_predicate(Written(site.sql, self.unit, self.sink, self.engine), rows)
        return Analysed(sql=found[0], reads=(site.rows,), columns=()) if found is not None else None

    def columns(self, table: str) -> tuple[Column, ...] | None:
        """Columns of a table of the spec; none where there is no such table, or its own query is wrong."""
        maker = maker_of(table, self.unit)
        for key in (f"{maker.address}.select", f"{maker.address}.violations") if maker is not None else ():
            if key in self.sites:
                self.settle(key)
                if key not in self.queries:
                    return None
        return columns_of(table, self.unit)


def _source(corpus: Declaration) -> str:
    """The source of a corpus, if only reading it shows what columns it has."""
    if (function := getattr(corpus.values, "python", None)) is not None:
        return f"the rows of `{function}`"
    match getattr(corpus.values, "source", None):
        case HfDataset() as source:
            return f"`{source.id}`"
        case Table() as source:
            return f"`{source.uri}`"
        case _:
            return ""
