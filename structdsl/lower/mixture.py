"""A mixture: a pool of rows, integer quotas, and the rows drawn, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from sqlglot import exp

from structdsl import sql
from structdsl.lineage import TEXT_ROLES, mixed_corpora
from structdsl.lower.asked import asked_model
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner
from structdsl.plan import Column, Guard, Output, ScoreRows
from structdsl.promised import MIXTURE, POOL, SUMMARY, columns
from structdsl.schema.mixture import Curriculum, Epochs, Temperature
from structdsl.schema.quantities import plain
from structdsl.unit import Declaration

QUOTAS = columns("corpus VARCHAR, quota BIGINT")
DRAWN = columns("sample_id VARCHAR, text VARCHAR")
SCORES = columns("sample_id VARCHAR, score DOUBLE")


def lower_mixture(mixture: Declaration, planner: Planner) -> None:
    """Quotas of given weights are part of the queries; those that follow sizes are a table, known when it runs."""
    name, values = mixture.address, mixture.values
    _pool(mixture, planner)
    holes: dict[str, object] = {"max_epochs": values.max_epochs}
    if isinstance(values.weights, dict):
        shares = dict(sorted(quotas(values.budget, values.weights).items()))
        holes |= {
            "corpora": [planner.unit.blocks[corpus].name for corpus in shares],
            "quotas": list(shares.values()),
        }
    else:
        _quotas(mixture, planner)
    drawn = f"{name}_drawn" if isinstance(values.order, Curriculum) else name
    _draw(mixture, drawn, holes, planner)
    if isinstance(values.order, Curriculum):
        _order(mixture, values.order, drawn, planner)
    _select(
        mixture,
        f"{name}.summary",
        "mixture_summary",
        f"{name}_summary",
        SUMMARY,
        {"pool": f"{name}_pool", "draw": name},
        holes,
        planner,
    )


def _draw(mixture: Declaration, table: str, holes: dict[str, object], planner: Planner) -> None:
    name, values = mixture.address, mixture.values
    pool = {"pool": f"{name}_pool"}
    shortfall = Guard(
        code="E0505",
        sql=_text(mixture, "shortfall", pool, holes | {"mixture": name}),
        helps=("change `budget` or the weight of that corpus, raise `max_epochs`, or add documents",),
        place=planner.place(mixture.span_of("budget")),
    )
    seed = values.seed if values.seed is not None else seed_of(planner)
    step = f"{name}.draw" if table != name else name
    _select(mixture, step, "mixture", table, MIXTURE, pool, holes | {"seed": seed}, planner, guards=(shortfall,))


def _select(  # noqa: PLR0913 - a step has that many parts
    mixture: Declaration,
    step: str,
    template: str,
    table: str,
    declared: tuple[Column, ...],
    tables: Mapping[str, str],
    holes: Mapping[str, object],
    planner: Planner,
    *,
    guards: tuple[Guard, ...] = (),
) -> None:
    counted = () if isinstance(mixture.values.weights, dict) else (f"{mixture.address}_quotas",)
    planner.select(
        step,
        _text(mixture, template, tables, holes),
        table,
        declared,
        at=mixture.block.head,
        reads=(*tables.values(), *counted),
        purpose=sql.purpose(template),
        guards=guards,
        doc=mixture.block.doc if step == mixture.address else "",
    )


def _text(mixture: Declaration, template: str, tables: Mapping[str, str], holes: Mapping[str, object]) -> str:
    """A template with the quotas of the mixture, wherever they come from."""
    if isinstance(mixture.values.weights, dict):
        return sql.fill(template, tables, **holes)
    query = sql.tree(template, tables, corpora=[], quotas=[], **holes)
    counted = exp.select("corpus", "quota").from_(sql.table(f"{mixture.address}_quotas"))
    return sql.text(sql.redefine(query, "quotas", counted))


def _quotas(mixture: Declaration, planner: Planner) -> None:
    """Quotas that follow from how many tokens there are."""
    name, values = mixture.address, mixture.values
    template, holes = "quotas", dict[str, object]()
    if isinstance(values.budget, Epochs):
        template, holes = "quotas_epochs", {"epochs": values.budget.count}
    else:
        temperature = values.weights.t if isinstance(values.weights, Temperature) else Decimal(1)
        holes = {"budget": values.budget, "temperature": exp.Literal.number(plain(temperature))}
    planner.query(
        f"{name}.quotas",
        template,
        f"{name}_quotas",
        QUOTAS,
        at=mixture.span_of("weights"),
        tables={"pool": f"{name}_pool"},
        holes=holes,
    )


def _order(mixture: Declaration, order: Curriculum, drawn: str, planner: Planner) -> None:
    """The rows of the draw from easy to hard."""
    name = mixture.address
    scores: str | exp.Query = f"{name}_scores"
    reads = (drawn, f"{name}_scores")
    if order.by == "n_tokens":
        scores, reads = sql.tree("lengths", {"pool": f"{name}_pool"}), (drawn, f"{name}_pool")
    else:
        planner.query(
            f"{name}.rows",
            "drawn_rows",
            f"{name}_rows",
            DRAWN,
            at=mixture.span_of("order"),
            tables={"pool": f"{name}_pool", "draw": drawn},
            view=True,
        )
        planner.add(
            f"{name}.score",
            ScoreRows(),
            at=mixture.span_of("order"),
            inputs={"rows": planner.owners[f"{name}_rows"], "model": asked_model(order.by, planner)},
            outputs={"scores": Output(table=f"{name}_scores", columns=SCORES, doc="How hard a row is to the model.")},
        )
    planner.select(
        name,
        sql.fill("curriculum", {"draw": drawn, "scores": scores}),
        name,
        MIXTURE,
        at=mixture.span_of("order"),
        reads=reads,
        purpose=sql.purpose("curriculum"),
        doc=mixture.block.doc,
    )


def quotas(budget: int, weights: Mapping[str, Decimal | Literal["rest"]]) -> dict[str, int]:
    """Whole tokens for each corpus, by the method of the largest remainder; they total `budget`."""
    given = sum((weight for weight in weights.values() if weight != "rest"), Decimal(0))
    exact = {name: budget * (1 - given if weight == "rest" else weight) for name, weight in weights.items()}
    whole = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_remainder[: budget - sum(whole.values())]:
        whole[name] += 1
    return whole


def _pool(mixture: Declaration, planner: Planner) -> None:
    """What can be drawn: chunks of text corpora, whole rows of the others."""
    name, blocks = mixture.address, planner.unit.blocks
    queries, reads = [], []
    for corpus in sorted(mixed_corpora(mixture, planner.unit)):
        role = blocks[corpus].values.role
        source = f"{corpus}_chunks" if role in TEXT_ROLES else corpus
        reads.append(source)
        if role in TEXT_ROLES:
            queries.append(sql.part("pool_chunks", {"chunks": source}, role=role))
        else:
            queries.append(sql.part("pool_rows", {"documents": source}))
    planner.select(
        f"{name}.pool",
        sql.text(sql.union(queries)),
        f"{name}_pool",
        POOL,
        at=mixture.span_of("weights"),
        reads=tuple(reads),
        view=True,
        purpose="What can be drawn: chunks of text, whole rows of questions.",
    )
