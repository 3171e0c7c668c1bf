"""The text of the plan: what it says to DuckDB is what the user wrote.

The plan carries SQL as text that sqlglot reads and writes once more, and sqlglot now and then writes something else
than it read: `meta->>'a.b'` becomes the path `$.a.b`, which is another value. So no text is trusted: the first of some
candidates is taken that DuckDB, after sqlglot, understands as it understood the user.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import sqlglot
from sqlglot.errors import SqlglotError

from structdsl import sql
from structdsl.passes.sql.engine import SELECT, Engine, Fault
from structdsl.passes.sql.meaning import Node, meaning, spell_out


def canonical_predicate_text(engine: Engine, text: str, tree: Node) -> str | None:
    """A predicate of the same meaning that layout does not change; none where sqlglot can carry no such text."""
    for candidate in _candidates(engine, text, {"select_list": [spell_out(tree)]}, SELECT):
        try:
            carried = sql.condition(candidate).sql(dialect=sql.DIALECT, pretty=True, comments=False)
        except SqlglotError:
            continue
        found = engine.expression(carried)
        if not isinstance(found, Fault) and meaning(found) == meaning(tree):
            return candidate
    return None


def canonical_query_text(engine: Engine, text: str, tree: Node, *, whole: bool) -> str | None:
    """A query of the same meaning that layout does not change; none where sqlglot can carry no such text.

    A query that is a step of its own, `whole`, is carried by nobody: where all else fails, it stays as it is.
    """
    wanted = meaning(tree)
    for candidate in _candidates(engine, text, spell_out(tree), "", pretty=True):
        try:
            carried = sqlglot.parse_one(candidate, dialect=sql.DIALECT).sql(dialect=sql.DIALECT, pretty=True)
        except SqlglotError:
            continue
        if all(_means(engine, written, wanted) for written in {candidate, carried}):
            return candidate
    return text if whole else None


def _means(engine: Engine, text: str, wanted: object) -> bool:
    found = engine.query(text)
    return not isinstance(found, Fault) and len(found) == 1 and meaning(found[0]) == wanted


def _candidates(engine: Engine, text: str, tree: Node, before: str, *, pretty: bool = False) -> Iterator[str]:
    """As sqlglot writes it, which reads best, then with all functions spelt out, which sqlglot leaves alone."""
    with contextlib.suppress(SqlglotError):
        yield sqlglot.parse_one(text, dialect=sql.DIALECT).sql(dialect=sql.DIALECT, comments=False, pretty=pretty)
    spelt = engine.written(tree if "type" in tree else engine.blank | tree).removeprefix(before)
    if pretty:
        with contextlib.suppress(SqlglotError):
            yield sqlglot.parse_one(spelt, dialect=sql.DIALECT).sql(dialect=sql.DIALECT, pretty=True)
    yield spelt
