"""What a query waits for: a block that reads a table, by whatever way, of something that needs the block first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from structdsl.apart import corpora_behind
from structdsl.passes.finding import Finding
from structdsl.passes.reach import references
from structdsl.passes.sql.written import HOLE
from structdsl.promised import maker_of
from structdsl.syntax.tree import Span, Sql
from structdsl.unit import Declaration, Unit


def circles(queries: Iterable[tuple[Declaration, Sql]], unit: Unit) -> Iterator[Finding]:
    """Queries that wait for what waits for them; circles of nothing but corpora are found where those are checked."""
    queries = list(queries)
    if not queries:
        return
    edges = {block.address: _needs(block, unit) for block in unit.blocks.values()}
    behind = {corpus.address: corpora_behind(corpus, unit) for corpus in unit.of_kind("corpus")}
    reported: set[str] = set()
    for block, sql in queries:
        for name, span in _tables(sql):
            maker = maker_of(name, unit)
            if maker is None or _way(maker.address, block.address, behind):
                continue
            way = _way(maker.address, block.address, edges)
            if way and not reported.intersection(way):
                reported.update(way)
                message = f"blocks wait for each other: {' → '.join([block.address, *way])}"
                helps = ("let one of them do without the other",)
                yield Finding("E0405", message, span, "closes the circle", helps=helps)


def _tables(sql: Sql) -> Iterator[tuple[str, Span]]:
    """Every `${…}` of a query, with its place."""
    origins = sql.text.origins
    for hole in [] if sql.text.raw else HOLE.finditer(sql.text.value):
        yield hole[1].strip(), Span(origins[hole.start()], origins[hole.end()])


def _needs(block: Declaration, unit: Unit) -> set[str]:
    """Addresses of all blocks that one refers to, SQL included."""
    makers = (maker_of(f"{head}.{name}", unit) for head, name in references([block.block]))
    return {maker.address for maker in makers if maker is not None}


def _way(start: str, end: str, edges: Mapping[str, set[str]]) -> list[str]:
    """The blocks from one to another, both included; empty where no way leads there."""
    paths, seen = [[start]], {start}
    while paths:
        path = paths.pop(0)
        if path[-1] == end and (len(path) > 1 or start != end or end in edges.get(end, ())):
            return path
        for following in sorted(edges.get(path[-1], set()) - seen):
            seen.add(following)
            paths.append([*path, following])
    return []
