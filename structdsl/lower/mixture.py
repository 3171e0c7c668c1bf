"""A mixture: a pool of rows, integer quotas, and the rows drawn, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from structdsl import sql
from structdsl.lineage import TEXT_ROLES
from structdsl.lower.model import seed_of
from structdsl.lower.planner import Planner, columns
from structdsl.unit import Declaration

POOL = columns(
    "sample_id VARCHAR, corpus VARCHAR, role VARCHAR, doc_id VARCHAR, chunk_id VARCHAR, heading_path VARCHAR[],"
    "text VARCHAR, n_tokens BIGINT"
)
MIXTURE = columns("position BIGINT, sample_id VARCHAR, corpus VARCHAR, role VARCHAR, epoch INTEGER, n_tokens BIGINT")
SUMMARY = columns(
    "corpus VARCHAR, population BIGINT, target BIGINT, realised BIGINT, share DOUBLE, epochs DOUBLE, binding VARCHAR"
)


def lower_mixture(mixture: Declaration, planner: Planner) -> None:
    name, values = mixture.address, mixture.values
    _pool(mixture, planner)
    shares = dict(sorted(quotas(values.budget, values.weights).items()))
    holes: dict[str, object] = {
        "corpora": [planner.unit.blocks[corpus].name for corpus in shares],
        "quotas": list(shares.values()),
        "max_epochs": values.max_epochs,
    }
    pool = {"pool": f"{name}_pool"}
    shortfall = planner.guard(
        "E0505",
        "shortfall",
        at=mixture.span_of("budget"),
        tables=pool,
        holes=holes | {"mixture": name},
        helps=("change `budget` or the weight of that corpus, raise `max_epochs`, or add documents",),
    )
    seed = values.seed if values.seed is not None else seed_of(planner)
    planner.query(
        name,
        "mixture",
        name,
        MIXTURE,
        at=mixture.block.head,
        tables=pool,
        holes=holes | {"seed": seed},
        guards=(shortfall,),
        doc=mixture.block.doc,
    )
    planner.query(
        f"{name}.summary",
        "mixture_summary",
        f"{name}_summary",
        SUMMARY,
        at=mixture.block.head,
        tables={"pool": f"{name}_pool", "draw": name},
        holes=holes,
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
    for corpus in sorted(mixture.values.weights):
        role = blocks[corpus].values.role
        source = f"{corpus}_chunks" if role in TEXT_ROLES else corpus
        reads.append(source)
        if role in TEXT_ROLES:
            queries.append(sql.tree("pool_chunks", {"chunks": source}, role=role))
        else:
            queries.append(sql.tree("pool_rows", {"documents": source}))
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
