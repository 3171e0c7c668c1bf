"""`keep`: conditions over documents and over what is measured of them; a bundle of rules is conditions as well.

What is measured is a table of its own, with the signals that conditions name and no others: it depends on which they
are, and not on their thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.plan import Column, MeasureSignals, Output, Rows
from structdsl.promised import DROPPED, signals_of
from structdsl.schema.cleaning import Quality
from structdsl.signals import SIGNALS, rules
from structdsl.unit import Declaration, Unit

if TYPE_CHECKING:
    from structdsl.lower.corpus import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a document must meet to stay, and what is said of one that does not."""

    verdict: exp.Expr
    reason: str
    evidence: str
    signals: frozenset[str]  # that it names


def keep(corpus: Declaration, made: Progress, planner: Planner) -> None:
    """Who fails a condition of `keep`, in one step over what was read, counted and measured."""
    name, unit = corpus.address, planner.unit
    conditions = list(_conditions(corpus, unit))
    used = frozenset[str]().union(*(condition.signals for condition in conditions))
    measured = used if f"{name}_signals" not in planner.read else frozenset(signal.name for signal in SIGNALS)
    if measured:
        _measure(corpus, measured, made, planner)
    if not conditions:
        return
    relations: dict[str, sql.Relation] = {"documents": made.documents, "counts": made.counts}
    if used:
        relations["counts"] = _counted(made.counts, f"{name}_signals", used)
    text = sql.fill(
        "verdicts",
        relations,
        verdicts=exp.array(*(condition.verdict for condition in conditions), dialect=sql.DIALECT),
        reason=_reason([condition.reason for condition in conditions]),
        predicates=[condition.evidence for condition in conditions],
    )
    planner.select(
        f"{name}.keep",
        text,
        f"{name}_verdicts",
        DROPPED,
        at=corpus.span_of("keep"),
        reads=(made.documents, made.counts, *([f"{name}_signals"] if used else [])),
        purpose=sql.purpose("verdicts"),
        split=Rows(input=made.documents),
    )
    made.gone.append(f"{name}_verdicts")
    made.dropped.append(f"{name}_verdicts")


def _conditions(corpus: Declaration, unit: Unit) -> Iterator[Condition]:
    """The conditions of a corpus in their order, bundles spelt out."""
    predicates = iter(unit.predicates.get(corpus.address, ()))
    known = frozenset(signal.name for signal in signals_of(corpus, unit))
    for entry in corpus.values.keep:
        if isinstance(entry, Quality):
            for rule in rules(entry.rules, entry.words):
                yield _rule(rule, entry.rules)
        else:
            predicate = next(predicates)
            verdict = sql.condition(predicate)
            yield Condition(verdict=verdict, reason="false", evidence=predicate, signals=_columns(verdict) & known)


def _rule(rule: str, bundle: str) -> Condition:
    """A rule drops a document where it is true."""
    tree = sql.condition(rule)
    return Condition(verdict=exp.Not(this=tree), reason=bundle, evidence=rule, signals=_columns(tree))


def _reason(reasons: list[str]) -> exp.Expr:
    """What is said of a document by the first condition that it fails; neighbours that say the same are one case."""
    ends = [number for number in range(1, len(reasons)) if reasons[number] != reasons[number - 1]]
    last = exp.Literal.string(reasons[-1])
    if not ends:
        return last
    cases = exp.Case(default=last)
    for end in ends:
        cases = cases.when(f"first <= {end}", exp.Literal.string(reasons[end - 1]))
    return cases


def _counted(counts: str, signals: str, used: frozenset[str]) -> exp.Query:
    """What was counted and measured of each document, under names that no column of the corpus has."""
    names = ("doc_id", "n_tokens", *(signal.name for signal in SIGNALS if signal.name in used))
    return exp.select(*map(exp.column, names)).from_(sql.table(counts)).join(sql.table(signals), using=["doc_id"])


def _columns(tree: exp.Expr) -> frozenset[str]:
    return frozenset(column.name.lower() for column in tree.find_all(exp.Column))


def _measure(corpus: Declaration, names: frozenset[str], made: Progress, planner: Planner) -> None:
    signals = tuple(signal for signal in SIGNALS if signal.name in names)
    columns = (Column(name="doc_id", type="VARCHAR"), *signals)
    planner.add(
        f"{corpus.address}.measure",
        MeasureSignals(signals=tuple(signal.name for signal in signals)),
        at=corpus.span_of("keep"),
        inputs={"documents": planner.owners[made.documents]},
        outputs={
            "signals": Output(
                table=f"{corpus.address}_signals", columns=columns, doc="What was measured of each document."
            )
        },
    )
